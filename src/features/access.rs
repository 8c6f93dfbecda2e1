//! `ngx_http_access_module`: which addresses are let in; and `satisfy`, which says how that goes together with
//! the other directives that let requests in.

use std::sync::Arc;

use crate::directive::{Context, values};
use crate::net::Address;

use super::{Call, Feature, Row};

pub static FEATURE: Feature<Written> =
    Feature { name: "access", contexts: Context::IN_HTTP, rows: ROWS, at: |w| &mut w.access };

const ROWS: &[Row<Written>] = &[
    Row {
        name: "allow",
        doc: "An address or a network whose clients are let in; the first rule that fits decides.",
        set: |w, call| rule(w, call, true),
    },
    Row {
        name: "deny",
        doc: "An address or a network whose clients are answered 403; the first rule that fits decides.",
        set: |w, call| rule(w, call, false),
    },
    Row {
        name: "satisfy",
        doc: "Whether all directives that can refuse a request have to let it in, or one is enough.",
        set: |w, call| {
            let any = call.arg(0).eq_ignore_ascii_case(b"any");
            w.satisfy = Some(if any { Satisfy::Any } else { Satisfy::All });
        },
    },
];

/// `satisfy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Satisfy {
    #[default]
    All,
    Any,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    clients: Clients,
    allows: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Clients {
    All,
    Unix,
    Network(values::Cidr),
}

#[derive(Default)]
pub struct Written {
    rules: Vec<Rule>,
    satisfy: Option<Satisfy>,
}

#[derive(Clone, Debug, Default)]
pub struct Settings {
    rules: Arc<[Rule]>,
    pub satisfy: Satisfy,
}

impl Written {
    /// A block with rules of its own forgets the outer ones.
    pub fn over(&self, outer: &Settings) -> Settings {
        let rules = if self.rules.is_empty() { outer.rules.clone() } else { self.rules[..].into() };
        Settings { rules, satisfy: self.satisfy.unwrap_or(outer.satisfy) }
    }
}

impl Settings {
    /// Whether some client's address is refused.
    pub fn asks_addresses(&self) -> bool {
        self.rules.iter().any(|rule| !rule.allows)
    }

    /// Whether the first rule that speaks of this client allows it; `None` where no rule does.
    pub fn rule_for(&self, client: &Address) -> Option<bool> {
        let is_old = |rule: &Rule| match &rule.clients {
            Clients::All => true,
            Clients::Unix => false,
            Clients::Network(network) => network.address.is_ipv4(),
        };
        // An IPv4 client of a socket for IPv6 goes by the rules for IPv4, where there are any.
        let ip = client.ip().map(|address| match address.ip() {
            ip if self.rules.iter().any(is_old) => ip.to_canonical(),
            ip => ip,
        });
        let speaks = |rule: &&Rule| match (&rule.clients, ip) {
            (Clients::All, _) => true,
            (Clients::Unix, ip) => ip.is_none(),
            (Clients::Network(network), Some(ip)) => network.contains(ip),
            (Clients::Network(_), None) => false,
        };
        self.rules.iter().find(speaks).map(|rule| rule.allows)
    }
}

fn rule(written: &mut Written, call: &mut Call, allows: bool) {
    let clients = match call.arg(0) {
        b"all" => Clients::All,
        b"unix:" => Clients::Unix,
        word => match values::cidr(word) {
            Some(network) => Clients::Network(network),
            None => return,
        },
    };
    written.rules.push(Rule { clients, allows });
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn settings(rules: &[(&str, bool)]) -> Settings {
        let rule = |(word, allows): &(&str, bool)| Rule {
            clients: values::cidr(word.as_bytes()).map_or(Clients::All, Clients::Network),
            allows: *allows,
        };
        Settings { rules: rules.iter().map(rule).collect(), satisfy: Satisfy::All }
    }

    fn at(ip: &str) -> Address {
        let ip: IpAddr = ip.parse().expect("an address");
        Address::Ip((ip, 1).into())
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let settings = settings(&[
            ("192.168.1.1", false),
            ("192.168.1.0/24", true),
            ("2001:db8::/32", true),
            ("all", false),
        ]);
        assert_eq!(settings.rule_for(&at("192.168.1.1")), Some(false));
        assert_eq!(settings.rule_for(&at("192.168.1.2")), Some(true));
        assert_eq!(settings.rule_for(&at("192.168.2.2")), Some(false));
        assert_eq!(settings.rule_for(&at("2001:db8:1::1")), Some(true));
        assert_eq!(settings.rule_for(&at("2001:db9::1")), Some(false));
        assert_eq!(settings.rule_for(&at("::ffff:192.168.1.2")), Some(true));
        assert_eq!(settings.rule_for(&Address::unix("")), Some(false));
    }

    #[test]
    fn who_is_not_spoken_of_is_neither_let_in_nor_refused() {
        let rules = settings(&[("10.0.0.0/8", true)]);
        assert_eq!(rules.rule_for(&at("11.0.0.1")), None);
        assert_eq!(rules.rule_for(&Address::unix("")), None);
        assert_eq!(settings(&[("::/0", false)]).rule_for(&at("::ffff:10.0.0.1")), Some(false));
        let unix = Settings { rules: [Rule { clients: Clients::Unix, allows: false }].into(), ..rules };
        assert_eq!(unix.rule_for(&Address::unix("")), Some(false));
        assert_eq!(unix.rule_for(&at("10.0.0.1")), None);
    }
}
