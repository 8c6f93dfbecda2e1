//! A client's connection: one head after another, and what is left when it ends.

use std::fmt::Display;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use tokio::io::AsyncWriteExt;

use crate::features::Settings;
use crate::features::client::Lingering;
use crate::features::error_log::Level;
use crate::features::listen::ListenAddress;
use crate::http1::{Known, RequestError, RequestParser, Target, target};
use crate::model::{Listener, Matched, ServerId};
use crate::net::{Address, Moments, Stream, now};
use crate::request::{Connection, Request};
use crate::tunnel::{Begun, Opened};

use super::answer::Done;
use super::io::{Elapsed, Timer, fill, poll_fill_with};
use super::life::Exchange;
use super::live::Live;
use super::report::report;
use super::route::{Event, captured};
use super::unopened;
use super::worker::{Permit, Worker};

/// A connection as a listener hands it over.
pub struct Accepted {
    pub stream: Stream,
    pub peer: Address,
    pub local: Address,
    /// The `listen` it came by.
    pub listener: Arc<ListenAddress>,
    /// Its place among the open connections of the worker that serves it.
    pub permit: Permit,
}

/// The client's side of an exchange.
pub struct Client {
    pub stream: Stream,
    /// What was read; up to `start` it has been dealt with.
    pub buffer: Vec<u8>,
    start: usize,
    pub timer: Timer,
    pub permit: Option<Permit>,
}

impl Client {
    pub fn unread(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    pub fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.buffer.len());
    }

    /// Makes room: what was dealt with is forgotten.
    pub fn clear_read(&mut self) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
        } else {
            self.buffer.drain(..self.start);
        }
        self.start = 0;
    }
}

/// What waiting for a head came to.
enum Awaited {
    Head,
    Refused(RequestError),
    /// The head took too long: nginx logs it and closes.
    Late,
    /// Closed, or idle for too long.
    Over,
}

/// Serves a connection until it ends or becomes a tunnel's.
pub fn serve(worker: Rc<Worker>, accepted: Accepted) -> impl Future<Output = ()> {
    // Boxed, since it is large and a task is moved about when it begins and when it ends.
    Moments::of(Box::pin(converse(worker, accepted)))
}

async fn converse(worker: Rc<Worker>, accepted: Accepted) {
    let Accepted { stream, peer, local, listener, permit } = accepted;
    let facts = Connection {
        number: worker.shared.next_connection(),
        peer,
        proxy: None,
        proxy_header: None,
        local,
        started: now(),
        requests: 0,
        tls: false,
    };
    let permit = Some(permit);
    let client = Client { stream, buffer: worker.buffer(), start: 0, timer: Timer::new(), permit };
    let quitting = worker.quitting.begun();
    let mut serving = Serving { worker, client, facts, listener, known: None, quitting };
    let done = loop {
        match serving.next().await {
            Next::Request => {}
            Next::Over => break None,
            Next::Other(done) => break Some(done),
        }
    };
    let Serving { worker, client, .. } = serving;
    let early = client.unread().to_vec();
    worker.give_back_buffer(client.buffer);
    let side = Opened { socket: client.stream, early };
    match done {
        // A look at what would be done ends here.
        _ if worker.recorder.is_some() => {}
        Some(Done::Tunnel(tunnel)) => {
            tunnel.begin(&worker, side, client.permit);
        }
        Some(Done::Echo(echo)) => {
            // A task of its own: what a request needed is not kept for as long as it lasts.
            tokio::task::spawn_local(echo.run(worker, side, client.permit));
        }
        _ => {}
    }
}

/// What follows a request.
enum Next {
    Request,
    Over,
    /// The connection becomes something else.
    Other(Done),
}

pub(super) struct Serving {
    worker: Rc<Worker>,
    pub(super) client: Client,
    pub(super) facts: Connection,
    listener: Arc<ListenAddress>,
    /// Where a configuration, by its generation, has the listener.
    known: Option<(u64, usize)>,
    quitting: Begun,
}

impl Serving {
    /// Serves one request.
    async fn next(&mut self) -> Next {
        let first = self.facts.requests == 0;
        let pipelined = !self.client.unread().is_empty();
        if !pipelined && !self.wait(first).await {
            return Next::Over;
        }
        let live = self.worker.live();
        let Some(listener) = self.listener(&live) else { return Next::Over };
        let server = listener.hosts.default;
        let settings = &live.model.http.server(server).settings;
        if first && listener.proxy_protocol && !self.read_introduction(listener, settings).await {
            return Next::Over;
        }
        let mut request = self.worker.request(&live);
        self.facts.requests += 1;
        request.connection = self.facts.clone();
        request.pipelined = pipelined && !first;
        request.server_name = live.model.http.server(server).name.clone();
        let awaited = self.read_head(&mut request, settings).await;
        let go_on = match awaited {
            Awaited::Over => Next::Over,
            Awaited::Late => {
                self.report(&live, settings, &request, "client timed out");
                request.reply.status = 408;
                self.log(&live, settings, &request);
                Next::Over
            }
            Awaited::Refused(error) => {
                let error = first_error(error, &request, settings);
                self.report(&live, settings, &request, &error);
                self.answer(&live, &mut request, server, Some(error.status())).await
            }
            Awaited::Head => {
                let merge = settings.client.merge_slashes;
                let (server, matched) = listener.hosts.find(&request, request.head.host());
                self.note(|| {
                    let matches = matches!(matched, Matched::Pattern(..));
                    let captures = if matches { captured(&request) } else { Vec::new() };
                    Event::Server { server, matched, captures }
                });
                self.request(&live, &mut request, server, merge).await
            }
        };
        self.worker.give_back(request);
        go_on
    }

    /// Makes sense of a head that was read. `merge` is the default server's `merge_slashes`: nginx
    /// normalises a URI before it knows the host.
    async fn request(
        &mut self,
        live: &Arc<Live>,
        request: &mut Request,
        server: ServerId,
        merge: bool,
    ) -> Next {
        let model = &live.model.http;
        request.server_name = model.server(server).name.clone();
        let settings = &model.server(server).settings;
        for line in request.head.dropped() {
            let shown = super::report::Shown(line);
            let message = format_args!("client sent invalid header line: \"{shown}\"");
            self.report(live, settings, request, message);
        }
        if let Err(error) = target::normalise(request.head.target(), merge, &mut request.target) {
            self.report(live, settings, request, &error);
            return self.answer(live, request, server, Some(error.status())).await;
        }
        // Most requests have nothing of a handshake.
        let headers = &request.head.headers;
        if headers.contains(Known::Upgrade) || headers.contains(Known::SecWebSocketKey) {
            match unopened::wish(&request.head) {
                Ok(wish) => {
                    self.note(|| Event::Handshake(Ok(())));
                    request.websocket = Some(wish);
                }
                Err(why) => {
                    self.note(|| Event::Handshake(Err(why.to_string())));
                    request.misses_websocket = !why.is_plain();
                }
            }
        }
        self.answer(live, request, server, None).await
    }

    /// Answers a request, or refuses it with a status, and writes its log line; false when the
    /// connection is over.
    async fn answer(
        &mut self,
        live: &Arc<Live>,
        request: &mut Request,
        server: ServerId,
        refusal: Option<u16>,
    ) -> Next {
        let mut exchange = Exchange::new(&self.worker, live, &mut self.client, request, server);
        if self.worker.quitting.has_begun() {
            exchange.keep_alive = false;
        }
        let done = match refusal {
            None => exchange.live().await,
            Some(status) => exchange.refuse(status).await,
        };
        exchange.tell_answered_here(&done);
        let replied = match done {
            Done::Replied => true,
            Done::Aborted => false,
            done @ (Done::Tunnel(_) | Done::Echo(_)) => return Next::Other(done),
        };
        let wanted = exchange.keep_alive && replied;
        let settings = exchange.settings.clone();
        let whole = replied && (exchange.body.is_done() || wanted && exchange.discard_body().await);
        let lingering = exchange.lingering;
        self.log(live, &settings, request);
        if wanted && whole {
            self.client.clear_read();
            return Next::Request;
        }
        if replied {
            let unread = !whole || !self.client.unread().is_empty();
            self.close(&settings, lingering == Lingering::Always || lingering == Lingering::On && unread)
                .await;
        }
        Next::Over
    }

    /// Tells of a request that has not come to a location yet: any that could have asked for its token may be the
    /// one.
    fn report(&self, live: &Live, settings: &Settings, request: &Request, message: impl Display) {
        self.note(|| Event::Told(Level::Info, message.to_string()));
        if !settings.tokens.shown {
            live.model.http.tokens.hide_sent(request);
        }
        report(&settings.error_log, Level::Info, request, message);
    }

    /// Has whoever asked for a request's course know what it came by.
    pub(super) fn note(&self, event: impl FnOnce() -> Event) {
        if let Some(recorder) = &self.worker.recorder {
            recorder.add(event());
        }
    }

    fn log(&self, live: &Live, settings: &Settings, request: &Request) {
        if settings.log.logs.is_empty() || self.worker.recorder.is_some() {
            return;
        }
        settings.tokens.hide(request);
        let mut line = self.worker.buffer();
        live.logs.write(&settings.log, request, &mut line);
        self.worker.give_back_buffer(line);
    }

    /// Waits for the first byte of a head, without a buffer; false when none is to come.
    pub(super) async fn wait(&mut self, first: bool) -> bool {
        let limit = {
            let worker = self.worker.clone();
            let live = worker.shared.live.load();
            let Some(listener) = self.listener(&live) else { return false };
            let client = &live.model.http.server(listener.hosts.default).settings.client;
            if first { client.header_timeout.value } else { client.keepalive_timeout.value }
        };
        let worker = &self.worker;
        worker.give_back_buffer(std::mem::take(&mut self.client.buffer));
        let Client { stream, buffer, timer, .. } = &mut self.client;
        // A connection that has made no request yet may make its first.
        let mut ending = worker.ending.begun();
        let drain = if first { &mut ending } else { &mut self.quitting };
        let read = poll_fn(|cx| {
            // A buffer is taken when there is something to put into it.
            match poll_fill_with(stream, buffer, || worker.buffer(), cx) {
                Poll::Ready(read) => Poll::Ready(read.is_ok_and(|count| count > 0)),
                Poll::Pending => Pin::new(&mut *drain).poll(cx).map(|()| false),
            }
        });
        timer.within(limit, read).await.unwrap_or(false)
    }

    /// The listener the connection came by, as this configuration has it.
    fn listener<'l>(&mut self, live: &'l Live) -> Option<&'l Listener> {
        let at = match self.known {
            Some((generation, at)) if generation == live.generation => at,
            _ => {
                let at = live.listener(&self.listener)?;
                self.known = Some((live.generation, at));
                at
            }
        };
        Some(&live.model.http.listeners[at])
    }

    async fn read_head(&mut self, request: &mut Request, settings: &Settings) -> Awaited {
        let mut parser = RequestParser::new();
        let limits = &settings.client.head_limits;
        let deadline = now() + settings.client.header_timeout.value;
        loop {
            match parser.parse(self.client.unread(), limits, &mut request.head) {
                Ok(Some(length)) => {
                    self.client.consume(length);
                    request.received = length as u64;
                    return Awaited::Head;
                }
                Ok(None) => {}
                Err(error) => {
                    request.received = self.client.unread().len() as u64;
                    return Awaited::Refused(error);
                }
            }
            let Client { stream, buffer, timer, .. } = &mut self.client;
            let left = deadline.saturating_duration_since(now());
            match timer.within(left, fill(stream, buffer)).await {
                Err(Elapsed) => {
                    parser.give_up(self.client.unread(), &mut request.head);
                    return Awaited::Late;
                }
                Ok(Ok(0)) | Ok(Err(_)) => return Awaited::Over,
                Ok(Ok(_)) => {}
            }
        }
    }

    /// Ends the connection; a lingering one is read from for a while, so that the client reads the
    /// reply before it learns that the rest of its request was not wanted.
    async fn close(&mut self, settings: &Settings, linger: bool) {
        let client = &mut self.client;
        if client.stream.shutdown().await.is_err() || !linger {
            return;
        }
        let settings = &settings.client;
        let began = now();
        client.start = 0;
        while now().duration_since(began) < settings.lingering_time {
            client.buffer.clear();
            let Client { stream, buffer, timer, .. } = &mut *client;
            match timer.within(settings.lingering_timeout, fill(stream, buffer)).await {
                Ok(Ok(count)) if count > 0 => {}
                _ => return,
            }
        }
    }
}

/// nginx looks at the target before the header lines: where both are wrong, the target is what it tells.
fn first_error(error: RequestError, request: &Request, settings: &Settings) -> RequestError {
    let target = request.head.target();
    let mut normal = Target::new();
    match target::normalise(target, settings.client.merge_slashes, &mut normal) {
        Err(earlier) if !target.is_empty() => earlier,
        _ => error,
    }
}
