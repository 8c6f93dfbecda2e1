//! What belongs to one location and is not inherited: `internal`, and `limit_except`, which is a location for methods.

use crate::directive::Context;
use crate::http1::Method;

use super::{Call, Feature, Row};

pub static FEATURE: Feature<Written> =
    Feature { name: "location", contexts: Context::LOCATION, rows: ROWS, at: |w| &mut w.location };

const ROWS: &[Row<Written>] = &[Row {
    name: "internal",
    doc: "Reached only from inside: error pages and the like; a client is answered 404.",
    set: |w, _| w.internal = true,
}];

#[derive(Default)]
pub struct Written {
    pub internal: bool,
}

/// The methods that `limit_except` takes, in the order of nginx's table.
const METHODS: [&str; 14] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "MKCOL",
    "COPY",
    "MOVE",
    "OPTIONS",
    "PROPFIND",
    "PROPPATCH",
    "LOCK",
    "UNLOCK",
    "PATCH",
];

/// A set of methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Methods(u32);

impl Methods {
    pub fn has(self, method: Method) -> bool {
        self.0 >> method as u32 & 1 == 1
    }

    fn add(&mut self, method: Method) {
        self.0 |= 1 << method as u32;
    }
}

/// The methods of a `limit_except`; what is none is said.
pub fn methods(call: &mut Call) -> Methods {
    let mut methods = Methods::default();
    for at in 0..call.args().len() {
        let name = call.arg(at).to_ascii_uppercase();
        if METHODS.iter().any(|known| known.as_bytes() == name) {
            methods.add(Method::of(&name));
        } else {
            call.error(at, "invalid-value", format!("invalid method \"{}\"", call.text(at)));
        }
    }
    if methods.has(Method::Get) {
        methods.add(Method::Head);
    }
    methods
}
