//! `set`, `return`, `rewrite`, `if` and `break`: a small program each block may hold.
//!
//! Rows here only read; `model` turns an `if`'s block into a location of its own, and
//! `exchange/life.rs` decides what a [`Step`] leads to.

use std::sync::Arc;

use crate::directive::variables::Protocol;
use crate::directive::{Context, values};
use crate::request::{Pattern, Request, Template};
use crate::source::Span;

use super::{Call, Feature, Row};

pub static FEATURE: Feature<Written> = Feature {
    name: "rewrite",
    contexts: Context::SERVER.or(Context::LOCATION).or(Context::IF_SERVER).or(Context::IF_LOCATION),
    rows: ROWS,
    at: |w| &mut w.rewrite,
};

const ROWS: &[Row<Written>] = &[
    Row { name: "break", doc: "Ends this block's program.", set: |w, call| w.add(call, Step::Break) },
    Row { name: "return", doc: "Answers: a status, a status and a text, or a redirect.", set: return_ },
    Row { name: "rewrite", doc: "Changes the URI where a pattern matches it.", set: rewrite },
    Row { name: "set", doc: "Gives a variable a value.", set },
];

#[derive(Default)]
pub struct Written {
    pub script: Vec<Line>,
}

impl Written {
    fn add(&mut self, call: &Call, step: Step) {
        self.script.push(Line { step, span: call.directive.head() });
    }
}

/// A step and where it is written, for whoever asks what led where.
#[derive(Clone, Debug)]
pub struct Line {
    pub step: Step,
    /// The directive without its block.
    pub span: Span,
}

/// One step of a block's program.
#[derive(Clone, Debug)]
pub enum Step {
    Set {
        slot: usize,
        value: Template,
    },
    /// `set $args`: the request's own arguments.
    Args(Template),
    Return {
        status: u16,
        text: Template,
    },
    Rewrite(Arc<Rewrite>),
    Break,
    /// Where the condition holds, the settings of this location take over and its steps are run.
    If {
        condition: Arc<Condition>,
        then: usize,
    },
}

/// A `rewrite`.
#[derive(Debug)]
pub struct Rewrite {
    pub pattern: Pattern,
    pub replacement: Template,
    /// The arguments of the replacement; `None` where it has no `?`.
    pub args: Option<Template>,
    /// Whether the request's own arguments follow.
    pub keep_args: bool,
    pub then: Then,
}

/// What follows a rewrite that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The next step, and a new search for a location at the end.
    Next,
    Last,
    Break,
    Redirect(u16),
}

/// What an `if` asks.
#[derive(Debug)]
pub enum Condition {
    /// Neither empty nor `0`.
    Holds(Template),
    Equal {
        value: Template,
        text: Template,
        negated: bool,
    },
    Matches {
        value: Template,
        pattern: Pattern,
        negated: bool,
    },
    File {
        path: Template,
        test: FileTest,
        negated: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileTest {
    Plain,
    Directory,
    Exists,
    Executable,
}

impl Condition {
    /// Whether it sets captures where it holds.
    pub fn captures(&self) -> bool {
        matches!(self, Condition::Matches { negated: false, .. })
    }

    /// Whether it holds; may set captures.
    pub fn holds(&self, request: &Request) -> bool {
        let value_of = |template: &Template| {
            let mut text = Vec::new();
            template.render(request, &mut text);
            text
        };
        match self {
            Condition::Holds(value) => !matches!(&value_of(value)[..], b"" | b"0"),
            Condition::Equal { value, text, negated } => (value_of(value) == value_of(text)) != *negated,
            Condition::Matches { value, pattern, negated } => {
                pattern.matches_anew(request, &value_of(value)) != *negated
            }
            Condition::File { path, test, negated } => test.holds(&value_of(path)) != *negated,
        }
    }
}

impl FileTest {
    fn holds(self, path: &[u8]) -> bool {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::PermissionsExt;
        let Ok(metadata) = std::fs::metadata(std::ffi::OsStr::from_bytes(path)) else { return false };
        match self {
            FileTest::Plain => metadata.is_file(),
            FileTest::Directory => metadata.is_dir(),
            FileTest::Exists => true,
            FileTest::Executable => metadata.permissions().mode() & 0o100 != 0,
        }
    }
}

/// Reads the condition of an `if`, which `model` does when it comes to the block.
pub fn condition(call: &mut Call) -> Option<Condition> {
    let words: Vec<_> = call.args().to_vec();
    let invalid = |call: &mut Call, text: &[u8]| {
        let message = format!("invalid condition \"{}\"", String::from_utf8_lossy(text));
        call.error(0, "invalid-condition", message);
        None
    };
    let first = &words.first()?.value[..];
    let last = &words.last()?.value[..];
    if !first.starts_with(b"(") || !last.ends_with(b")") {
        return invalid(call, if first.starts_with(b"(") { last } else { first });
    }
    // The words without the parentheses, and without those that held nothing else.
    let count = words.len();
    let parts = words.iter().enumerate().map(|(at, word)| {
        let mut text = &word.value[..];
        if at == 0 {
            text = &text[1..];
        }
        if at == count - 1 {
            text = text.strip_suffix(b")").unwrap_or(text);
        }
        (text.to_vec(), at)
    });
    let parts: Vec<(Vec<u8>, usize)> =
        parts.filter(|(text, at)| !text.is_empty() || (*at != 0 && *at != count - 1)).collect();
    let Some((subject, at)) = parts.first() else { return invalid(call, first) };
    let span = call.span(*at);
    if subject.starts_with(b"$") && subject.len() > 1 {
        let value = call.template_of(subject, span, 0);
        let (Some((operator, _)), Some((operand, operand_at))) = (parts.get(1), parts.get(2)) else {
            return match parts.len() {
                1 => Some(Condition::Holds(value)),
                _ => {
                    let text = parts[1].0.clone();
                    invalid(call, &text)
                }
            };
        };
        let span = call.span(*operand_at);
        if parts.len() > 3 {
            let text = parts[3].0.clone();
            return invalid(call, &text);
        }
        let negated = operator.starts_with(b"!");
        return match &operator[..] {
            b"=" | b"!=" => {
                let text = call.template_of(operand, span, 0);
                Some(Condition::Equal { value, text, negated })
            }
            b"~" | b"~*" | b"!~" | b"!~*" => {
                let pattern = call.pattern(operand, operator.ends_with(b"*"), span)?;
                Some(Condition::Matches { value, pattern, negated })
            }
            other => {
                let message = format!("unexpected \"{}\" in condition", String::from_utf8_lossy(other));
                call.error(0, "invalid-condition", message);
                None
            }
        };
    }
    let (negated, test) = match &subject[..] {
        [b'!', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let test = match test {
        b"-f" => FileTest::Plain,
        b"-d" => FileTest::Directory,
        b"-e" => FileTest::Exists,
        b"-x" => FileTest::Executable,
        _ => return invalid(call, &subject.clone()),
    };
    match &parts[1..] {
        [(path, at)] => {
            let span = call.span(*at);
            let path = call.template_of(path, span, 0);
            Some(Condition::File { path, test, negated })
        }
        _ => invalid(call, &subject.clone()),
    }
}

fn set(written: &mut Written, call: &mut Call) {
    let name = match call.arg(0) {
        [b'$', name @ ..] if !name.is_empty() => name,
        _ => {
            let message = format!("invalid variable name \"{}\"", call.text(0));
            return call.error(0, "invalid-variable", message);
        }
    };
    if name.eq_ignore_ascii_case(b"args") {
        let value = call.template(1);
        return written.add(call, Step::Args(value));
    }
    if Protocol::Http.is_constant(name) {
        let message = format!("the duplicate \"{}\" variable", String::from_utf8_lossy(name));
        return call.error(0, "invalid-variable", message);
    }
    if Protocol::Http.find(name).is_some_and(|row| !row.family && !row.ours) {
        let what = format!("setting \"${}\"", String::from_utf8_lossy(name));
        call.not_served(0, &what);
    }
    let value = call.template(1);
    let slot = call.build.variables.slot(name);
    written.add(call, Step::Set { slot, value });
}

fn return_(written: &mut Written, call: &mut Call) {
    let first = call.arg(0);
    let code = values::number(first);
    let step = match (code, call.args().len()) {
        (Some(code), _) if code > 999 => {
            let message = format!("invalid return code \"{}\"", call.text(0));
            return call.error(0, "invalid-return", message);
        }
        (Some(code), 1) => Step::Return { status: code as u16, text: Template::default() },
        (Some(code), _) => Step::Return { status: code as u16, text: call.template(1) },
        (None, 1) if is_redirect(first) => Step::Return { status: 302, text: call.template(0) },
        (None, _) => {
            let message = format!("invalid return code \"{}\"", call.text(0));
            return call.error(0, "invalid-return", message);
        }
    };
    written.add(call, step);
}

/// What nginx takes for an address to redirect to.
fn is_redirect(text: &[u8]) -> bool {
    text.starts_with(b"http://") || text.starts_with(b"https://") || text.starts_with(b"$scheme")
}

fn rewrite(written: &mut Written, call: &mut Call) {
    let span = call.span(0);
    let Some(pattern) = call.pattern(call.arg(0), false, span) else { return };
    let text = call.arg(1);
    if text.is_empty() {
        return call.error(1, "invalid-rewrite", "empty replacement");
    }
    let mut then = if is_redirect(text) { Then::Redirect(302) } else { Then::Next };
    if call.args().len() > 2 {
        then = match call.arg(2) {
            b"last" => Then::Last,
            b"break" => Then::Break,
            b"redirect" => Then::Redirect(302),
            b"permanent" => Then::Redirect(301),
            _ => {
                let message = format!("invalid parameter \"{}\"", call.text(2));
                return call.error(2, "invalid-parameter", message);
            }
        };
    }
    // A `?` at the end says that the request's arguments are not to follow.
    let (text, keep_args) = match text {
        [text @ .., b'?'] => (text, false),
        text => (text, true),
    };
    let span = call.span(1);
    let (path, args) = match text.iter().position(|byte| *byte == b'?') {
        Some(mark) => (&text[..mark], Some(&text[mark + 1..])),
        None => (text, None),
    };
    let replacement = call.template_of(path, span, 0);
    let args = args.map(|args| call.template_of(args, span, path.len() + 1));
    let rewrite = Rewrite { pattern, replacement, args, keep_args, then };
    written.add(call, Step::Rewrite(Arc::new(rewrite)));
}
