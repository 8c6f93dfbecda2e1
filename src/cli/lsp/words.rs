//! Words that may stand in the place of an argument.

use super::things::Kind as Named;
use crate::directive::Context;
use crate::directive::catalogue::Row;
use crate::directive::form::{Form, Kind};

/// The words of a form that are known, for somebody who has typed this much.
pub fn of_form(form: &Form, typed: &[u8]) -> Vec<String> {
    form.kinds.iter().flat_map(|kind| of_kind(kind, typed)).collect()
}

fn of_kind(kind: &Kind, typed: &[u8]) -> Vec<String> {
    match kind {
        Kind::Flag => vec!["on".to_owned(), "off".to_owned()],
        Kind::Enum(list) | Kind::Set(list) => list.iter().map(|word| (*word).to_owned()).collect(),
        Kind::Literal(word) => vec![(*word).to_owned()],
        Kind::OrVars(kind) => of_kind(kind, typed),
        Kind::Key(key, kind) => {
            let value = typed.strip_prefix(key.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
            match value {
                Some(value) => of_kind(kind, value).into_iter().map(|word| format!("{key}={word}")).collect(),
                None => vec![format!("{key}=")],
            }
        }
        _ => Vec::new(),
    }
}

/// Whether a directive is turned on and off.
pub fn is_flag(row: &Row) -> bool {
    row.forms.of(0).is_some_and(|form| matches!(form.kinds[..], [Kind::Flag])) && !row.arity.takes(2)
}

/// Words with a meaning of their own at the start of a line of data.
pub fn of_data(context: Context) -> Vec<String> {
    let words: &[&str] = if context == Context::MAP {
        &["default", "hostnames", "include", "volatile"]
    } else if context == Context::GEO {
        &["default", "delete", "include", "proxy", "ranges"]
    } else if context == Context::SPLIT_CLIENTS {
        &["*"]
    } else {
        &[]
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What an argument of a directive names: the kind, what the directive that gives such names begins with, and what
/// stands before the name.
pub fn named_by(directive: &str, index: usize) -> Option<(Named, &'static str, &'static str)> {
    Some(match (directive, index) {
        ("proxy_pass", 0) => (Named::Upstream, "upstream", "http://"),
        ("grpc_pass", 0) => (Named::Upstream, "upstream", "grpc://"),
        ("fastcgi_pass" | "uwsgi_pass" | "scgi_pass" | "memcached_pass", 0) => {
            (Named::Upstream, "upstream", "")
        }
        ("access_log", 1) => (Named::LogFormat, "log_format", ""),
        ("limit_conn", 0) => (Named::Zone, "limit_conn_zone", ""),
        ("limit_req", _) => (Named::Zone, "limit_req_zone", "zone="),
        ("proxy_cache", 0) => (Named::Zone, "proxy_cache_path", ""),
        ("fastcgi_cache", 0) => (Named::Zone, "fastcgi_cache_path", ""),
        ("uwsgi_cache", 0) => (Named::Zone, "uwsgi_cache_path", ""),
        ("scgi_cache", 0) => (Named::Zone, "scgi_cache_path", ""),
        ("health_check", _) => (Named::Match, "match", "match="),
        _ => return None,
    })
}
