//! The sessions of `sticky learn`: which server a session was last seen on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::sid::{Sid, md5};

/// How much of its zone a session takes: 1m holds 8,192, 32k hold 256.
pub const SESSION_SIZE: u64 = 128;

/// The zone that sessions are kept in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionZone {
    pub name: Arc<str>,
    /// In bytes.
    pub size: u64,
}

/// A session by the MD5 of its value, so that the client does not choose how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey([u8; 16]);

impl SessionKey {
    pub fn of(value: &[u8]) -> SessionKey {
        SessionKey(md5(value))
    }
}

/// Sessions, shared by all workers; as many as their zone has room for.
#[derive(Debug)]
pub struct Sessions {
    pub zone: SessionZone,
    table: Mutex<Table>,
}

/// A list through all sessions, the one that was used last in front.
#[derive(Debug)]
struct Table {
    places: HashMap<SessionKey, u32>,
    sessions: Vec<Session>,
    first: u32,
    last: u32,
    most: usize,
}

#[derive(Debug)]
struct Session {
    key: SessionKey,
    sid: Sid,
    used: Instant,
    before: u32,
    after: u32,
}

const NONE: u32 = u32::MAX;

/// Whether there was room for what was learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Enough,
    /// The session that had not been used for longest had to go, before its time was over.
    Forced,
}

impl Sessions {
    pub fn new(zone: SessionZone) -> Sessions {
        let most = (zone.size / SESSION_SIZE).clamp(1, u64::from(NONE)) as usize;
        let table = Table { places: HashMap::new(), sessions: Vec::new(), first: NONE, last: NONE, most };
        Sessions { zone, table: Mutex::new(table) }
    }

    /// The server of a session that was used within `timeout`.
    pub fn find(&self, key: SessionKey, timeout: Duration, now: Instant) -> Option<Sid> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let session = &table.sessions[*table.places.get(&key)? as usize];
        (now.duration_since(session.used) < timeout).then(|| session.sid.clone())
    }

    /// Notes that a session was used on a server. One that is not known is begun only if `create` says so.
    pub fn learn(&self, key: SessionKey, sid: &Sid, create: bool, timeout: Duration, now: Instant) -> Room {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.expire(timeout, now);
        if let Some(at) = table.places.get(&key).copied() {
            table.unlink(at);
            let session = &mut table.sessions[at as usize];
            session.used = now;
            if session.sid != *sid {
                session.sid = sid.clone();
            }
            table.link(at);
            return Room::Enough;
        }
        if !create {
            return Room::Enough;
        }
        let room = if table.sessions.len() < table.most { Room::Enough } else { Room::Forced };
        if room == Room::Forced {
            table.forget_last();
        }
        let at = table.sessions.len() as u32;
        table.sessions.push(Session { key, sid: sid.clone(), used: now, before: NONE, after: NONE });
        table.places.insert(key, at);
        table.link(at);
        room
    }
}

impl Table {
    fn expire(&mut self, timeout: Duration, now: Instant) {
        while self.last != NONE && now.duration_since(self.sessions[self.last as usize].used) >= timeout {
            self.forget_last();
        }
    }

    fn forget_last(&mut self) {
        let at = self.last;
        self.unlink(at);
        self.places.remove(&self.sessions[at as usize].key);
        self.sessions.swap_remove(at as usize);
        // The one from the end has taken its place.
        let Some(moved) = self.sessions.get(at as usize) else { return };
        let (key, before, after) = (moved.key, moved.before, moved.after);
        self.places.insert(key, at);
        self.point(before, after, at, at);
    }

    fn unlink(&mut self, at: u32) {
        let Session { before, after, .. } = self.sessions[at as usize];
        self.point(before, after, after, before);
    }

    /// Has what stands before a place lead to `next`, and what stands behind it back to `previous`.
    fn point(&mut self, before: u32, after: u32, next: u32, previous: u32) {
        match before {
            NONE => self.first = next,
            before => self.sessions[before as usize].after = next,
        }
        match after {
            NONE => self.last = previous,
            after => self.sessions[after as usize].before = previous,
        }
    }

    /// Puts a session in front.
    fn link(&mut self, at: u32) {
        let first = self.first;
        let session = &mut self.sessions[at as usize];
        (session.before, session.after) = (NONE, first);
        self.first = at;
        match first {
            NONE => self.last = at,
            first => self.sessions[first as usize].before = at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn sessions(room: u64) -> Sessions {
        Sessions::new(SessionZone { name: "zone".into(), size: room * SESSION_SIZE })
    }

    fn key(number: u32) -> SessionKey {
        SessionKey::of(&number.to_be_bytes())
    }

    fn sid(name: &str) -> Sid {
        name.as_bytes().into()
    }

    #[test]
    fn a_session_moves_with_its_server_and_ends_when_it_is_not_used() {
        let (sessions, start) = (sessions(4), Instant::now());
        let find = |after| sessions.find(key(1), MINUTE, start + after);
        sessions.learn(key(1), &sid("a"), false, MINUTE, start);
        assert_eq!(find(Duration::ZERO), None, "it was not to be begun");
        sessions.learn(key(1), &sid("a"), true, MINUTE, start);
        assert_eq!(find(MINUTE / 2), Some(sid("a")));
        sessions.learn(key(1), &sid("b"), false, MINUTE, start + MINUTE / 2);
        assert_eq!(find(MINUTE), Some(sid("b")));
        assert_eq!(find(MINUTE * 3 / 2), None);
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let (sessions, now) = (sessions(3), Instant::now());
        let learn = |number| sessions.learn(key(number), &sid("a"), true, MINUTE, now);
        let has = |number| sessions.find(key(number), MINUTE, now).is_some();
        assert_eq!([learn(1), learn(2), learn(3), learn(1)], [Room::Enough; 4]);
        assert_eq!(learn(4), Room::Forced);
        assert_eq!([has(1), has(2), has(3), has(4)], [true, false, true, true]);
        assert_eq!(learn(5), Room::Forced);
        assert_eq!([has(1), has(3), has(4), has(5)], [true, false, true, true]);
    }

    #[test]
    fn the_table_does_as_a_plain_list_does() {
        let (sessions, start) = (sessions(7), Instant::now());
        let mut plain: Vec<u32> = Vec::new();
        let mut seed = 1u32;
        for step in 0..5000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = seed >> 28;
            sessions.learn(key(number), &sid("a"), true, MINUTE * 1000, start);
            plain.retain(|other| *other != number);
            plain.push(number);
            if plain.len() > 7 {
                plain.remove(0);
            }
            let here: Vec<u32> =
                (0..16).filter(|n| sessions.find(key(*n), MINUTE * 1000, start).is_some()).collect();
            let mut wanted = plain.clone();
            wanted.sort_unstable();
            assert_eq!(here, wanted, "after {step}");
        }
        sessions.learn(key(99), &sid("a"), true, MINUTE, start + MINUTE);
        assert_eq!(sessions.table.lock().expect("no panic").sessions.len(), 1);
    }
}
