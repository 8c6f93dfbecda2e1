//! `allow` and `deny`.

use crate::features::access::Satisfy;
use crate::features::error_log::Level;

use super::super::life::Exchange;
use super::Opinion;

impl Exchange<'_> {
    /// What the first rule says that the client's address falls under.
    pub(super) fn address_opinion(&self) -> Opinion {
        let settings = &self.settings.access;
        let Some(rule) = settings.rule_for(&self.request.connection.peer) else { return Opinion::None };
        self.judge(if rule.allows { "allow" } else { "deny" }, &rule.place, rule.allows);
        match rule.allows {
            true => Opinion::Allowed,
            false => {
                if settings.satisfy == Satisfy::All {
                    self.report(Level::Error, format_args!("access forbidden by rule"));
                }
                Opinion::Denied(403)
            }
        }
    }
}
