//! `geo` of stream: `ngx_stream_geo`.

use crate::directive::Context;
use crate::features::geo;

use super::Check;

pub const CHECKS: &[Check] = &[Check {
    name: "geo",
    contexts: Context::STREAM,
    check: |call| {
        geo::read(call);
    },
}];
