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

    /// Sees to it that no log shows what a request has as tokens, whether or not anybody has asked for it yet.
    pub fn hide(&self, request: &Request) {
        if self.shown {
            return;
        }
        if self.bearer {
            let sent = request.head.headers.all(Known::Authorization);
            sent.filter_map(behind_scheme).take(MOST_VALUES).for_each(|token| request.hide(token));
        }
        for id in self.holders.iter() {
            let mut value = Vec::new();
            request.variable(*id, &mut value);
            request.hide(&value);
            // What a client has written beside it is most likely one, too.
            match request.variables.source(*id) {
                Source::Named(row, name) if row.prefix == "arg_" => {
                    taken::arguments(&request.target.args, name)
                        .take(MOST_VALUES)
                        .for_each(|it| request.hide(it));
                    // A rewrite may have changed them; the request line has not changed.
                    let (_, query) = taken::split(request.head.target());
                    taken::arguments(query, name).take(MOST_VALUES).for_each(|it| request.hide(it));
                }
                Source::Named(row, name) if row.prefix == "cookie_" => {
                    taken::cookies(request, name).take(MOST_VALUES).for_each(|it| request.hide(it));
                }
                _ => {}
            }
        }
    }
}

/// The token in an `Authorization`, whatever scheme stands before it.
fn behind_scheme(value: &[u8]) -> Option<&[u8]> {
    let blank = value.iter().position(|byte| *byte == b' ')?;
    Some(value[blank..].trim_ascii())
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
