//! `valid_referers`: `ngx_http_valid_referers`.

use crate::diagnostics::Diagnostic;
use crate::directive::Context;
use crate::syntax::Word;

use super::{Build, Call, Check, Whole};

pub const CHECKS: &[Check] = &[Check { name: "valid_referers", contexts: Context::IN_HTTP, check }];

fn check(call: &mut Call) {
    let words = call.earlier().flat_map(|line| &line.args);
    let mut names: Vec<Vec<u8>> = words.map(|word| host_part(&word.value)).collect();
    for at in 0..call.args().len() {
        let word = call.arg(at);
        match word {
            b"" => call.error(at, "invalid-value", "invalid referer \"\""),
            b"none" | b"blocked" | b"server_names" => {}
            b"~" => call.error(at, "invalid-regex", "empty regex in \"~\""),
            [b'~', pattern @ ..] => {
                let span = call.span(at);
                call.pattern(pattern, true, span);
            }
            _ => {
                let name = host_part(word);
                host(call, at, &name, &names);
                names.push(name);
            }
        }
    }
}

/// A referer without the path that may follow its host.
fn host_part(word: &[u8]) -> Vec<u8> {
    let end = word.iter().position(|byte| *byte == b'/').unwrap_or(word.len());
    word[..end].to_ascii_lowercase()
}

/// `none` and `blocked` beside nothing that is valid.
pub fn afterwards(whole: &Whole, build: &mut Build) {
    for block in whole.within(Context::SERVER.or(Context::LOCATION)) {
        let lines = whole.tree.items(block).filter(|line| line.is("valid_referers"));
        let words: Vec<&Word> = lines.flat_map(|line| &line.args).collect();
        let special = |word: &&&Word| matches!(&word.value[..], b"none" | b"blocked");
        let valid = words.iter().any(|word| !special(&word) && !word.value.starts_with(b"~"));
        if let Some(word) = words.iter().find(special).filter(|_| !valid) {
            let message = "the \"none\" or \"blocked\" referers are specified in the \"valid_referers\" \
                           directive without any valid referer";
            let finding = Diagnostic::error("missing-parameter", word.span, message);
            build
                .diagnostics
                .push(finding.help("add \"server_names\" or the name of a host; a pattern is not enough"));
        }
    }
}

fn host(call: &mut Call, at: usize, name: &[u8], names: &[Vec<u8>]) {
    let shown = String::from_utf8_lossy(name).into_owned();
    if !is_host(name) {
        let message = format!("invalid hostname or wildcard \"{shown}\"");
        let finding = Diagnostic::error("invalid-value", call.span(at), message);
        return call.say(finding.help("a \"*\" may only be the first or the last part of a name"));
    }
    if names.iter().any(|other| other == name) {
        call.error(at, "duplicate-value", format!("conflicting parameter \"{shown}\""));
    }
}

/// A name, or one that begins with `*.` or `.`, or ends with `.*` (`ngx_hash_add_key`).
pub fn is_host(name: &[u8]) -> bool {
    let stars = name.iter().filter(|byte| **byte == b'*').count();
    let dots = name.windows(2).any(|pair| pair == b"..");
    if stars > 1 || dots || name.contains(&0) {
        return false;
    }
    stars == 0 || name.len() > 2 && (name.starts_with(b"*.") || name.ends_with(b".*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_a_whole_part_at_an_end() {
        assert!(is_host(b"www.example.com") && is_host(b"*.example.com") && is_host(b"www.example.*"));
        assert!(is_host(b".example.com") && is_host(b""));
        assert!(
            !is_host(b"*") && !is_host(b"w*.example.com") && !is_host(b"*.example.*") && !is_host(b"a..b")
        );
    }
}
