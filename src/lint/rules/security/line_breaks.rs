//! Why a text with variables may hold a line break.

use bstr::BStr;

use crate::lint::regex::Regex;
use crate::lint::site::{Block, Modifier, Operator, Origin, Piece, pieces};
use crate::source::Span;
use crate::syntax::{Directive, Word};

use super::access;
use super::matched::{Against, Matched, is_in_reach, matched, named};

/// Which head a text goes into.
#[derive(Clone, Copy, PartialEq)]
pub enum Into {
    Response,
    Request,
}

/// Why a text may hold a line break.
pub struct Cause {
    /// `$uri`, `$1`.
    pub variable: String,
    /// The pattern that lets it pass, for groups.
    pub pattern: Option<Span>,
    /// The lines that hand it on, nearest first.
    pub through: Vec<Span>,
}

impl Cause {
    fn handed_on(mut self, line: Span) -> Cause {
        self.through.insert(0, line);
        self
    }
}

/// How many variables may stand for one another.
const DEEPEST: usize = 8;

/// Why what a directive says may have a line break of the client's in it, if it may.
pub fn cause(block: Block<'_>, directive: &Directive, text: &[u8], into: Into) -> Option<Cause> {
    Look { user: block, block, directive, into }.text(text, DEEPEST)
}

/// A place in a configuration at which texts are looked at.
#[derive(Clone, Copy)]
struct Look<'a> {
    /// The block that the text is used in; what it is made of may stand further out.
    user: Block<'a>,
    block: Block<'a>,
    directive: &'a Directive,
    into: Into,
}

impl<'a> Look<'a> {
    fn text(self, text: &[u8], depth: usize) -> Option<Cause> {
        let depth = depth.checked_sub(1)?;
        pieces(text).into_iter().find_map(|piece| match piece {
            Piece::Text(_) => None,
            // nginx escapes groups in a rewrite that redirects, but not variables.
            Piece::Capture(_) if self.directive.is("rewrite") => None,
            Piece::Capture(number) => {
                let matched = matched(self.block, self.directive)?;
                self.group(&matched, |_| Some(number as usize), &format!("${number}"), depth)
            }
            Piece::Variable(name) => self.variable(name, depth),
        })
    }

    fn variable(self, name: &[u8], depth: usize) -> Option<Cause> {
        let lower = name.to_ascii_lowercase();
        let shown = format!("${}", BStr::new(name));
        self.block.site.origins_in(self.block, &lower).into_iter().find_map(|origin| match origin {
            Origin::Builtin(row) => {
                let is_decoded =
                    matches!(row.name, "uri" | "document_uri" | "request_filename" | "fastcgi_script_name");
                let breaks = match row.name {
                    "remote_user" => is_unverified(self.user),
                    _ => is_decoded && !self.is_pinned(),
                };
                breaks.then(|| Cause { variable: shown.clone(), pattern: None, through: Vec::new() })
            }
            Origin::Set { directive, value } => {
                let level = self.block.site.block_of(directive)?;
                if directive.id == self.directive.id || !is_in_reach(self.block, level) {
                    return None;
                }
                let cause = Look { block: level, directive, ..self }.text(&value.value, depth)?;
                Some(cause.handed_on(directive.head()))
            }
            Origin::Capture { directive, pattern } if !directive.is("map") => {
                let matched = named(self.block, directive, pattern)?;
                self.group(&matched, |regex| regex.number(name), &shown, depth)
            }
            Origin::Map { directive, input } => self.map(directive, input, &shown, depth),
            Origin::Capture { .. } | Origin::Other(_) => None,
        })
    }

    /// Whether the path is known to have no line break in it, where the text is used or where it is made.
    fn is_pinned(self) -> bool {
        let own = self.directive.args.first().filter(|_| self.directive.is("rewrite"));
        let is_own =
            own.and_then(|word| Regex::new(&word.value, false)).is_some_and(|regex| regex.excludes(b'\n'));
        is_own || is_pinned(self.user) || is_pinned(self.block)
    }

    /// What a `map` makes of what it looks at.
    fn map(self, map: &'a Directive, input: &Word, shown: &str, depth: usize) -> Option<Cause> {
        let site = self.block.site;
        let input_breaks = self.text(&input.value, depth).is_some();
        site.rows(map).find_map(|(key, value)| {
            pieces(&value.value).into_iter().find_map(|piece| {
                let number = |regex: &Regex| match piece {
                    Piece::Capture(number) => Some(number as usize),
                    Piece::Variable(name) => regex.number(name),
                    Piece::Text(_) => None,
                };
                if let Some(regex) = Regex::marked(&key.value)
                    && let Some(number) = number(&regex)
                {
                    let breaks = input_breaks && self.lets_pass(&regex, number);
                    return breaks.then(|| Cause {
                        variable: shown.to_owned(),
                        pattern: Some(key.span),
                        through: Vec::new(),
                    });
                }
                match piece {
                    Piece::Variable(name) => {
                        let cause = self.variable(name, depth.checked_sub(1)?)?;
                        Some(cause.handed_on(key.span.to(value.span)))
                    }
                    _ => None,
                }
            })
        })
    }

    /// A group of a pattern, which lets a line break pass or does not.
    fn group(
        self,
        matched: &Matched<'_>,
        number: impl FnOnce(&Regex) -> Option<usize>,
        shown: &str,
        depth: usize,
    ) -> Option<Cause> {
        let regex = matched.regex()?;
        let breaks = match matched.against {
            Against::Path => true,
            Against::Host => false,
            Against::Text(text, block) => Look { block, ..self }.text(text, depth).is_some(),
        };
        let number = number(&regex)?;
        (breaks && self.lets_pass(&regex, number)).then(|| Cause {
            variable: shown.to_owned(),
            pattern: Some(matched.word.span),
            through: Vec::new(),
        })
    }

    /// A header of a response needs a name as well; a line break alone ends the head of a request.
    fn lets_pass(self, regex: &Regex, group: usize) -> bool {
        let holds = |byte| regex.group_may_hold(group, byte);
        holds(b'\n') && (self.into == Into::Request || holds(b'a') || holds(b'A'))
    }
}

/// Whether the path is known here to have no line break in it.
fn is_pinned(block: Block<'_>) -> bool {
    let excludes =
        |pattern: &[u8], caseless| Regex::new(pattern, caseless).is_some_and(|regex| regex.excludes(b'\n'));
    block.outwards().any(|level| {
        let rewritten = level
            .own("rewrite")
            .iter()
            .any(|line| line.args.get(2).is_some_and(|flag| flag.value == "break"));
        let named = level.name().is_some_and(|name| match name.modifier {
            Modifier::Exact => true,
            Modifier::Pattern { caseless } => excludes(name.name, caseless),
            _ => false,
        });
        let asked = level.condition().is_some_and(|condition| match condition.operator {
            Operator::Matches { caseless, negated: false } => {
                (condition.asks("uri") || condition.asks("document_uri"))
                    && excludes(condition.operand, caseless)
            }
            Operator::Equal { negated: false } => condition.asks("uri") || condition.asks("document_uri"),
            _ => false,
        });
        rewritten || named || asked
    })
}

/// Whether the name that a client gives, of any bytes, is verified nowhere around or in a block.
fn is_unverified(block: Block<'_>) -> bool {
    block.is_known() && !access::asks_for_proof(block) && !block.descendants().any(access::asks_for_proof)
}
