//! Variables of our own: of a handshake, and of a tunnel that has ended.

use crate::features::tokens;
use crate::features::variables::seconds;
use crate::request::{Request, Variable};

/// Variables whose value is known once a tunnel has ended have none before: a log's line is finished then
/// (`exchange/finale.rs`), a header never shows them.
const LATER: fn(&Request, &mut Vec<u8>) -> bool = |_, _| false;

macro_rules! later {
    ($name:literal) => {
        Variable { name: $name, get: LATER }
    };
}

pub const ROWS: &[Variable] = &[
    Variable {
        // `upgrade` in a WebSocket handshake, nothing in any other request.
        name: "websocket_connection",
        get: |request, out| {
            let asked = request.websocket.is_some();
            if asked {
                out.extend_from_slice(b"upgrade");
            }
            asked
        },
    },
    // Payload from and to the client, in bytes as they stand on the wire.
    later!("websocket_bytes_received"),
    later!("websocket_bytes_sent"),
    // The directive that ended the tunnel, if one did.
    later!("websocket_close_directive"),
    // Of the first Close frame, whoever sent it.
    later!("websocket_close_code"),
    later!("websocket_close_reason"),
    // `client`, `upstream` or `proxy`.
    later!("websocket_closed_by"),
    Variable {
        // From the first byte of the request to the 101, in seconds; the tunnel's time is not part of it.
        name: "websocket_handshake_time",
        get: |request, out| {
            let switched = request.websocket.is_some() && request.reply.status == 101;
            switched && seconds(request.lasted(), out)
        },
    },
    // The token among the subprotocols that the client offers.
    Variable { name: "websocket_protocol_token", get: tokens::protocol_token },
    // From the 101 to the end, in seconds.
    later!("websocket_lifetime"),
    // Whole messages from and to the client.
    later!("websocket_messages_received"),
    later!("websocket_messages_sent"),
];

/// Whether a variable has its value only when the tunnel has ended, so that only a log shows it.
pub fn is_told_at_the_end(name: &[u8]) -> bool {
    let other = matches!(name, b"websocket_close_directive" | b"websocket_closed_by" | b"websocket_lifetime");
    other || needs_frames(name)
}

/// Whether a variable's value takes looking at frames.
pub fn needs_frames(name: &[u8]) -> bool {
    matches!(
        name,
        b"websocket_bytes_received"
            | b"websocket_bytes_sent"
            | b"websocket_close_code"
            | b"websocket_close_reason"
            | b"websocket_messages_received"
            | b"websocket_messages_sent"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directive::variables::{Protocol, rows};

    #[test]
    fn what_is_ours_is_in_the_table_and_may_be_a_configurations_own() {
        let ours = rows(Protocol::Http).filter(|row| row.ours).count();
        assert_eq!(ours, ROWS.len());
        for row in ROWS {
            let known = Protocol::Http.find(row.name.as_bytes()).unwrap();
            assert!(known.ours && known.served && known.settable, "{}", row.name);
            assert_eq!(
                is_told_at_the_end(row.name.as_bytes()),
                std::ptr::fn_addr_eq(row.get, LATER),
                "{}",
                row.name
            );
        }
    }
}
