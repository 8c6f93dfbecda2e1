//! Where servers of `http` listen.

use std::collections::{HashMap, HashSet};

use crate::features::checked::canonical;
use crate::syntax::Directive;

use super::{Block, Site};

/// One address of a server.
#[derive(Clone)]
pub struct Listen<'a> {
    pub server: Block<'a>,
    /// `None` where no `listen` is written, and port 80 is what holds.
    pub directive: Option<&'a Directive>,
    /// In one spelling: `80` and `0.0.0.0:80` are `*:80`, `443 quic` is `*:443 quic`.
    pub address: String,
}

/// An address with everybody who listens there, in the order in which they are written.
pub struct Address<'a> {
    pub name: String,
    pub listens: Vec<Listen<'a>>,
    /// Whether TLS is spoken here: it is for all servers if one `listen` asks for it.
    pub has_tls: bool,
}

/// Every address of `http`, in the order in which they are first written.
pub struct Addresses<'a> {
    pub all: Vec<Address<'a>>,
    /// Whether every `listen` is seen: a file that cannot be read may have more of them.
    pub are_known: bool,
    numbers: HashMap<String, usize>,
}

impl<'a> Block<'a> {
    /// Where this server listens.
    pub fn listens(self) -> Vec<Listen<'a>> {
        let of = |directive: &'a Directive| {
            let address = canonical(&directive.args.first()?.value);
            let mut address = String::from_utf8_lossy(&address).into_owned();
            // A socket of UDP beside the one of TCP.
            if directive.args.iter().any(|word| word.value == "quic") {
                address.push_str(" quic");
            }
            Some(Listen { server: self, directive: Some(directive), address })
        };
        let written: Vec<Listen<'a>> = self.own("listen").iter().copied().filter_map(of).collect();
        match written.is_empty() {
            true => vec![Listen { server: self, directive: None, address: "*:80".to_owned() }],
            false => written,
        }
    }
}

impl Listen<'_> {
    /// Whether a parameter without a value is there.
    pub fn has(&self, parameter: &str) -> bool {
        self.directive.is_some_and(|directive| directive.args[1..].iter().any(|word| word.value == parameter))
    }

    pub fn is_default(&self) -> bool {
        self.has("default_server") || self.has("default")
    }
}

impl<'a> Address<'a> {
    /// The one that answers for hosts nobody else names.
    pub fn default(&self) -> &Listen<'a> {
        self.listens.iter().find(|listen| listen.is_default()).unwrap_or(&self.listens[0])
    }
}

impl<'a> Addresses<'a> {
    pub fn of(site: &'a Site<'a>) -> Addresses<'a> {
        let mut addresses = Addresses {
            all: Vec::new(),
            are_known: !site.fragment && site.servers().all(Block::is_known),
            numbers: HashMap::new(),
        };
        for listen in site.servers().flat_map(Block::listens) {
            let next = addresses.all.len();
            let number = *addresses.numbers.entry(listen.address.clone()).or_insert(next);
            if number == next {
                let name = listen.address.clone();
                addresses.all.push(Address { name, listens: Vec::new(), has_tls: false });
            }
            addresses.all[number].has_tls |= listen.has("ssl") || listen.has("quic");
            addresses.all[number].listens.push(listen);
        }
        addresses
    }

    /// The address that a `listen` is of.
    pub fn at(&self, listen: &Listen<'_>) -> Option<&Address<'a>> {
        self.numbers.get(&listen.address).map(|number| &self.all[*number])
    }

    /// Whether TLS is spoken on any address of a server.
    pub fn has_tls(&self, server: Block<'_>) -> bool {
        server.listens().iter().filter_map(|listen| self.at(listen)).any(|address| address.has_tls)
    }

    /// The names of those where every `listen` is as wanted.
    pub fn where_all(&self, wanted: impl Fn(&Listen<'a>) -> bool) -> HashSet<&str> {
        let all = self.all.iter().filter(|address| address.listens.iter().all(&wanted));
        all.map(|address| &address.name[..]).collect()
    }
}
