//! What a log says of a rule: enough for somebody who reads the alert and not this project's pages.

use crate::diagnostics::{Diagnostic, RuleFacts, Severity, codes};

use super::level;
use super::shape::{Configuration, Help, Rule, RuleProperties, Text};

/// A rule of the linter.
pub fn of_rule(facts: &RuleFacts) -> Rule {
    let security = facts.security.then(|| "security".to_owned());
    let tags = [facts.group.to_lowercase(), facts.profile.to_owned()];
    Rule {
        id: facts.id,
        name: Some(facts.name),
        short_description: text(sentence(facts.summary)),
        full_description: text(facts.why.to_owned()),
        help: Help { text: plain_help(facts), markdown: markdown_help(facts) },
        default_configuration: Configuration { level: level(facts.severity) },
        properties: RuleProperties {
            tags: security.into_iter().chain(tags).collect(),
            precision: if facts.unasked { "high" } else { "medium" },
            problem_severity: problem(facts.severity),
            security_severity: facts.security.then(|| security_severity(facts.severity)),
        },
    }
}

/// What nginx refuses or warns of, by the code of the finding.
pub fn of_code(finding: &Diagnostic) -> Rule {
    let summary = sentence(&codes::summary(finding.code));
    let help = format!("{summary} The message says what was expected.");
    Rule {
        id: finding.code,
        name: None,
        short_description: text(summary.clone()),
        full_description: text(summary),
        help: Help { text: help.clone(), markdown: help },
        default_configuration: Configuration { level: level(finding.severity) },
        properties: RuleProperties {
            tags: vec!["nginx".into()],
            precision: "very-high",
            problem_severity: problem(finding.severity),
            security_severity: None,
        },
    }
}

fn plain_help(facts: &RuleFacts) -> String {
    let RuleFacts { why, bad, good, name, .. } = facts;
    format!(
        "{why}\n\nIt finds something in:\n\n{bad}\nAnd nothing in:\n\n{good}\n\
         Where it is meant to be so: # wsproxy: allow({name}) why\n"
    )
}

fn markdown_help(facts: &RuleFacts) -> String {
    let RuleFacts { why, bad, good, name, .. } = facts;
    format!(
        "{why}\n\nIt finds something in:\n\n```nginx\n{bad}```\n\nAnd nothing in:\n\n```nginx\n{good}```\n\n\
         Where it is meant to be so: `# wsproxy: allow({name}) why`\n"
    )
}

fn problem(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "recommendation",
    }
}

/// On the scale of CVSS, which GitHub reads as high, medium and low.
fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "7.5",
        Severity::Warning => "5.0",
        Severity::Info => "3.0",
    }
}

fn text(text: String) -> Text {
    Text { text }
}

/// The words as a sentence.
fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", chars.as_str().trim_end_matches('.'))
}
