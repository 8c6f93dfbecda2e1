//! Whether a handshake may go on, by the page it came from and by what it wants to speak.
//!
//! Only true WebSocket handshakes are looked at. Whatever else a request is, no tunnel will come of it.

use std::fmt;

use crate::features::error_log::Level;
use crate::features::tokens;
use crate::http1::{Headers, Known};

use super::super::answer::Reply;
use super::super::life::Exchange;
use super::super::report::Shown;
use super::super::route::Event;

impl Exchange<'_> {
    /// Refuses what `websocket_origins` and `websocket_protocols` do not allow, with 403 and a line in the log.
    pub(super) fn handshake_access(&mut self) -> Result<(), Reply> {
        if self.request.websocket.is_none() {
            return Ok(());
        }
        let settings = &self.settings.websocket;
        let allowed = self.origin_is_allowed();
        if let Some(origins) = &settings.origins {
            let place = &origins.place;
            self.note(|_| Event::Judged { directive: "websocket_origins", place: place.clone(), allowed });
        }
        let allowed = allowed && {
            let allowed = self.protocol_is_offered();
            if let Some(protocols) = &settings.protocols {
                let place = &protocols.place;
                self.note(|_| Event::Judged {
                    directive: "websocket_protocols",
                    place: place.clone(),
                    allowed,
                });
            }
            allowed
        };
        if allowed {
            return Ok(());
        }
        // Nor may an error page open the tunnel that was refused here.
        self.request.websocket = None;
        Err(Reply::Status(403))
    }

    fn origin_is_allowed(&self) -> bool {
        let Some(origins) = &self.settings.websocket.origins else { return true };
        let headers = &self.request.head.headers;
        let mut sent = headers.all(Known::Origin);
        let Some(origin) = sent.next() else { return true };
        let (place, tls) = (&origins.place, self.request.connection.tls);
        if sent.next().is_some() {
            let message = "WebSocket handshake with more than one Origin forbidden by websocket_origins";
            self.report(Level::Error, format_args!("{message}, {place}"));
            return false;
        }
        if origins.allow(origin, headers.first(Known::Host), tls) {
            return true;
        }
        let message = format_args!(
            "WebSocket from origin \"{}\" forbidden by websocket_origins: allowed are {origins}, {place}",
            Shown(origin)
        );
        self.report(Level::Error, message);
        false
    }

    fn protocol_is_offered(&self) -> bool {
        let (Some(protocols), Some(wish)) = (&self.settings.websocket.protocols, &self.request.websocket)
        else {
            return true;
        };
        if wish.protocols().any(|offered| protocols.allow(offered)) {
            return true;
        }
        // Nobody may have asked for the token that stands there.
        tokens::hide_offered(self.request);
        let offered = Offered(&self.request.head.headers);
        let message = format_args!(
            "WebSocket {offered} forbidden by websocket_protocols: allowed are {protocols}, {}",
            protocols.place
        );
        self.report(Level::Error, message);
        false
    }

    /// Whether the upstream chose a subprotocol that was offered and may be spoken; none is as good.
    pub fn chosen_protocol_is_allowed(&self) -> bool {
        let (Some(protocols), Some(wish)) = (&self.settings.websocket.protocols, &self.request.websocket)
        else {
            return true;
        };
        let answer = &self.request.upstream.head.headers;
        let mut chosen = answer.all(Known::SecWebSocketProtocol);
        let is_allowed =
            |name: &[u8]| protocols.allow(name) && wish.protocols().any(|offered| offered == name);
        let Some(refused) = chosen.find(|name| !is_allowed(name)) else { return true };
        let message = format_args!(
            "upstream chose the subprotocol \"{}\", which is forbidden by websocket_protocols or was not offered: \
allowed are {protocols}, {}",
            Shown(refused),
            protocols.place
        );
        self.report(Level::Error, message);
        false
    }
}

/// What a handshake offers to speak, in a sentence.
struct Offered<'a>(&'a Headers);

impl fmt::Display for Offered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.0.all(Known::SecWebSocketProtocol);
        let Some(first) = lines.next() else { return f.write_str("without a subprotocol") };
        write!(f, "with the subprotocols \"{}", Shown(first))?;
        lines.try_for_each(|line| write!(f, ", {}", Shown(line)))?;
        f.write_str("\"")
    }
}
