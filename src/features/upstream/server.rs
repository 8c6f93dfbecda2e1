//! The `server` lines of an `upstream` block, and addresses.

use std::net::{Ipv4Addr, SocketAddr};

use crate::diagnostics::Diagnostic;
use crate::directive::values;
use crate::features::Call;
use crate::features::listen::split_port;
use crate::net::Address;
use crate::upstream::{Endpoint, LONGEST_ROUTE, ServerSpec, Sid};

use super::Written;

/// Host and port of an address; what is wrong with it is said.
pub fn address(call: &mut Call, text: &str, of: &str) -> Option<(String, Option<u16>)> {
    let wrong = |call: &mut Call, why: &str| {
        let message = format!("{why} in {of} \"{text}\"");
        call.error(0, "invalid-address", message);
        None
    };
    if text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("unix:")) {
        let path = &text[5..];
        return match path {
            "" => wrong(call, "no path in the unix domain socket"),
            _ => Some((format!("unix:{path}"), None)),
        };
    }
    let Some((host, port)) = split_port(text) else { return wrong(call, "invalid host") };
    if host.contains(['/', '?']) {
        return wrong(call, "invalid host");
    }
    if host.is_empty() {
        return wrong(call, "no host");
    }
    if host.starts_with('[') && known(host, 1).is_none() {
        return wrong(call, "invalid IPv6 address");
    }
    match port {
        None => Some((host.to_owned(), None)),
        Some(port) => match port.parse::<u16>().ok().filter(|port| *port != 0) {
            Some(port) => Some((host.to_owned(), Some(port))),
            None => wrong(call, "invalid port"),
        },
    }
}

/// A `server` line.
pub fn set(written: &mut Written, call: &mut Call) {
    let text = call.text(0);
    let Some((host, port)) = address(call, &text, "upstream") else { return };
    let has_port = port.is_some();
    let port = port.unwrap_or(80);
    let endpoint = known(&host, port).map_or_else(|| Endpoint::Name { host, port }, Endpoint::Known);
    let mut spec = ServerSpec::new(text, endpoint);
    for at in 1..call.args().len() {
        if !parameter(&mut spec, call, at) {
            let message = format!("invalid parameter \"{}\"", call.text(at));
            call.error(at, "invalid-parameter", message);
        }
    }
    if let Some(finding) = service(&spec, call, has_port) {
        call.say(finding);
    }
    written.servers.push(spec);
}

/// What a line with `service=` lacks, or has too much of.
fn service(spec: &ServerSpec, call: &Call, has_port: bool) -> Option<Diagnostic> {
    let service = spec.service.as_ref()?;
    let text = &spec.text;
    let at = call.args().iter().position(|word| word.value.starts_with(b"service="))?;
    let error = |code, at, message: String| Some(Diagnostic::error(code, call.span(at), message));
    if service.is_empty() {
        return error("invalid-parameter", at, "service is empty".into());
    }
    if !spec.resolve {
        let message = format!("service upstream \"{text}\" requires \"resolve\" parameter");
        return error("missing-parameter", at, message)
            .map(|finding| finding.help("services are looked up while requests come: add \"resolve\""));
    }
    if has_port {
        let message = format!("service upstream \"{text}\" may not have port");
        return error("invalid-address", 0, message)
            .map(|finding| finding.help("the ports are those of the service's records"));
    }
    match spec.endpoint {
        Endpoint::Name { .. } => None,
        Endpoint::Known(_) => {
            error("invalid-address", 0, format!("service upstream \"{text}\" requires domain name"))
        }
    }
}

fn parameter(spec: &mut ServerSpec, call: &mut Call, at: usize) -> bool {
    let word = call.arg(at);
    let equals = word.iter().position(|byte| *byte == b'=');
    let (name, value) = equals.map_or((word, &b""[..]), |equals| (&word[..equals], &word[equals + 1..]));
    let number = values::number(value);
    match (name, number) {
        (b"weight", Some(weight)) if weight > 0 => spec.weight = weight.min(i32::MAX as u64) as i64,
        (b"max_conns", Some(count)) => spec.max_conns = count as usize,
        (b"max_fails", Some(count)) => spec.max_fails = count as u32,
        (b"fail_timeout", _) => match values::seconds(value) {
            Some(time) => spec.fail_timeout = time,
            None => return false,
        },
        (b"backup", _) if equals.is_none() => spec.backup = true,
        (b"down", _) if equals.is_none() => spec.down = true,
        (b"resolve", _) if equals.is_none() => spec.resolve = true,
        (b"service", _) if equals.is_some() => {
            spec.service = Some(String::from_utf8_lossy(value).into_owned());
        }
        (b"route", _) if equals.is_some() => spec.route = route(call, at, value),
        (b"slow_start", _) if equals.is_some() => match values::time(value) {
            Some(time) => spec.slow_start = time,
            None => return false,
        },
        (b"drain", _) if equals.is_none() => spec.drain = true,
        _ => return false,
    }
    true
}

/// The id of `route=`.
fn route(call: &mut Call, at: usize, value: &[u8]) -> Option<Sid> {
    let why = match value.len() {
        0 => "route is empty".to_owned(),
        length if length > LONGEST_ROUTE => format!("route is longer than {LONGEST_ROUTE}"),
        _ => return Some(value.into()),
    };
    call.error(at, "invalid-parameter", why);
    None
}

/// An address that needs no resolving.
pub fn known(host: &str, port: u16) -> Option<Address> {
    if let Some(path) = host.strip_prefix("unix:") {
        return Some(Address::unix(path));
    }
    if let Some(inside) = host.strip_prefix('[') {
        let ip = inside.strip_suffix(']')?.parse().ok()?;
        return Some(Address::Ip(SocketAddr::new(std::net::IpAddr::V6(ip), port)));
    }
    let ip: Ipv4Addr = host.parse().ok()?;
    Some(Address::Ip(SocketAddr::from((ip, port))))
}

/// Host and port as `$proxy_host` and `$proxy_port` show them: a default port is left out.
pub fn host_and_port(authority: &[u8], default_port: u16) -> (Box<[u8]>, Box<[u8]>) {
    if authority.len() >= 5 && authority[..5].eq_ignore_ascii_case(b"unix:") {
        return (b"localhost"[..].into(), Box::default());
    }
    let text = String::from_utf8_lossy(authority);
    let (host, port) = split_port(&text).unwrap_or((&text, None));
    match port {
        Some(port) if port != default_port.to_string() => (authority.into(), port.as_bytes().into()),
        _ => (host.as_bytes().into(), default_port.to_string().into_bytes().into()),
    }
}
