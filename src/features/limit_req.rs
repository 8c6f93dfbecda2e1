//! `ngx_http_limit_req_module`: how quickly requests of a key may come. To WebSockets these are handshakes.

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, values};
use crate::request::{Request, Variable};
use crate::syntax::Directive;

use super::error_log::Level;
use super::zones::{self, Keyed, Numbered};
use super::{Call, Feature, Row};

pub static FEATURE: Feature<Written> =
    Feature { name: "limit_req", contexts: Context::IN_HTTP, rows: ROWS, at: |w| &mut w.limit_req };

const ROWS: &[Row<Written>] = &[
    Row {
        name: "limit_req",
        doc: "Limits requests to the rate of a zone; those of a burst wait, or with nodelay do not.",
        set: limit,
    },
    Row {
        name: "limit_req_dry_run",
        doc: "Counts and tells, but delays and refuses nobody.",
        set: |w, call| w.dry_run = Some(call.flag(0)),
    },
    Row {
        name: "limit_req_log_level",
        doc: "The level at which it is told that a request was refused; a delay is told one level lower.",
        set: |w, call| w.log_level = Level::of(call.arg(0)),
    },
    Row {
        name: "limit_req_status",
        doc: "The status of an answer to a request that is one too many.",
        set: |w, call| w.status = Some(call.number(0) as u16),
    },
    Row {
        name: "limit_req_zone",
        doc: "A zone that counts by a key, with its name and size, and the rate that it allows.",
        set: declare,
    },
];

pub const VARIABLES: &[Variable] = &[Variable { name: "limit_req_status", get: status }];

/// The zones of a configuration.
pub type Zones = Numbered<Zone>;

#[derive(Debug, Default)]
pub struct Zone {
    pub keyed: Keyed,
    /// In thousandths of a request a second.
    pub rate: i64,
}

/// One `limit_req`, in thousandths of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The number of its zone.
    pub zone: usize,
    pub burst: i64,
    /// How much of the burst does not wait.
    pub delay: i64,
}

pub type Written = zones::Written<Limit>;
pub type Settings = zones::Settings<Limit>;

impl Settings {
    /// The level at which it is told that a request has to wait.
    pub fn delay_log_level(&self) -> Level {
        match self.log_level {
            Level::Error => Level::Warn,
            Level::Warn => Level::Notice,
            _ => Level::Info,
        }
    }
}

/// The rest of an argument that begins with this; of several the last, as in nginx.
fn argument<'a>(call: &Call<'a, '_>, start: &[u8]) -> Option<&'a [u8]> {
    call.args().iter().rev().find_map(|word| word.value.strip_prefix(start))
}

fn limit(written: &mut Written, call: &mut Call) {
    let Some(zone) = argument(call, b"zone=") else {
        return call.error(0, "missing-parameter", "\"limit_req\" must have \"zone\" parameter");
    };
    call.build.zones.uses.push((zone.to_vec(), "limit_req_zone", call.span(0)));
    let of_zone =
        |other: &&Directive| other.args.iter().any(|word| word.value.strip_prefix(b"zone=") == Some(zone));
    let same = call.earlier().find(of_zone).map(|other| other.name.span);
    if let Some(earlier) = same {
        return zones::used_again(call, earlier);
    }
    let burst = argument(call, b"burst=").map_or(0, thousandths);
    let mut delays = call.args().iter().filter_map(|word| match &word.value[..] {
        b"nodelay" => Some(i64::MAX),
        value => value.strip_prefix(b"delay=").map(thousandths),
    });
    let delay = delays.next_back().unwrap_or(0);
    let zone = call.build.limit_req.number(zone);
    written.limits.push(Limit { zone, burst, delay });
}

/// A number of requests that the catalogue has looked at.
fn thousandths(number: &[u8]) -> i64 {
    let number = values::number(number).and_then(|number| i64::try_from(number).ok());
    number.unwrap_or(i64::MAX).saturating_mul(1000)
}

fn declare(_: &mut Written, call: &mut Call) {
    let key = zones::key(call);
    let mut zone = None;
    let mut rate = 1000;
    for at in 1..call.args().len() {
        let word = call.arg(at);
        if let Some(value) = word.strip_prefix(b"zone=") {
            zone = zones::name_and_size(call, at, value).or(zone);
        } else if let Some(value) = word.strip_prefix(b"rate=") {
            rate = read_rate(call, at, value).unwrap_or(rate);
        } else if word == b"sync" && call.args().len() == 4 {
            // The commercial nginx counts together with others of a cluster.
            call.not_served(at, "\"sync\" of \"limit_req_zone\"");
        } else {
            zones::wrong_parameter(call, at);
        }
    }
    let Some((name, size)) = zones::declare(call, zone, "limit_req_zone") else { return };
    let key_text = call.arg(0).into();
    let keyed = Keyed { name: name.into(), size, key, key_text };
    *call.build.limit_req.of_name(name) = Zone { keyed, rate };
}

/// `10r/s` or `30r/m`, in thousandths a second as nginx rounds them.
fn read_rate(call: &mut Call, at: usize, value: &[u8]) -> Option<i64> {
    let (number, seconds) = match (value.strip_suffix(b"r/s"), value.strip_suffix(b"r/m")) {
        (Some(number), _) => (number, 1),
        (_, Some(number)) => (number, 60),
        _ => (value, 1),
    };
    if values::number(number).is_none_or(|number| number == 0) {
        let message = format!("invalid rate \"{}\"", call.text(at));
        let finding = Diagnostic::error("invalid-value", call.span(at), message);
        call.say(finding.help("a rate is written as \"10r/s\" or \"30r/m\""));
        return None;
    }
    Some(thousandths(number) / seconds)
}

fn status(request: &Request, out: &mut Vec<u8>) -> bool {
    let status = request.limited.requests;
    out.extend_from_slice(status.map_or("", |status| status.word()).as_bytes());
    status.is_some()
}
