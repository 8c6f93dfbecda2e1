//! `Connection`: whether it persists, and which fields end here.

use super::headers::Headers;
use super::known::Known;

/// What `Connection` asks for: `Some(true)` to be kept, `Some(false)` to be closed.
///
/// nginx looks for the words anywhere in the value, `close` first, and the last field that has one
/// decides (ngx_http_process_connection).
pub fn wish(headers: &Headers) -> Option<bool> {
    headers.all(Known::Connection).fold(None, |wish, value| {
        if contains_word(value, b"close") {
            Some(false)
        } else if contains_word(value, b"keep-alive") {
            Some(true)
        } else {
            wish
        }
    })
}

/// The tokens of all `Connection` fields, as they are written.
pub fn tokens(headers: &Headers) -> impl Iterator<Item = &[u8]> {
    headers.all(Known::Connection).flat_map(list)
}

/// The members of a comma-separated value without the spaces around them; empty ones are skipped.
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// Whether a field belongs to one connection alone and is not passed on as it came (RFC 9110, 7.6.1):
/// those the RFC names, and every field that `Connection` in `headers` names. A field that a proxy adds
/// itself is not asked about, so `Connection: X-Real-IP` takes nothing from it.
///
/// `Content-Length` and `Host` are not the client's to name; the framing is written anew in any case.
pub fn is_hop_by_hop(headers: &Headers, name: &[u8], known: Known) -> bool {
    match known {
        Known::Connection
        | Known::KeepAlive
        | Known::ProxyConnection
        | Known::Te
        | Known::Trailer
        | Known::TransferEncoding
        | Known::Upgrade => true,
        Known::ContentLength | Known::Host => false,
        _ => tokens(headers).take(MOST_TOKENS).any(|token| token.eq_ignore_ascii_case(name)),
    }
}

/// How many fields `Connection` may name: who names more is out to have each compared with each.
const MOST_TOKENS: usize = 100;

fn contains_word(value: &[u8], word: &[u8]) -> bool {
    value.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(values: &[&str]) -> Headers {
        let mut headers = Headers::new();
        values.iter().for_each(|value| headers.push(b"Connection", value.as_bytes()));
        headers
    }

    #[test]
    fn the_last_word_decides() {
        assert_eq!(wish(&connection(&[])), None);
        assert_eq!(wish(&connection(&["upgrade"])), None);
        assert_eq!(wish(&connection(&["Keep-Alive, Upgrade"])), Some(true));
        assert_eq!(wish(&connection(&["keep-alive, CLOSE"])), Some(false));
        assert_eq!(wish(&connection(&["close", "keep-alive", "x"])), Some(true));
        assert_eq!(wish(&connection(&["enclosed"])), Some(false));
    }

    #[test]
    fn what_is_named_ends_here() {
        let headers = connection(&["close, X-Secret ,, host", "x-other,Content-Length"]);
        assert_eq!(tokens(&headers).count(), 5);
        let hop = |name: &str| is_hop_by_hop(&headers, name.as_bytes(), Known::of(name.as_bytes()));
        for name in ["x-secret", "X-Other", "TE", "Upgrade", "Keep-Alive", "Proxy-Connection", "Connection"] {
            assert!(hop(name), "{name}");
        }
        for name in ["Host", "Content-Length", "X-Secre", "Expect", "Via", "Proxy-Authorization"] {
            assert!(!hop(name), "{name}");
        }
    }
}
