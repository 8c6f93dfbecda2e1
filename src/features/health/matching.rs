//! `match`: tests of an answer.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::diagnostics::Diagnostic;
use crate::directive::values;
use crate::features::Call;
use crate::http1::Headers;
use crate::request::{Pattern, Request, VariableId};
use crate::syntax::{Directive, Word};

use super::Written;

/// How much of a body is looked at, in bytes.
pub const MOST_OF_BODY: usize = 256 * 1024;

/// A `match`: an answer passes that passes all of its tests.
#[derive(Debug)]
pub struct Match {
    pub name: Box<[u8]>,
    status: Option<Status>,
    headers: Vec<Header>,
    body: Option<Body>,
    /// Not empty and not `0`.
    require: Vec<VariableId>,
}

/// What of an answer did not pass, or was looked at last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    Status,
    Header,
    Body,
    Require,
}

impl fmt::Display for Failed {
    /// As in nginx's log, behind "while checking".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failed::Status => "status code",
            Failed::Header => "header",
            Failed::Body => "body",
            Failed::Require => "required variables",
        })
    }
}

#[derive(Debug)]
struct Status {
    negated: bool,
    ranges: Vec<RangeInclusive<u16>>,
}

#[derive(Debug)]
struct Header {
    name: Box<[u8]>,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Present,
    Absent,
    Is(Box<[u8]>),
    IsNot(Box<[u8]>),
    Matches(Pattern),
    MatchesNot(Pattern),
}

#[derive(Debug)]
struct Body {
    negated: bool,
    pattern: Pattern,
}

/// Without a `match`: 2xx and 3xx pass.
pub fn judge_plainly(status: u16) -> Result<(), Failed> {
    if (200..400).contains(&status) { Ok(()) } else { Err(Failed::Status) }
}

impl Match {
    /// Whether an answer passes. `body` is what there is of it, of which [`MOST_OF_BODY`] are looked at;
    /// variables of `require` are those of `request`.
    pub fn judge(
        &self,
        status: u16,
        headers: &Headers,
        body: &[u8],
        request: &Request,
    ) -> Result<(), Failed> {
        let pass = |passes: bool, test: Failed| if passes { Ok(()) } else { Err(test) };
        pass(self.status.as_ref().is_none_or(|test| test.passes(status)), Failed::Status)?;
        pass(self.headers.iter().all(|test| test.passes(headers)), Failed::Header)?;
        let body = &body[..body.len().min(MOST_OF_BODY)];
        pass(
            self.body.as_ref().is_none_or(|test| test.pattern.is_match(body) != test.negated),
            Failed::Body,
        )?;
        pass(self.require.iter().all(|variable| holds(*variable, request)), Failed::Require)
    }

    /// Whether a body has to be read for it.
    pub fn wants_body(&self) -> bool {
        self.body.is_some()
    }

    pub fn tests_status(&self) -> bool {
        self.status.is_some()
    }

    /// What was looked at last when all of it passed: nginx's log says so of a server that is healthy again.
    pub fn last(&self) -> Failed {
        if !self.require.is_empty() {
            Failed::Require
        } else if self.body.is_some() {
            Failed::Body
        } else if !self.headers.is_empty() {
            Failed::Header
        } else {
            Failed::Status
        }
    }
}

impl Status {
    fn passes(&self, status: u16) -> bool {
        self.ranges.iter().any(|range| range.contains(&status)) != self.negated
    }
}

impl Header {
    /// Of several lines of a name one has to fit; with `!=` and `!~` there has to be one, and none may.
    fn passes(&self, headers: &Headers) -> bool {
        let mut values = headers.named(&self.name).peekable();
        let present = values.peek().is_some();
        match &self.test {
            Test::Present => present,
            Test::Absent => !present,
            Test::Is(text) => values.any(|value| *value == **text),
            Test::IsNot(text) => present && values.all(|value| *value != **text),
            Test::Matches(pattern) => values.any(|value| pattern.is_match(value)),
            Test::MatchesNot(pattern) => present && !values.any(|value| pattern.is_match(value)),
        }
    }
}

fn holds(variable: VariableId, request: &Request) -> bool {
    let mut value = Vec::new();
    request.variable(variable, &mut value) && !value.is_empty() && value != b"0"
}

/// A `match` block.
pub fn set(_: &mut Written, call: &mut Call) {
    let name: Box<[u8]> = call.arg(0).into();
    let span = call.span(0);
    let mut reading = Match { name, status: None, headers: Vec::new(), body: None, require: Vec::new() };
    let (tree, mut lines) = (call.tree, 0);
    for line in tree.items(Some(call.directive.id)).filter(|line| !line.is("include")) {
        lines += 1;
        if let Err(finding) = reading.line(call, line) {
            call.say(*finding);
        }
    }
    if lines == 0 {
        let finding = Diagnostic::warning("no-effect", span, "every answer passes an empty match");
        call.say(finding.help("add a line such as \"status 200-399;\""));
    }
    if let Some((_, earlier)) = call.build.matches.defined.get(&reading.name) {
        let message = format!("duplicate match \"{}\"", call.text(0));
        let finding =
            Diagnostic::error("duplicate-directive", span, message).also(*earlier, "the earlier one");
        return call.say(finding);
    }
    call.build.matches.defined.insert(reading.name.clone(), (Arc::new(reading), span));
}

/// Large, and seldom.
type Wrong = Box<Diagnostic>;

fn wrong(word: &Word, message: String, help: &str) -> Wrong {
    Box::new(Diagnostic::error("invalid-match", word.span, message).help(help))
}

const HEADER_USAGE: &str =
    "one of \"header Name;\", \"header ! Name;\" and \"header Name = value;\" with =, !=, ~ or !~";

impl Match {
    fn line(&mut self, call: &mut Call, line: &Directive) -> Result<(), Wrong> {
        match &line.name.value[..] {
            b"status" if self.status.is_none() => self.status = Some(status(line)?),
            b"header" => self.headers.push(header(call, line)?),
            b"body" if self.body.is_none() => self.body = body(call, line)?,
            b"require" => self.require.extend(require(call, line)?),
            b"status" | b"body" => {
                let message = format!("\"{}\" stands twice in a match", line.name.value);
                return Err(wrong(&line.name, message, "all that is tested of it stands in one line"));
            }
            _ => {
                let message = format!("unknown test \"{}\"", line.name.value);
                return Err(wrong(&line.name, message, "one of status, header, body and require"));
            }
        }
        Ok(())
    }
}

fn status(line: &Directive) -> Result<Status, Wrong> {
    let (negated, words) = match &line.args[..] {
        [not, words @ ..] if not.value == *b"!" => (true, words),
        words => (false, words),
    };
    let usage = "such as \"status 200-399;\", \"status 200 204;\" or \"status ! 500-599;\", with a blank behind \"!\"";
    if words.is_empty() {
        return Err(wrong(&line.name, "\"status\" says no code".into(), usage));
    }
    let code = |text: &[u8]| {
        values::number(text)
            .and_then(|code| u16::try_from(code).ok())
            .filter(|code| (100..=999).contains(code))
    };
    let range = |word: &Word| {
        let text = &word.value[..];
        let dash = text.iter().position(|byte| *byte == b'-');
        let (first, last) = dash.map_or((text, text), |dash| (&text[..dash], &text[dash + 1..]));
        let range = code(first).zip(code(last)).filter(|(first, last)| first <= last);
        let range = range.map(|(first, last)| first..=last);
        range.ok_or_else(|| wrong(word, format!("invalid status \"{}\"", word.value), usage))
    };
    Ok(Status { negated, ranges: words.iter().map(range).collect::<Result<_, _>>()? })
}

fn header(call: &mut Call, line: &Directive) -> Result<Header, Wrong> {
    let (name, test) = match &line.args[..] {
        [name] => (name, Test::Present),
        [not, name] if not.value == *b"!" => (name, Test::Absent),
        [name, operator, value] => (name, header_test(call, operator, value)?),
        words => {
            let at = words.get(3).unwrap_or(&line.name);
            return Err(wrong(at, "invalid number of words in \"header\"".into(), HEADER_USAGE));
        }
    };
    let sound = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    if !name.value.iter().all(sound) {
        return Err(wrong(name, format!("invalid header name \"{}\"", name.value), HEADER_USAGE));
    }
    Ok(Header { name: name.value[..].into(), test })
}

fn header_test(call: &mut Call, operator: &Word, value: &Word) -> Result<Test, Wrong> {
    Ok(match &operator.value[..] {
        b"=" => Test::Is(value.value[..].into()),
        b"!=" => Test::IsNot(value.value[..].into()),
        // What is wrong with a pattern is said; the line then asks for no more than the header.
        b"~" => call.pattern(&value.value, false, value.span).map_or(Test::Present, Test::Matches),
        b"!~" => call.pattern(&value.value, false, value.span).map_or(Test::Present, Test::MatchesNot),
        _ => return Err(wrong(operator, format!("unknown operator \"{}\"", operator.value), HEADER_USAGE)),
    })
}

fn body(call: &mut Call, line: &Directive) -> Result<Option<Body>, Wrong> {
    let usage = "such as \"body ~ \"pattern\";\" or \"body !~ \"pattern\";\"; \"(?i)\" in front ignores case";
    let [operator, text] = &line.args[..] else {
        return Err(wrong(&line.name, "invalid number of words in \"body\"".into(), usage));
    };
    let negated = match &operator.value[..] {
        b"~" => false,
        b"!~" => true,
        _ => return Err(wrong(operator, format!("unknown operator \"{}\"", operator.value), usage)),
    };
    Ok(call.pattern(&text.value, false, text.span).map(|pattern| Body { negated, pattern }))
}

fn require(call: &mut Call, line: &Directive) -> Result<Vec<VariableId>, Wrong> {
    let usage = "such as \"require $good_status;\"";
    if line.args.is_empty() {
        return Err(wrong(&line.name, "\"require\" names no variable".into(), usage));
    }
    let variable = |word: &Word| match &word.value[..] {
        [b'$', name @ ..] if !name.is_empty() => {
            let id = call.build.variables.refer(name);
            call.build.mentions.push((id, word.span));
            Ok(id)
        }
        _ => Err(wrong(word, format!("invalid variable name \"{}\"", word.value), usage)),
    };
    line.args.iter().map(variable).collect()
}
