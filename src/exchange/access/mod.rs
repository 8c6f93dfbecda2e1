//! The access phase: whether a request may go on (`ngx_http_core_access_phase`).
//!
//! Every directive that can refuse a request gives its [`Opinion`], in nginx's order, and `satisfy` says what
//! they come to. What is asked of handshakes alone is asked first, and `satisfy any` does not get around it.

mod addresses;
mod auth_request;
mod auth_require;
mod basic;
mod delay;
mod jwt;
mod websocket;

use crate::features::access::Satisfy;
use crate::features::error_log::Level;
use crate::source::Place;

use super::answer::Reply;
use super::life::Exchange;
use super::route::Event;

/// What a directive of the access phase says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opinion {
    /// Nothing: it is off, or says nothing of such a request.
    None,
    Allowed,
    /// It is to be answered with this status.
    Denied(u16),
}

impl Exchange<'_> {
    /// Lets a request go on or refuses it.
    pub async fn access(&mut self) -> Result<(), Reply> {
        if self.request.sub {
            return Ok(());
        }
        self.handshake_access()?;
        let judged = self.judged().await;
        if let Err(Reply::Status(401)) = judged {
            self.delay_refusal().await?;
        }
        judged
    }

    async fn judged(&mut self) -> Result<(), Reply> {
        let mut gate = Gate::new(self.settings.access.satisfy);
        let carried = self.carried.len();
        if self.opinions(&mut gate).await? {
            // What others would have a client do to be let in.
            self.carried.truncate(carried);
            return Ok(());
        }
        gate.closing().map_err(|status| {
            if status == 403 {
                self.report(Level::Error, format_args!("access forbidden by rule"));
            }
            Reply::Status(status)
        })
    }

    /// Has whoever asked for a request's course know what a directive said of it.
    fn judge(&self, directive: &'static str, place: &Place, allowed: bool) {
        self.note(|_| Event::Judged { directive, place: place.clone(), allowed });
    }

    /// Asks one after the other for as long as it matters; true where one was enough.
    async fn opinions(&mut self, gate: &mut Gate) -> Result<bool, Reply> {
        let opinion = self.address_opinion();
        if gate.is_open_by(opinion)? {
            return Ok(true);
        }
        let opinion = self.basic_opinion().await?;
        if gate.is_open_by(opinion)? {
            return Ok(true);
        }
        let opinion = self.jwt_opinion().await?;
        if gate.is_open_by(opinion)? {
            return Ok(true);
        }
        let opinion = self.auth_request_opinion().await?;
        if gate.is_open_by(opinion)? {
            return Ok(true);
        }
        gate.is_open_by(self.require_opinion())
    }
}

/// What the opinions come to so far.
struct Gate {
    satisfy: Satisfy,
    /// With `satisfy any`: the status if nobody allows the request; 0 if nobody has refused it.
    remembered: u16,
}

impl Gate {
    fn new(satisfy: Satisfy) -> Gate {
        Gate { satisfy, remembered: 0 }
    }

    /// Takes an opinion into account; true where no other is needed.
    ///
    /// # Errors
    /// The reply with which the request ends at once.
    fn is_open_by(&mut self, opinion: Opinion) -> Result<bool, Reply> {
        match (self.satisfy, opinion) {
            (_, Opinion::None) | (Satisfy::All, Opinion::Allowed) => Ok(false),
            (Satisfy::Any, Opinion::Allowed) => Ok(true),
            (Satisfy::Any, Opinion::Denied(status @ (401 | 403 | 407))) => {
                if self.remembered != 401 {
                    self.remembered = status;
                }
                Ok(false)
            }
            (_, Opinion::Denied(status)) => Err(Reply::Status(status)),
        }
    }

    /// Nobody is left to ask (`ngx_http_core_post_access_phase`).
    fn closing(&self) -> Result<(), u16> {
        if self.remembered == 0 { Ok(()) } else { Err(self.remembered) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(satisfy: Satisfy, opinions: &[Opinion]) -> Result<(), u16> {
        let mut gate = Gate::new(satisfy);
        for opinion in opinions {
            match gate.is_open_by(*opinion) {
                Ok(false) => {}
                Ok(true) => return Ok(()),
                Err(Reply::Status(status)) => return Err(status),
                Err(other) => panic!("{other:?} is no status"),
            }
        }
        gate.closing()
    }

    #[test]
    fn all_have_to_allow_or_one() {
        use Opinion::{Allowed, Denied, None};
        assert_eq!(outcome(Satisfy::All, &[None, Allowed, None]), Ok(()));
        assert_eq!(outcome(Satisfy::All, &[Allowed, Denied(401), Denied(403)]), Err(401));
        assert_eq!(outcome(Satisfy::Any, &[Denied(403), Allowed, Denied(500)]), Ok(()));
        assert_eq!(outcome(Satisfy::Any, &[Denied(403), None]), Err(403));
        assert_eq!(outcome(Satisfy::Any, &[Denied(403), Denied(401)]), Err(401));
        assert_eq!(outcome(Satisfy::Any, &[Denied(401), Denied(403)]), Err(401));
        assert_eq!(outcome(Satisfy::Any, &[Denied(401), Denied(500), Allowed]), Err(500));
        assert_eq!(outcome(Satisfy::Any, &[None, None]), Ok(()));
    }
}
