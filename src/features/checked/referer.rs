//! `valid_referers`: `ngx_http_valid_referers`.

use crate::diagnostics::Diagnostic;
use crate::directive::Context;

use super::{Call, Check};

pub const CHECKS: &[Check] = &[Check { name: "valid_referers", contexts: Context::IN_HTTP, check }];

fn check(call: &mut Call) {
    let mut names: Vec<Vec<u8>> = Vec::new();
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
                let end = word.iter().position(|byte| *byte == b'/').unwrap_or(word.len());
                let name = word[..end].to_ascii_lowercase();
                host(call, at, &name, &names);
                names.push(name);
            }
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
