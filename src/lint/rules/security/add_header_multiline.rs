//! Header values with line breaks in them.

use bstr::{BStr, ByteSlice};

use crate::diagnostics::{Diagnostic, Edit, Fix, Severity};
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};
use crate::syntax::{Directive, Word};

pub static RULE: Rule = Rule {
    id: "SEC306",
    name: "add-header-multiline",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "the value of a header goes over several lines",
    why: "nginx sends the line breaks as they are written. RFC 9112 has forbidden folded lines: clients and proxies may \
          refuse the answer, drop the header or take the second line for another one. HTTP/2 does not allow them at all.",
    mend: Mend::Safe,
    examples: examples!("add-header-multiline"),
    check,
};

/// Directives whose arguments become lines of a head.
const NAMES: [&str; 5] =
    ["add_header", "add_trailer", "proxy_set_header", "more_set_headers", "more_set_input_headers"];

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for (_, directive) in site.all(&NAMES) {
        let folded: Vec<&Word> = lines(directive).filter(|word| word.value.contains(&b'\n')).collect();
        let Some(first) = folded.first() else { continue };
        let header = match &directive.args[..] {
            [name, _, ..] if !directive.name.value.starts_with(b"more_") => name.value.as_bstr(),
            _ => BStr::new(first.value.split(|byte| *byte == b':').next().unwrap_or_default()),
        };
        let message = format!("the value of header \"{header}\" has line breaks in it: a header is one line");
        let edits: Option<Vec<Edit>> = folded.iter().map(|word| joined(site, word)).collect();
        let mut finding = rule.finding(first.span, message).help("write it on one line");
        if let Some(edits) = edits {
            finding = finding.fix(Fix { title: "join the lines".to_owned(), safe: true, edits });
        }
        found.push(finding);
    }
}

/// The arguments that are sent.
fn lines(directive: &Directive) -> impl Iterator<Item = &Word> {
    let is_of_headers_more = directive.name.value.starts_with(b"more_");
    let mut is_option_value = false;
    directive.args.iter().filter(move |word| {
        if !is_of_headers_more {
            return true;
        }
        // `-s` and `-t` are followed by statuses and types, which are not sent; other options have no value.
        let is_option = word.value.starts_with(b"-");
        let is_value = std::mem::replace(&mut is_option_value, matches!(&word.value[..], b"-s" | b"-t"));
        !is_option && !is_value
    })
}

/// The word as it is written, on one line; `None` where a line break is written as `\n`.
fn joined(site: &Site<'_>, word: &Word) -> Option<Edit> {
    let text = site.tree.sources.bytes(word.span);
    let quote = word.quote.map(|quote| quote.byte())?;
    let inner = text.strip_prefix(&[quote])?.strip_suffix(&[quote])?;
    let breaks = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
    if breaks(inner) != breaks(&word.value) {
        return None;
    }
    let parts: Vec<&[u8]> = inner.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
    let parts: Vec<&[u8]> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let quote = char::from(quote);
    let text = format!("{quote}{}{quote}", str::from_utf8(&parts.join(&b' ')).ok()?);
    Some(Edit { span: word.span, text })
}
