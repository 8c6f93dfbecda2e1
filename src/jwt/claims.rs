//! What a token says: its claims and its header, and the times between which it is valid.

use std::fmt;
use std::time::Duration;

use super::json::Json;
use super::refusal::Refusal;

/// A token that was verified.
pub struct Token {
    pub(super) header: Json,
    pub(super) claims: Json,
    pub(super) payload: Vec<u8>,
    pub(super) expires: Option<Duration>,
}

impl Token {
    /// Writes the claim that a path of names leads to, from the top; strings without quotes, the elements of an
    /// array with commas between them, objects as JSON. Says whether there is such a claim; `null` is none.
    pub fn claim(&self, path: &[Box<str>], out: &mut Vec<u8>) -> bool {
        write(&self.claims, path, out)
    }

    /// Writes a member of the header, as [`Token::claim`] does.
    pub fn header(&self, path: &[Box<str>], out: &mut Vec<u8>) -> bool {
        write(&self.header, path, out)
    }

    /// All claims.
    pub fn claims(&self) -> &Json {
        &self.claims
    }

    /// All members of the header.
    pub fn headers(&self) -> &Json {
        &self.header
    }

    /// The claims as they stand in the token, decoded.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// `exp`, since the Unix epoch.
    pub fn expires(&self) -> Option<Duration> {
        self.expires
    }
}

/// Claims are whoever signed in's own business: they are in no log that prints a token.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("expires", &self.expires).finish_non_exhaustive()
    }
}

fn write(json: &Json, path: &[Box<str>], out: &mut Vec<u8>) -> bool {
    let mut value = json;
    for name in path {
        match value.get(name) {
            Some(inner) => value = inner,
            None => return false,
        }
    }
    match value {
        Json::Null => return false,
        Json::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                plain(item, out);
            }
        }
        value => plain(value, out),
    }
    true
}

fn plain(value: &Json, out: &mut Vec<u8>) {
    match value {
        Json::String(text) => out.extend_from_slice(text.as_bytes()),
        // Writing to memory cannot fail.
        value => serde_json::to_writer(out, value).unwrap_or_default(),
    }
}

/// `exp` or `nbf`: seconds since the Unix epoch, with a fraction if it likes. What was before is the epoch.
pub fn time(claims: &Json, name: &'static str) -> Result<Option<Duration>, Refusal> {
    let number = match claims.get(name) {
        None => return Ok(None),
        Some(Json::Number(number)) => number,
        Some(_) => return Err(Refusal::NotATime(name)),
    };
    if let Some(seconds) = number.as_u64() {
        return Ok(Some(Duration::from_secs(seconds)));
    }
    let seconds = number.as_f64().ok_or(Refusal::NotATime(name))?;
    Duration::try_from_secs_f64(seconds.max(0.0)).map(Some).map_err(|_| Refusal::NotATime(name))
}
