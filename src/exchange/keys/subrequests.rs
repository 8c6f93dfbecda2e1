//! Keys that a subrequest is answered with, kept for `auth_jwt_key_cache`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::features::auth_jwt::read_keys;
use crate::features::error_log::Level;
use crate::http1::Known;
use crate::jwt::{KeySet, MAX_KEY_SET};
use crate::model::ServerId;
use crate::net::now;

use super::super::answer::Reply;
use super::super::body::unless_gone;
use super::super::life::Exchange;
use super::super::report::Shown;
use super::super::subrequest::{Keep, Subanswer};
use super::{ANEW, PATIENCE, lock};

/// Answers of a configuration: one for each server and URI.
#[derive(Default)]
pub struct Subrequests {
    known: Mutex<HashMap<Id, Arc<Slot>>>,
}

/// A URI, and whose it is.
type Id = (ServerId, Box<[u8]>);

/// Keys, or why there are none.
pub type Keys = Result<Arc<KeySet>, Arc<str>>;

/// What is known of one URI of one server.
#[derive(Default)]
struct Slot {
    /// Held by whoever asks.
    turn: tokio::sync::Mutex<()>,
    answer: Mutex<Option<Answer>>,
}

struct Answer {
    /// When it was asked for.
    began: Instant,
    keys: Keys,
    /// When it was last asked for because of an unknown key.
    anew: Option<Instant>,
}

impl Subrequests {
    fn slot(&self, server: ServerId, uri: &[u8]) -> Arc<Slot> {
        lock(&self.known).entry((server, uri.into())).or_default().clone()
    }
}

impl Slot {
    /// Keys that need not be asked for. With `anew` only those that a request has got since `came`, or any if
    /// it is too early to ask again.
    fn kept(&self, came: Instant, holds: Duration, anew: bool) -> Option<Keys> {
        let answer = lock(&self.answer);
        let answer = answer.as_ref()?;
        // Whoever waited for the others' turn takes what they got, a failure too.
        if answer.began >= came {
            return Some(answer.keys.clone());
        }
        let moment = now();
        let is_fresh = moment.duration_since(answer.began) < holds;
        let too_early = answer.anew.is_some_and(|anew| moment.duration_since(anew) < ANEW);
        let keys = answer.keys.as_ref().ok().filter(|_| is_fresh && (!anew || too_early));
        keys.cloned().map(Ok)
    }

    fn keep(&self, began: Instant, anew: bool, keys: &Keys) {
        let mut answer = lock(&self.answer);
        let before = answer.as_ref().and_then(|answer| answer.anew);
        let anew = if anew { Some(began) } else { before };
        *answer = Some(Answer { began, keys: keys.clone(), anew });
    }
}

impl Exchange<'_> {
    /// The keys that `uri` is answered with. One request at a time asks for those that are kept; the others wait.
    ///
    /// # Errors
    /// The client has gone.
    pub(super) async fn kept_keys(&mut self, uri: &[u8], holds: Duration, anew: bool) -> Result<Keys, Reply> {
        let slot = self.live.keys.subrequests.slot(self.server, uri);
        let came = now();
        if let Some(kept) = slot.kept(came, holds, anew) {
            return Ok(kept);
        }
        let turn = unless_gone(self.client, timeout(PATIENCE, slot.turn.lock())).await?;
        let Ok(_turn) = turn else {
            return Ok(Err("another request is still waiting for them".into()));
        };
        if let Some(kept) = slot.kept(came, holds, anew) {
            return Ok(kept);
        }
        let began = now();
        let keys = self.asked_keys(uri, Level::Warn).await?;
        slot.keep(began, anew, &keys);
        Ok(keys)
    }

    /// The keys that `uri` is answered with now. Those that are not used are told at `level`.
    ///
    /// # Errors
    /// The client has gone.
    pub(super) async fn asked_keys(&mut self, uri: &[u8], level: Level) -> Result<Keys, Reply> {
        let mark = uri.iter().position(|byte| *byte == b'?');
        let (path, args) = mark.map_or((uri, &b""[..]), |mark| (&uri[..mark], &uri[mark + 1..]));
        let keys = self.subrequest(path, args, Keep::Body { most: MAX_KEY_SET }, read).await?;
        if let Ok(keys) = &keys {
            for sentence in keys.remarks() {
                self.report(level, format_args!("keys of \"{}\": {sentence}", Shown(uri)));
            }
        }
        Ok(keys)
    }
}

fn read(answer: &Subanswer<'_>) -> Keys {
    let request = answer.request;
    if answer.too_large {
        return Err(format!("the answer has more than {MAX_KEY_SET} bytes").into());
    }
    match request.reply.status {
        200 if answer.is_whole => {}
        200 => return Err("the answer ended too early".into()),
        status => return Err(format!("it was answered {status} in place of 200").into()),
    }
    let coded = request.upstream.answered
        && request.upstream.head.headers.all(Known::ContentEncoding).next().is_some();
    read_keys(answer.body).map_err(|why| match coded {
        true => "the answer is compressed, though nobody has asked for that".into(),
        false => why.into(),
    })
}
