//! Patterns that stand for one path.

use crate::diagnostics::{Diagnostic, Edit, Fix, Severity};
use crate::directive::Context;
use crate::lint::site::{Block, Modifier, Site};
use crate::lint::{Mend, Profile, Rule, edit, examples};

pub static RULE: Rule = Rule {
    id: "OPS507",
    name: "regex-exact",
    severity: Severity::Info,
    profile: Profile::Pedantic,
    summary: "the pattern of a location matches one path, which = does without a pattern",
    why: "nginx tries patterns one after the other for each request that no exact name answers. A pattern for one path is \
          found sooner, and read sooner, as \"location = /path\". An exact location also goes before every other one, and \
          before a pattern that stands above it.",
    mend: Mend::Safe,
    examples: examples!("regex-exact"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for location in site.locations() {
        let Some(name) = location.name() else { continue };
        let Some(path) =
            literal(name.name).filter(|_| name.modifier == (Modifier::Pattern { caseless: false }))
        else {
            continue;
        };
        let pattern = String::from_utf8_lossy(name.name);
        let finding = rule
            .finding(name.span, format!("{pattern} matches the path {path} alone: use ="))
            .help(format!("\"location = {}\"", edit::quoted(&path)));
        found.push(match fix(location, &path) {
            Some(fix) => finding.fix(fix),
            None => finding,
        });
    }
}

/// The path between `^` and `$`, if nothing there is more than a letter.
fn literal(pattern: &[u8]) -> Option<String> {
    let inner = pattern.strip_prefix(b"^/")?.strip_suffix(b"$")?;
    let (mut path, mut bytes) = (String::from("/"), inner.iter());
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'\\' => *bytes.next().filter(|byte| byte.is_ascii_punctuation())?,
            byte if byte.is_ascii_alphanumeric() || b"/-_~%,=:@!&'".contains(byte) => *byte,
            _ => return None,
        };
        path.push(char::from(byte));
    }
    Some(path)
}

/// The exact location, where no other one of the server would have answered before the pattern.
fn fix(location: Block<'_>, path: &str) -> Option<Fix> {
    let server =
        location.parent().filter(|parent| parent.context() == Context::SERVER && parent.is_known())?;
    let directive = location.directive()?;
    for other in server.children().filter(|other| *other != location) {
        let Some(name) = other.name() else { continue };
        let is_before = || {
            other
                .head()
                .zip(location.head())
                .is_none_or(|(other, this)| other.file != this.file || other.start < this.start)
        };
        match name.modifier {
            Modifier::Exact if name.name == path.as_bytes() => return None,
            Modifier::Preferred if path.as_bytes().starts_with(name.name) => return None,
            Modifier::Pattern { .. } if is_before() => return None,
            _ => {}
        }
    }
    let (first, last) = (directive.args.first()?, directive.args.last()?);
    let edits = vec![Edit { span: first.span.to(last.span), text: format!("= {}", edit::quoted(path)) }];
    Some(Fix { title: "name the path".to_owned(), safe: true, edits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_path_has_nothing_but_letters() {
        assert_eq!(literal(br"^/robots\.txt$").as_deref(), Some("/robots.txt"));
        assert_eq!(literal(b"^/$").as_deref(), Some("/"));
        for pattern in [r"^/a.txt$", "^/a", "/a$", "^/(a)$", "^/a+$", r"^/\d$", "^a$", "^/a b$"] {
            assert_eq!(literal(pattern.as_bytes()), None, "{pattern}");
        }
    }
}
