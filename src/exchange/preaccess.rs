//! Before it is asked who may come in: whether too many come, or too quickly (`NGX_HTTP_PREACCESS_PHASE`).

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use crate::features::error_log::Level;
use crate::features::zones::Keyed;
use crate::limits::{self, Entry, LONGEST_CONNECTION_KEY, LONGEST_RATE_KEY, Verdict, judge};
use crate::net::{milliseconds, now};
use crate::request::LimitStatus;

use super::answer::Reply;
use super::body::poll_gone;
use super::life::Exchange;
use super::report::{Shown, tell};
use super::route::Event;

/// Why a request is not counted.
enum Refused {
    /// It would be one too many in the zone of this number.
    Full(usize),
    NoRoom(usize),
}

impl Exchange<'_> {
    /// Asks nginx's modules of this phase in its order. What has been limited once is not limited again.
    ///
    /// # Errors
    /// The request is one too many, or its client has left while it had to wait.
    pub async fn preaccess(&mut self) -> Result<(), Reply> {
        self.real_ip();
        if !self.settings.limit_req.limits.is_empty() && self.request.limited.requests.is_none() {
            self.limit_requests().await?;
        }
        if !self.settings.limit_conn.limits.is_empty() && self.request.limited.connections.is_none() {
            self.limit_connections()?;
        }
        Ok(())
    }

    /// `ngx_http_limit_req_handler`.
    async fn limit_requests(&mut self) -> Result<(), Reply> {
        let limits = &self.settings.limit_req;
        let dry_run = limits.dry_run;
        let (status, milliseconds) = match self.rate() {
            Verdict::Uncounted => return Ok(()),
            Verdict::Passed => (LimitStatus::Passed, 0),
            Verdict::Delayed { limit, excess, delay } => {
                let (dry, excess, zone) = (dry_run_word(dry_run), Thousandths(excess), self.rate_zone(limit));
                let message = format_args!("delaying request{dry}, excess: {excess}, by zone \"{zone}\"");
                self.report(limits.delay_log_level(), message);
                (if dry_run { LimitStatus::DelayedDryRun } else { LimitStatus::Delayed }, delay)
            }
            Verdict::Refused { limit, excess } => {
                let (dry, excess, zone) = (dry_run_word(dry_run), Thousandths(excess), self.rate_zone(limit));
                let message = format_args!("limiting requests{dry}, excess: {excess} by zone \"{zone}\"");
                self.report(limits.log_level, message);
                (rejected(dry_run), 0)
            }
            Verdict::NoRoom { limit } => {
                let zone = self.rate_zone(limit);
                let message = format_args!("could not allocate node in limit_req zone \"{zone}\"");
                tell(&self.live.model.error_log, Level::Alert, 0, message);
                (rejected(dry_run), 0)
            }
        };
        self.request.limited.requests = Some(status);
        match status {
            LimitStatus::Delayed => self.delay(milliseconds).await,
            LimitStatus::Rejected => Err(Reply::Status(limits.status)),
            _ => Ok(()),
        }
    }

    fn rate(&self) -> Verdict {
        let (live, limits) = (self.live, &self.settings.limit_req.limits);
        let mut key = self.worker.buffer();
        let mut limit = |number: usize, key: &mut Vec<u8>| {
            let limit = &limits[number];
            let zone = &live.model.http.limit_req[limit.zone];
            zone.keyed.key.render(self.request, key);
            self.counts("limit_req", &zone.keyed, key, LONGEST_RATE_KEY).then(|| limits::Limit {
                zone: &live.limits.requests[limit.zone],
                rate: zone.rate,
                burst: limit.burst,
                delay: limit.delay,
            })
        };
        let verdict = judge(limits.len(), &mut limit, &mut key, milliseconds());
        self.worker.give_back_buffer(key);
        verdict
    }

    /// The name of the zone of a `limit_req`.
    fn rate_zone(&self, limit: usize) -> Shown<'_> {
        let number = self.settings.limit_req.limits[limit].zone;
        Shown(&self.live.model.http.limit_req[number].keyed.name)
    }

    /// Has a request wait, unless its client leaves (`ngx_http_limit_req_delay`, `ngx_http_test_reading`).
    async fn delay(&mut self, milliseconds: i64) -> Result<(), Reply> {
        let deadline = now() + Duration::from_millis(milliseconds.unsigned_abs());
        let client = &mut *self.client;
        let mut ending = self.worker.ending.begun();
        let waited = poll_fn(|cx| {
            if poll_gone(client, cx).is_ready() {
                return Poll::Ready(Err(499));
            }
            // It may have to wait for minutes, and `worker_shutdown_timeout` is over.
            if Pin::new(&mut ending).poll(cx).is_ready() {
                return Poll::Ready(Err(503));
            }
            client.timer.poll_until(cx, deadline).map(|_| Ok(()))
        });
        waited.await.map_err(|status| {
            if status == 499 {
                self.report(Level::Info, format_args!("client prematurely closed connection"));
            }
            Reply::Status(status)
        })
    }

    /// `ngx_http_limit_conn_handler`.
    fn limit_connections(&mut self) -> Result<(), Reply> {
        let limits = &self.settings.limit_conn;
        let mut key = self.worker.buffer();
        let entered = self.enter_zones(&mut key);
        self.worker.give_back_buffer(key);
        let zones = &self.live.model.http.limit_conn;
        match entered {
            Ok(()) => return Ok(()),
            Err(Refused::Full(zone)) => {
                let dry = if limits.dry_run { ", dry run," } else { "" };
                let zone = Shown(&zones[zone].name);
                self.report(limits.log_level, format_args!("limiting connections{dry} by zone \"{zone}\""));
            }
            Err(Refused::NoRoom(zone)) => {
                let zone = Shown(&zones[zone].name);
                let message =
                    format_args!("ngx_slab_alloc() failed: no memory in limit_conn_zone \"{zone}\"");
                tell(&self.live.model.error_log, Level::Crit, 0, message);
            }
        }
        self.request.limited.counted.clear();
        self.request.limited.connections = Some(rejected(limits.dry_run));
        if limits.dry_run { Ok(()) } else { Err(Reply::Status(limits.status)) }
    }

    fn enter_zones(&mut self, key: &mut Vec<u8>) -> Result<(), Refused> {
        let live = self.live;
        for limit in self.settings.limit_conn.limits.iter() {
            let zone = &live.model.http.limit_conn[limit.zone];
            key.clear();
            zone.key.render(self.request, key);
            if !self.counts("limit_conn", zone, key, LONGEST_CONNECTION_KEY) {
                continue;
            }
            let limited = &mut self.request.limited;
            limited.connections = Some(LimitStatus::Passed);
            match live.limits.connections[limit.zone].enter(key, limit.most) {
                Entry::Counted(counted) => limited.counted.push(counted),
                Entry::Full => return Err(Refused::Full(limit.zone)),
                Entry::NoRoom => return Err(Refused::NoRoom(limit.zone)),
            }
        }
        Ok(())
    }

    /// Whether a key is one: an empty one stands for whoever is not limited.
    fn counts(&self, directive: &'static str, zone: &Keyed, key: &[u8], longest: usize) -> bool {
        let counts = (1..=longest).contains(&key.len());
        self.note(|_| Event::Limited {
            directive,
            zone: zone.name.to_vec(),
            key: zone.key_text.to_vec(),
            value: key.to_vec(),
            counts,
        });
        if key.len() > longest {
            // nginx shows the key itself, which may be a token.
            let (text, length) = (Shown(&zone.key_text), key.len());
            let message =
                format_args!("the value of the \"{text}\" key is more than {longest} bytes: {length}");
            self.report(Level::Error, message);
        }
        counts
    }
}

fn rejected(dry_run: bool) -> LimitStatus {
    if dry_run { LimitStatus::RejectedDryRun } else { LimitStatus::Rejected }
}

fn dry_run_word(dry_run: bool) -> &'static str {
    if dry_run { ", dry run" } else { "" }
}

/// `1.500`.
struct Thousandths(i64);

impl std::fmt::Display for Thousandths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}
