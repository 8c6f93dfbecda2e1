//! `ngx_http_auth_request_module`: another request, made inside, says whether this one may go on.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use crate::directive::Context;
use crate::directive::variables::Protocol;
use crate::request::{Request, Template};

use super::{Call, Feature, Row};

pub static FEATURE: Feature<Written> = Feature {
    name: "auth_request",
    contexts: Context::HTTP.or(Context::SERVER).or(Context::LOCATION),
    rows: ROWS,
    at: |w| &mut w.auth_request,
};

const ROWS: &[Row<Written>] = &[
    Row {
        name: "auth_request",
        doc: "The URI that is asked, inside, whether a request may go on: 2xx lets it in, 401 and 403 refuse it.",
        set: |w, call| {
            let uri = call.arg(0);
            w.uri = Some(if uri == b"off" { Box::default() } else { uri.into() });
        },
    },
    Row {
        name: "auth_request_set",
        doc: "Gives a variable a value out of the answer to auth_request, whatever that was.",
        set: set_variable,
    },
];

#[derive(Default)]
pub struct Written {
    uri: Option<Box<[u8]>>,
    sets: Vec<Assignment>,
}

/// One `auth_request_set`.
#[derive(Clone, Debug)]
struct Assignment {
    slot: usize,
    value: Template,
}

#[derive(Clone, Debug, Default)]
pub struct Settings {
    uri: Arc<[u8]>,
    sets: Arc<[Assignment]>,
}

impl Written {
    pub fn over(&self, outer: &Settings) -> Settings {
        Settings {
            uri: self.uri.as_deref().map_or_else(|| outer.uri.clone(), Arc::from),
            sets: if self.sets.is_empty() { outer.sets.clone() } else { self.sets[..].into() },
        }
    }
}

impl Settings {
    /// Whom to ask, if anybody.
    pub fn uri(&self) -> Option<&Arc<[u8]>> {
        Some(&self.uri).filter(|uri| !uri.is_empty())
    }

    /// Gives variables their values out of the request that was made inside; it has them to keep.
    pub fn assign(&self, answered: &Request) {
        for set in self.sets.iter() {
            let mut value = Vec::new();
            set.value.render(answered, &mut value);
            answered.store(set.slot, Some(&value));
        }
    }
}

/// The header by which whoever is asked tells until when what it has seen is valid. It is ours: nginx does not know
/// it.
pub const TOKEN_EXPIRES: &str = "X-Token-Expires";

/// What that header says, since 1970: seconds, or a date as HTTP has them (RFC 9110, 5.6.7).
pub fn token_expires(value: &[u8]) -> Option<Duration> {
    let text = str::from_utf8(value).ok()?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()
}

fn set_variable(written: &mut Written, call: &mut Call) {
    let [b'$', name @ ..] = call.arg(0) else { return };
    if Protocol::Http.is_constant(name) {
        let message = format!("the duplicate \"{}\" variable", String::from_utf8_lossy(name));
        return call.error(0, "invalid-variable", message);
    }
    let slot = call.build.variables.slot(name);
    let value = call.template(1);
    written.sets.push(Assignment { slot, value });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_expires_at_a_second_or_a_date() {
        let read = |text: &str| token_expires(text.as_bytes()).map(|moment| moment.as_secs());
        assert_eq!(read("1700000000"), Some(1_700_000_000));
        assert_eq!(read("0"), Some(0));
        assert_eq!(read("Tue, 14 Nov 2023 22:13:20 GMT"), Some(1_700_000_000));
        assert_eq!(read("Tuesday, 14-Nov-23 22:13:20 GMT"), Some(1_700_000_000));
        assert_eq!(read("Tue Nov 14 22:13:20 2023"), Some(1_700_000_000));
        for other in
            ["", "-1", "1e9", "1700000000.5", "tomorrow", "2023-11-14T22:13:20Z", "99999999999999999999"]
        {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
