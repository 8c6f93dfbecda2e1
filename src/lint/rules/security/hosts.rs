//! Which requests a server gets, by the names in them.

use std::collections::HashSet;

use crate::lint::site::{Addresses, Block, Site};
use crate::syntax::NodeId;

/// The servers that may get requests for names which no server has: those that say so, those that are the first of
/// an address, and those whose name is any. Of a part of a configuration the first is not known.
pub struct Defaults(HashSet<NodeId>);

impl Defaults {
    pub fn of(site: &Site<'_>) -> Defaults {
        let addresses = Addresses::of(site);
        let defaults = addresses.all.iter().map(|address| address.default());
        let known =
            defaults.filter(|listen| listen.is_default() || !site.fragment).map(|listen| listen.server);
        let all = known.chain(site.servers().filter(|server| catches_all(*server)));
        Defaults(all.filter_map(|server| Some(server.directive()?.id)).collect())
    }

    pub fn has(&self, server: Block<'_>) -> bool {
        server.directive().is_some_and(|directive| self.0.contains(&directive.id))
    }
}

fn catches_all(server: Block<'_>) -> bool {
    const ANY: [&str; 6] = ["~.*", "~^.*$", "~^(.*)$", "~^(.+)$", "~^.+$", "~."];
    let mut names = server.own("server_name").iter().flat_map(|line| &line.args);
    names.any(|name| ANY.iter().any(|any| name.value == *any))
}
