//! Locations that nginx itself asks.

use std::collections::HashSet;

use bstr::ByteSlice;

use crate::lint::site::{Block, Site};
use crate::syntax::NodeId;

/// Paths that `auth_request` and `mirror` ask for, each with the server that does.
pub struct Subrequests<'a>(HashSet<(Option<NodeId>, &'a [u8])>);

impl<'a> Subrequests<'a> {
    pub fn of(site: &'a Site<'a>) -> Subrequests<'a> {
        let path = |uri: &'a [u8]| &uri[..uri.find_byte(b'?').unwrap_or(uri.len())];
        let all = site.all(&["auth_request", "mirror"]);
        Subrequests(
            all.filter_map(|(block, line)| Some((server(block), path(&line.args.first()?.value)))).collect(),
        )
    }

    /// Whether a location is one that only nginx itself asks, or that it asks by the location's very name: what
    /// would become of longer paths is nobody's concern.
    pub fn has(&self, location: Block<'_>) -> bool {
        let asked =
            |name: &[u8]| self.0.contains(&(server(location), name)) || self.0.contains(&(None, name));
        location.has("internal") || location.name().is_some_and(|name| asked(name.name))
    }
}

fn server(block: Block<'_>) -> Option<NodeId> {
    Some(block.server()?.directive()?.id)
}
