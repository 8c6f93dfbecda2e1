//! What a token says, as variables. They are empty until a token has been found good.

use std::sync::Arc;

use crate::directive::variables::Protocol;
use crate::jwt::{Json, Token};
use crate::request::{Compute, PrefixVariable, Request, Variable};

use super::super::Call;

pub const VARIABLES: &[Variable] = &[Variable {
    name: "jwt_payload",
    get: |request, out| {
        let Some(token) = &request.jwt else { return false };
        out.extend_from_slice(token.payload());
        true
    },
}];

pub const PREFIXES: &[PrefixVariable] = &[
    PrefixVariable {
        prefix: "jwt_claim_",
        get: |request, name, out| named(request, Part::Claims, name, out),
    },
    PrefixVariable {
        prefix: "jwt_header_",
        get: |request, name, out| named(request, Part::Header, name, out),
    },
];

/// A part of a token that is a JSON object.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    Header,
    Claims,
}

impl Part {
    fn value(self, token: &Token, path: &[Box<str>], out: &mut Vec<u8>) -> bool {
        match self {
            Part::Header => token.header(path, out),
            Part::Claims => token.claim(path, out),
        }
    }

    /// The spelling that a token has for a name of a variable.
    fn spelling(self, token: &Token, name: &str) -> Option<Box<str>> {
        let object = match self {
            Part::Header => token.headers(),
            Part::Claims => token.claims(),
        };
        let Json::Object(members) = object else { return None };
        members.iter().map(|(own, _)| own).find(|own| own.eq_ignore_ascii_case(name)).cloned()
    }
}

/// A member of the top level. Names of variables are in lower case, as nginx has them; names in tokens need not be.
fn named(request: &Request, part: Part, name: &[u8], out: &mut Vec<u8>) -> bool {
    let (Some(token), Ok(name)) = (&request.jwt, str::from_utf8(name)) else { return false };
    part.value(token, &[name.into()], out)
        || part.spelling(token, name).is_some_and(|name| part.value(token, &[name], out))
}

/// `auth_jwt_claim_set` and `auth_jwt_header_set`: a way through the JSON, from its top.
struct Way {
    part: Part,
    names: Box<[Box<str>]>,
}

impl Compute for Way {
    fn compute(&self, request: &Request, out: &mut Vec<u8>) -> bool {
        request.jwt.as_ref().is_some_and(|token| self.part.value(token, &self.names, out))
    }
}

pub fn set(call: &mut Call, part: Part) {
    let [b'$', name @ ..] = call.arg(0) else { return };
    if Protocol::Http.is_constant(name) {
        let message = format!("the duplicate \"{}\" variable", String::from_utf8_lossy(name));
        return call.error(0, "invalid-variable", message);
    }
    let names = call.args()[1..].iter().map(|word| String::from_utf8_lossy(&word.value).into());
    // Not kept: a request that was judged by one token may come to be judged by another.
    call.build.variables.volatile(name, Arc::new(Way { part, names: names.collect() }));
}
