//! `ngx_http_auth_jwt_module`, which nginx sells; written from its documentation: a request goes on if it brings
//! a token (a JWT) that one of the keys has signed.
//!
//! Rows and settings are here; `keys.rs` reads where keys come from, `variables.rs` shows what a token says. Who
//! gets the keys and judges the token is `exchange`.

mod keys;
mod variables;

use std::sync::Arc;
use std::time::Duration;

use crate::diagnostics::Diagnostic;
use crate::directive::Context;
use crate::request::Template;
use crate::source::Place;

use super::auth_require::Requirement;
use super::{Call, Feature, Row};

pub use keys::{KeyFile, KeySource, read_keys};
pub use variables::{PREFIXES, VARIABLES};

pub static FEATURE: Feature<Written> =
    Feature { name: "auth_jwt", contexts: Context::IN_HTTP, rows: ROWS, at: |w| &mut w.auth_jwt };

const ROWS: &[Row<Written>] = &[
    Row {
        name: "auth_jwt",
        doc: "Has a request bring a token that one of the keys has signed; without one it is answered 401.",
        set: auth_jwt,
    },
    Row {
        name: "auth_jwt_audience",
        doc: "Whom a token has to be for: its aud is one of these, or has one of them.",
        set: |w, call| w.audience = Some(expected(call)),
    },
    Row {
        name: "auth_jwt_claim_set",
        doc: "Gives a variable the value of a claim, by the names that lead to it from the top.",
        set: |_, call| variables::set(call, variables::Part::Claims),
    },
    Row {
        name: "auth_jwt_header_set",
        doc: "Gives a variable the value of a parameter of a token's header.",
        set: |_, call| variables::set(call, variables::Part::Header),
    },
    Row {
        name: "auth_jwt_issuer",
        doc: "Who a token may be from: its iss is one of these.",
        set: |w, call| w.issuer = Some(expected(call)),
    },
    Row {
        name: "auth_jwt_key_cache",
        doc: "How long keys are used before their file is looked at, or their subrequest is made, again.",
        set: |w, call| w.key_cache = Some(call.time(0)),
    },
    Row {
        name: "auth_jwt_key_file",
        doc: "A file with keys: a JWK Set. It is read again when it has changed.",
        set: |w, call| w.files.push(keys::file(call)),
    },
    Row {
        name: "auth_jwt_key_request",
        doc: "Where keys are asked for: a URI of this server, by a subrequest, or an http:// or https:// URL.",
        set: |w, call| w.requests.extend(keys::request(call)),
    },
    Row {
        name: "auth_jwt_leeway",
        doc: "How far a token's exp and nbf may be passed, for clocks that differ.",
        set: |w, call| w.leeway = Some(call.time(0)),
    },
    Row {
        name: "auth_jwt_require",
        doc: "Values that have to be there once a token is good, neither empty nor 0; else 401, or what error= says.",
        set: |w, call| w.require.extend(Requirement::read(call, UNAUTHORIZED)),
    },
    Row { name: "auth_jwt_type", doc: "What tokens are: signed is served.", set: token_type },
];

/// The status of a request without a good token.
const UNAUTHORIZED: u16 = 401;

/// What a block says; an inner `None` turns it off.
#[derive(Default)]
pub struct Written {
    guard: Option<Option<Arc<Guard>>>,
    files: Vec<KeySource>,
    requests: Vec<KeySource>,
    key_cache: Option<Duration>,
    leeway: Option<Duration>,
    require: Vec<Requirement>,
    issuer: Option<Arc<[Box<str>]>>,
    audience: Option<Arc<[Box<str>]>>,
}

/// An `auth_jwt` that is on.
#[derive(Debug)]
pub struct Guard {
    pub realm: Template,
    /// Where the token is, if not in `Authorization`.
    pub token: Option<Template>,
    pub place: Place,
}

#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `None` where tokens are not asked for.
    pub guard: Option<Arc<Guard>>,
    pub files: Arc<[KeySource]>,
    pub requests: Arc<[KeySource]>,
    /// `None` where nothing is said of it.
    pub key_cache: Option<Duration>,
    pub leeway: Duration,
    pub require: Arc<[Requirement]>,
    /// Who a token may be from; anybody where there is none.
    pub issuer: Arc<[Box<str>]>,
    /// Whom it has to be for.
    pub audience: Arc<[Box<str>]>,
}

impl Written {
    /// All lines of one directive take the place of the outer ones.
    pub fn over(&self, outer: &Settings) -> Settings {
        fn own<T: Clone>(own: &[T], outer: &Arc<[T]>) -> Arc<[T]> {
            if own.is_empty() { outer.clone() } else { own.into() }
        }
        Settings {
            guard: self.guard.as_ref().unwrap_or(&outer.guard).clone(),
            files: own(&self.files, &outer.files),
            requests: own(&self.requests, &outer.requests),
            key_cache: self.key_cache.or(outer.key_cache),
            leeway: self.leeway.unwrap_or(outer.leeway),
            require: own(&self.require, &outer.require),
            issuer: self.issuer.as_ref().unwrap_or(&outer.issuer).clone(),
            audience: self.audience.as_ref().unwrap_or(&outer.audience).clone(),
        }
    }
}

impl Settings {
    /// Where keys come from.
    pub fn sources(&self) -> impl Iterator<Item = &KeySource> {
        self.files.iter().chain(self.requests.iter())
    }
}

fn auth_jwt(written: &mut Written, call: &mut Call) {
    let token = call.arg(1).strip_prefix(b"token=");
    if call.arg(0) == b"off" {
        if token.is_some() {
            call.error(1, "invalid-parameter", "\"auth_jwt off\" takes no token");
        }
        written.guard = Some(None);
        return;
    }
    if call.arg(0).starts_with(b"token=") {
        let finding =
            Diagnostic::warning("missing-parameter", call.span(0), "this is the realm, not the token");
        call.say(finding.help(format!("write a realm in front of it: \"auth_jwt chat {};\"", call.text(0))));
    }
    let realm = call.template(0);
    let token = token.map(|token| call.template_of(token, call.span(1), "token=".len()));
    written.guard = Some(Some(Arc::new(Guard { realm, token, place: call.place() })));
}

fn expected(call: &mut Call) -> Arc<[Box<str>]> {
    call.args().iter().map(|word| String::from_utf8_lossy(&word.value).into()).collect()
}

/// Only signed tokens are read: who starts all the same (`--lenient`) refuses all that are encrypted.
fn token_type(_: &mut Written, call: &mut Call) {
    if !call.arg(0).eq_ignore_ascii_case(b"signed") {
        let what = format!("\"auth_jwt_type {}\"", call.text(0));
        call.not_served(0, &what);
    }
}
