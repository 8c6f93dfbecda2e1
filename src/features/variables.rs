//! `ngx_http_variables`: what can be asked of any request.

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use crate::http1::{Credentials, Known};
use crate::net::{Address, Host, ProxyHeader, wall_clock};
use crate::request::{PrefixVariable, Request, Variable, clock};

use super::{listen, websocket};

/// What nginx we are a stand-in for, as `$nginx_version` and `-V` tell.
pub const NGINX_VERSION: &str = "1.31.5";

macro_rules! row {
    ($name:literal, $get:expr) => {
        Variable { name: $name, get: $get }
    };
}

pub const ROWS: &[Variable] = &[
    row!("args", |r, out| !r.target.args.is_empty() && found(&r.target.args, out)),
    row!("binary_remote_addr", binary_remote_addr),
    row!("body_bytes_sent", |r, out| number(r.reply.body_sent(), out)),
    row!("bytes_sent", |r, out| number(r.reply.sent, out)),
    row!("connection", |r, out| number(r.connection.number, out)),
    row!("connection_requests", |r, out| number(r.connection.requests, out)),
    row!("connection_time", |r, out| seconds(r.connection.started.elapsed(), out)),
    row!("content_length", |r, out| header(r, Known::ContentLength, out)),
    row!("content_type", |r, out| header(r, Known::ContentType, out)),
    row!("document_root", document_root),
    row!("document_uri", |r, out| found(&r.target.path, out)),
    row!("host", host),
    row!("hostname", |_, out| found(&listen::hostname(), out)),
    row!("http_upgrade", websocket::http_upgrade),
    row!("https", |r, out| found(if r.connection.tls { b"on" } else { b"" }, out)),
    row!("is_args", |r, out| found(if r.target.args.is_empty() { b"" } else { b"?" }, out)),
    row!("is_request_port", |r, out| found(if r.head.port().is_none() { b"" } else { b":" }, out)),
    row!("limit_rate", |_, out| found(b"0", out)),
    row!("msec", |_, out| seconds(wall_clock(), out)),
    row!("nginx_version", |_, out| found(NGINX_VERSION.as_bytes(), out)),
    row!("pid", |_, out| number(u64::from(std::process::id()), out)),
    row!("pipe", |r, out| found(if r.pipelined { b"p" } else { b"." }, out)),
    row!("proxy_protocol_addr", |r, out| introduced(r, |header| &header.source, out)),
    row!("proxy_protocol_port", |r, out| introduced_port(r, |header| header.source_port, out)),
    row!("proxy_protocol_server_addr", |r, out| introduced(r, |header| &header.destination, out)),
    row!("proxy_protocol_server_port", |r, out| introduced_port(r, |header| header.destination_port, out)),
    row!("query_string", |r, out| !r.target.args.is_empty() && found(&r.target.args, out)),
    row!("realpath_root", realpath_root),
    row!("remote_addr", remote_addr),
    row!("remote_port", |r, out| port(&r.connection.peer, out)),
    row!("remote_user", remote_user),
    row!("request", |r, out| found(r.head.line(), out)),
    row!("request_completion", |r, out| r.completed && found(b"OK", out)),
    row!("request_filename", request_filename),
    row!("request_id", request_id),
    row!("request_length", |r, out| number(r.received, out)),
    // A request made inside shows that of the one it is made for.
    row!("request_method", |r, out| found(if r.sub { r.head.method_name() } else { r.method_name() }, out)),
    row!("request_port", |r, out| r.head.port().is_some_and(|port| number(u64::from(port), out))),
    row!("request_time", |r, out| seconds(r.lasted(), out)),
    row!("request_uri", |r, out| found(r.head.target(), out)),
    row!("scheme", |r, out| found(if r.connection.tls { b"https" } else { b"http" }, out)),
    row!("server_addr", |r, out| ip(&r.connection.local, out)),
    row!("server_name", |r, out| found(&r.server_name, out)),
    row!("server_port", |r, out| port(&r.connection.local, out)),
    // HTTP/0.9 has no word for itself.
    row!("server_protocol", |r, out| found(r.head.protocol(), out) && !r.head.protocol().is_empty()),
    row!("status", status),
    row!("time_iso8601", |_, out| found(clock::now().iso8601.as_bytes(), out)),
    row!("time_local", |_, out| found(clock::now().local.as_bytes(), out)),
    row!("uri", |r, out| found(&r.target.path, out)),
];

pub const PREFIXES: &[PrefixVariable] = &[
    PrefixVariable { prefix: "http_", get: http },
    PrefixVariable { prefix: "sent_http_", get: sent_http },
    PrefixVariable { prefix: "cookie_", get: cookie },
    PrefixVariable { prefix: "arg_", get: arg },
    PrefixVariable { prefix: "proxy_protocol_tlv_", get: proxy_protocol_tlv },
];

fn found(value: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(value);
    true
}

fn number(value: u64, out: &mut Vec<u8>) -> bool {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{value}");
    true
}

/// Seconds and milliseconds: `0.012`.
pub fn seconds(value: Duration, out: &mut Vec<u8>) -> bool {
    let _ = write!(out, "{}.{:03}", value.as_secs(), value.subsec_millis());
    true
}

fn header(request: &Request, known: Known, out: &mut Vec<u8>) -> bool {
    let value = request.head.headers.first(known);
    out.extend_from_slice(value.unwrap_or_default());
    value.is_some()
}

/// `$remote_addr`: `unix:` for a client on a Unix socket.
pub fn remote_addr(request: &Request, out: &mut Vec<u8>) -> bool {
    ip(&request.connection.peer, out)
}

/// An address without its port.
pub fn ip(address: &Address, out: &mut Vec<u8>) -> bool {
    match address {
        Address::Ip(_) => {
            let _ = write!(out, "{}", Host(address));
        }
        Address::Unix(path) => {
            out.extend_from_slice(b"unix:");
            out.extend_from_slice(path.as_os_str().as_encoded_bytes());
        }
    }
    true
}

/// The port of an address; nothing where it has none, as one that comes from a header.
pub fn port(address: &Address, out: &mut Vec<u8>) -> bool {
    match address.ip().map(|address| address.port()) {
        None | Some(0) => true,
        Some(port) => number(u64::from(port), out),
    }
}

fn binary_remote_addr(request: &Request, out: &mut Vec<u8>) -> bool {
    match &request.connection.peer {
        Address::Ip(address) => match address.ip() {
            IpAddr::V4(ip) => found(&ip.octets(), out),
            IpAddr::V6(ip) => found(&ip.octets(), out),
        },
        Address::Unix(_) => remote_addr(request, out),
    }
}

/// What the header of the PROXY protocol says, where there is one.
fn introduced(request: &Request, part: impl Fn(&ProxyHeader) -> &[u8], out: &mut Vec<u8>) -> bool {
    request.connection.proxy_header.as_ref().is_some_and(|header| found(part(header), out))
}

fn introduced_port(request: &Request, part: impl Fn(&ProxyHeader) -> u16, out: &mut Vec<u8>) -> bool {
    let port = request.connection.proxy_header.as_ref().map(|header| part(header));
    port.is_some_and(|port| port == 0 || number(u64::from(port), out))
}

fn proxy_protocol_tlv(request: &Request, name: &[u8], out: &mut Vec<u8>) -> bool {
    request.connection.proxy_header.as_ref().is_some_and(|header| header.tlv(name, out))
}

/// What the request asks for, else the server's name.
fn host(request: &Request, out: &mut Vec<u8>) -> bool {
    let host = request.head.host();
    let name = if host.is_empty() { &request.server_name[..] } else { host };
    found(name, out)
}

/// The path of `root` or `alias` for this request.
fn document_root(request: &Request, out: &mut Vec<u8>) -> bool {
    if let Some(root) = &request.root {
        root.path.render(request, out);
    }
    true
}

fn realpath_root(request: &Request, out: &mut Vec<u8>) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let mut root = Vec::new();
    document_root(request, &mut root);
    let Ok(path) = std::fs::canonicalize(std::ffi::OsStr::from_bytes(&root)) else { return false };
    found(path.as_os_str().as_bytes(), out)
}

/// The file that the URI names, as `ngx_http_map_uri_to_path` finds it.
pub fn request_filename(request: &Request, out: &mut Vec<u8>) -> bool {
    document_root(request, out);
    let skip = request.root.as_ref().and_then(|root| root.alias).unwrap_or(0);
    out.extend_from_slice(request.target.path.get(skip..).unwrap_or_default());
    true
}

/// The user of a `Basic` authorization, whether or not anybody has checked the password.
fn remote_user(request: &Request, out: &mut Vec<u8>) -> bool {
    let value = request.head.headers.first(Known::Authorization);
    value.and_then(Credentials::read).is_some_and(|shown| found(shown.user(), out))
}

fn request_id(request: &Request, out: &mut Vec<u8>) -> bool {
    let mut id = request.id.borrow_mut();
    let id = id.get_or_insert_with(|| {
        let mut random = [0; 16];
        // Where the system has no randomness the id is of no use, and not worth failing for.
        let _ = getrandom::fill(&mut random);
        let mut text = [0; 32];
        data_encoding::HEXLOWER.encode_mut(&random, &mut text);
        text
    });
    found(&id[..], out)
}

fn status(request: &Request, out: &mut Vec<u8>) -> bool {
    let _ = write!(out, "{:03}", request.reply.status);
    true
}

/// `$http_*`: several of one name are joined, cookies by `; `.
fn http(request: &Request, name: &[u8], out: &mut Vec<u8>) -> bool {
    let separator: &[u8] = if name == b"cookie" { b"; " } else { b", " };
    let start = out.len();
    let mut any = false;
    for value in request.head.headers.named_underscore(name) {
        if any {
            out.extend_from_slice(separator);
        }
        out.extend_from_slice(value);
        any = true;
    }
    debug_assert!(any || out.len() == start);
    any
}

/// Whether a header's name is the one a variable names: lower case, `_` for `-`.
pub fn is_header(name: &[u8], wanted: &[u8]) -> bool {
    let plain = |byte: &u8| if *byte == b'-' { b'_' } else { byte.to_ascii_lowercase() };
    name.len() == wanted.len() && name.iter().map(plain).eq(wanted.iter().copied())
}

fn sent_http(request: &Request, name: &[u8], out: &mut Vec<u8>) -> bool {
    let value = request.reply.header(|sent| is_header(sent, name));
    out.extend_from_slice(value.unwrap_or_default());
    value.is_some()
}

fn cookie(request: &Request, name: &[u8], out: &mut Vec<u8>) -> bool {
    let value = request.head.headers.all(Known::Cookie).find_map(|line| cookie_in(line, name, b';'));
    out.extend_from_slice(value.unwrap_or_default());
    value.is_some()
}

/// `ngx_http_parse_multi_header_lines`.
pub fn cookie_in<'a>(line: &'a [u8], name: &[u8], separator: u8) -> Option<&'a [u8]> {
    line.split(|byte| *byte == separator || *byte == b',' && separator != b';').find_map(|pair| {
        let pair = pair.trim_ascii_start();
        let (start, rest) = pair.split_at_checked(name.len())?;
        let value = rest.trim_ascii_start().strip_prefix(b"=")?;
        start.eq_ignore_ascii_case(name).then(|| value.trim_ascii_start())
    })
}

fn arg(request: &Request, name: &[u8], out: &mut Vec<u8>) -> bool {
    let value = request.target.args.split(|byte| *byte == b'&').find_map(|pair| {
        let (start, rest) = pair.split_at_checked(name.len())?;
        start.eq_ignore_ascii_case(name).then_some(rest)?.strip_prefix(b"=")
    });
    out.extend_from_slice(value.unwrap_or_default());
    value.is_some()
}
