//! Upstreams that are kept waiting by slow clients.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::{Block, Site};
use crate::lint::{Mend, Profile, Rule, examples};

pub static RULE: Rule = Rule {
    id: "OPS505",
    name: "proxy-buffering-off",
    severity: Severity::Info,
    profile: Profile::Pedantic,
    summary: "proxy_buffering is off where nothing streams",
    why: "Without buffering nginx reads from the upstream as fast as the client takes it: a client on a slow line holds a \
          connection, and often a thread, of the server behind. It is right for server-sent events and other answers that \
          come bit by bit, which the server can also ask for itself with \"X-Accel-Buffering: no\". WebSockets do not need \
          it: tunnels are not buffered whatever is written.",
    mend: Mend::None,
    examples: examples!("proxy-buffering-off"),
    check,
};

/// Words in the name of a location that has to do with answers that come bit by bit.
const STREAMS: [&[u8]; 8] = [b"event", b"sse", b"stream", b"live", b"poll", b"watch", b"log", b"notif"];

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for (block, line) in site.all(&["proxy_buffering"]) {
        if line.args.first().is_none_or(|word| word.value != "off")
            || block.in_effect("proxy_buffering").map(|last| last.id) != Some(line.id)
        {
            continue;
        }
        let inside = std::iter::once(block).chain(block.descendants());
        let passes: Vec<Block<'_>> = inside
            .filter(|one| one.pass().is_some() && one.level("proxy_buffering") == Some(block))
            .filter(|one| !may_stream(*one))
            .collect();
        let Some(first) = passes.first() else { continue };
        let sockets = passes.iter().all(|one| one.pass().is_some_and(|pass| pass.carries_websockets()));
        let message = match sockets {
            true => "proxy_buffering is off for WebSockets, which are not buffered anyway",
            false => "proxy_buffering is off: slow clients hold the connections of the upstream",
        };
        let finding = rule
            .finding(line.head(), message)
            .help("leave it on, and have streaming answers say \"X-Accel-Buffering: no\"");
        let place = first.pass().filter(|_| *first != block).map(|pass| pass.directive.head());
        found.push(match place {
            Some(place) => finding.also(place, "in effect here"),
            None => finding,
        });
    }
}

/// Whether a name or a line says that answers come bit by bit.
fn may_stream(block: Block<'_>) -> bool {
    let location = block.outwards().filter_map(Block::name).any(|location| {
        let name = location.name.to_ascii_lowercase();
        STREAMS.iter().any(|word| name.contains_str(word))
    });
    let says = |name: &str, value: &str| {
        block
            .all_in_effect(name)
            .iter()
            .any(|line| line.args.iter().any(|word| word.value.contains_str(value)))
    };
    location
        || says("proxy_set_header", "event-stream")
        || says("add_header", "event-stream")
        || says("add_header", "X-Accel-Buffering")
        || says("chunked_transfer_encoding", "off")
}
