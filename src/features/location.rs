//! `internal` and the rest of what belongs to one location and is not inherited.

use crate::directive::Context;

use super::{Feature, Row};

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
