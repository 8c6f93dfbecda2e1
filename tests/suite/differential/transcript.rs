//! What was seen, as text that two servers can be compared by.
//!
//! Heads stand as they came, in order and case. Made equal are only: the value of `Date`, the servers'
//! names (in `Server` and in the signature of their own pages, and by so much `Content-Length`), how a
//! chunked body was cut, the log's times, and what placeholders stand for. A long body is shown by its length and a sum.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::support::{escape, message::Message, origin::Received};

/// The names the two servers give themselves, and what stands for them.
const NAMES: [&str; 2] = ["nginx", "wsproxy"];

/// Bodies up to this many bytes are shown whole.
const SHOWN: usize = 4096;

/// A response as it goes into a transcript.
pub fn response(response: &Message, to_head: bool) -> String {
    let body = own_names(&response.body);
    let longer = body.len() as i64 - response.body.len() as i64;
    let mut text = String::new();
    for line in &response.head {
        let line = escape::encode(line);
        text.push_str(&header(&line, longer, to_head && response.status() >= 300));
        text.push('\n');
    }
    text.push_str(&body_and_trailers(&body, &response.trailers));
    text
}

/// A response's lines and body as they came, to look for a text in.
pub fn plain(response: &Message) -> String {
    let mut text: String =
        response.head.iter().map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect();
    text.push_str(&response.body_text());
    text
}

/// A request an upstream got.
pub fn received(received: &Received) -> String {
    let mut text: String =
        received.message.head.iter().map(|line| format!("{}\n", escape::encode(line))).collect();
    text.push_str(&body_and_trailers(&received.message.body, &received.message.trailers));
    if let Some(why) = &received.cut {
        text.push_str(&format!("-- {why}\n"));
    }
    if !received.behind.is_empty() {
        text.push_str(&format!("-- behind it: {}\n", show(&received.behind)));
    }
    text
}

/// Bytes that are no message.
pub fn raw(bytes: &[u8]) -> String {
    if bytes.starts_with(b"HTTP/1.") {
        let lines = String::from_utf8_lossy(bytes)
            .split("\r\n")
            .map(|line| header(line, 0, false))
            .collect::<Vec<_>>();
        return format!("-- bytes: {}\n", show(lines.join("\r\n").as_bytes()));
    }
    format!("-- bytes: {}\n", show(&own_names(bytes)))
}

/// A log with `$time_local` in brackets taken out: `[23/Nov/2026:06:05:56 +0000]`.
pub fn without_times(log: &str) -> String {
    let time_ends = |text: &str| {
        let end = text.find(']')?;
        let looks_right = end == 26 && text.as_bytes()[2] == b'/' && text.as_bytes()[11] == b':';
        looks_right.then_some(end)
    };
    let mut text = String::with_capacity(log.len());
    let mut rest = log;
    while let Some((before, after)) = rest.split_once('[') {
        text.push_str(before);
        text.push('[');
        rest = after;
        if let Some(end) = time_ends(after) {
            text.push_str("@TIME@");
            rest = &after[end..];
        }
    }
    text + rest
}

/// The lines in which two transcripts differ, with a few around them; empty when they do not.
pub fn difference(nginx: &str, ours: &str) -> String {
    if nginx == ours {
        return String::new();
    }
    similar::TextDiff::from_lines(nginx, ours).unified_diff().context_radius(2).to_string()
}

/// One line of a response's head. `longer` is how much the body grew when names were made equal.
fn header(line: &str, longer: i64, length_unknown: bool) -> String {
    let Some((name, value)) = line.split_once(": ") else { return line.to_owned() };
    match name.to_ascii_lowercase().as_str() {
        "date" if httpdate::parse_http_date(value).is_ok() => format!("{name}: @DATE@"),
        "server" => format!("{name}: {}", own_name(value).unwrap_or(value)),
        // The page that a HEAD does not show has the server's name in it.
        "content-length" if length_unknown => format!("{name}: @LENGTH@"),
        "content-length" => match value.parse::<i64>() {
            Ok(length) => format!("{name}: {}", length + longer),
            Err(_) => line.to_owned(),
        },
        _ => line.to_owned(),
    }
}

/// A page's bytes with the signature under it made equal.
fn own_names(body: &[u8]) -> Vec<u8> {
    let (open, close) = ("<center>", "</center>");
    let Ok(text) = str::from_utf8(body) else { return body.to_vec() };
    let mut renamed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(open) {
        let (before, after) = rest.split_at(at + open.len());
        let end = after.find(close).unwrap_or(0);
        renamed.push_str(before);
        renamed.push_str(own_name(&after[..end]).unwrap_or(&after[..end]));
        rest = &after[end..];
    }
    renamed.push_str(rest);
    renamed.into_bytes()
}

/// What stands for a server's name, with its version or without.
fn own_name(text: &str) -> Option<&'static str> {
    match text.split_once('/') {
        Some((name, version))
            if NAMES.contains(&name) && version.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            Some("@SERVER/VERSION@")
        }
        None if NAMES.contains(&text) => Some("@SERVER@"),
        _ => None,
    }
}

fn body_and_trailers(body: &[u8], trailers: &[Vec<u8>]) -> String {
    let mut text = match body {
        [] => String::new(),
        body => format!("\n{}\n", show(body)),
    };
    for line in trailers {
        text.push_str(&format!("-- trailer: {}\n", escape::encode(line)));
    }
    text
}

fn show(bytes: &[u8]) -> String {
    if bytes.len() <= SHOWN {
        return escape::encode(bytes);
    }
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("({} bytes, sum {:016x})", bytes.len(), hasher.finish())
}
