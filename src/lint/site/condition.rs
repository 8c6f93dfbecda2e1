//! What an `if` asks.

use crate::directive::Context;
use crate::syntax::Word;

use super::Block;

/// The condition of an `if`, in its parts.
#[derive(Clone, Copy, Debug)]
pub struct Condition<'a> {
    /// What is looked at: a variable with its `$`, or the path of a file.
    pub subject: &'a [u8],
    pub operator: Operator,
    /// What it is compared with; empty where it is compared with nothing.
    pub operand: &'a [u8],
    /// The word in which the operand, or the variable alone, stands.
    pub word: &'a Word,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// A variable alone: neither empty nor `0`.
    Holds,
    /// `=`, or `!=` where it is negated.
    Equal { negated: bool },
    /// `~` and its kin.
    Matches { caseless: bool, negated: bool },
    /// `-f` and its kin.
    File,
}

impl<'a> Block<'a> {
    /// What is asked, if it is an `if` whose condition nginx would take.
    pub fn condition(self) -> Option<Condition<'a>> {
        let directive =
            self.directive().filter(|_| Context::IF_SERVER.or(Context::IF_LOCATION).meets(self.context()))?;
        let count = directive.args.len();
        let parts: Vec<(&[u8], &Word)> = directive
            .args
            .iter()
            .enumerate()
            .filter_map(|(at, word)| {
                let mut text = &word.value[..];
                if at == 0 {
                    text = text.strip_prefix(b"(")?;
                }
                if at + 1 == count {
                    text = text.strip_suffix(b")")?;
                }
                let is_edge = at == 0 || at + 1 == count;
                (!text.is_empty() || !is_edge).then_some((text, word))
            })
            .collect();
        match parts[..] {
            [(subject, word)] if subject.starts_with(b"$") => {
                Some(Condition { subject, operator: Operator::Holds, operand: b"", word })
            }
            [(subject, _), (operator, _), (operand, word)] if subject.starts_with(b"$") => {
                let negated = operator.starts_with(b"!");
                let operator = match operator {
                    b"=" | b"!=" => Operator::Equal { negated },
                    b"~" | b"!~" => Operator::Matches { caseless: false, negated },
                    b"~*" | b"!~*" => Operator::Matches { caseless: true, negated },
                    _ => return None,
                };
                Some(Condition { subject, operator, operand, word })
            }
            [(_, _), (subject, word)] => {
                Some(Condition { subject, operator: Operator::File, operand: b"", word })
            }
            _ => None,
        }
    }
}

impl<'a> Condition<'a> {
    /// Whether a variable is what it looks at; its name is without `$`, in lower case.
    pub fn asks(&self, variable: &str) -> bool {
        let name = self.subject.strip_prefix(b"$").unwrap_or(self.subject);
        let name = name.strip_prefix(b"{").and_then(|name| name.strip_suffix(b"}")).unwrap_or(name);
        name.eq_ignore_ascii_case(variable.as_bytes())
    }
}
