//! `proxy_redirect`: an upstream's redirects, told as the client has to follow them.

use std::sync::Arc;

use crate::features::Call;
use crate::request::{Pattern, Request, Template};

use super::Written;
use super::pass::Target;

/// What is done with `Location` and `Refresh`.
#[derive(Clone, Debug)]
pub enum Redirects {
    /// The upstream's own address and URI become the location's name.
    Default,
    Off,
    Rules(Arc<[Rule]>),
}

/// One `proxy_redirect`, in the order written.
#[derive(Clone, Debug)]
pub enum Rule {
    Default,
    Prefix { from: Template, to: Template },
    Pattern { from: Pattern, to: Template },
}

/// What the default rule goes by: the text of `proxy_pass`, and the location's name.
pub struct Home<'a> {
    pub upstream: &'a [u8],
    pub location: &'a [u8],
    /// Whether `proxy_pass` has a URI: without one, the same URI is asked for.
    pub has_uri: bool,
}

impl Redirects {
    /// Appends the changed address and says so, or leaves `out` alone.
    pub fn apply(&self, request: &Request, home: Option<Home>, location: &[u8], out: &mut Vec<u8>) -> bool {
        match self {
            Redirects::Off => false,
            Redirects::Default => default(home.as_ref(), location, out),
            Redirects::Rules(rules) => {
                rules.iter().any(|rule| rule.apply(request, home.as_ref(), location, out))
            }
        }
    }
}

fn default(home: Option<&Home>, location: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(home) = home else { return false };
    let Some(rest) = location.strip_prefix(home.upstream) else { return false };
    if !home.has_uri {
        if rest.starts_with(b"/") {
            out.extend_from_slice(rest);
        }
        return rest.starts_with(b"/");
    }
    out.extend_from_slice(home.location);
    out.extend_from_slice(rest);
    true
}

impl Rule {
    fn apply(&self, request: &Request, home: Option<&Home>, location: &[u8], out: &mut Vec<u8>) -> bool {
        match self {
            Rule::Default => default(home, location, out),
            Rule::Prefix { from, to } => {
                let mut prefix = Vec::new();
                from.render(request, &mut prefix);
                let Some(rest) = location.strip_prefix(&prefix[..]) else { return false };
                to.render(request, out);
                out.extend_from_slice(rest);
                true
            }
            Rule::Pattern { from, to } => {
                let matched = from.matches(request, location);
                if matched {
                    to.render(request, out);
                }
                matched
            }
        }
    }
}

pub fn set(written: &mut Written, call: &mut Call) {
    let rules = match written.redirects.take() {
        Some(Redirects::Off) => {
            written.redirects = Some(Redirects::Off);
            return call.error(0, "duplicate-directive", "\"proxy_redirect\" directive is duplicate");
        }
        Some(Redirects::Rules(rules)) => rules.to_vec(),
        Some(Redirects::Default) => vec![Rule::Default],
        None => Vec::new(),
    };
    let rule = match (call.arg(0), call.args().len()) {
        (b"off", 1) => {
            written.redirects = Some(Redirects::Off);
            return;
        }
        (b"default", 1) => match written.pass.as_ref().map(|pass| &pass.target) {
            Some(Target::Fixed(_)) => Rule::Default,
            Some(Target::Computed(_)) => {
                let message =
                    "\"proxy_redirect default\" cannot be used with \"proxy_pass\" directive with variables";
                return call.error(0, "misplaced-redirect", message);
            }
            None => {
                let message =
                    "\"proxy_redirect default\" should be placed after the \"proxy_pass\" directive";
                return call.error(0, "misplaced-redirect", message);
            }
        },
        (_, 1) => {
            let message = format!("invalid parameter \"{}\"", call.text(0));
            return call.error(0, "invalid-parameter", message);
        }
        ([b'~', pattern @ ..], _) => {
            let (pattern, caseless) = match pattern {
                [b'*', pattern @ ..] => (pattern, true),
                pattern => (pattern, false),
            };
            let span = call.span(0);
            let Some(from) = call.pattern(pattern, caseless, span) else { return };
            Rule::Pattern { from, to: call.template(1) }
        }
        _ => Rule::Prefix { from: call.template(0), to: call.template(1) },
    };
    written.redirects = Some(Redirects::Rules(rules.into_iter().chain([rule]).collect()));
}
