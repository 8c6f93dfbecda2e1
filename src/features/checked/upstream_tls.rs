//! Certificates for connections to upstreams: `ngx_http_proxy_set_ssl` and its kin.

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, values};
use crate::syntax::{Directive, NodeId};

use super::{Build, Whole, span_of, text};

/// A module that speaks TLS to upstreams, and how a block says that it does.
struct Module {
    name: &'static str,
    contexts: Context,
    speaks: fn(&Whole, Option<NodeId>) -> bool,
}

const MODULES: &[Module] = &[
    Module {
        name: "proxy",
        contexts: Context::IN_HTTP,
        speaks: |whole, block| passes(whole, block, "proxy_pass", b"https://"),
    },
    Module {
        name: "grpc",
        contexts: Context::IN_HTTP,
        speaks: |whole, block| passes(whole, block, "grpc_pass", b"grpcs://"),
    },
    Module {
        name: "uwsgi",
        contexts: Context::IN_HTTP,
        speaks: |whole, block| passes(whole, block, "uwsgi_pass", b"suwsgi://"),
    },
    Module {
        name: "proxy",
        contexts: Context::STREAM_SERVER,
        speaks: |whole, block| is_on(whole.in_effect(block, "proxy_ssl")),
    },
];

/// Whether a block passes requests on with this scheme, or with one that only shows later.
fn passes(whole: &Whole, block: Option<NodeId>, name: &str, scheme: &[u8]) -> bool {
    let target = whole.own(block, name).and_then(|line| line.args.first());
    target
        .is_some_and(|word| word.value.contains(&b'$') || word.value.to_ascii_lowercase().starts_with(scheme))
}

fn is_on(line: Option<&Directive>) -> bool {
    line.and_then(|line| values::flag(&line.args.first()?.value)) == Some(true)
}

pub fn afterwards(whole: &Whole, build: &mut Build) {
    if build.options.fragment {
        return;
    }
    for module in MODULES {
        for block in whole.within(module.contexts) {
            if (module.speaks)(whole, block) {
                certificates(whole, block, module.name, build);
            }
        }
    }
}

fn certificates(whole: &Whole, block: Option<NodeId>, module: &str, build: &mut Build) {
    let line = |ending: &str| whole.in_effect(block, &format!("{module}_ssl_{ending}"));
    if let Some(certificate) = line("certificate").filter(|_| line("certificate_key").is_none()) {
        let value = certificate.args.first().map_or(&b""[..], |word| &word.value);
        if !value.is_empty() {
            let message =
                format!("no \"{module}_ssl_certificate_key\" is defined for certificate \"{}\"", text(value));
            build.say_once(Diagnostic::error("missing-key", span_of(certificate, 0), message));
        }
    }
    let verify = line("verify").filter(|line| is_on(Some(line)));
    if let Some(verify) = verify.filter(|_| line("trusted_certificate").is_none()) {
        let message = format!("no {module}_ssl_trusted_certificate for {module}_ssl_verify");
        let finding = Diagnostic::error("missing-certificate", verify.name.span, message);
        build
            .say_once(finding.help(format!(
                "name the authorities that are trusted: \"{module}_ssl_trusted_certificate\""
            )));
    }
}
