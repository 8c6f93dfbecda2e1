//! The head of a reply, in nginx's order (`ngx_http_header_filter`).

use std::io::Write;
use std::net::SocketAddr;

use crate::features::client::Tokens;
use crate::features::{Settings, headers};
use crate::http1::{status, write_field, write_number};
use crate::net::Address;
use crate::request::{Request, clock, keep_one_line};

/// Our name, and with the version.
pub const NAME: &str = "wsproxy";
pub const NAME_AND_VERSION: &str = concat!("wsproxy/", env!("CARGO_PKG_VERSION"));

/// How the connection goes on behind the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    KeepAlive,
    Close,
    Upgrade,
}

/// How the body behind a head ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Known(u64),
    Chunked,
    /// With the connection, or there is none.
    Unsaid,
}

/// What stands in front of the headers that come from elsewhere.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// The upstream's `404 Nothing Here`; empty for nginx's own words.
    pub status_line: &'a [u8],
    pub status: u16,
    pub content_type: Option<&'a [u8]>,
    pub length: Length,
    /// `Last-Modified`, of a file of ours.
    pub modified: Option<&'a [u8]>,
    /// An absolute redirect of ours; others stand among the headers.
    pub location: Option<&'a [u8]>,
    pub persistence: Persistence,
    /// The upstream's own Server and Date follow: ours are left out.
    pub has_server: bool,
    pub has_date: bool,
}

impl Default for Head<'_> {
    fn default() -> Self {
        Head {
            status_line: b"",
            status: 200,
            content_type: None,
            length: Length::Unsaid,
            modified: None,
            location: None,
            persistence: Persistence::Close,
            has_server: false,
            has_date: false,
        }
    }
}

/// The name that a location shows.
pub fn server_name(settings: &Settings) -> &'static str {
    match settings.client.server_tokens {
        Tokens::Off => NAME,
        Tokens::On | Tokens::Build => NAME_AND_VERSION,
    }
}

/// Appends everything up to the headers of others.
pub fn begin(head: &Head, settings: &Settings, out: &mut Vec<u8>) {
    match head.status_line {
        b"" => status::write_status_line(head.status, out),
        line => {
            out.extend_from_slice(b"HTTP/1.1 ");
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
        }
    }
    if !head.has_server {
        write_field(b"Server", server_name(settings).as_bytes(), out);
    }
    if !head.has_date {
        write_field(b"Date", clock::now().http.as_bytes(), out);
    }
    if let Some(content_type) = head.content_type.filter(|text| !text.is_empty()) {
        write_field(b"Content-Type", content_type, out);
    }
    if let Length::Known(length) = head.length {
        out.extend_from_slice(b"Content-Length: ");
        write_number(length, out);
        out.extend_from_slice(b"\r\n");
    }
    if let Some(modified) = head.modified {
        write_field(b"Last-Modified", modified, out);
    }
    if let Some(location) = head.location {
        write_one_line(b"Location", location, out);
    }
    if head.length == Length::Chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    out.extend_from_slice(match head.persistence {
        Persistence::KeepAlive => b"Connection: keep-alive\r\n",
        Persistence::Close => b"Connection: close\r\n",
        Persistence::Upgrade => b"Connection: upgrade\r\n",
    });
    if head.persistence == Persistence::KeepAlive
        && let Some(timeout) = settings.client.keepalive_header.filter(|timeout| !timeout.is_zero())
    {
        out.extend_from_slice(b"Keep-Alive: timeout=");
        write_number(timeout.as_secs(), out);
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends the headers a location adds and the empty line.
pub fn end(request: &Request, settings: &Settings, status: u16, out: &mut Vec<u8>) {
    // A request made inside gets none of them (`ngx_http_headers_filter`).
    if !request.sub {
        headers::write(&settings.headers, request, status, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// A path with scheme and host in front (`ngx_http_header_filter`).
pub fn absolute(path: &[u8], request: &Request, settings: &Settings) -> Vec<u8> {
    let tls = request.connection.tls;
    let mut out = if tls { b"https://".to_vec() } else { b"http://".to_vec() };
    let local = request.connection.local.ip();
    let host = request.head.host();
    if settings.client.server_name_in_redirect {
        out.extend_from_slice(&request.server_name);
    } else if !host.is_empty() {
        out.extend_from_slice(host);
    } else {
        // Writing to a Vec cannot fail.
        let _ = match &request.connection.local {
            Address::Ip(SocketAddr::V6(address)) => write!(out, "[{}]", address.ip()),
            Address::Ip(address) => write!(out, "{}", address.ip()),
            Address::Unix(_) => write!(out, "{}", request.connection.local),
        };
    }
    let port = local.map(|address| address.port()).filter(|port| *port != if tls { 443 } else { 80 });
    if let Some(port) = port.filter(|_| settings.client.port_in_redirect) {
        let _ = write!(out, ":{port}");
    }
    out.extend_from_slice(path);
    out
}

/// Writes a header line whose value comes out of variables.
pub fn write_one_line(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    let start = out.len();
    out.extend_from_slice(value);
    keep_one_line(&mut out[start..]);
    out.extend_from_slice(b"\r\n");
}
