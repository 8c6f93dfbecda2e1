//! What a request carries its token in, taken out of what goes upstream: arguments, cookies, subprotocols.

use crate::http1::Known;
use crate::request::{Request, Source, VariableId};
use crate::websocket::offered::Entry;

use super::Settings;
use super::protocols::spellings;

/// Bytes of the shortest token that is looked for by what it is, and not by its name.
const SHORT: usize = 8;

/// The tokens of a request, by where they stand.
///
/// Of `$arg_x` and `$cookie_x` everything of that name goes, whichever of several was looked at. A variable that
/// is computed from others (by `map`, say) tells no name: what has its value goes then.
pub struct Taken<'r> {
    request: &'r Request,
    holders: Vec<VariableId>,
    values: Vec<Vec<u8>>,
}

impl Settings {
    /// What of a request is not to go upstream; mostly there is nothing like that. Whoever is asked about a
    /// request, by one made inside, gets all of it.
    pub fn taken<'r>(&'r self, request: &'r Request) -> Option<Taken<'r>> {
        let is_nothing =
            self.holders.is_empty() && request.left_tokens.is_empty() && !request.protocol_token.get();
        if self.passed || request.sub || is_nothing {
            return None;
        }
        let left = request.left_tokens.iter().flat_map(|left| left.iter());
        let holders: Vec<VariableId> = self.holders.iter().chain(left).copied().collect();
        let computed = holders.iter().filter_map(|id| {
            let mut value = Vec::new();
            let found = request.variable(*id, &mut value);
            let has_name = matches!(request.variables.source(*id), Source::Named(..) | Source::Row(_));
            (found && !has_name && value.len() >= SHORT).then_some(value)
        });
        let values = computed.collect();
        Some(Taken { request, holders, values })
    }
}

impl Taken<'_> {
    /// Takes arguments out of the target that stands in `out` from `start` on; true where there were some.
    pub fn from_target(&self, out: &mut Vec<u8>, start: usize) -> bool {
        let (path, query) = split(&out[start..]);
        if !query.split(|byte| *byte == b'&').any(|pair| self.has_argument(pair)) {
            return false;
        }
        let mut kept = path.to_vec();
        let mut separator = b'?';
        for pair in query.split(|byte| *byte == b'&').filter(|pair| !self.has_argument(pair)) {
            kept.push(separator);
            kept.extend_from_slice(pair);
            separator = b'&';
        }
        out.truncate(start);
        out.extend_from_slice(&kept);
        true
    }

    /// Takes cookies and subprotocols out of the header lines that stand in `out` from `start` on; true where there
    /// were some.
    pub fn from_lines(&self, out: &mut Vec<u8>, start: usize) -> bool {
        let lines = out.split_off(start);
        let mut protocols = self.protocols(&lines);
        let mut is_changed = false;
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            match field(line) {
                Some((Known::Cookie, name, value))
                    if cookie_pairs(value).any(|pair| self.has_cookie(pair)) =>
                {
                    let kept =
                        cookie_pairs(value).filter(|pair| !self.has_cookie(pair)).map(<[u8]>::trim_ascii);
                    write_list(name, b"; ", kept, out);
                    is_changed = true;
                }
                Some((Known::SecWebSocketProtocol, name, _)) if protocols.is_some() => {
                    // What is left of all lines stands in the first.
                    let kept = protocols.replace(Vec::new()).unwrap_or_default();
                    write_list(name, b", ", kept.into_iter(), out);
                    is_changed = true;
                }
                _ => out.extend_from_slice(line),
            }
        }
        is_changed
    }

    /// The subprotocols that are none of a token's; `None` where no token was used that stands there.
    fn protocols<'l>(&self, lines: &'l [u8]) -> Option<Vec<&'l [u8]>> {
        if !self.request.protocol_token.get() {
            return None;
        }
        let fields = lines.split_inclusive(|byte| *byte == b'\n').filter_map(field);
        let values =
            fields.filter_map(|(known, _, value)| (known == Known::SecWebSocketProtocol).then_some(value));
        let entries: Vec<Entry> = spellings(self.request).entries(values).collect();
        // A token that stands there once more, and without its word, is one all the same.
        let is_token = |name: &[u8]| {
            entries.iter().any(|entry| matches!(entry, Entry::Token(token) if token.written == name))
        };
        let protocol = |entry: &Entry<'l>| match entry {
            Entry::Protocol(name) => Some(*name).filter(|name| !is_token(name)),
            Entry::Marker(_) | Entry::Token(_) => None,
        };
        let kept: Vec<&[u8]> = entries.iter().filter_map(protocol).collect();
        (kept.len() < entries.len()).then_some(kept)
    }

    fn has_argument(&self, pair: &[u8]) -> bool {
        let (name, value) = name_and_value(pair);
        self.is_named("arg_", &decoded(name)) || self.is_value(value) || self.is_value(&decoded(value))
    }

    fn has_cookie(&self, pair: &[u8]) -> bool {
        let (name, value) = name_and_value(pair);
        self.is_named("cookie_", name.trim_ascii()) || self.is_value(value.trim_ascii())
    }

    fn is_named(&self, prefix: &str, name: &[u8]) -> bool {
        self.holders.iter().any(|id| match self.request.variables.source(*id) {
            Source::Named(row, own) => row.prefix == prefix && own.eq_ignore_ascii_case(name),
            _ => false,
        })
    }

    fn is_value(&self, value: &[u8]) -> bool {
        self.values.iter().any(|own| own == value)
    }
}

/// The values of all arguments of this name.
pub fn arguments<'a>(query: &'a [u8], wanted: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    query.split(|byte| *byte == b'&').filter_map(move |pair| {
        let (name, value) = name_and_value(pair);
        decoded(name).eq_ignore_ascii_case(wanted).then_some(value)
    })
}

/// The values of all cookies of this name.
pub fn cookies<'a>(request: &'a Request, wanted: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    let pairs = request.head.headers.all(Known::Cookie).flat_map(cookie_pairs);
    pairs.filter_map(move |pair| {
        let (name, value) = name_and_value(pair);
        name.trim_ascii().eq_ignore_ascii_case(wanted).then(|| value.trim_ascii())
    })
}

/// A target's path and its query.
pub fn split(target: &[u8]) -> (&[u8], &[u8]) {
    match target.iter().position(|byte| *byte == b'?') {
        Some(mark) => (&target[..mark], &target[mark + 1..]),
        None => (target, b""),
    }
}

fn cookie_pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b';')
}

fn name_and_value(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => (&pair[..at], &pair[at + 1..]),
        None => (pair, b""),
    }
}

/// What a server makes of it: `%74oken` is `token` to it, and not to `$arg_token`.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        let digit = |at: usize| behind.get(at).and_then(|byte| (*byte as char).to_digit(16));
        (rest, _) = match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => (&behind[2..], out.push((high * 16 + low) as u8)),
            (b'+', ..) => (behind, out.push(b' ')),
            _ => (behind, out.push(*first)),
        };
    }
    out
}

/// A header line's name and value.
fn field(line: &[u8]) -> Option<(Known, &[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    Some((Known::of(&line[..colon]), &line[..colon], line[colon + 1..].trim_ascii()))
}

/// Writes a header line, if there is anything for it.
fn write_list<'a>(name: &[u8], separator: &[u8], list: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    let start = out.len();
    for (at, one) in list.filter(|one| !one.is_empty()).enumerate() {
        if at == 0 {
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
        } else {
            out.extend_from_slice(separator);
        }
        out.extend_from_slice(one);
    }
    if out.len() > start {
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::request::{PrefixVariable, Variables};

    static ARGUMENT: PrefixVariable = PrefixVariable { prefix: "arg_", get: |_, _, _| false };
    static COOKIE: PrefixVariable = PrefixVariable { prefix: "cookie_", get: |_, _, _| false };

    /// What is left of text where the argument and the cookie `t` hold tokens, and one of this value.
    fn left(text: &str, value: &str, take: impl Fn(&Taken, &mut Vec<u8>, usize) -> bool) -> String {
        let mut variables = Variables::default();
        let holders = [(&b"arg_t"[..], &ARGUMENT), (b"cookie_t", &COOKIE)].map(|(name, row)| {
            let id = variables.refer(name);
            variables.define(id, Source::Named(row, b"t"[..].into()));
            id
        });
        let request = Request::new(variables.into());
        let taken = Taken { request: &request, holders: holders.to_vec(), values: vec![value.into()] };
        let mut out = b"GET ?t=1;t=1".to_vec();
        let start = out.len();
        out.extend_from_slice(text.as_bytes());
        let changed = take(&taken, &mut out, start);
        assert_eq!(changed, out[start..] != *text.as_bytes());
        String::from_utf8(out).unwrap().strip_prefix("GET ?t=1;t=1").unwrap().to_owned()
    }

    fn target(text: &str) -> String {
        left(text, "a secret", |taken, out, start| taken.from_target(out, start))
    }

    fn lines(text: &str) -> String {
        left(text, "a secret", |taken, out, start| taken.from_lines(out, start))
    }

    #[test]
    fn arguments_go_and_nothing_else_of_a_target() {
        assert_eq!(target("/t=1"), "/t=1");
        assert_eq!(target("/a?"), "/a?");
        assert_eq!(target("/a?t=1"), "/a");
        assert_eq!(target("/a?b&&t=1&c=?t=2&"), "/a?b&&c=?t=2&");
        assert_eq!(target("/a?T=1&%74=2&%54=3&t&tt=4&t%20=5&=t"), "/a?tt=4&t%20=5&=t");
        assert_eq!(target("/a?x=a%20secret&y=a+secret&z=a+secret+"), "/a?z=a+secret+");
        assert_eq!(target("/a?%=1&%7=2&%zz=3"), "/a?%=1&%7=2&%zz=3");
    }

    #[test]
    fn cookies_go_and_no_other_line_is_touched() {
        let others = "Host: a\r\nX-Cookie: t=1\r\nReferer: /?t=1\r\n\r\n";
        assert_eq!(lines(others), others);
        assert_eq!(lines("Cookie: t=1\r\nHost: a\r\n"), "Host: a\r\n");
        assert_eq!(lines("cookie: a=1; T = 1;t=2;b=t\r\nCookie: t\r\n"), "cookie: a=1; b=t\r\n");
        assert_eq!(lines("Cookie: a;b;c;d;t;e;f\r\n"), "Cookie: a; b; c; d; e; f\r\n");
        assert_eq!(lines("Cookie: a=1;;  b=2\r\n"), "Cookie: a=1;;  b=2\r\n");
        assert_eq!(lines("Cookie: x= a secret ; b=2\r\n"), "Cookie: b=2\r\n");
    }

    proptest! {
        /// No argument of the name is left, and all others are, in their order and as they were written.
        #[test]
        fn what_is_no_token_stays_as_it_was(
            pairs in prop::collection::vec("(t|T|%74|%54|u|tt|)(=[a-z%=?]{0,5})?", 0..8),
            path in "/[a-z/%]{0,6}",
        ) {
            let is_token = |pair: &&String| {
                matches!(pair.split('=').next().unwrap(), "t" | "T" | "%74" | "%54")
            };
            let asked = format!("{path}?{}", pairs.join("&"));
            let kept: Vec<&str> = pairs.iter().filter(|pair| !is_token(pair)).map(String::as_str).collect();
            let expected = match (pairs.iter().any(|pair| is_token(&pair)), kept.is_empty()) {
                (false, _) => asked.clone(),
                (true, true) => path,
                (true, false) => format!("{path}?{}", kept.join("&")),
            };
            prop_assert_eq!(target(&asked), expected);
        }
    }
}
