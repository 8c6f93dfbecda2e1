//! Names of hosts that nginx looks up while it reads a configuration.

use std::collections::HashSet;

use crate::directive::Context;
use crate::source::Span;
use crate::syntax::{Directive, Tree, Word};

use super::Whole;
use super::address::{self, Target};

/// A name, where it stands, and what of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub name: String,
    pub span: Span,
    /// `upstream`, `resolver`, …: as nginx says it in "host not found in upstream".
    pub of: &'static str,
}

/// The names that have to resolve, in the order of the text. In a part of a configuration a word
/// without a port and a dot may be the name of an `upstream` block elsewhere, and is left out.
pub fn hosts(tree: &Tree, context: Context, fragment: bool) -> Vec<Host> {
    let whole = Whole::of(tree, context);
    let groups = whole.within(Context::UPSTREAM.or(Context::STREAM_UPSTREAM)).flatten();
    let groups = groups.filter_map(|group| tree.get(group).args.first());
    let groups: HashSet<Vec<u8>> = groups.map(|name| name.value.to_ascii_lowercase()).collect();
    let mut found = Vec::new();
    for (block, context) in &whole.blocks {
        for directive in tree.items(*block) {
            for (of, word) in named(directive, *context) {
                let Some((host, has_port)) = host_of(directive, word) else { continue };
                let may_be_group = of == "upstream" && !directive.is("server") && !has_port;
                let elsewhere = fragment && !host.contains('.');
                if !(may_be_group && (elsewhere || groups.contains(host.to_ascii_lowercase().as_bytes()))) {
                    found.push(Host { name: host, span: word.span, of });
                }
            }
        }
    }
    found
}

/// The words of a directive that are addresses.
fn named(directive: &Directive, context: Context) -> Vec<(&'static str, &Word)> {
    let first = directive.args.first().into_iter();
    let groups = Context::UPSTREAM.or(Context::STREAM_UPSTREAM);
    let name = directive.name.value.to_string();
    match &name[..] {
        "server" if groups.meets(context) && !directive.args.iter().any(|word| word.value == "resolve") => {
            first.map(|word| ("upstream", word)).collect()
        }
        "proxy_pass" | "fastcgi_pass" | "grpc_pass" | "memcached_pass" | "scgi_pass" | "uwsgi_pass" => {
            first.map(|word| ("upstream", word)).collect()
        }
        "debug_connection" => first.map(|word| ("debug_connection", word)).collect(),
        "listen" => first
            .filter(|word| !word.value.iter().all(u8::is_ascii_digit) && word.value != "*")
            .map(|word| ("listen", word))
            .collect(),
        "resolver" => directive.args.iter().map(|word| ("resolver", word)).collect(),
        "set_real_ip_from" => first.map(|word| ("set_real_ip_from", word)).collect(),
        "auth_http" => first.map(|word| ("auth_http", word)).collect(),
        _ => Vec::new(),
    }
}

/// The host of an address if it is a name, and whether a port follows it.
fn host_of(directive: &Directive, word: &Word) -> Option<(String, bool)> {
    let text = &word.value[..];
    if text.contains(&b'$') || text.contains(&b'=') || directive.is("set_real_ip_from") && text == b"unix:" {
        return None;
    }
    let behind_scheme = text.windows(3).position(|window| window == b"://").map(|at| at + 3);
    let target = address::parse(&text[behind_scheme.unwrap_or(0)..], true).ok()?;
    let is_network = directive.is("set_real_ip_from") && crate::directive::values::cidr(text).is_some();
    let Target::Host { host, port } = target else { return None };
    let is_network = is_network || directive.is("listen") && host == b"*";
    let is_name = Target::Host { host, port }.is_name() && !is_network;
    let host = std::str::from_utf8(host).ok()?;
    is_name.then(|| (host.to_owned(), port.is_some()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::source::Memory;
    use crate::syntax::load_text;

    fn names(text: &str, context: Context, fragment: bool) -> Vec<String> {
        let (tree, _) = load_text("a", text.into(), Path::new("/"), &Memory::default());
        hosts(&tree, context, fragment).into_iter().map(|host| format!("{} {}", host.of, host.name)).collect()
    }

    #[test]
    fn names_that_nginx_would_look_up() {
        let text =
            "http { upstream a { server b.example:80; server 127.0.0.1; server unix:/c; server d resolve; }
            resolver dns.example [::1] valid=1s; set_real_ip_from lb.example; set_real_ip_from 10.0.0.0/8;
            server { location / { proxy_pass http://A/x; } location /e { fastcgi_pass e:9000; }
                location /f { proxy_pass https://f; } location /g { proxy_pass http://$g; } } }";
        let expected = [
            "resolver dns.example",
            "set_real_ip_from lb.example",
            "upstream b.example",
            "upstream e",
            "upstream f",
        ];
        let mut found = names(text, Context::MAIN, false);
        found.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_part_may_name_a_group_that_is_elsewhere() {
        let text =
            "proxy_pass http://backend; proxy_set_header A b; location /a { proxy_pass http://b.example; }";
        assert_eq!(names(text, Context::LOCATION, true), ["upstream b.example"]);
    }
}
