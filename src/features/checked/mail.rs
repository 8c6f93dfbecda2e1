//! The `mail` block: `listen`, `protocol`, and what each server has to say.

use std::collections::HashMap;

use crate::diagnostics::Diagnostic;
use crate::directive::Context;
use crate::source::Span;

use super::{Build, Call, Check, Whole, sockets};

pub const CHECKS: &[Check] = &[
    Check { name: "listen", contexts: Context::MAIL_SERVER, check: listen },
    Check { name: "protocol", contexts: Context::IN_MAIL, check: protocol },
];

fn listen(call: &mut Call) {
    sockets::listen(call, &["bind", "multipath", "proxy_protocol", "ssl"]);
}

fn protocol(call: &mut Call) {
    if !matches!(call.arg(0), b"imap" | b"pop3" | b"smtp") {
        let message = format!("unknown protocol \"{}\"", call.text(0));
        call.error(0, "invalid-value", message);
    }
}

/// The ports that say which protocol is meant.
const PORTS: [&str; 7] = ["25", "587", "465", "110", "995", "143", "993"];

pub fn afterwards(whole: &Whole, build: &mut Build) {
    let mut addresses: HashMap<&[u8], Span> = HashMap::new();
    for server in whole.within(Context::MAIL_SERVER).flatten() {
        let span = whole.tree.get(server).name.span;
        let mut telling = whole.in_effect(Some(server), "protocol").is_some();
        for listen in whole.tree.items(Some(server)).filter(|directive| directive.is("listen")) {
            let Some(word) = listen.args.first() else { continue };
            let port = word.value.rsplit(|byte| *byte == b':').next().unwrap_or_default();
            telling |= PORTS.iter().any(|known| known.as_bytes() == port);
            if let Some(earlier) = addresses.insert(&word.value, word.span) {
                let message = format!("duplicate \"{}\" address and port pair", word.value);
                build.diagnostics.push(
                    Diagnostic::error("duplicate-listen", word.span, message).also(earlier, "here, too"),
                );
            }
        }
        if !whole.tree.items(Some(server)).any(|line| line.is("listen")) && !build.options.fragment {
            let message = "no \"listen\" is defined for server";
            build.diagnostics.push(Diagnostic::error("missing-listen", span, message));
        }
        if !telling && !build.options.fragment {
            let finding = Diagnostic::error("missing-protocol", span, "unknown mail protocol for server");
            build
                .diagnostics
                .push(finding.help("add \"protocol imap;\", \"protocol pop3;\" or \"protocol smtp;\""));
        }
        if whole.in_effect(Some(server), "auth_http").is_none() && !build.options.fragment {
            let message = "no \"auth_http\" is defined for server";
            build.diagnostics.push(Diagnostic::error("missing-auth-http", span, message));
        }
    }
}
