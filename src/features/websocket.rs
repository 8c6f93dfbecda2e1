//! Directives of our own about WebSockets: `websocket_proxy`, `websocket_echo`.

use crate::directive::Context;
use crate::request::{Request, Variable};

use super::{Feature, Row};

pub static FEATURE: Feature<Written> =
    Feature { name: "websocket", contexts: Context::IN_HTTP, rows: ROWS, at: |w| &mut w.websocket };

const ROWS: &[Row<Written>] = &[
    Row {
        name: "websocket_echo",
        doc: "Answers WebSockets here and sends every message back: a backend for trying things out.",
        set: |w, _| w.echo = true,
    },
    Row {
        name: "websocket_proxy",
        doc: "The whole recipe in one line: HTTP/1.1 upstream, Upgrade and Connection for true WebSocket \
handshakes only, the client's Host, X-Forwarded-For and X-Forwarded-Proto. What proxy_set_header says of \
one of these goes before.",
        set: |w, call| w.proxy = Some(call.flag(0)),
    },
];

/// Variables of our own.
pub const VARIABLES: &[Variable] = &[Variable {
    // `upgrade` in a WebSocket handshake, nothing in any other request.
    name: "websocket_connection",
    get: |request, out| {
        let asked = request.websocket.is_some();
        if asked {
            out.extend_from_slice(b"upgrade");
        }
        asked
    },
}];

#[derive(Default)]
pub struct Written {
    proxy: Option<bool>,
    pub echo: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub proxy: bool,
}

impl Written {
    pub fn over(&self, outer: &Settings) -> Settings {
        Settings { proxy: self.proxy.unwrap_or(outer.proxy) }
    }
}

/// `$http_upgrade`: what the client wants to switch to, where that is a WebSocket.
///
/// nginx hands on whatever a client writes there, `h2c` too, and with it a way around every rule of
/// the location. A location for another protocol names it in its `proxy_set_header Upgrade`.
pub fn http_upgrade(request: &Request, out: &mut Vec<u8>) -> bool {
    let value = request.head.headers.first(crate::http1::Known::Upgrade);
    let value = value.filter(|_| request.websocket.is_some());
    out.extend_from_slice(value.unwrap_or_default());
    value.is_some()
}
