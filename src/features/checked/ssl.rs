//! Certificates, session caches and what else nginx asks of TLS: `ngx_http_ssl_merge_srv_conf`,
//! `ngx_http_ssl_init` and their kin in stream and mail.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::diagnostics::{DependsOn, Diagnostic};
use crate::directive::{Context, values};
use crate::features::zones::Zone;
use crate::source::Span;
use crate::syntax::{Directive, NodeId, Word};

use super::{Build, Call, Check, PAGE, Whole, text};

pub const CHECKS: &[Check] = &[
    Check { name: "ssl_ocsp_cache", contexts: Context::ANY, check: ocsp_cache },
    Check { name: "grpc_ssl_password_file", contexts: Context::ANY, check: password_file },
    Check { name: "proxy_ssl_password_file", contexts: Context::ANY, check: password_file },
    Check { name: "ssl_password_file", contexts: Context::ANY, check: password_file },
    Check { name: "uwsgi_ssl_password_file", contexts: Context::ANY, check: password_file },
    Check { name: "ssl_session_cache", contexts: Context::ANY, check: session_cache },
];

/// What may hold a `listen`.
const SERVERS: Context = Context::SERVER.or(Context::STREAM_SERVER).or(Context::MAIL_SERVER);

fn session_cache(call: &mut Call) {
    for at in 0..call.args().len() {
        let word = call.arg(at);
        let fits = match word {
            b"off" | b"none" | b"builtin" => true,
            _ => match word.strip_prefix(b"builtin:") {
                Some(count) => values::number(count).is_some(),
                None => shared(call, at, word, "session cache"),
            },
        };
        if !fits {
            let message = format!("invalid session cache \"{}\"", text(word));
            let finding = Diagnostic::error("invalid-value", call.span(at), message);
            call.say(finding.help("a shared one has a name and a size: \"shared:SSL:10m\""));
        }
    }
}

fn password_file(call: &mut Call) {
    if let Some(word) = call.args().first() {
        readable(word, "cannot read passwords from", call.build);
    }
}

fn ocsp_cache(call: &mut Call) {
    let word = call.arg(0);
    if word != b"off" && !shared(call, 0, word, "OCSP cache") {
        let message = format!("invalid OCSP cache \"{}\"", text(word));
        call.error(0, "invalid-value", message);
    }
}

/// `shared:name:size`; false where it is not written like that.
fn shared(call: &mut Call, at: usize, word: &[u8], what: &str) -> bool {
    let Some((name, size)) = word.strip_prefix(b"shared:").and_then(values::zone) else { return false };
    let span = call.span(at);
    if size < 8 * PAGE {
        let message = format!("{what} \"{}\" is too small", text(word));
        call.say(Diagnostic::error("invalid-value", span, message).help("the least size is 32k"));
        return true;
    }
    let kind = match call.context {
        context if context.meets(Context::IN_HTTP) => "ssl_session_cache",
        context if context.meets(Context::IN_STREAM) => "stream ssl_session_cache",
        _ => "mail ssl_session_cache",
    };
    let kind = if call.directive.is("ssl_ocsp_cache") { "ssl_ocsp_cache" } else { kind };
    let earlier = match call.build.zones.declare(name, Zone { kind, size, span }) {
        Ok(()) => return true,
        Err(earlier) => (earlier.kind, earlier.size, earlier.span),
    };
    let name = text(name);
    let message = if earlier.0 != kind {
        format!("the shared memory zone \"{name}\" is already declared for a different use")
    } else if earlier.1 != size {
        let other = earlier.1;
        format!(
            "the size {size} of shared memory zone \"{name}\" conflicts with already declared size {other}"
        )
    } else {
        return true;
    };
    call.say(Diagnostic::error("duplicate-zone", span, message).also(earlier.2, "the earlier one"));
    true
}

pub fn afterwards(whole: &Whole, build: &mut Build) {
    let mut addresses: HashMap<Vec<u8>, Vec<Listening>> = HashMap::new();
    let mut order = Vec::new();
    for server in whole.within(SERVERS).flatten() {
        keys(whole, server, build);
        for listen in whole.tree.items(Some(server)).filter(|directive| directive.is("listen")) {
            let Some(word) = listen.args.first() else { continue };
            let has = |name: &str| listen.args[1..].iter().any(|word| word.value == name);
            let address = canonical(&word.value);
            let listening = Listening {
                server,
                span: listen.name.span,
                ssl: has("ssl") || has("quic"),
                name: if has("quic") { "quic" } else { "ssl" },
                default: has("default_server") || has("default"),
            };
            let servers = addresses.entry(address.clone()).or_default();
            if servers.is_empty() {
                order.push(address);
            }
            servers.push(listening);
        }
    }
    if build.options.fragment {
        return;
    }
    for address in order {
        certificate_of(whole, &addresses[&address], build);
    }
}

/// One `listen` of a server.
struct Listening {
    server: NodeId,
    span: Span,
    ssl: bool,
    /// Which parameter asks for a certificate.
    name: &'static str,
    default: bool,
}

/// An address in one spelling: `80`, `*:80` and `0.0.0.0:80` are the same.
pub fn canonical(word: &[u8]) -> Vec<u8> {
    let word = word.strip_prefix(b"0.0.0.0").or(word.strip_prefix(b"*")).unwrap_or(word);
    let port = word.strip_prefix(b":").unwrap_or(word);
    if !port.is_empty() && port.iter().all(u8::is_ascii_digit) {
        return [b"*:", port].concat();
    }
    match word {
        b"" => b"*:80".to_vec(),
        word if word.starts_with(b"unix:") || word.ends_with(b"]") => word.to_vec(),
        word if word.contains(&b':') => word.to_vec(),
        word => [word, b":80"].concat(),
    }
}

/// Where TLS is spoken the default server needs a certificate; without one there, all need one.
fn certificate_of(whole: &Whole, servers: &[Listening], build: &mut Build) {
    let Some(asking) = servers.iter().find(|listening| listening.ssl) else { return };
    let has = |listening: &Listening| {
        let rejects = whole.in_effect(Some(listening.server), "ssl_reject_handshake");
        let rejects = rejects.and_then(|line| values::flag(&line.args.first()?.value)) == Some(true);
        let certificate = whole.in_effect(Some(listening.server), "ssl_certificate").is_some();
        (certificate, rejects)
    };
    let default = servers.iter().find(|listening| listening.default).unwrap_or(&servers[0]);
    let lacking = match has(default) {
        (true, _) => None,
        (false, false) => Some(default),
        (false, true) => servers.iter().find(|listening| has(listening) == (false, false)),
    };
    if let Some(listening) = lacking {
        let name = asking.name;
        let message = format!("no \"ssl_certificate\" is defined for the \"listen ... {name}\" directive");
        let finding = Diagnostic::error("missing-certificate", listening.span, message)
            .help("add \"ssl_certificate\" and \"ssl_certificate_key\" to the server, or \"ssl_reject_handshake on;\"");
        let finding = match asking.span == listening.span {
            true => finding,
            false => {
                finding.here("the default server of this address").also(asking.span, "TLS is asked for here")
            }
        };
        build.diagnostics.push(finding);
    }
    protocols(whole, default, build);
}

/// QUIC is TLS 1.3.
fn protocols(whole: &Whole, default: &Listening, build: &mut Build) {
    let protocols = whole.in_effect(Some(default.server), "ssl_protocols").filter(|_| default.name == "quic");
    let Some(line) = protocols else { return };
    if !line.args.iter().any(|word| word.value.eq_ignore_ascii_case(b"TLSv1.3")) {
        let message = "\"ssl_protocols\" must enable TLSv1.3 for the \"listen ... quic\" directive";
        let finding = Diagnostic::error("incompatible", line.name.span, message);
        build.say_once(finding.also(default.span, "QUIC is asked for here"));
    }
}

/// A key for each certificate of a server, and files that can be read.
fn keys(whole: &Whole, server: NodeId, build: &mut Build) {
    let certificates = all_in_effect(whole, server, "ssl_certificate");
    let keys = all_in_effect(whole, server, "ssl_certificate_key");
    let elsewhere = build.options.fragment;
    if let Some(last) = certificates.get(keys.len()..).and_then(<[&Word]>::last).filter(|_| !elsewhere) {
        let message = format!("no \"ssl_certificate_key\" is defined for certificate \"{}\"", last.value);
        if !build.diagnostics.iter().any(|one| one.code == "missing-key" && one.span() == last.span) {
            build.diagnostics.push(Diagnostic::error("missing-key", last.span, message));
        }
        return;
    }
    let verify = whole.in_effect(Some(server), "ssl_verify_client");
    let verify = verify.and_then(|line| Some((line, line.args.first()?)));
    let trusted = ["ssl_client_certificate", "ssl_trusted_certificate"];
    if let Some((line, word)) = verify
        && !certificates.is_empty()
        && !elsewhere
        && (word.value.eq_ignore_ascii_case(b"on") || word.value.eq_ignore_ascii_case(b"optional"))
        && trusted.iter().all(|name| whole.in_effect(Some(server), name).is_none())
    {
        let message = "no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client";
        build.say_once(Diagnostic::error("missing-certificate", line.name.span, message));
    }
    if certificates.is_empty() {
        return;
    }
    for word in &certificates {
        readable(word, "cannot load certificate", build);
    }
    for word in &keys {
        readable(word, "cannot load certificate key", build);
    }
    for name in [
        "ssl_dhparam",
        "ssl_client_certificate",
        "ssl_trusted_certificate",
        "ssl_crl",
        "ssl_session_ticket_key",
    ] {
        for word in all_in_effect(whole, server, name) {
            readable(word, "cannot load", build);
        }
    }
}

/// The words of all directives of this name in the nearest block that has one.
fn all_in_effect<'a>(whole: &Whole<'a>, server: NodeId, name: &str) -> Vec<&'a Word> {
    let mut block = Some(server);
    while whole.own(block, name).is_none() {
        match block {
            Some(inner) => block = whole.tree.block_of(inner),
            None => return Vec::new(),
        }
    }
    let own = whole.tree.items(block).filter(|directive| directive.is(name));
    own.filter_map(|directive: &Directive| directive.args.first()).collect()
}

/// Whether a file of certificates is there, which depends on the machine.
fn readable(word: &Word, what: &str, build: &mut Build) {
    let name = &word.value[..];
    if name.is_empty() || name.contains(&b'$') || name.starts_with(b"data:") || name.starts_with(b"engine:") {
        return;
    }
    let path = build.options.conf_prefix.join(Path::new(OsStr::from_bytes(name)));
    let Err(error) = build.files.read(&path) else { return };
    let message = format!("{what} \"{}\": {error}", path.display());
    build.say_once(Diagnostic::error("unreadable-file", word.span, message).depends_on(DependsOn::Machine));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_spelling() {
        for word in ["80", "*:80", "0.0.0.0:80", "*", "0.0.0.0"] {
            assert_eq!(canonical(word.as_bytes()), b"*:80", "{word}");
        }
        assert_eq!(canonical(b"127.0.0.1"), b"127.0.0.1:80");
        assert_eq!(canonical(b"[::]:443"), b"[::]:443");
        assert_eq!(canonical(b"unix:/run/a"), b"unix:/run/a");
    }
}
