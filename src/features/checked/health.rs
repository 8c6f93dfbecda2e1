//! `health_check` where there is no group whose servers could be asked.

use crate::diagnostics::Diagnostic;
use crate::directive::Context;

use super::{Build, Whole};

/// What else may name a group in a location; checks of those are not ours.
const OTHERS: [&str; 5] = ["fastcgi_pass", "grpc_pass", "memcached_pass", "scgi_pass", "uwsgi_pass"];

pub fn afterwards(whole: &Whole, build: &mut Build) {
    for block in whole.within(Context::LOCATION) {
        let Some(check) = whole.own(block, "health_check") else { continue };
        let finding = |why: &str| {
            let message = format!("\"health_check\" has no effect: {why}");
            Diagnostic::warning("no-effect", check.name.span, message)
        };
        match whole.own(block, "proxy_pass") {
            None if OTHERS.iter().any(|name| whole.own(block, name).is_some()) => {}
            None => build.say_once(
                finding("no \"proxy_pass\" stands in this location")
                    .help("it belongs beside a \"proxy_pass\" to an \"upstream\""),
            ),
            Some(pass) if pass.args.first().is_some_and(|url| url.value.contains(&b'$')) => build.say_once(
                finding("whom to ask is only known when a request comes")
                    .also(pass.name.span, "an address made of variables")
                    .help("write the name of an \"upstream\" without variables"),
            ),
            Some(_) => {}
        }
    }
}
