//! `ngx_http_limit_conn_module`: how many requests of a key may be there at once. A tunnel is one for as long
//! as it lives.

use crate::directive::Context;
use crate::request::{Request, Variable};

use super::error_log::Level;
use super::zones::{self, Keyed, Numbered};
use super::{Call, Feature, Row};

pub static FEATURE: Feature<Written> =
    Feature { name: "limit_conn", contexts: Context::IN_HTTP, rows: ROWS, at: |w| &mut w.limit_conn };

const ROWS: &[Row<Written>] = &[
    Row {
        name: "limit_conn",
        doc: "How many requests and tunnels of one key of a zone may be there at once.",
        set: limit,
    },
    Row {
        name: "limit_conn_dry_run",
        doc: "Counts and tells, but refuses nobody.",
        set: |w, call| w.dry_run = Some(call.flag(0)),
    },
    Row {
        name: "limit_conn_log_level",
        doc: "The level at which it is told that a request was refused.",
        set: |w, call| w.log_level = Level::of(call.arg(0)),
    },
    Row {
        name: "limit_conn_status",
        doc: "The status of an answer to a request that is one too many.",
        set: |w, call| w.status = Some(call.number(0) as u16),
    },
    Row {
        name: "limit_conn_zone",
        doc: "A zone that counts by a key, with its name and size.",
        set: declare,
    },
];

pub const VARIABLES: &[Variable] = &[Variable { name: "limit_conn_status", get: status }];

/// The zones of a configuration.
pub type Zones = Numbered<Keyed>;

/// One `limit_conn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The number of its zone.
    pub zone: usize,
    pub most: u16,
}

pub type Written = zones::Written<Limit>;
pub type Settings = zones::Settings<Limit>;

fn limit(written: &mut Written, call: &mut Call) {
    let Some(name) = zones::use_of_connections(call) else { return };
    let zone = call.build.limit_conn.number(name);
    // The catalogue has seen to it that it is not more than fits.
    written.limits.push(Limit { zone, most: call.number(1) as u16 });
}

fn declare(_: &mut Written, call: &mut Call) {
    let key = zones::key(call);
    let Some((name, size)) = zones::of_connections(call) else { return };
    let key_text = call.arg(0).into();
    *call.build.limit_conn.of_name(name) = Keyed { name: name.into(), size, key, key_text };
}

fn status(request: &Request, out: &mut Vec<u8>) -> bool {
    let status = request.limited.connections;
    out.extend_from_slice(status.map_or("", |status| status.word()).as_bytes());
    status.is_some()
}
