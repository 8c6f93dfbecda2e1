//! What ties a request to a server: the id it brings, the cookie it is given, the session that is learnt.

use std::sync::Arc;
use std::time::Duration;

use crate::features::error_log::Level;
use crate::features::upstream::sticky::{Kind, Sticky};
use crate::net::now;
use crate::net::wall_clock;
use crate::upstream::{Group, Picked, Room, SessionKey, Sessions, Sid};

use super::destination::Destination;
use super::forward::Asked;
use super::life::Exchange;
use super::route::Way;

/// How a request is tied to a server of its group.
#[derive(Clone, Copy)]
pub struct Tie<'c> {
    sticky: &'c Sticky,
    /// The session that it names.
    session: Option<SessionKey>,
    /// Where its line begins among those that other groups have set.
    cookie_at: usize,
}

/// When sessions are learnt.
#[derive(Clone, Copy, PartialEq)]
pub enum Moment {
    Head,
    Release,
}

/// Something to learn.
pub struct Lesson {
    sessions: Arc<Sessions>,
    key: SessionKey,
    sid: Sid,
    create: bool,
    timeout: Duration,
}

impl Lesson {
    pub fn learn(&self) -> Room {
        self.sessions.learn(self.key, &self.sid, self.create, self.timeout, now())
    }

    /// The warning that a session had to go for this one.
    pub fn no_room(&self) -> String {
        let zone = &self.sessions.zone.name;
        let what = "expiring least recently used session";
        format!("could not allocate node in sticky session zone \"{zone}\", {what}")
    }
}

impl Tie<'_> {
    /// By what requests are tied.
    pub fn way(&self) -> Way {
        match self.sticky.kind {
            Kind::Cookie(_) => Way::Cookie,
            Kind::Route => Way::Route,
            Kind::Learn(_) => Way::Learn,
        }
    }
}

impl<'c> Exchange<'c> {
    /// What ties the request to a server of where it goes; `id` is what it names it by.
    pub fn tie(&self, destination: &Destination<'c>, id: &mut Vec<u8>) -> Option<Tie<'c>> {
        let sticky = destination.upstream?.sticky.as_ref()?;
        let found = sticky.lookup(self.request, id);
        let learns = matches!(sticky.kind, Kind::Learn(_));
        let session = (found && learns).then(|| SessionKey::of(id));
        Some(Tie { sticky, session, cookie_at: self.request.upstream.cookies.len() })
    }

    /// Has the answer set the cookie of the server that was picked, whoever will give it.
    pub fn set_sticky_cookie(&mut self, tie: &Tie, picked: &Picked) {
        let (Kind::Cookie(cookie), Some(sid)) = (&tie.sticky.kind, &picked.sid) else { return };
        let mut lines = std::mem::take(&mut self.request.upstream.cookies);
        // That of the try before.
        lines.truncate(tie.cookie_at);
        cookie.write(sid, self.request, wall_clock().as_secs(), &mut lines);
        self.request.upstream.cookies = lines;
    }

    /// The line that sets the cookie of a server, where there is one to set.
    pub fn sticky_cookie(&self, tie: &Tie, sid: &Sid) -> Option<Vec<u8>> {
        let Kind::Cookie(cookie) = &tie.sticky.kind else { return None };
        let mut line = Vec::new();
        cookie.write(sid, self.request, wall_clock().as_secs(), &mut line);
        Some(line)
    }

    /// Notes where a session is, if this is the moment.
    pub fn learn(&self, asked: &Asked, moment: Moment) {
        let Some(lesson) = self.lesson(asked, moment) else { return };
        if lesson.learn() == Room::Forced {
            self.report(Level::Warn, format_args!("{}", lesson.no_room()));
        }
    }

    /// What there is to learn at this moment (`ngx_http_upstream_sticky_learn_peer`).
    pub fn lesson(&self, asked: &Asked, moment: Moment) -> Option<Lesson> {
        let tie = asked.tie?;
        let Kind::Learn(learn) = &tie.sticky.kind else { return None };
        if learn.header != (moment == Moment::Head) {
            return None;
        }
        let mut value = self.worker.buffer();
        let created = learn.create(self.request, &mut value).then(|| SessionKey::of(&value));
        self.worker.give_back_buffer(value);
        Some(Lesson {
            sessions: asked.group.sessions.clone()?,
            key: created.or(tie.session)?,
            sid: asked.picked.sid.clone()?,
            create: created.is_some(),
            timeout: learn.timeout,
        })
    }
}

/// The server id that a request names: its own word, or what is known of its session by now. `id` is what it
/// brings, `learnt` keeps what was found.
pub fn server_id<'k>(
    tie: Option<&Tie>,
    group: &Group,
    id: Option<&'k [u8]>,
    learnt: &'k mut Option<Sid>,
) -> Option<&'k [u8]> {
    let Kind::Learn(learn) = &tie?.sticky.kind else { return id };
    *learnt = group.sessions.as_ref()?.find(tie?.session?, learn.timeout, now());
    learnt.as_deref()
}
