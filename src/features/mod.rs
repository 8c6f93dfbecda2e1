//! One file per NGINX module, and one line per file here.
//!
//! A feature's file holds its rows, what a block writes ([`Written`]), what then holds
//! ([`Settings`]) and what it does with a request. The order in which features act is not here: it
//! is read in `exchange/life.rs`.

mod row;

pub mod access;
pub mod auth_basic;
pub mod auth_jwt;
pub mod auth_request;
pub mod auth_require;
pub mod checked;
pub mod client;
pub mod core;
pub mod error_log;
pub mod error_page;
pub mod files;
pub mod geo;
pub mod headers;
pub mod health;
pub mod limit_conn;
pub mod limit_req;
pub mod listen;
pub mod location;
pub mod log;
pub mod map;
pub mod proxy;
pub mod realip;
pub mod referer;
pub mod resolver;
pub mod rewrite;
pub mod tokens;
pub mod upstream;
pub mod variables;
pub mod websocket;
pub mod zones;

use std::sync::Arc;

use crate::tunnel::Rules;

pub use row::{Build, Call, Feature, NOT_SERVED, Options, Row, Rows, Set};

/// Every feature. The order is that of `nginx -V`'s modules as far as they are nginx's.
pub static REGISTER: &[&dyn Rows] = &[
    &core::FEATURE,
    &error_log::FEATURE,
    &listen::FEATURE,
    &client::FEATURE,
    &files::FEATURE,
    &error_page::FEATURE,
    &location::FEATURE,
    &rewrite::FEATURE,
    &map::FEATURE,
    &geo::FEATURE,
    &headers::FEATURE,
    &log::FEATURE,
    &realip::FEATURE,
    &access::FEATURE,
    &auth_basic::FEATURE,
    &limit_conn::FEATURE,
    &limit_req::FEATURE,
    &auth_jwt::FEATURE,
    &auth_request::FEATURE,
    &auth_require::FEATURE,
    &proxy::FEATURE,
    &referer::FEATURE,
    &upstream::FEATURE,
    &resolver::FEATURE,
    &health::FEATURE,
    &websocket::FEATURE,
    &tokens::FEATURE,
];

/// What one block says, feature by feature, with nothing for silence.
#[derive(Default)]
pub struct Written {
    pub access: access::Written,
    pub auth_basic: auth_basic::Written,
    pub auth_jwt: auth_jwt::Written,
    pub auth_request: auth_request::Written,
    pub auth_require: auth_require::Written,
    pub core: core::Written,
    pub error_log: error_log::Written,
    pub listen: listen::Written,
    pub client: client::Written,
    pub files: files::Written,
    pub error_page: error_page::Written,
    pub location: location::Written,
    pub rewrite: rewrite::Written,
    pub geo: geo::Written,
    pub map: map::Written,
    pub headers: headers::Written,
    pub health: health::Written,
    pub limit_conn: limit_conn::Written,
    pub limit_req: limit_req::Written,
    pub log: log::Written,
    pub proxy: proxy::Written,
    pub realip: realip::Written,
    pub referer: referer::Written,
    pub resolver: resolver::Written,
    pub tokens: tokens::Written,
    pub upstream: upstream::Written,
    pub websocket: websocket::Written,
}

/// What holds at a server or a location, with nothing left to ask.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub access: access::Settings,
    pub auth_basic: auth_basic::Settings,
    pub auth_jwt: auth_jwt::Settings,
    pub auth_request: auth_request::Settings,
    pub auth_require: auth_require::Settings,
    pub error_log: error_log::Settings,
    pub client: client::Settings,
    pub files: files::Settings,
    pub error_page: error_page::Settings,
    pub headers: headers::Settings,
    pub limit_conn: limit_conn::Settings,
    pub limit_req: limit_req::Settings,
    pub log: log::Settings,
    pub proxy: proxy::Settings,
    pub realip: realip::Settings,
    pub referer: referer::Settings,
    pub resolver: resolver::Settings,
    pub tokens: tokens::Settings,
    pub websocket: websocket::Settings,
    /// What tunnels keep to; one for all blocks that ask for the same.
    pub tunnel: Arc<Rules>,
}

impl Settings {
    /// What holds in a block that stands in one where `outer` holds.
    pub fn of(written: &Written, outer: &Settings) -> Settings {
        let client = written.client.over(&outer.client);
        let log = written.log.over(&outer.log);
        let websocket = written.websocket.over(&outer.websocket);
        let proxy = written.proxy.over(&outer.proxy, websocket.proxy, outer.websocket.proxy);
        let auth_jwt = written.auth_jwt.over(&outer.auth_jwt);
        let rules = websocket::rules(&websocket, &proxy, &client, &log);
        Settings {
            access: written.access.over(&outer.access),
            auth_basic: written.auth_basic.over(&outer.auth_basic),
            auth_request: written.auth_request.over(&outer.auth_request),
            auth_require: written.auth_require.over(&outer.auth_require),
            error_log: written.error_log.over(&outer.error_log),
            client,
            files: written.files.over(&outer.files),
            error_page: written.error_page.over(&outer.error_page),
            headers: written.headers.over(&outer.headers),
            limit_conn: written.limit_conn.over(&outer.limit_conn),
            limit_req: written.limit_req.over(&outer.limit_req),
            log,
            proxy,
            realip: written.realip.over(&outer.realip),
            referer: written.referer.over(&outer.referer),
            resolver: written.resolver.over(&outer.resolver),
            tokens: written.tokens.over(&outer.tokens).with(auth_jwt.guard.as_deref()),
            auth_jwt,
            websocket,
            tunnel: if rules == *outer.tunnel { outer.tunnel.clone() } else { Arc::new(rules) },
        }
    }
}

/// Rows for every variable that features provide.
pub fn variables() -> impl Iterator<Item = &'static crate::request::Variable> {
    [
        variables::ROWS,
        auth_jwt::VARIABLES,
        limit_conn::VARIABLES,
        limit_req::VARIABLES,
        proxy::VARIABLES,
        realip::VARIABLES,
        referer::VARIABLES,
        upstream::VARIABLES,
        websocket::VARIABLES,
    ]
    .into_iter()
    .flatten()
}

/// Rows for every family of variables.
pub fn prefixes() -> impl Iterator<Item = &'static crate::request::PrefixVariable> {
    [variables::PREFIXES, auth_jwt::PREFIXES, upstream::PREFIXES].into_iter().flatten()
}
