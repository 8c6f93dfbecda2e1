//! Whom a pattern over Origin or Referer lets in besides those it is meant for.
//!
//! Strangers are made by construction: of what the pattern matches, with more behind it, before it, and in the places
//! where it leaves a choice. Only one that PCRE matches is told.

use std::net::IpAddr;

use bstr::ByteSlice;

use crate::lint::regex::{Hole, Regex};

/// What a pattern looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Scheme, host and port.
    Origin,
    /// A whole address.
    Referer,
    /// An address without its scheme, as `valid_referers` compares it.
    BareReferer,
}

/// A site that a pattern lets in though it is not meant for it.
pub struct Stranger {
    pub example: String,
    /// The names that it is meant for.
    pub meant: String,
    /// Whether the name is one that nobody can register.
    pub is_local: bool,
}

/// A site that a pattern lets in besides those that are written in it; `None` if none was found.
pub fn stranger(regex: &Regex, kind: Kind) -> Option<Stranger> {
    let words = regex.words();
    let mut meant: Vec<String> =
        words.iter().filter_map(|word| host(word)).filter(|host| is_name(host)).collect();
    meant.sort();
    meant.dedup();
    if meant.is_empty() {
        return None;
    }
    let ours: Vec<&str> = meant.iter().map(|host| domain(host)).collect();
    let is_stranger = |address: &Vec<u8>| {
        let text = address.to_str().ok()?;
        let host = parsed(text, kind)?;
        let subject = if kind == Kind::BareReferer { &text[text.find("://")? + 3..] } else { text };
        let is_strange = !ours.contains(&domain(host)) && regex.pattern.is_match(subject.as_bytes());
        is_strange.then(|| (text.to_owned(), !host.contains('.')))
    };
    let mut found: Option<(String, bool)> = None;
    for address in candidates(regex, &words, kind) {
        match is_stranger(&address) {
            Some((example, is_local)) if !is_local => {
                found = Some((example, is_local));
                break;
            }
            Some(other) => found = found.or(Some(other)),
            None => {}
        }
    }
    let (example, is_local) = found?;
    Some(Stranger { example, meant: meant.join(", "), is_local })
}

/// Addresses that might pass.
fn candidates(regex: &Regex, words: &[Vec<u8>], kind: Kind) -> Vec<Vec<u8>> {
    const FILLINGS: [&str; 5] = ["evil", "x", ".evil.test/", "evil.test/", "evil.test/x."];
    let mut texts = words.to_vec();
    let holes: Vec<Hole> = regex.holes().collect();
    for hole in holes.into_iter().take(24) {
        texts.extend(FILLINGS.iter().flat_map(|filling| regex.words_with(hole, filling.as_bytes())));
    }
    let mut all = Vec::new();
    for text in &texts {
        let has_scheme = text.contains_str("://");
        for end in ["", ".evil.test", "/"] {
            let text = [text, end.as_bytes()].concat();
            if has_scheme {
                all.push(text.clone());
            } else {
                for start in ["https://", "https://evil", "https://evil-"] {
                    all.push([start.as_bytes(), &text].concat());
                }
            }
            if kind != Kind::Origin {
                all.push([&b"https://evil.test/"[..], &text].concat());
            }
        }
    }
    all
}

/// The host of an address as a browser would send it.
fn parsed(address: &str, kind: Kind) -> Option<&str> {
    let rest = address.strip_prefix("https://").or(address.strip_prefix("http://"))?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    // An Origin has no path; who asks for a "/" there takes it for a Referer.
    if kind == Kind::Origin && path.len() > 1 || path.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return None;
    }
    let (host, port) = authority.split_once(':').map_or((authority, ""), |(host, port)| (host, port));
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let is_host = host.split('.').all(is_label) && (is_name(host) || !host.contains('.'));
    (is_host && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(host)
}

/// What stands for a host in a text that a pattern matches.
fn host(text: &[u8]) -> Option<String> {
    let text = text.to_str().ok()?.to_ascii_lowercase();
    let rest = text.split_once("://").map_or(&text[..], |(_, rest)| rest);
    let end = rest.find(['/', ':', '?', '#']).unwrap_or(rest.len());
    Some(rest[..end].trim_start_matches('.').to_owned())
}

/// Whether it is a name with a domain, an address, or this host.
fn is_name(host: &str) -> bool {
    let top = host.rsplit_once('.').map(|(_, top)| top);
    let is_domain =
        top.is_some_and(|top| top.len() > 1 && top.bytes().all(|byte| byte.is_ascii_alphabetic()));
    is_domain || host == "localhost" || host.parse::<IpAddr>().is_ok()
}

/// The last two labels: who has them has all below. Where a domain needs three, strangers are taken for friends.
fn domain(host: &str) -> &str {
    if host.parse::<IpAddr>().is_ok() {
        return host;
    }
    match host.rmatch_indices('.').nth(1) {
        Some((at, _)) => &host[at + 1..],
        None => host,
    }
}
