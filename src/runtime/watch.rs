//! `--watch`: notices when the configuration, or a file it includes, is no longer what was read.
//!
//! The system tells that something happened in the folders of those files (inotify(7)); whether it
//! concerns the configuration, a look at the files tells.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

use super::seen::Seen;

/// How long nothing has to happen before files are looked at: an editor, or a program that unpacks many,
/// does several things in a row.
const QUIET: Duration = Duration::from_millis(100);

/// What never gets quiet is looked at all the same.
const AT_LAST: Duration = Duration::from_secs(1);

/// How often files are looked at where the system tells nothing.
const LOOK: Duration = Duration::from_secs(1);

/// Everything that may put another file, or other text, in the place of what was read.
const EVENTS: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// Watches the files of the configuration that was read last.
pub struct Watch {
    seen: Seen,
    /// `None` where the system does not tell.
    told: Option<AsyncFd<OwnedFd>>,
    /// Since when something happens, and when to look.
    happening: Option<(Instant, Instant)>,
}

impl Watch {
    /// Begins to watch; the error says why only now and then is looked.
    pub fn new(seen: Seen) -> (Watch, Option<io::Error>) {
        let (told, error) = match told(&seen) {
            Ok(told) => (Some(told), None),
            Err(error) => (None, Some(error)),
        };
        let now = Instant::now();
        // Something may have happened since the files were read.
        (Watch { seen, told, happening: Some((now, now + QUIET)) }, error)
    }

    /// Waits for a change. What was noticed is kept if this future is dropped.
    pub async fn changed(&mut self) {
        loop {
            if self.told.is_none() && self.happening.is_none() {
                let now = Instant::now();
                self.happening = Some((now, now + LOOK));
            }
            let look = self.happening.map(|(_, look)| look);
            tokio::select! {
                () = told_something(self.told.as_ref()) => self.happened(),
                () = until(look) => {
                    self.happening = None;
                    if self.seen.has_changed() {
                        return;
                    }
                }
            }
        }
    }

    fn happened(&mut self) {
        let now = Instant::now();
        let since = self.happening.map_or(now, |(since, _)| since);
        self.happening = Some((since, (now + QUIET).min(since + AT_LAST)));
    }
}

/// A descriptor that tells what happens in the folders of files.
fn told(seen: &Seen) -> io::Result<AsyncFd<OwnedFd>> {
    let told = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    for folder in seen.folders() {
        inotify::add_watch(&told, &folder, EVENTS)?;
    }
    #[expect(deprecated, reason = "an OwnedFd keeps what the unsafe successor wants promised")]
    AsyncFd::with_interest(told, Interest::READABLE)
}

/// Waits until something has happened, and forgets what it was.
async fn told_something(told: Option<&AsyncFd<OwnedFd>>) {
    let Some(told) = told else { return std::future::pending().await };
    let mut space = [MaybeUninit::uninit(); 4096];
    loop {
        let Ok(mut ready) = told.readable().await else { return std::future::pending().await };
        let read = ready.try_io(|told| Ok(rustix::io::read(told, &mut space).map(|_| ())?));
        if read.is_ok() {
            return;
        }
    }
}

async fn until(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}
