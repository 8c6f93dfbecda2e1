//! What of a text with variables the client chooses.

use bstr::{BStr, ByteSlice};

use crate::lint::regex::Regex;
use crate::lint::site::{Block, Origin, Piece, pieces};
use crate::source::Span;
use crate::syntax::{Directive, Word};

use super::matched::{Against, Matched, is_in_reach, matched, named};

/// A part of what a text comes to.
#[derive(Clone, Debug)]
pub enum Part {
    Text(Vec<u8>),
    /// The client's path: it begins with a `/`.
    Path,
    Chosen(Chosen),
    /// Somebody else's choice, or nobody knows whose.
    Other,
}

/// What the client chooses.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// As it is written where it is used.
    pub variable: String,
    /// All the variables that it came through, in lower case.
    pub through: Vec<Vec<u8>>,
    /// The pattern it is taken from.
    pub pattern: Option<Span>,
    /// Whether it may have more in it than the label of a name.
    pub leaves_label: bool,
    /// Whether it is the host that was asked for.
    is_host: bool,
}

impl Chosen {
    /// The host of a server that has a name is one of its names, unless it is the default one.
    pub fn matters(&self, is_default: bool) -> bool {
        !self.is_host || is_default
    }
}

impl Part {
    /// What it is for sure.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Part::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// How many ways are gathered, and how many variables may stand for one another.
const MOST: usize = 32;
const DEEPEST: usize = 8;

/// Every way that a text may come to be, in its parts.
pub fn parts(block: Block<'_>, directive: &Directive, text: &[u8]) -> Vec<Vec<Part>> {
    Look { block, directive }.text(text, DEEPEST)
}

#[derive(Clone, Copy)]
struct Look<'a> {
    block: Block<'a>,
    directive: &'a Directive,
}

impl<'a> Look<'a> {
    fn text(self, text: &[u8], depth: usize) -> Vec<Vec<Part>> {
        let mut all = vec![Vec::new()];
        for piece in pieces(text) {
            let next = match piece {
                Piece::Text(text) => vec![vec![Part::Text(text.to_vec())]],
                Piece::Capture(number) => {
                    let matched = matched(self.block, self.directive);
                    let part = matched.map_or(Part::Other, |matched| {
                        group(&matched, |_| Some(number as usize), &format!("${number}"))
                    });
                    vec![vec![part]]
                }
                Piece::Variable(name) => match depth.checked_sub(1) {
                    Some(depth) => self.variable(name, depth),
                    None => vec![vec![Part::Other]],
                },
            };
            let join = |start: &Vec<Part>, end: &Vec<Part>| [&start[..], &end[..]].concat();
            all = all
                .iter()
                .flat_map(|start| next.iter().map(move |end| join(start, end)))
                .take(MOST)
                .collect();
        }
        all
    }

    fn variable(self, name: &[u8], depth: usize) -> Vec<Vec<Part>> {
        let lower = name.to_ascii_lowercase();
        let shown = format!("${}", BStr::new(name));
        let site = self.block.site;
        let mut all = Vec::new();
        for origin in site.origins_in(self.block, &lower) {
            let ways = match origin {
                Origin::Builtin(row) => vec![vec![builtin(row.name, &lower, &shown)]],
                Origin::Set { directive, value } => match site.block_of(directive) {
                    Some(level) if directive.id != self.directive.id && is_in_reach(self.block, level) => {
                        Look { block: level, directive }.text(&value.value, depth)
                    }
                    _ => continue,
                },
                Origin::Capture { directive, pattern } if !directive.is("map") => {
                    match named(self.block, directive, pattern) {
                        Some(matched) => vec![vec![group(&matched, |regex| regex.number(name), &shown)]],
                        None => continue,
                    }
                }
                Origin::Map { directive, input } => {
                    let has_default = site.rows(directive).any(|(key, _)| key.value == "default");
                    let nothing = (!has_default).then(Vec::new);
                    let of_row = |(key, value): (&Word, &Word)| {
                        self.row(&key.value, &value.value, &input.value, key.span, &shown, depth)
                    };
                    site.rows(directive).flat_map(of_row).chain(nothing).collect()
                }
                Origin::Capture { .. } | Origin::Other(_) => vec![vec![Part::Other]],
            };
            all.extend(ways);
            all.truncate(MOST);
        }
        for part in all.iter_mut().flatten() {
            if let Part::Chosen(chosen) = part {
                chosen.through.push(lower.clone());
                chosen.variable = shown.clone();
            }
        }
        if all.is_empty() { vec![vec![Part::Other]] } else { all }
    }

    /// What a row of a `map` gives: groups of its own key are what the client sent of what it looks at.
    fn row(
        self,
        key: &[u8],
        value: &[u8],
        input: &[u8],
        span: Span,
        shown: &str,
        depth: usize,
    ) -> Vec<Vec<Part>> {
        let regex = Regex::marked(key);
        let is_own = |piece: &Piece<'_>| match piece {
            Piece::Capture(_) => true,
            Piece::Variable(name) => regex.as_ref().is_some_and(|regex| regex.number(name).is_some()),
            Piece::Text(_) => false,
        };
        if !pieces(value).iter().any(is_own) {
            return self.text(value, depth);
        }
        let (Some(regex), Some(depth)) = (&regex, depth.checked_sub(1)) else {
            return vec![vec![Part::Other]];
        };
        let is_clients =
            self.text(input, depth).iter().flatten().any(|part| matches!(part, Part::Chosen(_) | Part::Path));
        let parts = pieces(value).into_iter().map(|piece| match piece {
            Piece::Text(text) => Part::Text(text.to_vec()),
            Piece::Capture(number) if is_clients => taken(regex, number as usize, shown, Some(span)),
            Piece::Variable(name) if is_clients => match regex.number(name) {
                Some(number) => taken(regex, number, shown, Some(span)),
                None => Part::Other,
            },
            _ => Part::Other,
        });
        vec![parts.collect()]
    }
}

/// What nginx's own variables hold of the client's.
fn builtin(row: &str, name: &[u8], shown: &str) -> Part {
    let chosen = |leaves_label, is_host| {
        let (variable, through) = (shown.to_owned(), vec![name.to_vec()]);
        Part::Chosen(Chosen { variable, through, pattern: None, leaves_label, is_host })
    };
    match row {
        "request_uri" | "uri" | "document_uri" => Part::Path,
        "http_" | "arg_" | "cookie_" if name == b"http_host" => chosen(true, true),
        "http_" | "arg_" | "cookie_" | "args" | "query_string" => chosen(true, false),
        "http_host" | "host" | "ssl_server_name" => chosen(row == "http_host", true),
        _ => Part::Other,
    }
}

/// A group of a pattern, if what it was compared with is the client's.
fn group(matched: &Matched<'_>, number: impl FnOnce(&Regex) -> Option<usize>, shown: &str) -> Part {
    let Some(regex) = matched.regex() else { return Part::Other };
    let Some(number) = number(&regex) else { return Part::Other };
    let is_clients = match matched.against {
        Against::Path => true,
        // A name that the server's pattern takes is one of its names.
        Against::Host => false,
        Against::Text(text, _) => matches!(
            pieces(text)[..],
            [Piece::Variable(name)] if is_clients(name)
        ),
    };
    if is_clients { taken(&regex, number, shown, Some(matched.word.span)) } else { Part::Other }
}

fn is_clients(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    let families = ["http_", "arg_", "cookie_"];
    families.iter().any(|family| name.starts_with_str(family)) && name != b"http_host"
        || matches!(&name[..], b"args" | b"query_string" | b"request_uri" | b"uri" | b"document_uri")
}

/// What a group takes: one of few texts is the author's choice, and what has its own slash is a path.
fn taken(regex: &Regex, number: usize, shown: &str, pattern: Option<Span>) -> Part {
    const FEW: usize = 100;
    if regex.choices(number, FEW).is_some() {
        return Part::Other;
    }
    if regex.group_begins_with(number, b'/') {
        return Part::Path;
    }
    let leaves_label = b"/?#@:\\".iter().any(|byte| regex.group_may_hold(number, *byte));
    let variable = shown.to_owned();
    Part::Chosen(Chosen { variable, through: Vec::new(), pattern, leaves_label, is_host: false })
}
