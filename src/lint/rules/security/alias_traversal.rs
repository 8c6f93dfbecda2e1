//! Paths that leave the directory of an alias.

use bstr::{BStr, ByteSlice};

use crate::diagnostics::{Diagnostic, Edit, Fix, Severity};
use crate::lint::regex::Regex;
use crate::lint::site::{Block, LocationName, Modifier, Piece, Site, pieces};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::syntax::{Directive, Word};

pub static RULE: Rule = Rule {
    id: "SEC301",
    name: "alias-traversal",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "an alias can be left through \"..\" behind the location's name",
    why: "nginx puts the rest of the path behind the alias. In \"location /s\" the path /s../secret has the rest \
          \"../secret\": behind an alias that ends in \"/\" that is a directory further up, with its keys, sources and \
          databases. Behind one without \"/\" it is only what lies beside it and begins with its name.",
    mend: Mend::Unsafe,
    examples: examples!("alias-traversal"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for (block, directive) in site.all(&["alias"]) {
        let (Some(name), Some(path)) = (block.name(), directive.args.first()) else { continue };
        if name.modifier.is_prefix() && !name.name.ends_with(b"/") {
            found.extend(behind_prefix(rule, &name, directive, path));
        } else if let Modifier::Pattern { caseless } = name.modifier {
            found.extend(behind_capture(rule, block, &name, caseless, directive, path));
        }
    }
}

fn behind_prefix(
    rule: &Rule,
    name: &LocationName<'_>,
    directive: &Directive,
    path: &Word,
) -> Option<Diagnostic> {
    let location = BStr::new(name.name);
    let slash = Edit { span: name.span.after(), text: "/".to_owned() };
    let fix = Fix { title: "end the location's name with \"/\"".to_owned(), safe: false, edits: vec![slash] };
    // Behind the closing quote a slash would be a word of its own.
    let fix = Some(fix).filter(|_| name.span.end - name.span.start == name.name.len() as u32);
    let mut finding = if path.value.ends_with(b"/") {
        let message = format!(
            "{location}../ leaves the directory: \"location {location}\" has no \"/\" at its end, but its alias has"
        );
        let help = format!("write \"location {location}/ {{\"");
        rule.finding(name.span, message)
            .also(directive.head(), "what stands behind the name is put behind this")
            .help(help)
    } else {
        if is_file(&path.value) {
            return None;
        }
        let message = format!(
            "\"location {location}\" gives out what lies beside its alias as well: {location}.old is {}.old",
            path.value.to_str_lossy()
        );
        let mut finding = rule.finding(name.span, message);
        finding.severity = Severity::Warning;
        finding.also(directive.head(), "what stands behind the name is put behind this").help(format!(
            "end both with \"/\": \"location {location}/\" and \"alias {}/\"",
            path.value.to_str_lossy()
        ))
    };
    finding.fix = if path.value.ends_with(b"/") {
        fix
    } else {
        fix.filter(|_| path.quote.is_none()).map(|mut fix| {
            fix.title = "end both with \"/\"".to_owned();
            fix.edits.push(Edit { span: path.span.after(), text: "/".to_owned() });
            fix
        })
    };
    Some(finding)
}

/// Whether an alias looks like that of one file: `/srv/favicon.ico`, `/srv/$name`.
fn is_file(path: &[u8]) -> bool {
    let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    last.contains(&b'$') || last.iter().skip(1).any(|byte| *byte == b'.')
}

/// A group that is put behind a `/` and may begin with `..`, because no `/` stands before it in the path.
fn behind_capture(
    rule: &Rule,
    block: Block<'_>,
    name: &LocationName<'_>,
    caseless: bool,
    directive: &Directive,
    path: &Word,
) -> Option<Diagnostic> {
    let regex = Regex::new(name.name, caseless)?;
    let parts = pieces(&path.value);
    let captured = parts.windows(2).find_map(|pair| match *pair {
        [Piece::Text(text), Piece::Capture(number)] if text.ends_with(b"/") => Some(number as usize),
        [Piece::Text(text), Piece::Variable(variable)] if text.ends_with(b"/") => regex.number(variable),
        _ => None,
    })?;
    let leaves = |start: &Vec<u8>| {
        let example = [&start[..], b"../secret"].concat();
        let is_path = start.starts_with(b"/") && !start.ends_with(b"/");
        let is_taken =
            || regex.pattern.group(&example, captured).is_some_and(|text| text.starts_with(b"../"));
        (is_path && is_taken()).then_some(example)
    };
    let example = regex.before(captured).iter().find_map(leaves)?;
    let example = example.to_str_lossy().into_owned();
    let message = format!(
        "{example} leaves the directory: nothing in {block} sees to a \"/\" before what the alias takes over"
    );
    Some(
        rule.finding(name.span, message)
            .also(directive.head(), "it is put behind the \"/\" here")
            .help("have the pattern ask for the \"/\" before the group: \"^/name/(.*)$\""),
    )
}
