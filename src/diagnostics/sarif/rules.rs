//! What a log says of a rule: enough for somebody who reads the alert and not this project's pages.

use crate::diagnostics::{Diagnostic, RuleFacts, Severity, codes};

use super::level;
use super::shape::{Configuration, Help, Rule, RuleProperties, Text};

/// Where this project can be read, once Cargo.toml says.
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// A rule of the linter.
pub fn of_rule(facts: &RuleFacts) -> Rule {
    let security = facts.security.then(|| "security".to_owned());
    let mut tags = Vec::from_iter(security);
    for tag in [facts.group.to_lowercase(), facts.profile.to_owned()] {
        // SARIF wants each once.
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Rule {
        id: facts.id,
        name: Some(facts.name),
        short_description: text(sentence(facts.summary)),
        full_description: text(facts.why.to_owned()),
        help: Help { text: plain_help(facts), markdown: markdown_help(facts) },
        help_uri: help_uri(REPOSITORY, &facts.docs()),
        default_configuration: Configuration { level: level(facts.severity) },
        properties: RuleProperties {
            tags,
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
        help_uri: help_uri(REPOSITORY, "docs/check.md#codes"),
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

/// The address of a page of this version.
fn help_uri(repository: &str, page: &str) -> Option<String> {
    let version = env!("CARGO_PKG_VERSION");
    (!repository.is_empty()).then(|| format!("{repository}/blob/v{version}/{page}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: RuleFacts = RuleFacts {
        id: "SEC999",
        name: "door-left-open",
        group: "Security",
        severity: Severity::Error,
        profile: "security",
        unasked: false,
        security: true,
        summary: "anybody may come in",
        why: "They do.",
        bad: "allow all;\n",
        good: "deny all;\n",
    };

    #[test]
    fn a_rule_about_security_is_sorted_as_one() {
        let rule = of_rule(&FACTS);
        assert_eq!(rule.properties.tags, ["security"]);
        assert_eq!(rule.properties.security_severity, Some("7.5"));
        assert_eq!(rule.properties.precision, "medium");
        assert_eq!(rule.short_description.text, "Anybody may come in.");
        let rule = of_rule(&RuleFacts { security: false, unasked: true, group: "WebSockets", ..FACTS });
        assert_eq!(rule.properties.tags, ["websockets", "security"]);
        assert_eq!((rule.properties.security_severity, rule.properties.precision), (None, "high"));
    }

    #[test]
    fn help_has_an_address_where_the_project_has_one() {
        assert_eq!(help_uri("", "docs/rules.md"), None);
        let address = help_uri("https://github.com/OWNER/wsproxy", &FACTS.docs());
        let page = format!("v{}/docs/rules.md#door-left-open", env!("CARGO_PKG_VERSION"));
        assert_eq!(address, Some(format!("https://github.com/OWNER/wsproxy/blob/{page}")));
    }
}
