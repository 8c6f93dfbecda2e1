//! What ends a request early, and how it is answered from here.

use std::sync::Arc;

use crate::features::client::Lingering;
use crate::http1::{Method, Version, framing, status};
use crate::request::Root;

use super::conditions::condition;
use super::echo::Echo;
use super::head::{self, Head, Length, Persistence};
use super::io::{WriteError, write_all};
use super::life::Exchange;
use super::subrequest::Audience;
use super::upgrade::Tunnel;

/// The end of a request's way through the phases.
#[derive(Debug)]
pub enum Reply {
    /// nginx's page for the status, or what `error_page` has in its place.
    Status(u16),
    /// The same, with a `Location`.
    Redirect(u16, Vec<u8>),
    /// A text of `return`.
    Text(u16, Vec<u8>),
    /// The connection is closed without a word: `return 444`.
    Close,
    /// Go on in a named location: `X-Accel-Redirect: @name`.
    Named(Vec<u8>),
    /// Begin again with another URI, from inside: `index`.
    Inside { path: Vec<u8>, args: Vec<u8> },
}

/// How an exchange ended.
pub enum Done {
    /// The reply is out; `keep_alive` of the exchange says what is next.
    Replied,
    /// The client is gone or too slow; there is nothing more to say.
    Aborted,
    /// The connection is to become a tunnel's, and the log line with it.
    Tunnel(Box<Tunnel>),
    /// The connection is to become a WebSocket that is answered here.
    Echo(Box<Echo>),
}

impl Exchange<'_> {
    /// Answers with nginx's page for a status, a redirect, or a text.
    pub async fn reply(&mut self, reply: Reply) -> Done {
        match reply {
            Reply::Close | Reply::Inside { .. } | Reply::Named(_) => {
                self.keep_alive = false;
                self.request.reply.status = 444;
                Done::Aborted
            }
            // nginx closes without a word on a client that was too slow, or has gone.
            Reply::Status(status @ (408 | 499)) => {
                self.keep_alive = false;
                self.request.reply.status = status;
                Done::Aborted
            }
            Reply::Status(status) => self.page(status, None).await,
            Reply::Redirect(status, location) => self.page(status, Some(location)).await,
            Reply::Text(status, text) => match self.settle_body().await {
                Ok(()) => {
                    let done = self.text(status, &text).await;
                    self.worker.give_back_buffer(text);
                    done
                }
                Err(status) => self.page(status, None).await,
            },
        }
    }

    async fn page(&mut self, status: u16, location: Option<Vec<u8>>) -> Done {
        self.forget_persistence(status);
        // A page of nginx's own says what it is about, whatever error page led here.
        self.status_override = None;
        let mut body = self.worker.buffer();
        let settings = self.settings;
        status::error_page_body(status, head::server_name(settings), self.pads_pages(), &mut body);
        let shown = status::shown_status(status);
        let content_type = (!body.is_empty()).then_some(&b"text/html"[..]);
        let done = self.send(shown, content_type, location.as_deref(), &body).await;
        self.worker.give_back_buffer(body);
        done
    }

    async fn text(&mut self, status: u16, text: &[u8]) -> Done {
        let settings = self.settings;
        if self.status_override.unwrap_or(status) == 200 {
            match condition(&self.request.head.headers, None, None) {
                Some(304) => return self.not_modified().await,
                Some(status) => return self.page(status, None).await,
                None => {}
            }
        }
        let content_type = settings.files.content_type(&self.request.target.path).clone();
        self.send(status, Some(&content_type), None, text).await
    }

    async fn not_modified(&mut self) -> Done {
        self.begin(&Head { status: 304, persistence: self.persistence(), ..Head::default() });
        let settings = self.settings;
        let mut out = std::mem::take(&mut self.request.reply.head);
        head::end(self.request, settings, 304, &mut out);
        self.request.reply.head = out;
        self.finish(b"").await
    }

    /// Sends a whole reply.
    async fn send(
        &mut self,
        status: u16,
        content_type: Option<&[u8]>,
        location: Option<&[u8]>,
        body: &[u8],
    ) -> Done {
        let none = status == 204;
        let redirect = location.map(|location| self.absolute(location));
        let head = Head {
            status,
            location: redirect.as_ref().and_then(|redirect| redirect.as_deref()),
            content_type: content_type.filter(|_| !none),
            length: if none { Length::Unsaid } else { Length::Known(body.len() as u64) },
            persistence: self.persistence(),
            ..Head::default()
        };
        self.begin(&head);
        let settings = self.settings;
        let mut out = std::mem::take(&mut self.request.reply.head);
        out.extend_from_slice(&self.carried);
        if let (Some(location), Some(None)) = (location, &redirect) {
            head::write_one_line(b"Location", location, &mut out);
        }
        head::end(self.request, settings, self.request.reply.status, &mut out);
        self.request.reply.head = out;
        self.request.reply.content_length = Some(body.len() as u64);
        let with_body = self.request.head.method() != Method::Head && !framing::has_no_body(status);
        self.finish(if with_body { body } else { b"" }).await
    }

    /// A redirect to a path as it stands in front of the other headers: with scheme and host. `None`
    /// for one that goes out as it is, among them.
    pub fn absolute(&self, location: &[u8]) -> Option<Vec<u8>> {
        let relative = location.starts_with(b"/") && self.settings.client.absolute_redirect;
        relative.then(|| head::absolute(location, self.request, self.settings))
    }

    /// Takes what has come of a body that nobody wants; a status where it is none.
    pub async fn settle_body(&mut self) -> Result<(), u16> {
        if self.body.is_done() && !self.body.expects_continue {
            return Ok(());
        }
        if !self.send_continue().await {
            return Err(400);
        }
        self.body.most = u64::MAX;
        let taken = self.body.decode(self.client, &mut |_| {});
        taken.map(drop).map_err(|_| 400)
    }

    /// Begins the reply's head; whoever adds headers goes on in `request.reply.head`.
    pub fn begin(&mut self, head: &Head) {
        let overridden = self.status_override.filter(|status| *status != head.status);
        let head = match overridden {
            Some(status) => &Head { status, status_line: b"", ..*head },
            None => head,
        };
        self.request.reply.status = head.status;
        let mut out = std::mem::take(&mut self.request.reply.head);
        out.clear();
        if self.request.head.version() != Version::Http09 {
            head::begin(head, self.settings, &mut out);
            out.extend_from_slice(&self.request.upstream.cookies);
        }
        self.request.reply.head = out;
    }

    /// Sends the head that is ready, and a body that is at hand, in one write.
    pub async fn finish(&mut self, body: &[u8]) -> Done {
        let mut bytes = std::mem::take(&mut self.request.reply.head);
        if self.request.head.version() == Version::Http09 {
            bytes.clear();
        }
        let head_length = bytes.len();
        self.request.reply.head_sent = head_length as u64;
        let sent = match &mut self.audience {
            Audience::Client => {
                bytes.extend_from_slice(body);
                self.write(&bytes).await
            }
            Audience::Inside(answer) => answer.take(body),
        };
        bytes.truncate(head_length);
        self.request.reply.head = bytes;
        match sent {
            Ok(()) => {
                self.request.completed = true;
                Done::Replied
            }
            Err(_) => Done::Aborted,
        }
    }

    /// Writes to the client, with `send_timeout` for each wait.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        if let Audience::Inside(answer) = &mut self.audience {
            return answer.take(bytes);
        }
        let limit = self.settings.client.send_timeout.value;
        let client = &mut *self.client;
        let sent = &mut self.request.reply.sent;
        let outcome = write_all(&mut client.stream, &mut client.timer, limit, bytes, sent).await;
        if outcome.is_err() {
            self.keep_alive = false;
        }
        outcome
    }

    /// What the reply's head says about the connection.
    pub fn persistence(&self) -> Persistence {
        if self.keep_alive { Persistence::KeepAlive } else { Persistence::Close }
    }

    /// nginx closes behind some statuses whatever the client wishes (`ngx_http_special_response_handler`).
    pub fn forget_persistence(&mut self, status: u16) {
        if matches!(status, 400 | 413 | 414 | 494..=497 | 500 | 501) {
            self.keep_alive = false;
        }
        if matches!(status, 400 | 494..=497) {
            self.lingering = Lingering::Off;
        }
    }

    /// `msie_padding`, which is on unless it is turned off.
    fn pads_pages(&self) -> bool {
        let agent = self.request.head.headers.first(crate::http1::Known::UserAgent).unwrap_or_default();
        let names = |name: &[u8]| agent.windows(name.len()).any(|part| part == name);
        self.request.head.version() > Version::Http09 && (names(b"MSIE ") || names(b"Chrome/"))
    }

    /// Where files are for the location that holds now, and which pages may lead to it.
    pub fn set_root(&mut self) {
        let root: &Arc<Root> = &self.settings.files.root;
        self.request.root = Some(root.clone());
        let tokens = &self.settings.tokens;
        self.request.shows_tokens = tokens.shown;
        self.request.spellings.clone_from(&tokens.spellings);
        self.request.referers = self.settings.referer.judge();
    }
}
