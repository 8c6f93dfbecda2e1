//! Server ids: what a request names a peer by, in groups where requests stick to one.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use md5::{Digest, Md5};

use crate::net::Address;

use super::peer::Card;

/// What a request names a peer by.
pub type Sid = Arc<[u8]>;

/// The longest `route=` of a `server` line (`NGX_HTTP_UPSTREAM_SID_LEN`).
pub const LONGEST_ROUTE: usize = 32;

/// The id of a peer: its line's `route=`, or the MD5 of its address as it is printed, in hex.
pub fn sid(route: Option<&Sid>, address: &Address) -> Sid {
    if let Some(route) = route {
        return route.clone();
    }
    let mut text = String::with_capacity(LONGEST_ROUTE);
    for byte in md5(address.to_string().as_bytes()) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.into_bytes().into()
}

/// nginx identifies peers and sessions by MD5; nothing secret depends on it.
pub fn md5(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

/// Where in a rank the peer of an id stands.
#[derive(Debug, Default)]
pub struct Sids {
    by_sid: HashMap<Sid, usize>,
}

impl Sids {
    /// Of several peers with one id, the first counts.
    pub fn of(cards: &[Card]) -> Sids {
        let mut by_sid = HashMap::new();
        for (at, card) in cards.iter().enumerate() {
            if let Some(sid) = &card.sid {
                by_sid.entry(sid.clone()).or_insert(at);
            }
        }
        Sids { by_sid }
    }

    pub fn find(&self, sid: &[u8]) -> Option<usize> {
        self.by_sid.get(sid).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_route_or_the_md5_of_the_printed_address() {
        let address = Address::Ip(([127, 0, 0, 1], 9101).into());
        assert_eq!(&*sid(None, &address), b"1fcb7e810098aceacd231d9d55434642");
        let route: Sid = b"blue"[..].into();
        assert_eq!(&*sid(Some(&route), &address), b"blue");
    }
}
