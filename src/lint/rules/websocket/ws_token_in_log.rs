//! Secrets that stay in a log.

use std::collections::HashMap;

use bstr::{BString, ByteSlice};

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::{Block, Piece, Site, pieces};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::syntax::{Directive, Word};

use super::traces::{ifs, source};
use super::ways::open_locations;

pub static RULE: Rule = Rule {
    id: "WS117",
    name: "ws-token-in-log",
    severity: Severity::Warning,
    profile: Profile::Security,
    summary: "a token in the query of a handshake is written to the access log",
    why: "Browsers cannot send headers with a handshake, so tokens travel in the query, and nginx writes the \
          whole request line when the tunnel ends. Logs are copied, kept and read by more people than may \
          have the token. A ticket that is good for one handshake within seconds may stand there.",
    mend: Mend::None,
    examples: examples!("ws-token-in-log"),
    check,
};

/// Names of arguments that let somebody in.
const SECRETS: [&str; 18] = [
    "access_key",
    "access_token",
    "accesstoken",
    "api_key",
    "apikey",
    "auth",
    "auth_token",
    "authorization",
    "authtoken",
    "bearer",
    "id_token",
    "jwt",
    "passwd",
    "password",
    "secret",
    "session_token",
    "sessiontoken",
    "token",
];
/// Variables by which the query comes into a log.
const QUERY: [&str; 4] = ["request", "request_uri", "args", "query_string"];

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let formats = formats(site);
    for location in open_locations(site).filter(|location| location.is_known()) {
        let Some((word, secret)) = secret(location) else { continue };
        let Some((log, variable)) = log(location, &formats) else { continue };
        let Some(name) = location.name() else { continue };
        let message = format!(
            "the query of {} carries a secret (${secret}) and access_log writes it (${variable})",
            name.name.as_bstr()
        );
        let finding = rule.finding(word.span, message).here("the secret is read here");
        let finding = match log {
            Some(line) => finding.also(line.head(), "the request is logged here"),
            None => finding.note("where no access_log is written, requests are logged as \"combined\""),
        };
        found.push(finding.help(
            "log without the query: a log_format with $uri in place of $request, or \"access_log off;\" here",
        ));
    }
}

/// The first word for requests to a location that looks at a secret in the query, and its variable. What `auth_jwt`
/// looks at, wsproxy keeps out of its log.
fn secret<'s>(location: Block<'s>) -> Option<(&'s Word, BString)> {
    let is_secret = |name: &[u8]| {
        name.strip_prefix(b"arg_").is_some_and(|name| SECRETS.iter().any(|secret| secret.as_bytes() == name))
    };
    let blocks = [location].into_iter().chain(location.descendants());
    let own = blocks.flat_map(Block::items).filter(|line| !line.name.value.starts_with(b"auth_jwt"));
    let tests = ifs(location).filter_map(Block::directive);
    let mut words = own.copied().chain(tests).flat_map(|line| &line.args);
    words.find_map(|word| Some((word, source(location, &word.value, is_secret)?)))
}

/// The format's variable by which the query is written, by the format's name.
fn formats<'s>(site: &'s Site<'_>) -> HashMap<&'s [u8], String> {
    let mut formats = HashMap::from([(&b"combined"[..], "request".to_owned())]);
    for (_, line) in site.all(&["log_format"]) {
        let Some((name, text)) = line.args.split_first() else { continue };
        let pieces = text.iter().flat_map(|word| pieces(&word.value));
        let mut variables = pieces.filter_map(|piece| match piece {
            Piece::Variable(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        });
        let is_query = |name: &Vec<u8>| QUERY.iter().any(|query| query.as_bytes() == &name[..]);
        if let Some(variable) = variables.find(is_query) {
            formats.insert(&name.value, String::from_utf8_lossy(&variable).into_owned());
        }
    }
    formats
}

/// The log that has the query, and the variable that writes it; no line where nginx's default is in effect. A log with
/// a condition may leave these requests out.
fn log<'s>(location: Block<'s>, formats: &HashMap<&[u8], String>) -> Option<(Option<&'s Directive>, String)> {
    let lines = location.all_in_effect("access_log");
    if lines.is_empty() {
        return Some((None, "request".to_owned()));
    }
    lines.iter().find_map(|line| {
        let (path, rest) = line.args.split_first()?;
        let format = rest.first().map_or(&b"combined"[..], |name| &name.value);
        let is_open = path.value != "off" && !rest.iter().any(|word| word.value.starts_with(b"if="));
        Some((Some(*line), formats.get(format).filter(|_| is_open)?.clone()))
    })
}
