//! `ngx_http_auth_request_module`: another request, made inside, says whether this one may go on.

use std::sync::Arc;

use crate::directive::Context;
use crate::directive::variables::Protocol;
use crate::request::{Request, Template};

use super::{Call, Feature, Row};

pub static FEATURE: Feature<Written> = Feature {
    name: "auth_request",
    contexts: Context::HTTP.or(Context::SERVER).or(Context::LOCATION),
    rows: ROWS,
    at: |w| &mut w.auth_request,
};

const ROWS: &[Row<Written>] = &[
    Row {
        name: "auth_request",
        doc: "The URI that is asked, inside, whether a request may go on: 2xx lets it in, 401 and 403 refuse it.",
        set: |w, call| {
            let uri = call.arg(0);
            w.uri = Some(if uri == b"off" { Box::default() } else { uri.into() });
        },
    },
    Row {
        name: "auth_request_set",
        doc: "Gives a variable a value out of the answer to auth_request, whatever that was.",
        set: set_variable,
    },
];

#[derive(Default)]
pub struct Written {
    uri: Option<Box<[u8]>>,
    sets: Vec<Assignment>,
}

/// One `auth_request_set`.
#[derive(Clone, Debug)]
struct Assignment {
    slot: usize,
    value: Template,
}

#[derive(Clone, Debug, Default)]
pub struct Settings {
    uri: Arc<[u8]>,
    sets: Arc<[Assignment]>,
}

impl Written {
    pub fn over(&self, outer: &Settings) -> Settings {
        Settings {
            uri: self.uri.as_deref().map_or_else(|| outer.uri.clone(), Arc::from),
            sets: if self.sets.is_empty() { outer.sets.clone() } else { self.sets[..].into() },
        }
    }
}

impl Settings {
    /// Whom to ask, if anybody.
    pub fn uri(&self) -> Option<&Arc<[u8]>> {
        Some(&self.uri).filter(|uri| !uri.is_empty())
    }

    /// Gives variables their values out of the request that was made inside; it has them to keep.
    pub fn assign(&self, answered: &Request) {
        for set in self.sets.iter() {
            let mut value = Vec::new();
            set.value.render(answered, &mut value);
            answered.store(set.slot, Some(&value));
        }
    }
}

fn set_variable(written: &mut Written, call: &mut Call) {
    let [b'$', name @ ..] = call.arg(0) else { return };
    if Protocol::Http.is_constant(name) {
        let message = format!("the duplicate \"{}\" variable", String::from_utf8_lossy(name));
        return call.error(0, "invalid-variable", message);
    }
    let slot = call.build.variables.slot(name);
    let value = call.template(1);
    written.sets.push(Assignment { slot, value });
}
