//! Line breaks that get into heads.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Edit, Fix, Severity};
use crate::directive::Context;
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};
use crate::source::Span;
use crate::syntax::{Directive, Word};

use super::access;
use super::line_breaks::{Into, cause};
use super::matched::redirects;

pub static RULE: Rule = Rule {
    id: "SEC302",
    name: "response-splitting",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "a line break of the client's may end a header and begin another",
    why: "$uri and what patterns take from it are decoded: %0d%0a in the address has become a line break, and nginx \
          writes it into the head as it is. Who makes somebody follow such a link sets cookies or writes a page in \
          your name; in a request to the upstream it adds headers that your servers trust. $request_uri is as the \
          client sent it, and \".\" in a pattern matches no line break.",
    mend: Mend::Unsafe,
    examples: examples!("response-splitting"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    const SINKS: [&str; 8] = [
        "return",
        "rewrite",
        "error_page",
        "add_header",
        "add_trailer",
        "more_set_headers",
        "proxy_set_header",
        "proxy_pass",
    ];
    for (block, directive) in site.all(&SINKS) {
        if !Context::IN_HTTP.meets(block.context()) || block.outwards().any(|level| level.has("internal")) {
            continue;
        }
        let into = match &directive.name.value[..] {
            b"proxy_set_header" | b"proxy_pass" => Into::Request,
            _ => Into::Response,
        };
        for (word, text) in texts(directive) {
            let Some(cause) = cause(block, directive, text, into) else { continue };
            let (variable, head) = match into {
                Into::Response => (&cause.variable, "response"),
                Into::Request => (&cause.variable, "request to the upstream"),
            };
            let message =
                format!("{variable} may contain a line break: the value can add headers to the {head}");
            let mut finding = rule.finding(word.span, message);
            finding = match cause.pattern {
                Some(pattern) => finding
                    .also(pattern, "a line break is among what this matches")
                    .help("leave line breaks out of the group: \"[^/\\s]\" instead of \"[^/]\", \"\\w\" or \".\" where that will do"),
                None if variable == "$remote_user" => {
                    finding.help("nothing here verifies who it is (auth_basic is off): do not pass it on")
                }
                None => finding.help("use $request_uri, which is as the client sent it; it has the arguments in it"),
            };
            for line in cause.through.iter().filter(|line| **line != directive.head()) {
                finding = finding.also(*line, "handed on here");
            }
            if directive.is("return") {
                finding.fix = encoded(site, word);
            }
            found.push(finding);
            break;
        }
    }
}

/// The texts of a directive that go into a head, and the words they are from.
fn texts(directive: &Directive) -> Vec<(&Word, &[u8])> {
    fn all(word: &Word) -> Option<(&Word, &[u8])> {
        Some((word, &word.value))
    }
    let args = &directive.args[..];
    match &directive.name.value[..] {
        b"return" => match access::answer(directive) {
            Some((301 | 302 | 303 | 307 | 308, Some(_))) => args.last().and_then(all).into_iter().collect(),
            _ => Vec::new(),
        },
        b"rewrite" if redirects(directive) => args.get(1).and_then(all).into_iter().collect(),
        b"error_page" => {
            let is_redirect = args.iter().any(|word| word.value.starts_with(b"=30"))
                || args.last().is_some_and(|word| word.value.starts_with(b"http"));
            args.last().filter(|_| is_redirect).and_then(all).into_iter().collect()
        }
        b"add_header" | b"add_trailer" | b"proxy_set_header" => {
            args.get(1).and_then(all).into_iter().collect()
        }
        b"more_set_headers" => args.iter().filter_map(all).collect(),
        b"proxy_pass" => args.first().map(|word| (word, behind_host(&word.value))).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// What stands behind the host: what may be done with that is another rule's matter.
fn behind_host(url: &[u8]) -> &[u8] {
    let Some(from) = url.find("://").map(|at| at + 3) else { return url };
    let rest = &url[from..];
    match rest.find_byteset(b"/?") {
        Some(end) => &rest[end..],
        // `http://host$uri`: the host may end where the variable begins.
        None => rest.find_byte(b'$').map_or(&b""[..], |end| if end == 0 { b"" } else { &rest[end..] }),
    }
}

/// Puts `$request_uri` in the place of `$uri`.
fn encoded(site: &Site<'_>, word: &Word) -> Option<Fix> {
    let text = site.tree.sources.bytes(word.span).to_str().ok()?;
    let name = ["$uri", "$document_uri", "${uri}", "${document_uri}"].into_iter().find(|name| {
        text.find(name)
            .is_some_and(|at| !text[at + name.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    })?;
    let at = text.find(name)?;
    let rest = &text[at + name.len()..];
    let arguments = ["$is_args$args", "?$args", "?$query_string", "$is_args$query_string"];
    let length =
        name.len() + arguments.iter().find(|tail| rest.starts_with(**tail)).map_or(0, |tail| tail.len());
    let start = word.span.start + at as u32;
    let span = Span { start, end: start + length as u32, ..word.span };
    let edits = vec![Edit { span, text: "$request_uri".to_owned() }];
    Some(Fix { title: "use $request_uri".to_owned(), safe: false, edits })
}
