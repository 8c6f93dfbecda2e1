//! Tokens among the subprotocols that a client offers: `$websocket_protocol_token`.

use std::sync::Arc;

use crate::diagnostics::Diagnostic;
use crate::features::Call;
use crate::features::websocket::{Protocols, is_protocol_byte};
use crate::http1::Known;
use crate::request::Request;
use crate::websocket::offered::{Entry, Spellings, Token, known_spellings};

use super::MOST_VALUES;

/// `$websocket_protocol_token`: the first token that the client offers as a subprotocol. Asking for it is using
/// it: from then on it is kept out of logs and of what goes upstream.
pub fn protocol_token(request: &Request, out: &mut Vec<u8>) -> bool {
    let Some(value) = tokens(request).find_map(|token| token.value()) else { return false };
    out.extend_from_slice(&value);
    request.protocol_token.set(true);
    hide_offered(request);
    true
}

/// Has logs not show what may be a token among the subprotocols.
pub fn hide_offered(request: &Request) {
    for token in tokens(request).take(MOST_VALUES) {
        request.hide(token.entry);
        request.hide(token.written);
        if let Some(value) = token.value() {
            request.hide(&value);
        }
    }
}

/// What the answer to a handshake names in place of the token that was used: a browser fails a handshake whose
/// answer does not name one of the subprotocols that its page has named. The token itself does not travel
/// once more if anything else was offered.
pub fn instead_of_token<'r>(request: &'r Request, allowed: Option<&Protocols>) -> Option<&'r [u8]> {
    let (mut marker, mut protocol, mut token) = (None, None, None);
    for entry in offered(request) {
        match entry {
            Entry::Marker(word) => marker = marker.or(Some(word)),
            Entry::Token(one) => token = token.or(Some(one.entry)),
            Entry::Protocol(name) if allowed.is_none_or(|allowed| allowed.allow(name)) => {
                protocol = protocol.or(Some(name));
            }
            Entry::Protocol(_) => {}
        }
    }
    marker.or(protocol).or(token).filter(|_| request.protocol_token.get())
}

/// The first of the offered subprotocols that may be spoken with who speaks any. Where a token was used it is
/// none, unless nothing else was offered.
pub fn spoken_here<'r>(request: &'r Request, allowed: Option<&Protocols>) -> Option<&'r [u8]> {
    let is_used = request.protocol_token.get();
    let mut names = offered(request).filter_map(|entry| match entry {
        Entry::Protocol(name) => Some(name),
        Entry::Marker(name) | Entry::Token(Token { entry: name, .. }) => Some(name).filter(|_| !is_used),
    });
    names
        .find(|name| allowed.is_none_or(|allowed| allowed.allow(name)))
        .or_else(|| instead_of_token(request, allowed))
}

/// How tokens are spelt where a request is.
pub fn spellings(request: &Request) -> &Spellings {
    match &request.spellings {
        Some(spellings) => spellings,
        None => known_spellings(),
    }
}

fn offered(request: &Request) -> impl Iterator<Item = Entry<'_>> {
    spellings(request).entries(request.head.headers.all(Known::SecWebSocketProtocol))
}

fn tokens(request: &Request) -> impl Iterator<Item = Token<'_>> {
    offered(request).filter_map(|entry| match entry {
        Entry::Token(token) => Some(token),
        Entry::Marker(_) | Entry::Protocol(_) => None,
    })
}

/// `word | prefix* ...`. `None` where it cannot be read, which was said.
pub fn read(call: &mut Call) -> Option<Arc<Spellings>> {
    let mut spellings: Vec<&[u8]> = Vec::new();
    for at in 0..call.args().len() {
        let word = call.arg(at);
        let name = word.strip_suffix(b"*").unwrap_or(word);
        if name.is_empty() || name.contains(&b'*') || !name.iter().all(|byte| is_protocol_byte(*byte)) {
            let message = format!("invalid word \"{}\"", call.text(at));
            let finding = Diagnostic::error("invalid-value", call.span(at), message)
                .here("expected a word, behind which the token comes, or the prefix of a token and \"*\"")
                .help("\"bearer\" is for \"bearer, TOKEN\", \"access_token.*\" for \"access_token.TOKEN\"");
            call.say(finding);
            return None;
        }
        if spellings.iter().any(|own| own.eq_ignore_ascii_case(word)) {
            call.warning(at, "duplicate-value", format!("duplicate value \"{}\"", call.text(at)));
            continue;
        }
        spellings.push(word);
    }
    Some(Arc::new(Spellings::new(spellings)))
}
