//! How a group chooses its peers. Rules that span lines (a method given twice, a `backup` behind one that knows
//! none) are in `features/checked`.

use crate::features::{Call, Row};
use crate::upstream::{Method, TimeTo};

use super::Written;

pub const HASH: Row<Written> = Row {
    name: "hash",
    doc: "Chooses by a key: requests with the same key get the same peer.",
    set: |w, call| {
        w.key = Some(call.template(0));
        w.balance(match call.arg(1) {
            b"consistent" => Method::ConsistentHash,
            _ => Method::Hash,
        });
    },
};

pub const IP_HASH: Row<Written> = Row {
    name: "ip_hash",
    doc: "Chooses by the client's address, of IPv4 by its first three bytes.",
    set: |w, _| w.balance(Method::IpHash),
};

pub const LEAST_CONN: Row<Written> = Row {
    name: "least_conn",
    doc: "Chooses the peer with the fewest connections for its weight; an open tunnel is one.",
    set: |w, _| w.balance(Method::LeastConn),
};

pub const LEAST_TIME: Row<Written> = Row {
    name: "least_time",
    doc: "Chooses the peer that answers soonest, for its weight and what it has to do: to its header or to its last \
          byte; with inflight, requests without an answer count for as long as they have waited.",
    set: |w, call| {
        let to = time_to(call.arg(0));
        w.balance(Method::LeastTime { to, inflight: call.arg(1) == b"inflight" });
    },
};

pub const RANDOM: Row<Written> =
    Row { name: "random", doc: "Chooses by chance, or the less busy of two that chance names.", set: random };

fn random(written: &mut Written, call: &mut Call) {
    let method = match (call.arg(0), call.arg(1)) {
        (b"", _) => Method::Random,
        (_, b"" | b"least_conn") => Method::RandomTwo,
        (_, b"least_time=header") => Method::RandomTwoTime(TimeTo::Header),
        (_, _) => Method::RandomTwoTime(TimeTo::LastByte),
    };
    written.balance(method);
}

fn time_to(word: &[u8]) -> TimeTo {
    if word.eq_ignore_ascii_case(b"header") { TimeTo::Header } else { TimeTo::LastByte }
}
