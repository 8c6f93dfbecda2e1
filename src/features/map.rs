//! `map`: a variable whose value depends on others.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diagnostics::Diagnostic;
use crate::directive::Context;
use crate::directive::variables::Protocol;
use crate::request::{Compute, Pattern, Request, Template};
use crate::source::Span;
use crate::syntax::Directive;

use super::{Call, Feature, Row};

pub static FEATURE: Feature<Written> =
    Feature { name: "map", contexts: Context::HTTP, rows: ROWS, at: |w| &mut w.map };

const ROWS: &[Row<Written>] = &[Row {
    name: "map",
    doc: "Gives a variable a value by looking another up: texts, ~patterns, host names, a default.",
    set,
}];

/// A map is a variable; a block keeps nothing of it.
#[derive(Default)]
pub struct Written;

struct Map {
    source: Template,
    /// Strips a trailing dot and knows `*.example.com`.
    hostnames: bool,
    /// By lower-cased text, as nginx hashes them.
    exact: HashMap<Box<[u8]>, Template>,
    /// `*.example.com` and `.example.com`: by suffix with its dot.
    heads: HashMap<Box<[u8]>, Template>,
    /// `example.*`: by prefix with its dot.
    tails: HashMap<Box<[u8]>, Template>,
    patterns: Vec<(Pattern, Template)>,
    default: Template,
}

impl Compute for Map {
    fn compute(&self, request: &Request, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        self.source.render(request, out);
        let source = out.split_off(start);
        self.find(request, &source).render(request, out);
        true
    }
}

impl Map {
    /// The value for a text: exact, then host name wildcards with the longest first, then patterns in
    /// their order (`ngx_http_map_find`).
    fn find(&self, request: &Request, source: &[u8]) -> &Template {
        let key = match source {
            [host @ .., b'.'] if self.hostnames => host,
            _ => source,
        };
        let key = key.to_ascii_lowercase();
        if let Some(value) = self.exact.get(&key[..]) {
            return value;
        }
        if let Some(value) = wildcard(&self.heads, &self.tails, &key) {
            return value;
        }
        let matching = self.patterns.iter().find(|(pattern, _)| pattern.matches(request, source));
        matching.map_or(&self.default, |(_, value)| value)
    }
}

/// The longest `*.suffix`, else the longest `prefix.*`.
fn wildcard<'a>(
    heads: &'a HashMap<Box<[u8]>, Template>,
    tails: &'a HashMap<Box<[u8]>, Template>,
    key: &[u8],
) -> Option<&'a Template> {
    let mut dots = key.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
    let head = dots.clone().filter(|at| *at > 0).find_map(|at| heads.get(&key[at..]));
    head.or_else(|| dots.rfind(|at| tails.contains_key(&key[..=*at])).and_then(|at| tails.get(&key[..=at])))
}

fn set(_: &mut Written, call: &mut Call) {
    let name = match call.arg(1) {
        [b'$', name @ ..] if !name.is_empty() => name,
        _ => {
            let message = format!("invalid variable name \"{}\"", call.text(1));
            return call.error(1, "invalid-variable", message);
        }
    };
    if Protocol::Http.is_constant(name) {
        let message = format!("the duplicate \"{}\" variable", String::from_utf8_lossy(name));
        return call.error(1, "invalid-variable", message);
    }
    let source = call.template(0);
    let mut reading = Reading {
        map: Map {
            source,
            hostnames: false,
            exact: HashMap::new(),
            heads: HashMap::new(),
            tails: HashMap::new(),
            patterns: Vec::new(),
            default: Template::default(),
        },
        default: None,
        volatile: false,
    };
    let tree = call.tree;
    for line in tree.items(Some(call.directive.id)) {
        reading.line(call, line);
    }
    match reading.volatile {
        true => call.build.variables.volatile(name, Arc::new(reading.map)),
        false => call.build.variables.computed(name, Arc::new(reading.map)),
    }
}

struct Reading {
    map: Map,
    default: Option<Span>,
    volatile: bool,
}

impl Reading {
    fn line(&mut self, call: &mut Call, line: &Directive) {
        let name = &line.name;
        match (&name.value[..], &line.args[..]) {
            (b"hostnames", []) => self.map.hostnames = true,
            (b"volatile", []) => self.volatile = true,
            (b"include", [_]) => {}
            (_, [value]) => {
                let value = call.template_of(&value.value, value.span, 0);
                self.entry(call, line, value);
            }
            _ => call.build.diagnostics.push(
                Diagnostic::error("invalid-map", line.span, "invalid number of the map parameters")
                    .help("a line is a text and a value: \"websocket upgrade;\""),
            ),
        }
    }

    fn entry(&mut self, call: &mut Call, line: &Directive, value: Template) {
        let span = line.name.span;
        let text = &line.name.value[..];
        if text == b"default" {
            if let Some(earlier) = self.default.replace(span) {
                call.say(
                    Diagnostic::error("duplicate-directive", span, "duplicate default map parameter")
                        .also(earlier, "the earlier one"),
                );
            }
            self.map.default = value;
            return;
        }
        if let [b'~', pattern @ ..] = text {
            let (pattern, caseless) = match pattern {
                [b'*', pattern @ ..] => (pattern, true),
                pattern => (pattern, false),
            };
            if let Some(pattern) = call.pattern(pattern, caseless, span) {
                self.map.patterns.push((pattern, value));
            }
            return;
        }
        let text = match text {
            [b'\\', escaped @ ..] => escaped,
            text => text,
        };
        let key = text.to_ascii_lowercase();
        if self.map.hostnames && !super::referer::is_host(&key) {
            let message = format!("invalid hostname or wildcard \"{}\"", line.name.value);
            return call.say(Diagnostic::error("invalid-value", span, message));
        }
        let taken = match &key[..] {
            [b'*', b'.', ..] if self.map.hostnames => self.map.heads.insert(key[1..].into(), value),
            [b'.', bare @ ..] if self.map.hostnames => {
                self.map.exact.entry(bare.into()).or_insert(value.clone());
                self.map.heads.insert(key[..].into(), value)
            }
            [prefix @ .., b'*'] if self.map.hostnames && prefix.ends_with(b".") => {
                self.map.tails.insert(prefix.into(), value)
            }
            _ => self.map.exact.insert(key[..].into(), value),
        };
        if taken.is_some() {
            let message = format!("conflicting parameter \"{}\"", line.name.value);
            call.say(Diagnostic::error("duplicate-directive", span, message));
        }
    }
}
