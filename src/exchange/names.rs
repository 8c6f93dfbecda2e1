//! Names of upstream servers on behalf of requests, and what is told of look-ups.

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use crate::features::error_log::{self, Level};
use crate::features::resolver::Settings;
use crate::net::{Address, Resolver};
use crate::upstream::{Asking, Endpoint, Failed, Group, Looked};

use super::destination::Destination;
use super::life::Exchange;
use super::live::Live;
use super::report::{report, tell};

/// How long a request waits to hear whether a name has moved whose addresses it knows.
const PATIENCE: Duration = Duration::from_secs(1);

impl Live {
    /// Whom `resolver` lines have asked; the system where there is none.
    pub fn asking(&self, settings: &Settings) -> Asking {
        let resolver = settings.servers.as_ref().and_then(|servers| self.resolvers.get(servers));
        let resolver = resolver.map_or_else(|| Arc::new(Resolver::System), Arc::clone);
        Asking { resolver, limit: settings.timeout }
    }
}

impl Exchange<'_> {
    /// Sees to it that the names of an address that was made of variables hold. Where earlier addresses are
    /// known a request waits for [`PATIENCE`] and goes on with them; not at all, if name servers failed of late.
    pub async fn refresh(&mut self, destination: &Destination<'_>) {
        let group = &destination.group;
        let overdue = group.overdue();
        if overdue.is_empty() {
            return;
        }
        let asking = self.asking(destination);
        let (known, unknown): (Vec<usize>, Vec<usize>) =
            overdue.into_iter().partition(|server| group.is_resolved(*server));
        for server in known {
            let failing = group.why_unresolved().is_some();
            group.postpone(server, asking.limit);
            let (group, asking) = (group.clone(), asking.clone());
            let log = self.settings.error_log.clone();
            let looking = tokio::spawn(async move {
                let looked = group.look_up(server, &asking).await;
                tell_looked(&log, &group, server, &looked);
            });
            if !failing {
                // It goes on behind the request that has begun it.
                let _ = tokio::time::timeout(PATIENCE, looking).await;
            }
        }
        self.look_up(destination, &unknown).await;
    }

    /// Looks names up. There is one look-up of a name at a time: what another finds is waited for.
    pub async fn look_up(&mut self, destination: &Destination<'_>, servers: &[usize]) {
        let (group, asking) = (&destination.group, self.asking(destination));
        let one = async |server: usize| (server, group.look_up(server, &asking).await);
        for (server, looked) in join_all(servers.iter().map(|server| one(*server))).await {
            self.told_looked(group, server, &looked);
        }
    }

    fn asking(&self, destination: &Destination<'_>) -> Asking {
        let upstream = destination.upstream.map(|upstream| &upstream.resolver);
        self.live.asking(upstream.unwrap_or(&self.settings.resolver))
    }

    /// The same as [`tell_looked`], with the request it was for. Where it is left without an address, that is
    /// told when it has no peer.
    fn told_looked(&self, group: &Group, server: usize, looked: &Looked) {
        let log = &self.settings.error_log;
        let failed = looked.failed.as_ref().filter(|failed| failed.stays);
        say(group, server, looked, failed, |level, message| report(log, level, self.request, message));
    }

    /// Why there is no peer: what name servers have said.
    pub fn tell_unresolved(&self, group: &Group) {
        match group.why_unresolved() {
            Some((server, error)) => {
                let name = Name { group, server };
                self.report(Level::Error, format_args!("{name} could not be resolved ({error})"));
            }
            None => {
                let name = &group.spec.name;
                let message = format_args!("no address is known for \"{name}\": it has not resolved so far");
                self.report(Level::Error, message);
            }
        }
    }
}

/// Tells what a look-up has changed, and why it failed where that is news.
pub fn tell_looked(log: &error_log::Settings, group: &Group, server: usize, looked: &Looked) {
    say(group, server, looked, looked.failed.as_ref(), |level, message| tell(log, level, 0, message));
}

fn say(
    group: &Group,
    server: usize,
    looked: &Looked,
    failed: Option<&Failed>,
    say: impl Fn(Level, fmt::Arguments),
) {
    let name = Name { group, server };
    let line = &group.spec.servers[server];
    for (target, error) in &looked.missing {
        say(Level::Error, format_args!("{target} could not be resolved ({error}) while resolving {name}"));
    }
    let of = Of(&group.spec.name, &line.text);
    if let Some(failed) = failed.filter(|failed| !failed.again) {
        let then = match (failed.stays, line.resolve) {
            (true, _) => ": its addresses stay",
            (false, true) => "",
            (false, false) => ": requests for it are answered 502 until it resolves",
        };
        say(Level::Error, format_args!("{name} could not be resolved ({}){then}{of}", failed.error));
    }
    match &looked.moved {
        None => {}
        Some((before, now)) if before.is_empty() => {
            say(Level::Info, format_args!("{name} is at {}{of}", List(now)));
        }
        Some((before, now)) if now.is_empty() => {
            say(Level::Notice, format_args!("{name} is not at {} any more{of}", List(before)));
        }
        Some((before, now)) => {
            say(Level::Notice, format_args!("{name} has moved from {} to {}{of}", List(before), List(now)));
        }
    }
}

/// What was looked up, as nginx puts it.
struct Name<'a> {
    group: &'a Group,
    server: usize,
}

impl Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = &self.group.spec.servers[self.server];
        let host = match &line.endpoint {
            Endpoint::Name { host, .. } => host.strip_suffix('.').unwrap_or(host),
            Endpoint::Known(_) => &line.text,
        };
        match &line.service {
            Some(service) => write!(f, "service {service} of {host}"),
            None => f.write_str(host),
        }
    }
}

/// Which group it is about, where the name itself does not say so.
struct Of<'a>(&'a str, &'a str);

impl Display for Of<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == self.1 {
            Ok(())
        } else {
            write!(f, ", server \"{}\" of upstream \"{}\"", self.1, self.0)
        }
    }
}

struct List<'a>(&'a [Address]);

impl Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(at, address)| {
            f.write_str(if at == 0 { "" } else { ", " })?;
            address.fmt(f)
        })
    }
}
