//! Variables about what was asked of upstreams.

use std::io::Write;
use std::time::Duration;

use crate::features::variables::{cookie_in, is_header, seconds};
use crate::net::now;
use crate::request::{PrefixVariable, Request, Try, Variable};

/// Variables about what was asked of upstreams: a list with one entry a try.
pub const VARIABLES: &[Variable] = &[
    Variable { name: "upstream_addr", get: |r, out| list(r, out, addr) },
    Variable { name: "upstream_status", get: |r, out| list(r, out, status) },
    Variable {
        name: "upstream_connect_time",
        get: |r, out| list(r, out, |t, out| time(t.after(t.connected), out)),
    },
    Variable {
        name: "upstream_header_time",
        get: |r, out| list(r, out, |t, out| time(t.after(t.answered), out)),
    },
    Variable { name: "upstream_response_time", get: |r, out| list(r, out, response_time) },
    Variable { name: "upstream_response_length", get: |r, out| list(r, out, |t, out| number(t.length, out)) },
    Variable { name: "upstream_bytes_sent", get: |r, out| list(r, out, |t, out| number(t.sent, out)) },
    Variable {
        name: "upstream_bytes_received",
        get: |r, out| list(r, out, |t, out| number(t.received, out)),
    },
    Variable { name: "upstream_cache_status", get: |_, _| false },
];

/// Families about the answer of the upstream.
pub const PREFIXES: &[PrefixVariable] = &[
    PrefixVariable { prefix: "upstream_http_", get: upstream_http },
    PrefixVariable { prefix: "upstream_cookie_", get: upstream_cookie },
];

/// One entry a try, joined as nginx joins them.
fn list(request: &Request, out: &mut Vec<u8>, entry: fn(&Try, &mut Vec<u8>)) -> bool {
    for (at, tried) in request.upstream.tries.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(if tried.redirected { b" : " } else { b", " });
        }
        entry(tried, out);
    }
    !request.upstream.tries.is_empty()
}

fn addr(tried: &Try, out: &mut Vec<u8>) {
    match &tried.unpicked {
        Some(group) => out.extend_from_slice(group),
        None => {
            let _ = write!(out, "{}", tried.peer);
        }
    }
}

fn status(tried: &Try, out: &mut Vec<u8>) {
    match tried.status {
        0 => out.push(b'-'),
        status => {
            let _ = write!(out, "{status}");
        }
    }
}

fn time(value: Option<Duration>, out: &mut Vec<u8>) {
    match value {
        Some(value) => {
            seconds(value, out);
        }
        None => out.push(b'-'),
    }
}

/// While a try goes on, the time it has taken so far.
fn response_time(tried: &Try, out: &mut Vec<u8>) {
    time(tried.after(Some(tried.ended.unwrap_or_else(now))), out);
}

fn number(value: u64, out: &mut Vec<u8>) {
    let _ = write!(out, "{value}");
}

fn upstream_http(request: &Request, name: &[u8], out: &mut Vec<u8>) -> bool {
    let mut any = false;
    for (header, value, _) in request.upstream.head.headers.iter() {
        if is_header(header, name) {
            if any {
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(value);
            any = true;
        }
    }
    any
}

fn upstream_cookie(request: &Request, name: &[u8], out: &mut Vec<u8>) -> bool {
    let cookies = request.upstream.head.headers.all(crate::http1::Known::SetCookie);
    let mut values =
        cookies.filter_map(|line| cookie_in(line.split(|byte| *byte == b';').next()?, name, b';'));
    let value = values.next();
    out.extend_from_slice(value.unwrap_or_default());
    value.is_some()
}
