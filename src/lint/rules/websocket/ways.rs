//! Which ways clients' handshakes take, and which are no client's to take.

use std::collections::HashSet;

use crate::directive::Context;
use crate::directive::values::time;
use crate::lint::site::{Block, Modifier, Patterns, Site, Way};
use crate::syntax::NodeId;

use super::traces::depends_on;

/// Every `proxy_pass` that clients reach. Those that are only asked inside, by `auth_request`, are left out.
pub fn ways<'s>(site: &'s Site<'_>) -> impl Iterator<Item = Way<'s>> {
    let asked = asked_inside(site);
    site.ways().filter(move |way| {
        let location = way.pass.block.location().and_then(Block::directive);
        location.is_none_or(|location| !asked.contains(&location.id))
    })
}

/// Those through which WebSockets go.
pub fn open<'s>(site: &'s Site<'_>) -> impl Iterator<Item = Way<'s>> {
    ways(site).filter(Way::is_open)
}

/// The locations through which WebSockets go, each once; an `if` in one is not told apart.
pub fn open_locations<'s>(site: &'s Site<'_>) -> impl Iterator<Item = Block<'s>> {
    let mut seen = HashSet::new();
    let locations = open(site).filter_map(|way| way.pass.block.location());
    locations.filter(move |location| location.directive().is_some_and(|own| seen.insert(own.id)))
}

/// The locations that `auth_request` asks; to nginx a `?` is a character of the path there.
fn asked_inside(site: &Site<'_>) -> HashSet<NodeId> {
    let mut patterns = Patterns::default();
    let mut asked = HashSet::new();
    for (block, line) in site.all(&["auth_request"]) {
        let Some(uri) = line.args.first().filter(|uri| uri.value != "off") else { continue };
        let servers: Vec<Block<'_>> = match block.server() {
            Some(server) => vec![server],
            None => site.servers().collect(),
        };
        let answers = servers.iter().filter_map(|server| server.answers(&uri.value, &mut patterns));
        asked.extend(answers.filter_map(|location| Some(location.directive()?.id)));
    }
    asked
}

/// Whether nothing but handshakes comes this way: an `if` has looked at Upgrade before.
pub fn is_for_handshakes_alone(way: &Way<'_>) -> bool {
    let block = way.pass.block;
    let asks = |block: Block<'_>| {
        let condition = block.directive().map(|directive| &directive.args[..]).unwrap_or_default();
        condition.iter().any(|word| depends_on(block, &word.value, is_of_handshakes))
    };
    let is_if = |block: &Block<'_>| Context::IF_LOCATION.or(Context::IF_SERVER).meets(block.context());
    if is_if(&block) {
        return asks(block);
    }
    let location = block.location();
    // Who is sent on to a location of its own was told apart anywhere in the server.
    let scope = if location.is_some_and(is_inner) { block.server() } else { location };
    let mut ifs = scope.into_iter().flat_map(Block::descendants).filter(is_if);
    let mut of_server = block.server().into_iter().flat_map(Block::children).filter(is_if);
    ifs.any(asks) || of_server.any(asks)
}

/// Whether no client can name it: named locations, and those that are `internal`.
pub fn is_inner(location: Block<'_>) -> bool {
    location.has("internal") || location.name().is_some_and(|name| name.modifier == Modifier::Named)
}

/// Whether silent sides are asked whether they are there.
pub fn pings(location: Block<'_>) -> bool {
    time(location.value("websocket_ping_interval", "0")).is_some_and(|interval| !interval.is_zero())
}

/// Variables of what only handshakes have.
fn is_of_handshakes(name: &[u8]) -> bool {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    is(b"http_upgrade")
        || is(b"http_connection")
        || name.to_ascii_lowercase().starts_with(b"http_sec_websocket")
}
