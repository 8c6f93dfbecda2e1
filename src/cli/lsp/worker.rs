//! The thread that looks and answers, and the desk on which others leave it work.
//!
//! Whoever reads messages only puts things on the desk, and never waits. Requests are answered in order, each about
//! the texts as they were when it came; when none is left and nobody has typed for a moment, what changed is looked
//! at and published.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lsp_server::{ErrorCode, Notification, Request, RequestId, Response, ResponseError};
use lsp_types::PublishDiagnosticsParams;
use lsp_types::notification::{Notification as _, PublishDiagnostics};

use super::documents::Documents;
use super::findings::{Published, published};
use super::out::Out;
use super::requests;
use super::settings::Settings;
use super::workspace::Workspace;

/// How long nobody has to have typed, and how long somebody who goes on typing may put a look off.
const QUIET: Duration = Duration::from_millis(120);
const PATIENCE: Duration = Duration::from_millis(600);
/// How many requests may wait.
const MAX_REQUESTS: usize = 1000;

/// Where work is left.
#[derive(Default)]
pub struct Desk {
    work: Mutex<Work>,
    changed: Condvar,
}

#[derive(Default)]
struct Work {
    documents: Arc<Documents>,
    requests: VecDeque<(Request, Arc<Documents>)>,
    /// When the first and the last change were made that were not looked at yet.
    changes: Option<(Instant, Instant)>,
}

/// What to do next.
enum Job {
    Answer(Request, Arc<Documents>),
    Look(Arc<Documents>),
}

impl Desk {
    /// Changes the texts.
    pub fn change(&self, change: impl FnOnce(&mut Documents)) {
        let mut work = self.lock();
        change(Arc::make_mut(&mut work.documents));
        let now = Instant::now();
        let first = work.changes.map_or(now, |(first, _)| first);
        work.changes = Some((first, now));
        self.changed.notify_all();
    }

    /// Leaves a request; false if too many wait.
    pub fn ask(&self, request: Request) -> bool {
        let mut work = self.lock();
        let documents = work.documents.clone();
        let has_room = work.requests.len() < MAX_REQUESTS;
        if has_room {
            work.requests.push_back((request, documents));
        }
        self.changed.notify_all();
        has_room
    }

    /// Takes a request back; false if it is not there any more.
    pub fn take_back(&self, id: &RequestId) -> bool {
        let mut work = self.lock();
        let before = work.requests.len();
        work.requests.retain(|(request, _)| request.id != *id);
        work.requests.len() < before
    }

    /// Waits for the next job.
    fn next(&self) -> Job {
        let mut work = self.lock();
        loop {
            if let Some((request, documents)) = work.requests.pop_front() {
                return Job::Answer(request, documents);
            }
            let due = work.changes.map(|(first, last)| (last + QUIET).min(first + PATIENCE));
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            work = match left {
                Some(Duration::ZERO) => {
                    work.changes = None;
                    return Job::Look(work.documents.clone());
                }
                Some(left) => self.changed.wait_timeout(work, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(work).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does what is left on the desk, for as long as the process lives.
pub fn work(desk: &Desk, settings: &Settings, out: &Out) {
    let mut workspace = Workspace::default();
    let mut shown = Published::new();
    let mut complained = String::new();
    loop {
        match desk.next() {
            Job::Answer(request, documents) => {
                let id = request.id.clone();
                let answer = || requests::answer(request, &mut workspace, &documents, settings);
                let response_result = catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|_| {
                    workspace = Workspace::default();
                    Err(broken("wsproxy could not answer: this is a bug of wsproxy"))
                });
                out.response(Response { id, response_result });
            }
            Job::Look(documents) => {
                let look = || published(&workspace.look(&documents, settings), &documents, settings);
                let Ok(now) = catch_unwind(AssertUnwindSafe(look)) else {
                    workspace = Workspace::default();
                    out.complain("wsproxy could not look at this configuration: this is a bug of wsproxy");
                    continue;
                };
                publish(&mut shown, now, out);
                if let Some(complaint) = workspace.complaint.take().filter(|wrong| *wrong != complained) {
                    out.complain(&complaint);
                    complained = complaint;
                }
            }
        }
    }
}

/// Shows what there is to show now in the place of what was shown before.
fn publish(shown: &mut Published, now: Published, out: &Out) {
    let gone = shown.iter().filter(|(uri, _)| !now.contains_key(*uri));
    let cleared = gone.map(|(_, before)| PublishDiagnosticsParams::new(before.uri.clone(), Vec::new(), None));
    let changed = now.iter().filter(|(uri, one)| shown.get(*uri) != Some(one)).map(|(_, one)| one.clone());
    for one in cleared.chain(changed) {
        out.notification(Notification::new(PublishDiagnostics::METHOD.to_owned(), one));
    }
    *shown = now;
}

fn broken(why: &str) -> ResponseError {
    ResponseError { code: ErrorCode::InternalError as i32, message: why.to_owned(), data: None }
}
