//! Holes of the nginx that a configuration is for, where it uses what they are in.
//!
//! [`DANGERS`] is the table; `conditions` and `captures` say where a configuration does so.

mod captures;
mod conditions;
mod table;

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, Version, examples};
use crate::source::Span;

use table::DANGERS;

pub static RULE: Rule = Rule {
    id: "CVE601",
    name: "nginx-cves",
    severity: Severity::Warning,
    profile: Profile::Security,
    summary: "the nginx that the configuration is for has a known hole, and the configuration uses what it is in",
    why: "Most of nginx's holes can be reached only where a configuration uses the module or the order of lines that they \
          are in. This looks for those, and for the version that --nginx-version names; without it nothing is said. \
          Distributions mend old versions without changing their number: ask yours before you worry.",
    mend: Mend::None,
    examples: examples!("nginx-cves"),
    check,
};

/// What a configuration may do, and the holes that it opens with that.
struct Danger {
    what: &'static str,
    /// Where it is done; nowhere in most configurations.
    places: fn(&Site<'_>) -> Vec<Span>,
    holes: &'static [Hole],
}

/// One entry of nginx's security advisories.
struct Hole {
    id: &'static str,
    first: Version,
    last: Version,
    /// The first version of each branch that does not have it, the newest branch before all others.
    mended: &'static [Version],
}

impl Hole {
    fn is_in(&self, nginx: Version) -> bool {
        let is_mended = |mended: &Version| (mended.0, mended.1) == (nginx.0, nginx.1) && nginx >= *mended;
        (self.first..=self.last).contains(&nginx) && !self.mended.iter().any(is_mended)
    }
}

/// How many places of one kind are shown.
const SHOWN: usize = 4;

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    // Who names no version has the newest there is, which may be newer than the table.
    if !site.is_target_named {
        return;
    }
    for danger in DANGERS {
        let holes: Vec<&Hole> = danger.holes.iter().filter(|hole| hole.is_in(site.target)).collect();
        let Some(newest) = holes.iter().max_by_key(|hole| hole.mended[0]) else { continue };
        let places = (danger.places)(site);
        let Some((first, more)) = places.split_first() else { continue };
        let ids: Vec<&str> = holes.iter().map(|hole| hole.id).collect();
        let message = format!("nginx {} is affected by {}: {}", site.target, ids.join(", "), danger.what);
        let finding = rule.finding(*first, message);
        let finding =
            more.iter().take(SHOWN).fold(finding, |finding, place| finding.also(*place, "and here"));
        let finding = match more.len().checked_sub(SHOWN) {
            Some(left @ 1..) => finding.note(format!("and at {left} more places")),
            _ => finding,
        };
        let mended: Vec<String> = newest.mended.iter().map(Version::to_string).collect();
        found.push(finding.help(format!("mended in nginx {}", mended.join(" and in "))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_is_mended_by_itself() {
        let hole = Hole {
            id: "",
            first: Version(1, 1, 3),
            last: Version(1, 23, 1),
            mended: &[Version(1, 23, 2), Version(1, 22, 1)],
        };
        let is_in = |version: &str| hole.is_in(version.parse().unwrap());
        assert!(is_in("1.1.3") && is_in("1.22.0") && is_in("1.23.1") && is_in("1.20"));
        assert!(
            !is_in("1.1.2") && !is_in("1.22.1") && !is_in("1.22") && !is_in("1.23.2") && !is_in("1.24.0")
        );
    }

    #[test]
    fn every_hole_is_mended_behind_its_last_version() {
        for hole in DANGERS.iter().flat_map(|danger| danger.holes) {
            assert!(hole.first <= hole.last && hole.last < hole.mended[0], "{}", hole.id);
            assert!(hole.mended[1..].iter().all(|branch| *branch < hole.mended[0]), "{}", hole.id);
        }
    }
}
