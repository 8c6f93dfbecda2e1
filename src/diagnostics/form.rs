//! What the forms share in which findings are printed.

use crate::diagnostics::{Diagnostic, Severity, Summary};
use crate::source::Sources;

/// A form in which findings are printed.
pub trait Form {
    /// Adds the findings of one configuration.
    fn add(&mut self, found: &[Diagnostic], sources: &Sources);

    /// All that was added, as it will be printed.
    fn render(self: Box<Self>, summary: &Summary) -> String;
}

/// The rule whose findings have this code; `None` for what nginx refuses or warns of.
pub type Rules = fn(code: &str) -> Option<RuleFacts>;

/// A rule, as far as forms tell of it.
#[derive(Clone, Copy, Debug)]
pub struct RuleFacts {
    pub id: &'static str,
    pub name: &'static str,
    /// What it is about: `WebSockets`.
    pub group: &'static str,
    pub severity: Severity,
    pub profile: &'static str,
    /// Whether it is asked of everybody.
    pub unasked: bool,
    /// Whether attackers could use what it finds.
    pub security: bool,
    pub summary: &'static str,
    pub why: &'static str,
    /// A configuration in which it finds something, and one in which that is mended.
    pub bad: &'static str,
    pub good: &'static str,
}

impl RuleFacts {
    /// Where its page stands, from the root of this project.
    pub fn docs(&self) -> String {
        format!("docs/rules.md#{}", self.name)
    }
}

/// The message and what else there is to say, without other places: the only text that many programs show.
pub fn words(diagnostic: &Diagnostic) -> String {
    let mut text = diagnostic.message.clone();
    let here = &diagnostic.labels[0].text;
    if !here.is_empty() {
        text = format!("{text}: {here}");
    }
    for line in diagnostic.notes.iter().chain(&diagnostic.help) {
        text.push('\n');
        text.push_str(line);
    }
    text
}

/// The text with a picture in the place of each control character, save line breaks and tabs.
pub fn visible(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c,
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_as_pictures() {
        assert_eq!(visible("a\u{1b}[31m\0\r\n\tb\u{7f}\u{9b}\u{ffff}é"), "a␛[31m␀␍\n\tb␡��é");
    }
}
