//! What the names of locations say of what is spoken there.

use bstr::ByteSlice;

use crate::lint::site::{Block, Modifier, Patterns};

/// Words that people call places of WebSockets by.
const WORDS: [&str; 9] =
    ["ws", "wss", "websocket", "websockets", "websockify", "socket", "sockets", "sockjs", "signalr"];

/// What is in the paths of protocols that begin with requests and become a WebSocket later.
const POLLING_FIRST: [&str; 5] = ["/socket.io", "/engine.io", "/sockjs", "/signalr", "/negotiate"];

/// Whether its name says that WebSockets are spoken here.
pub fn is_named_for_websockets(location: Block<'_>) -> bool {
    let Some(name) = location.name() else { return false };
    name.name.split(|byte| !byte.is_ascii_alphanumeric()).any(is_word_for_websockets)
}

/// Whether people call places of WebSockets by this word.
pub fn is_word_for_websockets(word: &[u8]) -> bool {
    WORDS.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}

/// Whether its name is that of a protocol that begins with requests which belong together.
pub fn is_polling_first(location: Block<'_>) -> bool {
    let Some(name) = location.name() else { return false };
    let plain = name.name.replace(b"\\", b"").to_ascii_lowercase();
    POLLING_FIRST.iter().any(|path| plain.contains_str(path))
}

/// Whether it is for whatever comes: pages and files as well.
pub fn is_for_everything(location: Block<'_>, patterns: &mut Patterns) -> bool {
    let Some(name) = location.name() else { return false };
    match name.modifier {
        Modifier::Prefix | Modifier::Preferred => name.name == b"/",
        Modifier::Pattern { caseless } => {
            let mut takes = |path: &[u8]| patterns.matches(name.name, caseless, path) == Some(true);
            takes(b"/") && takes(b"/index.html") && takes(b"/any/thing")
        }
        // Where files that are not there are asked for.
        Modifier::Named => true,
        Modifier::Exact => false,
    }
}
