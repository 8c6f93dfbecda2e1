//! A Host for the upstream that the client makes up.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::Context;
use crate::lint::site::{Block, Origin, Piece, Site, pieces};
use crate::lint::{Mend, Profile, Rule, edit, examples};

use super::hosts::Defaults;

pub static RULE: Rule = Rule {
    id: "SEC304",
    name: "host-header-untrusted",
    severity: Severity::Info,
    profile: Profile::Security,
    summary: "the Host for the upstream is the client's to choose",
    why: "Applications build links from Host: in mails that reset passwords, in redirects, in cached pages. If a client \
          may write there what it likes, those links lead to its server. $host is the client's as well, but without \
          port and in lower case; only server_name with a default server that refuses others pins it.",
    mend: Mend::None,
    examples: examples!("host-header-untrusted"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let defaults = Defaults::of(site);
    for (block, directive) in site.all(&["proxy_set_header", "grpc_set_header"]) {
        let [field, value] = &directive.args[..] else { continue };
        if !field.value.eq_ignore_ascii_case(b"host") {
            continue;
        }
        let Some(variable) = client(block, &value.value, 4) else { continue };
        let is_host = variable == "http_host";
        if is_host && !reaches_default(block, &defaults) {
            continue;
        }
        let message =
            format!("Host for the upstream comes from ${variable}, which the client chooses freely");
        let mut finding = rule.finding(directive.head(), message);
        finding.severity = if is_host { Severity::Info } else { Severity::Warning };
        found.push(finding.help(format!(
            "\"{} Host $host;\", and a default server that refuses names which are not yours",
            edit::quoted(&directive.name.value.to_str_lossy())
        )));
    }
}

/// A variable of the client's in a text.
fn client(block: Block<'_>, text: &[u8], depth: usize) -> Option<String> {
    pieces(text).into_iter().find_map(|piece| {
        let Piece::Variable(name) = piece else { return None };
        let name = name.to_ascii_lowercase();
        match block.site.origins_in(block, &name)[..] {
            [Origin::Builtin(row)]
                if matches!(row.name, "http_" | "arg_" | "cookie_") || name == b"http_host" =>
            {
                Some(name.to_str_lossy().into_owned())
            }
            [Origin::Set { value, .. }] => client(block, &value.value, depth.checked_sub(1)?),
            _ => None,
        }
    })
}

/// Whether the server that takes requests for any name uses what is written in a block.
fn reaches_default(block: Block<'_>, defaults: &Defaults) -> bool {
    if Context::HTTP.meets(block.context()) {
        let mut servers = block.children().filter(|child| child.context() == Context::SERVER).peekable();
        return servers.peek().is_none() || servers.any(|server| defaults.has(server));
    }
    block.server().is_none_or(|server| defaults.has(server))
}
