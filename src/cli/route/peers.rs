//! Who would be asked, one after another, and why it is they.

use crate::exchange::route::{Peer, Stuck, Upstream, Way};
use crate::features::proxy::NextUpstream;
use crate::source::Span;
use crate::syntax::Directive;
use crate::upstream::{By, Endpoint, Method, Number, ServerSpec, Step};

use super::facts::{Facts, Report, facts, text_of};

impl Report<'_> {
    /// The method of the group and what it makes its choice by.
    pub fn method(&mut self, block: Option<&Directive>, upstream: &Upstream) {
        const METHODS: &[&str] = &["hash", "ip_hash", "least_conn", "least_time", "random"];
        let tree = self.tree;
        let key = upstream.key.as_ref().map(|key| text_of(key));
        let mut any = false;
        for line in block.iter().flat_map(|block| tree.items(Some(block.id))) {
            if METHODS.iter().any(|name| line.is(name)) {
                any = true;
                let told = format!("{}: {}", self.written(line.head()), made_by(upstream));
                let own =
                    facts([("method", line.name.value.to_string().into()), ("key", key.clone().into())]);
                self.at("method", line.head(), told, own);
            } else if line.is("sticky")
                && let Some(stuck) = &upstream.stuck
            {
                any |= upstream.peers.first().is_some_and(|peer| peer.trace.by == By::Id);
                self.sticky(line, stuck, upstream);
            }
        }
        if !any && upstream.group.spec.servers.len() > 1 {
            let own = facts([("method", "round_robin".into())]);
            self.line("method", None, format!("round robin by weight: {}", made_by(upstream)), own);
        }
    }

    fn sticky(&mut self, line: &Directive, stuck: &Stuck, upstream: &Upstream) {
        let servers = &upstream.group.spec.servers;
        let id = stuck.id.as_ref().map(|id| text_of(id));
        let owner = stuck.owner.map(|(server, _)| servers[server].text.clone());
        let brings = match (stuck.way, &id) {
            (Way::Cookie, None) => "the request brings no such cookie".to_owned(),
            (Way::Route, None) => "the request brings no id: all of these are empty".to_owned(),
            (Way::Learn, None) => "the request names no session".to_owned(),
            (Way::Learn, Some(id)) => {
                format!("session \"{id}\", whose server only the running process knows")
            }
            (_, Some(id)) => {
                let whose = match (&owner, stuck.owner) {
                    (Some(text), Some((_, true))) => format!("that of {text}"),
                    (Some(text), _) => format!("that of {text}, which is down"),
                    (None, _) if servers.iter().any(has_late_id) => {
                        "that of no server known here; ids of names are known when they are looked up"
                            .to_owned()
                    }
                    (None, _) => "that of no server".to_owned(),
                };
                format!("the request brings \"{id}\", {whose}")
            }
        };
        let told = format!("{}: {brings}", self.written(line.head()));
        let cookie = stuck.cookie.as_ref().map(|cookie| text_of(cookie.trim_ascii_end()));
        let own = facts([
            ("method", "sticky".into()),
            ("id", id.into()),
            ("owner", owner.into()),
            ("cookie", cookie.clone().into()),
        ]);
        self.at("method", line.head(), told, own);
        if let Some(cookie) = cookie {
            let told = format!("the answer gets {cookie}");
            self.at("cookie", line.head(), told, facts([("value", cookie.into())]));
        } else if stuck.way == Way::Cookie && !upstream.peers.is_empty() {
            let told = "the answer gets the cookie of the address that the name is looked up to";
            self.at("cookie", line.head(), told, facts([("value", serde_json::Value::Null)]));
        }
    }

    /// Those that would be asked, with what was computed for each.
    pub fn peers(&mut self, block: Option<&Directive>, upstream: &Upstream) {
        let tree = self.tree;
        let lines = block.iter().flat_map(|block| tree.items(Some(block.id)));
        let lines: Vec<Span> = lines.filter(|line| line.is("server")).map(Directive::head).collect();
        let retries = [NextUpstream::ERROR, NextUpstream::TIMEOUT];
        let retries = retries.iter().any(|one| upstream.settings.proxy.next_upstream.has(*one));
        for (at, peer) in upstream.peers.iter().enumerate() {
            if at > 0 && !retries {
                self.line("next", None, "proxy_next_upstream off: no other is tried", Facts::new());
                break;
            }
            let tried = &upstream.peers[..at];
            self.steps(&lines, upstream, peer, tried);
            let server = &upstream.group.spec.servers[peer.server];
            let mut told = server.text.clone();
            if matches!(server.endpoint, Endpoint::Name { .. }) {
                told.push_str(", looked up when serving");
            }
            if server.backup {
                told.push_str(", a backup");
            }
            told.push_str(why(upstream, peer));
            let by = match peer.trace.by {
                By::Turn => "turn",
                By::Method => "method",
                By::Id => "id",
            };
            let own = facts([
                ("server", server.text.clone().into()),
                ("backup", server.backup.into()),
                ("by", by.into()),
            ]);
            let kind = if at == 0 { "peer" } else { "next" };
            let place = lines.get(peer.server).map(|span| tree.sources.place(*span));
            self.line(kind, place, told, own);
        }
        if upstream.peers.is_empty() {
            self.line("peer", None, "none: every server is down", Facts::new());
        }
    }

    /// What was computed on the way to a peer; neighbours on the ring that belong to one server are one line.
    fn steps(&mut self, lines: &[Span], upstream: &Upstream, peer: &Peer, tried: &[Peer]) {
        let is_point = |step: &Step| matches!(step.number, Number::Point { .. });
        let same = |a: &Step, b: &Step| a.server == b.server && is_point(a) && !a.open && !b.open;
        for run in peer.trace.steps.chunk_by(same) {
            let step = &run[0];
            let server = &upstream.group.spec.servers[step.server];
            let (mut told, mut own) = number(&step.number, upstream);
            if let Some(Number::Point { point, .. }) =
                run.get(1..).and_then(<[Step]>::last).map(|last| &last.number)
            {
                told.push_str(&format!(", and on to point {}", point + 1));
                own.insert("to".into(), (point + 1).into());
            }
            told.push_str(&format!(": {}", server.text));
            if !step.open {
                let is_tried = tried.iter().any(|other| other.server == step.server);
                told.push_str(if is_tried { ", which was tried" } else { ", which is down" });
            }
            own.insert("server".into(), server.text.clone().into());
            own.insert("open".into(), step.open.into());
            let place = lines.get(step.server).map(|span| self.tree.sources.place(*span));
            self.line("hash", place, told, own);
        }
    }
}

/// The id of a peer of this line is known when its name is looked up.
fn has_late_id(server: &ServerSpec) -> bool {
    server.route.is_none() && matches!(server.endpoint, Endpoint::Name { .. })
}

/// What the choice depends on.
fn made_by(upstream: &Upstream) -> String {
    let spec = &upstream.group.spec;
    let key = || text_of(upstream.key.as_deref().unwrap_or_default());
    let shares = || {
        let own = spec.servers.iter().filter(|server| !server.backup && !server.down && !server.drain);
        let own: Vec<_> = own.collect();
        let total: i64 = own.iter().map(|server| server.weight).sum();
        let one = |server: &&ServerSpec| format!("{} {}", server.text, server.weight);
        format!("of {total} requests {}", own.iter().map(one).collect::<Vec<_>>().join(", "))
    };
    let first = "the running process knows whose turn it is, here it is the first request's";
    match spec.method {
        Method::Hash | Method::ConsistentHash if key().is_empty() => "the key is empty: round robin".into(),
        Method::Hash | Method::ConsistentHash => format!("key \"{}\"", key()),
        Method::IpHash => match upstream.client {
            Some(std::net::IpAddr::V4(ip)) => {
                let [a, b, c, _] = ip.octets();
                format!("key {a}.{b}.{c}, the client's network")
            }
            Some(std::net::IpAddr::V6(ip)) => format!("key {ip}, the client's address"),
            None => "key 0.0.0, since a client behind a Unix socket has no address".into(),
        },
        Method::Random | Method::RandomTwo | Method::RandomTwoTime(_) => format!("by lot, {}", shares()),
        Method::RoundRobin => format!("{}; {first}", shares()),
        Method::LeastConn => {
            format!("the running process knows what is open to each, here nothing is: {}", shares())
        }
        Method::LeastTime { .. } => {
            format!("the running process knows how long each takes, here none has been asked: {}", shares())
        }
    }
}

/// Why it is this one, where no line before says so.
fn why(upstream: &Upstream, peer: &Peer) -> &'static str {
    let spec = &upstream.group.spec;
    let computes = matches!(spec.method, Method::Hash | Method::ConsistentHash | Method::IpHash);
    match (peer.trace.by, spec.method) {
        (By::Id, _) => ", which the request names",
        (By::Method, Method::Random | Method::RandomTwo | Method::RandomTwoTime(_)) => {
            ", drawn by lot: another time it may be another"
        }
        (By::Turn, _) if spec.servers.len() == 1 && computes => ", the only server: nothing is computed",
        (By::Turn, _) if computes && !peer.trace.steps.is_empty() => {
            ", by round robin: nobody that was computed can be asked"
        }
        _ => "",
    }
}

/// A number in words, and in fields.
fn number(number: &Number, upstream: &Upstream) -> (String, Facts) {
    let key = text_of(upstream.key.as_deref().unwrap_or_default());
    match *number {
        Number::Sum { rehash, crc, sum, weight } => {
            let key = if rehash == 0 { key } else { format!("{rehash}{key}") };
            let bits = (crc >> 16) & 0x7fff;
            let slot = u64::from(sum) % weight;
            let together = match rehash {
                0 => format!("{bits}"),
                _ => format!("{bits}, with those before {sum}"),
            };
            let told = format!(
                "crc32 of \"{key}\" is {crc:#010x}, bits 16 to 30 of it {together}; {sum} % {weight} = {slot}"
            );
            let own =
                [("crc32", crc.into()), ("sum", sum.into()), ("of", weight.into()), ("slot", slot.into())];
            (told, facts(own))
        }
        Number::Point { crc, point, points, place } => {
            let told =
                format!("crc32 of \"{key}\" is {crc:#010x}; point {} of {points}, {place:#010x}", point + 1);
            let own = [
                ("crc32", crc.into()),
                ("point", (point + 1).into()),
                ("of", points.into()),
                ("place", place.into()),
            ];
            (told, facts(own))
        }
        Number::Network { hash, weight } => {
            let slot = u64::from(hash) % weight;
            let told = format!("its hash is {hash}; {hash} % {weight} = {slot}");
            (told, facts([("sum", hash.into()), ("of", weight.into()), ("slot", slot.into())]))
        }
    }
}
