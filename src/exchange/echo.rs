//! `websocket_echo`: a WebSocket that ends here.

use std::rc::Rc;
use std::time::Duration;

use crate::features::error_log::Level;
use crate::features::tokens;
use crate::http1::write_field;
use crate::hub::{self, EchoLimits, MAX_MESSAGE};
use crate::limits::Counted;
use crate::net::Stream;
use crate::tunnel::Opened;

use super::answer::{Done, Reply};
use super::expiry;
use super::finale::Finale;
use super::head::{self, Head, Length, Persistence};
use super::life::Exchange;
use super::worker::{Permit, Worker};

impl Exchange<'_> {
    /// Switches to a WebSocket; a request that is no handshake is told what is spoken here.
    pub async fn echo(&mut self) -> Result<Done, Reply> {
        let Some(wish) = self.request.websocket.take().filter(|_| !self.request.sub) else {
            return Ok(self.upgrade_required().await);
        };
        let begin = Head {
            status_line: b"101 Switching Protocols",
            status: 101,
            persistence: Persistence::Upgrade,
            ..Head::default()
        };
        self.begin(&begin);
        let mut out = std::mem::take(&mut self.request.reply.head);
        write_field(b"Upgrade", b"websocket", &mut out);
        write_field(b"Sec-WebSocket-Accept", &wish.accept_key(), &mut out);
        // A client that offers protocols wants one of them; an echo speaks any.
        let allowed = self.settings.websocket.protocols.as_deref();
        if let Some(protocol) = tokens::spoken_here(self.request, allowed) {
            write_field(b"Sec-WebSocket-Protocol", protocol, &mut out);
        }
        head::end(self.request, self.settings, 101, &mut out);
        self.request.websocket = Some(wish);
        self.request.reply.head_sent += out.len() as u64;
        let written = self.write(&out).await;
        self.request.reply.head = out;
        if written.is_err() {
            return Ok(Done::Aborted);
        }
        let finale = Finale::new(self.live, self.request, self.settings);
        let limits = EchoLimits {
            idle: self.settings.proxy.read_timeout.value,
            send: self.settings.client.send_timeout.value,
            max_message: MAX_MESSAGE,
        };
        let (expires, counted) = (self.expires(), self.request.limited.hand_over());
        Ok(Done::Echo(Box::new(Echo { finale, limits, expires, counted })))
    }

    /// 426, with what RFC 6455, 4.2.2 wants a client to be told.
    async fn upgrade_required(&mut self) -> Done {
        self.tell_missed();
        let text = b"426 Upgrade Required: a WebSocket is spoken here\n";
        let begin = Head {
            status_line: b"426 Upgrade Required",
            status: 426,
            content_type: Some(b"text/plain"),
            length: Length::Known(text.len() as u64),
            persistence: self.persistence(),
            ..Head::default()
        };
        self.begin(&begin);
        let mut out = std::mem::take(&mut self.request.reply.head);
        write_field(b"Upgrade", b"websocket", &mut out);
        write_field(b"Sec-WebSocket-Version", b"13", &mut out);
        head::end(self.request, self.settings, 426, &mut out);
        self.request.reply.head = out;
        let bodiless = self.request.head.method() == crate::http1::Method::Head;
        self.finish(if bodiless { b"" } else { text }).await
    }
}

/// A WebSocket that is answered here, when its head has gone out.
pub struct Echo {
    finale: Finale,
    limits: EchoLimits,
    expires: Option<Duration>,
    /// Where it counts for `limit_conn`.
    counted: Box<[Counted]>,
}

impl Echo {
    /// Echoes until one side ends.
    pub async fn run(self, worker: Rc<Worker>, client: Opened<Stream>, permit: Option<Permit>) {
        let drain = worker.ending.begun();
        let Echo { mut finale, limits, expires, counted } = self;
        let expired = expiry::reached(expires);
        let echoed = hub::echo(client.socket, client.early, limits, drain, expired).await;
        finale.count_sent(echoed.bytes);
        finale
            .say(Level::Info, format_args!("echo ended after {} messages: {}", echoed.messages, echoed.why));
        finale.write(None);
        drop((counted, permit));
    }
}
