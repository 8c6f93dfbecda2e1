//! What `websocket_ping_interval` has to do with other directives. nginx knows none of this: the directives are
//! ours.

use std::time::Duration;

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, values};
use crate::syntax::{Directive, NodeId};

use super::{Build, Whole, span_of};

const INTERVAL: &str = "websocket_ping_interval";
const TIMEOUT: &str = "websocket_ping_timeout";
const READ_TIMEOUT: &str = "proxy_read_timeout";

/// `proxy_read_timeout` where nothing says otherwise.
const MINUTE: Duration = Duration::from_secs(60);

pub fn afterwards(whole: &Whole, build: &mut Build) {
    for block in whole.within(Context::HTTP.or(Context::SERVER).or(Context::LOCATION)) {
        let idle = whole.own(block, TIMEOUT).filter(|_| !build.options.fragment);
        if let Some(line) = idle.filter(|_| !pings_within(whole, block)) {
            let message = format!("\"{TIMEOUT}\" has no effect: no \"{INTERVAL}\" holds here");
            let finding = Diagnostic::warning("no-effect", line.name.span, message);
            build.say_once(finding.help(format!("add a line \"{INTERVAL} 20s;\"")));
        }
        if let Some(finding) = too_late(whole, block) {
            build.say_once(finding);
        }
    }
}

/// Whether pings are sent in a block or in one inside of it.
fn pings_within(whole: &Whole, block: Option<NodeId>) -> bool {
    let is_set = |line: Option<&Directive>| line.is_some_and(|line| !interval(line).is_zero());
    let is_inside = |inner: &Option<NodeId>| {
        std::iter::successors(*inner, |at| whole.tree.block_of(*at)).any(|at| Some(at) == block)
            || block.is_none()
    };
    let mut inner = whole.within(Context::IN_HTTP).filter(is_inside);
    is_set(whole.in_effect(block, INTERVAL)) || inner.any(|inner| is_set(whole.own(inner, INTERVAL)))
}

/// A ping that never comes, since a silent tunnel has ended before.
fn too_late(whole: &Whole, block: Option<NodeId>) -> Option<Diagnostic> {
    whole.own(block, "proxy_pass")?;
    let line = whole.in_effect(block, INTERVAL)?;
    let read = whole.in_effect(block, READ_TIMEOUT);
    let limit = read.map_or(Some(MINUTE), |line| values::time(&line.args.first()?.value))?;
    if interval(line) < limit {
        return None;
    }
    let message = format!("a silent tunnel ends before its first ping: \"{READ_TIMEOUT}\" is {limit:?}");
    let finding = Diagnostic::warning("ping-too-late", span_of(line, 0), message)
        .here("not shorter than that")
        .help(format!("ping more often, or raise \"{READ_TIMEOUT}\""));
    Some(match read {
        Some(read) => finding.also(read.name.span, "this ends it"),
        None => finding,
    })
}

fn interval(line: &Directive) -> Duration {
    line.args.first().and_then(|word| values::time(&word.value)).unwrap_or_default()
}
