//! `ngx_http_access_module`: which addresses are let in; and what concerns all directives that let requests in:
//! `satisfy`, how they go together, and `auth_delay`, how soon a refusal is told.

use std::sync::Arc;
use std::time::Duration;

use crate::directive::{Context, values};
use crate::net::Address;
use crate::source::Place;

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
        name: "auth_delay",
        doc: "How long a client who is not known waits for its 401.",
        set: |w, call| w.auth_delay = Some(call.time(0)),
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

/// An `allow` or a `deny`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    clients: Clients,
    pub allows: bool,
    pub place: Place,
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
    auth_delay: Option<Duration>,
}

#[derive(Clone, Debug, Default)]
pub struct Settings {
    rules: Arc<[Rule]>,
    pub satisfy: Satisfy,
    /// How long a 401 is held back.
    pub auth_delay: Duration,
}

impl Written {
    /// A block with rules of its own forgets the outer ones.
    pub fn over(&self, outer: &Settings) -> Settings {
        let rules = if self.rules.is_empty() { outer.rules.clone() } else { self.rules[..].into() };
        Settings {
            rules,
            satisfy: self.satisfy.unwrap_or(outer.satisfy),
            auth_delay: self.auth_delay.unwrap_or(outer.auth_delay),
        }
    }
}

impl Settings {
    /// Whether some client's address is refused.
    pub fn asks_addresses(&self) -> bool {
        self.rules.iter().any(|rule| !rule.allows)
    }

    /// The first rule that speaks of this client.
    pub fn rule_for(&self, client: &Address) -> Option<&Rule> {
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
        self.rules.iter().find(speaks)
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
    written.rules.push(Rule { clients, allows, place: call.place() });
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn settings(rules: &[(&str, bool)]) -> Settings {
        let rule = |(word, allows): &(&str, bool)| Rule {
            clients: values::cidr(word.as_bytes()).map_or(Clients::All, Clients::Network),
            allows: *allows,
            place: place(),
        };
        Settings { rules: rules.iter().map(rule).collect(), ..Settings::default() }
    }

    fn place() -> Place {
        Place { file: "x".into(), line: 1 }
    }

    /// Whether it is let in, if that is said.
    fn said(settings: &Settings, client: &Address) -> Option<bool> {
        settings.rule_for(client).map(|rule| rule.allows)
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
        assert_eq!(said(&settings, &at("192.168.1.1")), Some(false));
        assert_eq!(said(&settings, &at("192.168.1.2")), Some(true));
        assert_eq!(said(&settings, &at("192.168.2.2")), Some(false));
        assert_eq!(said(&settings, &at("2001:db8:1::1")), Some(true));
        assert_eq!(said(&settings, &at("2001:db9::1")), Some(false));
        assert_eq!(said(&settings, &at("::ffff:192.168.1.2")), Some(true));
        assert_eq!(said(&settings, &Address::unix("")), Some(false));
    }

    #[test]
    fn who_is_not_spoken_of_is_neither_let_in_nor_refused() {
        let rules = settings(&[("10.0.0.0/8", true)]);
        assert_eq!(said(&rules, &at("11.0.0.1")), None);
        assert_eq!(said(&rules, &Address::unix("")), None);
        assert_eq!(said(&settings(&[("::/0", false)]), &at("::ffff:10.0.0.1")), Some(false));
        let unix = Settings {
            rules: [Rule { clients: Clients::Unix, allows: false, place: place() }].into(),
            ..rules
        };
        assert_eq!(said(&unix, &Address::unix("")), Some(false));
        assert_eq!(said(&unix, &at("10.0.0.1")), None);
    }
}
