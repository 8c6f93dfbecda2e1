//! `auth_jwt`: whether a request brings a token that one of the keys has signed, and that says what is required.

use std::fmt;

use crate::features::access::Satisfy;
use crate::features::auth_jwt::{Guard, KeySource};
use crate::features::auth_require::unmet;
use crate::features::error_log::Level;
use crate::http1::{Known, write_field};
use crate::jwt::{Json, Refusal, Rules, Token, verify};
use crate::net::wall_clock;
use crate::request::keep_one_line;

use super::super::answer::Reply;
use super::super::keys::Gathered;
use super::super::life::Exchange;
use super::super::route::Event;
use super::Opinion;

/// Why a request is not let in. No byte of its token is in the words.
enum Denied {
    /// It brings no token.
    Missing,
    Refused(Refusal),
    Issuer,
    Audience,
    /// A value of `auth_jwt_require` is not there.
    Required(u16),
}

impl Exchange<'_> {
    /// Judges the token.
    ///
    /// # Errors
    /// The client has gone meanwhile.
    pub(super) async fn jwt_opinion(&mut self) -> Result<Opinion, Reply> {
        let settings = self.settings;
        let Some(guard) = &settings.auth_jwt.guard else { return Ok(Opinion::None) };
        self.request.jwt = None;
        let token = match self.token(guard) {
            Ok(token) => token,
            Err(denied) => return Ok(self.deny(guard, &denied)),
        };
        self.request.hide(&token);
        let are_here = || settings.auth_jwt.sources().all(|source| matches!(source, KeySource::File(_)));
        if self.worker.recorder.is_some() && !are_here() {
            self.note(|_| Event::AuthJwt { place: guard.place.clone() });
            return Ok(Opinion::Allowed);
        }
        let judged = self.judge_token(&token).await;
        match judged {
            Ok(Ok(())) => {
                self.judge("auth_jwt", &guard.place, true);
                Ok(Opinion::Allowed)
            }
            Ok(Err(denied)) => Ok(self.deny(guard, &denied)),
            // Keys that cannot be had are for `satisfy` to weigh.
            Err(Reply::Status(status @ 500)) => Ok(Opinion::Denied(status)),
            Err(reply) => Err(reply),
        }
    }

    async fn judge_token(&mut self, token: &[u8]) -> Result<Result<(), Denied>, Reply> {
        let mut keys = self.gather_keys().await?;
        let mut verified = self.verify(token, &keys);
        // A key that nobody knows may be new: a fetch may be under way that began too early for it, and so
        // there are two tries.
        for _ in 0..2 {
            if !matches!(&verified, Err(refusal) if refusal.may_be_a_new_key()) {
                break;
            }
            let Some(newer) = self.newer_keys(&keys).await? else { break };
            keys = newer;
            verified = self.verify(token, &keys);
        }
        Ok(match verified {
            Ok(token) => self.accept(token),
            Err(refusal) => Err(Denied::Refused(refusal)),
        })
    }

    fn verify(&self, token: &[u8], keys: &Gathered) -> Result<Token, Refusal> {
        let rules = Rules { leeway: self.settings.auth_jwt.leeway };
        verify(token, &keys.sets, wall_clock(), &rules)
    }

    /// A token whose signature and times are right: whether it says what is required.
    fn accept(&mut self, token: Token) -> Result<(), Denied> {
        let settings = &self.settings.auth_jwt;
        if !is_one_of(token.claims().get("iss"), &settings.issuer) {
            return Err(Denied::Issuer);
        }
        let audience = token.claims().get("aud");
        let items =
            audience.and_then(Json::items).unwrap_or_else(|| audience.map_or(&[], std::slice::from_ref));
        if !settings.audience.is_empty()
            && !items.iter().any(|item| is_one_of(Some(item), &settings.audience))
        {
            return Err(Denied::Audience);
        }
        let expires = token.expires();
        self.request.jwt = Some(Box::new(token));
        match unmet(&settings.require, self.request) {
            None => {
                if let Some(expires) = expires {
                    self.request.expire_at(expires.saturating_add(settings.leeway));
                }
                Ok(())
            }
            Some(requirement) => Err(Denied::Required(requirement.status)),
        }
    }

    /// The token that a request brings.
    fn token(&self, guard: &Guard) -> Result<Vec<u8>, Denied> {
        if let Some(source) = &guard.token {
            let mut token = Vec::new();
            source.render(self.request, &mut token);
            return if token.is_empty() { Err(Denied::Missing) } else { Ok(token) };
        }
        // A head with two of them is no request.
        let sent = self.request.head.headers.first(Known::Authorization).ok_or(Denied::Missing)?;
        bearer(sent).map(<[u8]>::to_vec).ok_or(Denied::Missing)
    }

    /// Says why, to the log and to the client (RFC 6750, section 3).
    fn deny(&mut self, guard: &Guard, denied: &Denied) -> Opinion {
        self.judge("auth_jwt", &guard.place, false);
        if self.settings.access.satisfy == Satisfy::Any {
            // Whoever lets the request in does not do so for what this token says.
            self.request.jwt = None;
        }
        self.report(Level::Info, format_args!("JWT: {denied}, {}", guard.place));
        let mut challenge = b"Bearer realm=\"".to_vec();
        let realm = challenge.len();
        guard.realm.render(self.request, &mut challenge);
        let quoted = quote(&challenge[realm..]);
        challenge.truncate(realm);
        challenge.extend_from_slice(&quoted);
        challenge.push(b'"');
        if let Some(error) = denied.error() {
            challenge
                .extend_from_slice(format!(", error=\"{error}\", error_description=\"{denied}\"").as_bytes());
        }
        keep_one_line(&mut challenge);
        write_field(b"WWW-Authenticate", &challenge, &mut self.carried);
        Opinion::Denied(denied.status())
    }
}

/// What stands behind `Bearer` and blanks.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("Bearer".len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"Bearer") && rest.first() == Some(&b' ');
    Some(rest.trim_ascii()).filter(|token| is_bearer && !token.is_empty())
}

/// Whether a claim is one of the texts; any is as good where there are none.
fn is_one_of(claim: Option<&Json>, texts: &[Box<str>]) -> bool {
    texts.is_empty()
        || claim.and_then(Json::text).is_some_and(|claim| texts.iter().any(|text| **text == *claim))
}

/// As it stands between quotes (RFC 9110, 5.6.4).
fn quote(text: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(text.len());
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(*byte);
    }
    quoted
}

impl Denied {
    fn status(&self) -> u16 {
        match self {
            Denied::Required(status) => *status,
            _ => 401,
        }
    }

    /// The code of RFC 6750, section 3.1. A request without a token is told none.
    fn error(&self) -> Option<&'static str> {
        match self {
            Denied::Missing => None,
            Denied::Required(403) => Some("insufficient_scope"),
            Denied::Required(_) | Denied::Refused(_) | Denied::Issuer | Denied::Audience => {
                Some("invalid_token")
            }
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Denied::Missing => "no token was sent",
            Denied::Refused(refusal) => return refusal.fmt(f),
            Denied::Issuer => "the token is from another issuer",
            Denied::Audience => "the token is for another audience",
            Denied::Required(_) => "the token lacks a value that is required",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_is_a_word_and_a_token() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bEARER   abc "), Some(&b"abc"[..]));
        for none in ["", "Bearer", "Bearer ", "Bearerabc", "Basic abc", "Bearer\tabc", "Beare"] {
            assert_eq!(bearer(none.as_bytes()), None, "{none:?}");
        }
    }

    #[test]
    fn a_realm_stays_between_its_quotes() {
        assert_eq!(quote(br#"a "b" \c"#), br#"a \"b\" \\c"#);
    }
}
