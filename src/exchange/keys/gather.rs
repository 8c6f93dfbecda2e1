//! All keys of one location.

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use crate::features::auth_jwt::{KeyFile, KeySource};
use crate::features::error_log::Level;
use crate::fetch::Url;
use crate::jwt::KeySet;
use crate::net::now;
use crate::request::Template;

use super::super::answer::Reply;
use super::super::body::unless_gone;
use super::super::life::Exchange;
use super::super::report::Shown;
use super::fetched_holds;

/// Keys of every source, in the order of the sources, and when each was asked.
#[derive(Default)]
pub struct Gathered {
    pub sets: Vec<Arc<KeySet>>,
    began: Vec<Instant>,
}

/// Why there are no keys.
enum Trouble {
    /// The client has gone.
    Reply(Reply),
    Source(String),
}

impl Exchange<'_> {
    /// The keys of every source that holds here: all of them have to be there, as NGINX Plus wants it.
    ///
    /// # Errors
    /// 500, with a line in the log, or the client has gone.
    pub async fn gather_keys(&mut self) -> Result<Gathered, Reply> {
        let settings = &self.settings.auth_jwt;
        let mut gathered = Gathered::default();
        for source in settings.sources() {
            match self.keys_of(source, None).await {
                Ok((keys, began)) => gathered.add(keys, began),
                Err(Trouble::Reply(reply)) => return Err(reply),
                Err(Trouble::Source(why)) => {
                    self.report(Level::Error, format_args!("no keys to verify a JWT with: {why}"));
                    return Err(Reply::Status(500));
                }
            }
        }
        Ok(gathered)
    }

    /// The same where a key is missing that may be new; `None` where there is nothing newer. A source that fails
    /// now stays as it is.
    ///
    /// # Errors
    /// The client has gone.
    pub async fn newer_keys(&mut self, before: &Gathered) -> Result<Option<Gathered>, Reply> {
        let settings = &self.settings.auth_jwt;
        let mut gathered = Gathered::default();
        for (at, source) in settings.sources().enumerate() {
            let (keys, began) = (before.sets[at].clone(), before.began[at]);
            if self.is_asked_each_time(source) {
                gathered.add(keys, began);
                continue;
            }
            match self.keys_of(source, Some(began)).await {
                Ok((keys, began)) => gathered.add(keys, began),
                Err(Trouble::Reply(reply)) => return Err(reply),
                Err(Trouble::Source(why)) => {
                    self.report(Level::Error, format_args!("no newer keys to verify a JWT with: {why}"));
                    gathered.add(keys, began);
                }
            }
        }
        Ok(Some(gathered).filter(|gathered| gathered.differs(before)))
    }

    /// Whether what a source has was asked for on behalf of this request: there is nothing newer.
    fn is_asked_each_time(&self, source: &KeySource) -> bool {
        let KeySource::Subrequest(uri) = source else { return false };
        let holds = self.settings.auth_jwt.key_cache.unwrap_or_default();
        // Those of a URI with variables are not kept, as in NGINX Plus.
        holds.is_zero() || uri.as_literal().is_none()
    }

    /// The keys of one source. Those that are newer than what was got at `than` are wanted, if it is given; there
    /// may be none.
    async fn keys_of(
        &mut self,
        source: &KeySource,
        than: Option<Instant>,
    ) -> Result<(Arc<KeySet>, Instant), Trouble> {
        let began = now();
        match source {
            KeySource::File(file) => self.file_keys(file, than.is_some()).map(|keys| (keys, began)),
            KeySource::Subrequest(uri) => {
                let kept = !self.is_asked_each_time(source);
                self.subrequest_keys(uri, kept, than.is_some()).await.map(|keys| (keys, began))
            }
            KeySource::Url(url) => self.fetched_keys(url, than).await,
        }
    }

    fn file_keys(&self, file: &KeyFile, anew: bool) -> Result<Arc<KeySet>, Trouble> {
        let Some(path) = file.path(self.request) else {
            return Err(Trouble::Source("the name of their file is empty, or no name".into()));
        };
        let unseen = self.settings.auth_jwt.key_cache.unwrap_or_default();
        let tell = |sentence: &str| self.report(Level::Warn, format_args!("keys in {sentence}"));
        self.live.keys.files.keys(&path, unseen, anew, tell).map_err(Trouble::Source)
    }

    async fn subrequest_keys(
        &mut self,
        uri: &Template,
        kept: bool,
        anew: bool,
    ) -> Result<Arc<KeySet>, Trouble> {
        let mut rendered = Vec::new();
        uri.render(self.request, &mut rendered);
        if rendered.first() != Some(&b'/') {
            let why = format!("\"{}\" is no URI to ask for them", Shown(&rendered));
            return Err(Trouble::Source(why));
        }
        let holds = self.settings.auth_jwt.key_cache.unwrap_or_default();
        let keys = match kept {
            true => self.kept_keys(&rendered, holds, anew).await?,
            false => self.asked_keys(&rendered, Level::Info).await?,
        };
        keys.map_err(|why| Trouble::Source(format!("subrequest \"{}\": {why}", Shown(&rendered))))
    }

    async fn fetched_keys(
        &mut self,
        url: &Arc<Url>,
        than: Option<Instant>,
    ) -> Result<(Arc<KeySet>, Instant), Trouble> {
        let id = (url.clone(), fetched_holds(&self.settings.auth_jwt));
        let source = self.live.keys.fetched.get(&id);
        let trouble = |why: &dyn fmt::Display| Trouble::Source(format!("\"{url}\": {why}"));
        let source = source.ok_or_else(|| trouble(&"nobody fetches it"))?;
        let hurry = &self.worker.shared.keys;
        if let Some(than) = than
            && let Some(got) = unless_gone(self.client, source.fetched.newer(than, hurry)).await?
        {
            return Ok((got.keys, got.began));
        }
        let got = unless_gone(self.client, source.fetched.keys(hurry)).await?;
        let got = got.map_err(|why| trouble(&why))?;
        Ok((got.keys, got.began))
    }
}

impl Gathered {
    fn add(&mut self, keys: Arc<KeySet>, began: Instant) {
        self.sets.push(keys);
        self.began.push(began);
    }

    fn differs(&self, other: &Gathered) -> bool {
        self.sets.iter().zip(&other.sets).any(|(one, other)| !Arc::ptr_eq(one, other))
    }
}

impl From<Reply> for Trouble {
    fn from(reply: Reply) -> Trouble {
        Trouble::Reply(reply)
    }
}
