//! `auth_require`: values that have to be there.

use crate::features::auth_require::unmet;
use crate::features::error_log::Level;

use super::super::life::Exchange;
use super::Opinion;

impl Exchange<'_> {
    /// Whether all values are there.
    pub(super) fn require_opinion(&self) -> Opinion {
        let requirements = &self.settings.auth_require.requirements;
        if requirements.is_empty() {
            return Opinion::None;
        }
        let is_taken = self.settings.auth_jwt.guard.is_some() && self.request.jwt.is_none();
        let is_asked = is_taken || self.settings.auth_request.uri().is_some();
        if self.worker.recorder.is_some() && is_asked {
            // What would have been there is not known.
            return Opinion::Allowed;
        }
        match unmet(requirements, self.request) {
            None => {
                requirements.iter().for_each(|one| self.judge("auth_require", &one.place, true));
                Opinion::Allowed
            }
            Some(requirement) => {
                let place = &requirement.place;
                self.judge("auth_require", place, false);
                self.report(Level::Info, format_args!("a value of \"auth_require\" is empty or 0, {place}"));
                Opinion::Denied(requirement.status)
            }
        }
    }
}
