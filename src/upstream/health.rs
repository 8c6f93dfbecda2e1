//! What active checks say of peers (`health_check`): how many answers in a row decide, and what comes of several
//! checks.
//!
//! Who asks the peers is the runtime's. A group keeps a [`Checkup`] and lets no request go to a peer that is not
//! [`Health::Healthy`].

use std::collections::HashMap;

/// How a peer is, as far as checks go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    #[default]
    Healthy,
    /// No check has decided so far, and one has to (`mandatory`).
    Checking,
    Unhealthy,
}

/// What decides in one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How many failures in a row make a peer unhealthy.
    pub fails: u32,
    /// How many passes in a row make it healthy again.
    pub passes: u32,
    /// A peer gets no requests before it has passed once.
    pub mandatory: bool,
    /// With `mandatory`: one that was healthy in the configuration before need not.
    pub persistent: bool,
}

impl Rules {
    /// How a peer begins that stood so in the configuration before, if it did.
    ///
    /// One that was unhealthy is not taken for healthy because a configuration was read again; of that nginx's
    /// documentation says nothing.
    fn begin(self, before: Option<Health>) -> Health {
        match (self.mandatory, before) {
            (true, Some(Health::Healthy)) if self.persistent => Health::Healthy,
            (true, _) => Health::Checking,
            (false, Some(Health::Unhealthy)) => Health::Unhealthy,
            (false, _) => Health::Healthy,
        }
    }
}

/// How one check has gone for one peer.
#[derive(Clone, Copy, Debug)]
struct Course {
    health: Health,
    /// How many in a row have ended alike: the last one's end.
    in_a_row: u32,
    passed: bool,
}

impl Course {
    fn new(health: Health) -> Course {
        Course { health, in_a_row: 0, passed: false }
    }

    fn note(&mut self, rules: Rules, passed: bool) {
        self.in_a_row = if self.passed == passed { self.in_a_row.saturating_add(1) } else { 1 };
        self.passed = passed;
        let enough = match (passed, self.health) {
            (true, Health::Checking) => 1,
            (true, _) => rules.passes,
            (false, _) => rules.fails,
        };
        if self.in_a_row >= enough {
            self.health = if passed { Health::Healthy } else { Health::Unhealthy };
        }
    }
}

/// What one answer has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// How the peer was in this check's eyes, and how it is.
    pub before: Health,
    pub now: Health,
    /// How it is in the eyes of all.
    pub of_all: Health,
}

/// The checks of a group, and how they have gone.
#[derive(Debug, Default)]
pub struct Checkup {
    rules: Vec<Rules>,
    /// By the number of the peer: a course for each check.
    courses: HashMap<u32, Vec<Course>>,
}

impl Checkup {
    pub fn new(rules: &[Rules]) -> Checkup {
        Checkup { rules: rules.to_vec(), courses: HashMap::new() }
    }

    /// A peer comes that stood so before; how it begins. Without checks it stays as it is: they may be about to
    /// begin.
    pub fn begin(&mut self, peer: u32, before: Option<Health>) -> Health {
        if self.rules.is_empty() {
            return before.unwrap_or_default();
        }
        let courses: Vec<Course> = self.rules.iter().map(|rules| Course::new(rules.begin(before))).collect();
        let health = of_all(&courses);
        self.courses.insert(peer, courses);
        health
    }

    /// A peer has left.
    pub fn forget(&mut self, peer: u32) {
        self.courses.remove(&peer);
    }

    /// Notes how an answer to a check went, unless that peer is not known.
    pub fn note(&mut self, check: usize, peer: u32, passed: bool) -> Option<Noted> {
        let courses = self.courses.get_mut(&peer)?;
        let course = courses.get_mut(check)?;
        let before = course.health;
        course.note(self.rules[check], passed);
        let now = course.health;
        Some(Noted { before, now, of_all: of_all(courses) })
    }
}

/// One that fails is enough.
fn of_all(courses: &[Course]) -> Health {
    courses.iter().map(|course| course.health).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Rules = Rules { fails: 1, passes: 1, mandatory: false, persistent: false };

    fn after(rules: Rules, before: Option<Health>, answers: &[bool]) -> Vec<Health> {
        let mut checkup = Checkup::new(&[rules]);
        let begin = checkup.begin(7, before);
        let mut all = vec![begin];
        all.extend(answers.iter().map(|passed| checkup.note(0, 7, *passed).unwrap().of_all));
        all
    }

    #[test]
    fn so_many_in_a_row_decide() {
        use Health::{Healthy as H, Unhealthy as U};
        assert_eq!(after(PLAIN, None, &[true, false, true]), [H, H, U, H]);
        let slow = Rules { fails: 2, passes: 3, ..PLAIN };
        let answers = [false, true, false, false, true, true, false, true, true, true, false];
        assert_eq!(after(slow, None, &answers), [H, H, H, H, U, U, U, U, U, U, H, H]);
    }

    #[test]
    fn who_has_to_pass_is_asked_first() {
        use Health::{Checking as C, Healthy as H, Unhealthy as U};
        let mandatory = Rules { mandatory: true, fails: 2, passes: 2, ..PLAIN };
        assert_eq!(after(mandatory, None, &[true]), [C, H], "one pass is enough to begin with");
        assert_eq!(after(mandatory, None, &[false, false, true, true]), [C, C, U, U, H]);
        assert_eq!(after(mandatory, Some(H), &[]), [C]);
        let persistent = Rules { persistent: true, ..mandatory };
        assert_eq!(after(persistent, Some(H), &[]), [H]);
        assert_eq!(after(persistent, Some(U), &[]), [C]);
        assert_eq!(after(persistent, None, &[]), [C]);
        assert_eq!(after(PLAIN, Some(U), &[true]), [U, H]);
        assert_eq!(after(PLAIN, Some(C), &[]), [H]);
    }

    #[test]
    fn one_check_that_fails_is_enough() {
        let mut checkup = Checkup::new(&[PLAIN, Rules { mandatory: true, ..PLAIN }]);
        assert_eq!(checkup.begin(1, None), Health::Checking);
        assert_eq!(checkup.note(0, 1, true).unwrap().of_all, Health::Checking);
        assert_eq!(checkup.note(0, 1, false).unwrap().of_all, Health::Unhealthy);
        assert_eq!(checkup.note(1, 1, true).unwrap().of_all, Health::Unhealthy);
        let last = checkup.note(0, 1, true).unwrap();
        let back = Noted { before: Health::Unhealthy, now: Health::Healthy, of_all: Health::Healthy };
        assert_eq!(last, back);
        checkup.forget(1);
        assert_eq!(checkup.note(0, 1, false), None);
        assert_eq!(Checkup::default().begin(1, Some(Health::Unhealthy)), Health::Unhealthy);
    }
}
