//! `ngx_http_auth_require_module`, which nginx sells; written from its documentation: values that have to be
//! there. `auth_jwt_require` is of the same make.

use std::sync::Arc;

use crate::diagnostics::Diagnostic;
use crate::directive::Context;
use crate::directive::values;
use crate::request::{Request, Template};
use crate::source::Place;

use super::{Call, Feature, Row};

pub static FEATURE: Feature<Written> =
    Feature { name: "auth_require", contexts: Context::IN_HTTP, rows: ROWS, at: |w| &mut w.auth_require };

const ROWS: &[Row<Written>] = &[Row {
    name: "auth_require",
    doc: "Values that have to be there, neither empty nor 0; else a request is answered 403, or what error= says.",
    set,
}];

/// The status where `error=` says no other.
const STATUS: u16 = 403;

/// One line of values that have to be there, and what a request is answered where one is not.
#[derive(Clone, Debug)]
pub struct Requirement {
    values: Box<[Template]>,
    pub status: u16,
    pub place: Place,
}

impl Requirement {
    /// Reads the arguments, whose form the catalogue has seen to; what else is wrong with them is said.
    pub fn read(call: &mut Call, status: u16) -> Option<Requirement> {
        let (mut values, mut error) = (Vec::new(), None);
        for at in 0..call.args().len() {
            match call.arg(at).strip_prefix(b"error=") {
                None => values.push(call.template(at)),
                Some(_) if error.is_some() => {
                    call.error(at, "invalid-parameter", "duplicate \"error\" parameter");
                    return None;
                }
                Some(code) => error = values::number(code).and_then(|code| u16::try_from(code).ok()),
            }
        }
        if values.is_empty() {
            let message = format!("\"{}\" has no value to look at", call.name());
            let finding = Diagnostic::error("missing-parameter", call.span(0), message);
            call.say(finding.help(format!("usage: {} $value ... error=CODE;", call.name())));
            return None;
        }
        let (values, status) = (values.into(), error.unwrap_or(status));
        Some(Requirement { values, status, place: call.place() })
    }

    /// Whether all values are there: not empty, and not `0`.
    pub fn is_met(&self, request: &Request) -> bool {
        let mut text = Vec::new();
        self.values.iter().all(|value| {
            text.clear();
            value.render(request, &mut text);
            !matches!(&text[..], b"" | b"0")
        })
    }
}

/// The first line that is not met.
pub fn unmet<'a>(requirements: &'a [Requirement], request: &Request) -> Option<&'a Requirement> {
    requirements.iter().find(|requirement| !requirement.is_met(request))
}

#[derive(Default)]
pub struct Written {
    requirements: Vec<Requirement>,
    off: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub requirements: Arc<[Requirement]>,
}

impl Written {
    /// A block with lines of its own forgets the outer ones.
    pub fn over(&self, outer: &Settings) -> Settings {
        let inherits = self.requirements.is_empty() && !self.off;
        let requirements = if inherits { outer.requirements.clone() } else { self.requirements[..].into() };
        Settings { requirements }
    }
}

fn set(written: &mut Written, call: &mut Call) {
    let off = call.args().iter().position(|word| &word.value[..] == b"off");
    match off {
        None => written.requirements.extend(Requirement::read(call, STATUS)),
        Some(0) if call.args().len() == 1 && written.requirements.is_empty() => written.off = true,
        Some(at) => {
            let message = "\"off\" of \"auth_require\" stands alone";
            call.error(at, "invalid-parameter", message);
        }
    }
}
