//! The tokens of one text, as `ngx_conf_read_token` cuts them. The only door to nom.
//!
//! Knows nothing of statements or blocks: [`token`] is asked again and again from where the last
//! token ended. The productions named here are those of `grammar/nginx.ebnf`.

use bstr::BString;
use nom::branch::alt;
use nom::bytes::complete::{tag, take, take_till, take_while, take_while1};
use nom::combinator::{map, opt, recognize, value, verify};
use nom::multi::many0_count;
use nom::sequence::pair;
use nom::{IResult, Parser};
use nom_locate::LocatedSpan;

use super::Quote;

/// What a token is; see `token` in the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word(Option<Quote>),
    /// A quoted word whose closing quote never comes: it reaches to the end of the text.
    OpenQuote(Quote),
    /// `;`
    Semicolon,
    /// `{`
    Open,
    /// `}` at the start of a word; elsewhere it is a part of the word.
    Close,
    Comment,
}

/// A token and the bytes it covers, quotes included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: Kind,
    pub start: u32,
    pub end: u32,
}

type Input<'a> = LocatedSpan<&'a [u8]>;
type Parsed<'a, T> = IResult<Input<'a>, T>;

/// The next token at or behind `from`, or `None` where only white space is left.
pub(super) fn token(text: &[u8], from: u32) -> Option<Token> {
    let (rest, ()) = space(LocatedSpan::new(&text[from as usize..])).ok()?;
    let start = from + rest.location_offset() as u32;
    let (rest, kind) = one_token(rest).ok()?;
    Some(Token { kind, start, end: from + rest.location_offset() as u32 })
}

/// `white`: nginx's white space; a form feed or a no-break space is a part of a word.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `space`
fn space(input: Input) -> Parsed<()> {
    value((), take_while(is_space)).parse(input)
}

/// `token`, which may be a `word`
fn one_token(input: Input) -> Parsed<Kind> {
    alt((
        value(Kind::Semicolon, tag(&b";"[..])),
        value(Kind::Open, tag(&b"{"[..])),
        value(Kind::Close, tag(&b"}"[..])),
        value(Kind::Comment, comment),
        |input| quoted(input, Quote::Double),
        |input| quoted(input, Quote::Single),
        value(Kind::Word(None), plain),
    ))
    .parse(input)
}

/// `comment`
fn comment(input: Input) -> Parsed<Input> {
    recognize(pair(tag(&b"#"[..]), take_till(|byte| byte == b'\n'))).parse(input)
}

/// `quoted`
fn quoted(input: Input, quote: Quote) -> Parsed<Kind> {
    let mark = quote.byte();
    let mut inside = recognize(many0_count(alt((
        recognize(take_while1(move |byte| byte != mark && byte != b'\\')),
        escape,
    ))));
    let marks = [mark];
    let (rest, _) = tag(&marks[..]).parse(input)?;
    let (rest, _) = inside.parse(rest)?;
    let closing = opt(tag(&marks[..]));
    map(closing, |mark| mark.map_or(Kind::OpenQuote(quote), |_| Kind::Word(Some(quote)))).parse(rest)
}

/// `plain`
fn plain(input: Input) -> Parsed<Input> {
    let ordinary = take_while1(|byte| !is_space(byte) && !matches!(byte, b';' | b'{' | b'$' | b'\\'));
    verify(recognize(many0_count(alt((ordinary, variable, escape)))), |word: &Input| {
        !word.fragment().is_empty()
    })
    .parse(input)
}

/// `dollar`: braces right behind a dollar do not open a block.
fn variable(input: Input) -> Parsed<Input> {
    recognize(pair(tag(&b"$"[..]), take_while(|byte| byte == b'{'))).parse(input)
}

/// `escape`: whatever `character` follows a backslash is a part of the word.
fn escape(input: Input) -> Parsed<Input> {
    recognize(pair(tag(&b"\\"[..]), opt(take(1usize)))).parse(input)
}

/// What a word means: without its quotes, and with the escapes that nginx knows resolved.
///
/// `\"`, `\'` and `\\` lose the backslash, `\t`, `\r` and `\n` become the byte they name; any other
/// backslash stays.
pub(super) fn meaning(written: &[u8], quote: Option<Quote>) -> BString {
    let inside = match quote {
        None => written,
        Some(quote) => written[1..].strip_suffix(&[quote.byte()]).unwrap_or(&written[1..]),
    };
    if !inside.contains(&b'\\') {
        return inside.into();
    }
    let mut resolved = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let replaced = match (byte, bytes.peek()) {
            (b'\\', Some(b'"' | b'\'' | b'\\')) => bytes.next(),
            (b'\\', Some(b't')) => bytes.next().map(|_| b'\t'),
            (b'\\', Some(b'r')) => bytes.next().map(|_| b'\r'),
            (b'\\', Some(b'n')) => bytes.next().map(|_| b'\n'),
            _ => Some(byte),
        };
        resolved.extend(replaced);
    }
    resolved.into()
}
