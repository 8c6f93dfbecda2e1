//! What a rule is, and what people choose of them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::diagnostics::{Diagnostic, Severity};
use crate::source::Span;

use super::site::Site;

/// What is found by one look: plain data and a function, in a file of its own.
///
/// Its examples are `fixtures/rules/<name>/bad.conf`, in which it finds something, and `good.conf`, in which it
/// does not; the other files there are look-alikes that it leaves alone (`good-*.conf`) and more that it finds
/// (`bad-*.conf`).
pub struct Rule {
    /// Short and fixed for ever: `WS101`.
    pub id: &'static str,
    /// What it finds, in kebab-case: the code of its findings.
    pub name: &'static str,
    /// How much its findings weigh, unless one says otherwise or a reader has chosen.
    pub severity: Severity,
    /// Who hears of it unasked.
    pub profile: Profile,
    /// What it finds, in a line.
    pub summary: &'static str,
    /// What happens to whom, and when it does not matter.
    pub why: &'static str,
    /// What `check --fix` makes of it.
    pub mend: Mend,
    /// A configuration in which it finds something, and one in which that is mended.
    pub examples: Examples,
    pub check: fn(&Rule, &Site<'_>, &mut Vec<Diagnostic>),
}

/// See [`Rule::examples`]; `examples!` takes them from their files.
#[derive(Clone, Copy)]
pub struct Examples {
    pub bad: &'static str,
    pub good: &'static str,
}

/// Who hears of a rule unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// Everybody.
    Default,
    /// Who wants to be told of matters of taste as well.
    Pedantic,
    /// Who looks for what attackers could use.
    Security,
    /// Who moves between versions of nginx.
    Compat,
}

/// What can be done about a finding without asking its author.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mend {
    /// Nothing: it needs a decision.
    None,
    /// The meaning is sure to be the one that was wanted.
    Safe,
    /// It most likely is.
    Unsafe,
}

/// What a rule is about: the letters of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    WebSocket,
    Proxying,
    Security,
    Tls,
    Operation,
    Vulnerabilities,
    Compatibility,
}

impl Group {
    pub const ALL: [Group; 7] = [
        Group::WebSocket,
        Group::Proxying,
        Group::Security,
        Group::Tls,
        Group::Operation,
        Group::Vulnerabilities,
        Group::Compatibility,
    ];

    /// The letters that ids of the group begin with.
    pub fn letters(self) -> &'static str {
        match self {
            Group::WebSocket => "WS",
            Group::Proxying => "PX",
            Group::Security => "SEC",
            Group::Tls => "TLS",
            Group::Operation => "OPS",
            Group::Vulnerabilities => "CVE",
            Group::Compatibility => "CMP",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Group::WebSocket => "WebSockets",
            Group::Proxying => "Proxying and paths",
            Group::Security => "Security",
            Group::Tls => "TLS",
            Group::Operation => "Operation",
            Group::Vulnerabilities => "Known vulnerabilities",
            Group::Compatibility => "Versions of nginx",
        }
    }
}

impl Rule {
    /// A finding of this rule.
    pub fn finding(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(self.severity, self.name, span, message)
    }

    pub fn group(&self) -> Group {
        let letters = self.id.trim_end_matches(|c: char| c.is_ascii_digit());
        Group::ALL.into_iter().find(|group| group.letters() == letters).expect("a test reads every id")
    }
}

impl Profile {
    pub const ALL: [Profile; 4] = [Profile::Default, Profile::Pedantic, Profile::Security, Profile::Compat];

    pub fn name(self) -> &'static str {
        match self {
            Profile::Default => "default",
            Profile::Pedantic => "pedantic",
            Profile::Security => "security",
            Profile::Compat => "compat",
        }
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Profile, String> {
        Profile::ALL.into_iter().find(|profile| profile.name() == name).ok_or_else(|| {
            let known: Vec<&str> = Profile::ALL.iter().map(|profile| profile.name()).collect();
            format!("there is no profile \"{name}\": one of {}", known.join(", "))
        })
    }
}

impl Mend {
    pub fn name(self) -> &'static str {
        match self {
            Mend::None => "none",
            Mend::Safe => "safe",
            Mend::Unsafe => "unsafe",
        }
    }
}

/// A version of nginx.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16, pub u16, pub u16);

impl Version {
    /// The newest that rules know of: the one that `grammar/directives.tsv` describes.
    pub const NEWEST: Version = Version(1, 31, 5);
}

impl FromStr for Version {
    type Err = String;

    /// `1.22` or `1.22.1`; without a third number the last one of its kind is meant.
    fn from_str(text: &str) -> Result<Version, String> {
        let numbers: Option<Vec<u16>> = text.split('.').map(|number| number.parse().ok()).collect();
        match numbers.as_deref() {
            Some([major, minor]) => Ok(Version(*major, *minor, u16::MAX)),
            Some([major, minor, patch]) => Ok(Version(*major, *minor, *patch)),
            _ => Err(format!("\"{text}\" is not a version of nginx: something like 1.22 or 1.22.1 is")),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Version(major, minor, u16::MAX) => write!(f, "{major}.{minor}"),
            Version(major, minor, patch) => write!(f, "{major}.{minor}.{patch}"),
        }
    }
}

/// Which rules are asked, for which nginx, and how much their findings weigh.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The nginx that the configuration is for, if somebody has named it.
    pub target: Option<Version>,
    /// Besides [`Profile::Default`].
    pub profiles: Vec<Profile>,
    /// What was chosen for single rules, by name.
    pub levels: BTreeMap<&'static str, Level>,
}

/// What somebody chose for a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Off,
    /// It is asked, and its findings weigh what they weigh.
    On,
    /// It is asked, and this is what its findings weigh.
    As(Severity),
}

/// These rules, by name, and no others.
impl<'n> FromIterator<&'n str> for Selection {
    fn from_iter<I: IntoIterator<Item = &'n str>>(names: I) -> Selection {
        let names: Vec<&str> = names.into_iter().collect();
        let level = |name: &str| if names.contains(&name) { Level::On } else { Level::Off };
        let levels = super::RULES.iter().map(|rule| (rule.name, level(rule.name))).collect();
        Selection { levels, ..Selection::default() }
    }
}

impl Selection {
    /// The nginx that is meant: the newest if nobody has named one.
    pub fn target(&self) -> Version {
        self.target.unwrap_or(Version::NEWEST)
    }

    /// What holds for a rule.
    pub fn level(&self, rule: &Rule) -> Level {
        if let Some(chosen) = self.levels.get(rule.name) {
            return *chosen;
        }
        match rule.profile {
            Profile::Default => Level::On,
            profile if self.profiles.contains(&profile) => Level::On,
            _ => Level::Off,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_without_a_third_number_is_the_last_of_its_kind() {
        let version = |text: &str| text.parse::<Version>();
        assert_eq!(version("1.22.1"), Ok(Version(1, 22, 1)));
        assert!(version("1.29").unwrap() > Version(1, 29, 7));
        assert_eq!(version("1.22").unwrap().to_string(), "1.22");
        assert!(version("nginx").is_err() && version("1").is_err() && version("1.2.3.4").is_err());
    }
}
