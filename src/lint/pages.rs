//! What rules are, for people: `wsproxy explain`, `wsproxy rules` and `docs/rules.md`.

use std::fmt::Write;

use super::rule::{Group, Mend, Profile, Rule};
use super::rules::RULES;

/// Everything there is to know about a rule, as plain text.
pub fn explain(rule: &Rule) -> String {
    let mut text = format!("{} ({}): {}\n\n", rule.name, rule.id, rule.summary);
    let _ = writeln!(text, "{}\n", facts(rule));
    let _ = writeln!(text, "{}\n", filled(rule.why));
    let _ = writeln!(text, "It finds something in:\n\n{}", indented(rule.examples.bad));
    let _ = writeln!(text, "And nothing in:\n\n{}", indented(rule.examples.good));
    let _ = writeln!(text, "Where it is meant to be so: # wsproxy: allow({}) why", rule.name);
    text
}

/// All rules, a line each.
pub fn list() -> String {
    let mut text = String::new();
    let width = RULES.iter().map(|rule| rule.name.len()).max().unwrap_or(0);
    for rule in RULES.iter() {
        let (severity, profile) = (rule.severity.name(), rule.profile.name());
        let _ = writeln!(
            text,
            "{:<6} {:width$}  {severity:<7}  {profile:<8}  {}",
            rule.id, rule.name, rule.summary
        );
    }
    text
}

/// `docs/rules.md`.
pub fn page() -> String {
    let mut text = String::from(PREFACE);
    for group in Group::ALL {
        let mut rules = RULES.iter().filter(|rule| rule.group() == group).peekable();
        if rules.peek().is_none() {
            continue;
        }
        let _ = write!(text, "\n## {}\n", group.title());
        for rule in rules {
            let _ = write!(text, "\n### {}\n\n", rule.name);
            let _ =
                write!(text, "{}: {}. {}\n\n{}\n\n", rule.id, rule.summary, facts(rule), filled(rule.why));
            let _ = write!(text, "```nginx\n{}```\n\nMended:\n\n", rule.examples.bad);
            let _ = write!(text, "```nginx\n{}```\n", rule.examples.good);
        }
    }
    text
}

const PREFACE: &str = "# Rules\n\n\
What `wsproxy check` finds in configurations that nginx takes. `wsproxy explain RULE` prints one of these, `wsproxy \
rules`\nlists them. How findings are silenced, weighed and mended is in [check.md](check.md). This page is written by \
`wsproxy rules\n--format markdown`.\n";

/// Severity, profile and fix, in a sentence or two.
fn facts(rule: &Rule) -> String {
    let asked = match rule.profile {
        Profile::Default => "asked by default".to_owned(),
        profile => format!("asked with `--profile {}`", profile.name()),
    };
    let mended = match rule.mend {
        Mend::None => "It is for you to mend.",
        Mend::Safe => "`check --fix` mends it.",
        Mend::Unsafe => "`check --fix --unsafe-fixes` mends it.",
    };
    format!("Severity {}, {asked}. {mended}", rule.severity.name())
}

/// How wide paragraphs are.
const WIDTH: usize = 110;

fn filled(paragraph: &str) -> String {
    let (mut text, mut column) = (String::new(), 0);
    for word in paragraph.split_whitespace() {
        if column > 0 && column + 1 + word.chars().count() > WIDTH {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.chars().count();
    }
    text
}

fn indented(example: &str) -> String {
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") };
    example.lines().map(line).collect()
}
