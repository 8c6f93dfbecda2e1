//! Directives of our own about tokens: which variables hold them, and what becomes of them behind the door.
//!
//! A page cannot give its WebSocket an `Authorization`, so its token comes as an argument, as a cookie or among the
//! subprotocols, all of which end in logs and go upstream. Where one is used as a token, it does neither.
//! `protocols.rs` finds it among the subprotocols, `taken.rs` takes it out of what goes upstream.

mod protocols;
mod taken;

use std::sync::Arc;

use crate::directive::Context;
use crate::http1::Known;
use crate::request::{Piece, Request, Source, Template, VariableId};
use crate::websocket::offered::Spellings;

use super::auth_jwt::Guard;
use super::{Call, Feature, Row};

pub use protocols::{hide_offered, instead_of_token, protocol_token, spoken_here};
pub use taken::Taken;

pub static FEATURE: Feature<Written> =
    Feature { name: "tokens", contexts: Context::IN_HTTP, rows: ROWS, at: |w| &mut w.tokens };

const ROWS: &[Row<Written>] = &[
    Row {
        name: "websocket_log_tokens",
        doc: "Whether logs show what was used as a token. Off, they show *** in its place.",
        set: |w, call| w.shown = Some(call.flag(0)),
    },
    Row {
        name: "websocket_pass_tokens",
        doc: "Whether tokens in arguments, cookies and subprotocols go upstream.",
        set: |w, call| w.passed = Some(call.flag(0)),
    },
    Row {
        name: "websocket_token_protocols",
        doc: "How tokens are written among subprotocols: a word that one stands behind, or a prefix*.",
        set: |w, call| w.spellings = protocols::read(call),
    },
    Row {
        name: "websocket_tokens",
        doc: "Variables that hold tokens, beside that of auth_jwt: for whoever is asked by auth_request.",
        set: tokens,
    },
];

/// So many values of one name are hidden: the first is the token, and a client must not hide all of a line.
const MOST_VALUES: usize = 8;

#[derive(Default)]
pub struct Written {
    shown: Option<bool>,
    passed: Option<bool>,
    spellings: Option<Arc<Spellings>>,
    named: Option<Vec<VariableId>>,
}

#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Logs show them.
    pub shown: bool,
    /// They go upstream.
    pub passed: bool,
    /// How they are spelt among subprotocols; `None` is as everybody spells them.
    pub spellings: Option<Arc<Spellings>>,
    named: Arc<[VariableId]>,
    /// The variables that hold them: the named, and that of `auth_jwt`.
    holders: Arc<[VariableId]>,
    /// `auth_jwt` looks at `Authorization`.
    bearer: bool,
}

impl Written {
    pub fn over(&self, outer: &Settings) -> Settings {
        let named = self.named.as_deref().map_or_else(|| outer.named.clone(), Arc::from);
        Settings {
            shown: self.shown.unwrap_or(outer.shown),
            passed: self.passed.unwrap_or(outer.passed),
            spellings: self.spellings.clone().or_else(|| outer.spellings.clone()),
            holders: named.clone(),
            bearer: false,
            named,
        }
    }
}

impl Settings {
    /// With what `auth_jwt` looks at, if it is on.
    pub fn with(mut self, guard: Option<&Guard>) -> Settings {
        let Some(guard) = guard else { return self };
        self.bearer = guard.token.is_none();
        let pieces = guard.token.as_ref().map_or(&[][..], Template::pieces);
        let more = pieces.iter().filter_map(|piece| match piece {
            Piece::Variable(id) if !self.named.contains(id) => Some(*id),
            _ => None,
        });
        let more: Vec<VariableId> = more.collect();
        if !more.is_empty() {
            self.holders = self.named.iter().copied().chain(more).collect();
        }
        self
    }

    /// Everything that is a token in one of these.
    pub fn of_all<'s>(all: impl Iterator<Item = &'s Settings>) -> Settings {
        let mut holders: Vec<VariableId> = Vec::new();
        let mut bearer = false;
        for settings in all.filter(|settings| !settings.shown) {
            bearer |= settings.bearer;
            let new: Vec<VariableId> =
                settings.holders.iter().filter(|id| !holders.contains(id)).copied().collect();
            holders.extend(new);
        }
        Settings { holders: holders.into(), bearer, ..Settings::default() }
    }

    /// Sees to it that no log shows what a request has as tokens, whether or not anybody has asked for it yet.
    pub fn hide(&self, request: &Request) {
        if self.shown {
            return;
        }
        self.hide_sent(request);
        for id in self.holders.iter() {
            let mut value = Vec::new();
            request.glimpse(*id, &mut value);
            request.hide(&value);
        }
    }

    /// The same, of what a client has written in so many words: nothing is computed, and nothing of the head need
    /// have been understood. Whatever stands beside a token under its name is most likely one, too.
    pub fn hide_sent(&self, request: &Request) {
        if self.bearer {
            let sent = request.head.headers.all(Known::Authorization);
            sent.map(behind_scheme).take(MOST_VALUES).for_each(|token| request.hide(token));
        }
        for id in self.holders.iter() {
            match request.variables.source(*id) {
                Source::Named(row, name) if row.prefix == "arg_" => hide_arguments(request, name),
                Source::Named(row, name) if row.prefix == "cookie_" => {
                    taken::cookies(request, name).take(MOST_VALUES).for_each(|it| request.hide(it));
                }
                Source::Row(row) if row.name == "websocket_protocol_token" => hide_offered(request),
                _ => {}
            }
        }
    }

    /// A request goes on elsewhere: what is a token here is one there, for logs and for upstreams.
    pub fn leave(&self, request: &mut Request) {
        self.hide(request);
        if !self.passed && !self.holders.is_empty() {
            request.left_tokens.push(self.holders.clone());
        }
    }
}

/// Hides the arguments of a name: those of the request, those of its line, which a rewrite does not change and which
/// may be none that could be read, and those of the page that has sent it.
fn hide_arguments(request: &Request, name: &[u8]) {
    let hide = |query| taken::arguments(query, name).take(MOST_VALUES).for_each(|it| request.hide(it));
    hide(&request.target.args);
    request.head.line().split(|byte| *byte == b' ').for_each(|word| hide(taken::split(word).1));
    request.head.headers.all(Known::Referer).for_each(|page| hide(taken::split(page).1));
}

/// The token in an `Authorization`, whatever scheme stands before it; without one it may be all there is.
fn behind_scheme(value: &[u8]) -> &[u8] {
    let blank = value.iter().position(u8::is_ascii_whitespace).unwrap_or_default();
    value[blank..].trim_ascii()
}

fn tokens(written: &mut Written, call: &mut Call) {
    let mut named = Vec::new();
    for at in 0..call.args().len() {
        match call.arg(at) {
            b"off" if call.args().len() == 1 => {}
            [b'$', ..] => match call.template(at).pieces() {
                [Piece::Variable(id)] => named.push(*id),
                _ => return not_a_variable(call, at),
            },
            _ => return not_a_variable(call, at),
        }
    }
    written.named = Some(named);
}

fn not_a_variable(call: &mut Call, at: usize) {
    let message = format!("invalid variable name \"{}\"", call.text(at));
    let finding = crate::diagnostics::Diagnostic::error("invalid-variable", call.span(at), message);
    call.say(
        finding.here("expected a variable, such as \"$arg_token\" or \"$cookie_token\", or \"off\" alone"),
    );
}
