//! Locations through which wsproxy passes WebSockets, for rules about what it serves.

use std::borrow::Cow;

use crate::features::proxy::{Fixed, Target};
use crate::features::upstream::Upstream;
use crate::lint::site::Site;
use crate::model::{Content, Kind, Location, Server};

/// A location through which WebSockets go to an upstream, and the server it stands in.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    pub server: &'a Server,
    pub location: &'a Location,
}

/// Every location through which WebSockets go; an `if` in it is not told apart.
pub fn ways<'a>(site: &'a Site<'_>) -> impl Iterator<Item = Way<'a>> {
    let http = &site.model.http;
    let of = |server| move |location| Way { server, location };
    let all =
        http.servers.iter().flat_map(move |server| http.locations[server.own.clone()].iter().map(of(server)));
    all.filter(|way| {
        !matches!(way.location.kind, Kind::Unnamed)
            && matches!(way.location.content, Content::Pass(_))
            && way.location.settings.proxy.carries_websockets()
    })
}

impl Way<'_> {
    /// The upstream's group, where it is known while reading.
    pub fn upstream<'s>(&self, site: &'s Site<'_>) -> Option<&'s Upstream> {
        let Content::Pass(pass) = &self.location.content else { return None };
        match &pass.target {
            Target::Fixed(Fixed { group, .. }) => site.model.http.groups.get(*group),
            Target::Computed(_) => None,
        }
    }

    /// How messages name the location.
    pub fn name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.location.name)
    }
}

/// How many servers of a group requests are spread over.
pub fn spread(upstream: &Upstream) -> usize {
    upstream.spec.servers.iter().filter(|server| !server.down && !server.backup).count()
}
