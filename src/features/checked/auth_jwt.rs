//! `auth_jwt` where no keys are in effect: nobody could be let in.

use std::collections::HashSet;

use crate::diagnostics::Diagnostic;
use crate::directive::Context;
use crate::syntax::{Directive, NodeId};

use super::{Build, Whole};

const SOURCES: [&str; 2] = ["auth_jwt_key_file", "auth_jwt_key_request"];

pub fn afterwards(whole: &Whole, build: &mut Build) {
    if build.options.fragment {
        return;
    }
    let blocks = Context::SERVER.or(Context::LOCATION);
    // What holds around locations is for them to have: each may have keys of its own.
    let around: HashSet<Option<NodeId>> =
        whole.within(Context::LOCATION).flatten().map(|location| whole.tree.block_of(location)).collect();
    for block in whole.within(blocks).filter(|block| !around.contains(block)) {
        // Most likely asked by a request that is made inside, which nobody judges.
        if whole.own(block, "internal").is_some() {
            continue;
        }
        let Some(guard) = whole.in_effect(block, "auth_jwt").filter(|guard| is_on(guard)) else { continue };
        if SOURCES.iter().all(|name| whole.in_effect(block, name).is_none()) {
            let message = "\"auth_jwt\" is on where no keys are in effect";
            let finding = Diagnostic::warning("no-keys", guard.name.span, message)
                .here("every token is refused")
                .note(
                    "NGINX Plus verifies no signature where it has no keys: every token would open the door.",
                )
                .help("name keys with \"auth_jwt_key_file\" or \"auth_jwt_key_request\"");
            let place = block.map(|block| whole.tree.get(block).name.span);
            build.say_once(match place.filter(|place| *place != guard.name.span) {
                Some(place) => finding.also(place, "here"),
                None => finding,
            });
        }
    }
}

fn is_on(guard: &Directive) -> bool {
    guard.args.first().is_some_and(|word| &word.value[..] != b"off")
}
