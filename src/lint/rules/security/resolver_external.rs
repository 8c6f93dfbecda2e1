//! Names that strangers answer for.

use std::net::IpAddr;

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};
use crate::syntax::Word;

pub static RULE: Rule = Rule {
    id: "SEC316",
    name: "resolver-external",
    severity: Severity::Info,
    profile: Profile::Security,
    summary: "names are resolved by a public server",
    why: "nginx asks over plain UDP and believes whoever answers first with the right number. On the way to a public \
          server there are many who could, and then requests go where they say. It does not matter much on a host \
          that has no resolver of its own, and where the upstream's certificate is verified.",
    mend: Mend::None,
    examples: examples!("resolver-external"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for (_, directive) in site.all(&["resolver"]) {
        let public: Vec<(&Word, IpAddr)> =
            directive.args.iter().filter_map(|word| Some((word, public(word)?))).collect();
        let Some((first, _)) = public.first() else { continue };
        let names: Vec<String> = public.iter().map(|(_, address)| address.to_string()).collect();
        let message = format!("public resolver {}: answers travel unprotected", names.join(", "));
        found.push(
            rule.finding(first.span, message)
                .help("ask one on this host or in your own network: \"resolver 127.0.0.53;\""),
        );
    }
}

/// The address of a server that anybody may ask.
fn public(word: &Word) -> Option<IpAddr> {
    let text = str::from_utf8(&word.value).ok()?;
    let address: IpAddr = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?.parse().ok()?,
        None => text.split(':').next()?.parse().ok()?,
    };
    let is_public = match address {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            // What Azure has in every virtual network.
            let is_azure = ip.octets() == [168, 63, 129, 16];
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_documentation()
                || is_shared
                || is_azure)
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
    };
    is_public.then_some(address)
}
