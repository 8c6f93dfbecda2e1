//! What people choose: `wsproxy.toml` and flags become a [`Selection`].

use std::collections::BTreeMap;

use serde::Deserialize;

use super::allow::nearest;
use super::rule::{Group, Level, Profile, Selection};
use super::{RULES, find};
use crate::diagnostics::Severity;

/// What a `wsproxy.toml` says, or the flags of a command line.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Choice {
    /// The nginx that configurations are for.
    pub nginx_version: Option<String>,
    /// Profiles to ask besides `default`.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// A level for a rule (its name or id), for a group (`sec`) or for `all`.
    #[serde(default)]
    pub rules: BTreeMap<String, String>,
}

impl Choice {
    /// Reads a `wsproxy.toml`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with the line.
    pub fn read(text: &str) -> Result<Choice, String> {
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
    }

    /// This choice where it says something, and `outer` where it does not.
    pub fn over(mut self, outer: Choice) -> Choice {
        // One rule has two names.
        let known =
            |(name, level): (String, String)| (find(&name).map_or(name, |rule| rule.name.to_owned()), level);
        let mut rules: BTreeMap<String, String> = outer.rules.into_iter().map(known).collect();
        rules.extend(self.rules.into_iter().map(known));
        self.profiles.extend(outer.profiles);
        Choice { nginx_version: self.nginx_version.or(outer.nginx_version), profiles: self.profiles, rules }
    }

    /// What has been chosen: what is said of a rule goes before what is said of its group, and that before `all`.
    ///
    /// # Errors
    ///
    /// The word that is none of a rule, a group, a profile, a level or a version, and what there is.
    pub fn selection(&self) -> Result<Selection, String> {
        let mut selection = Selection::default();
        if let Some(version) = &self.nginx_version {
            selection.target = Some(version.parse()?);
        }
        for profile in &self.profiles {
            selection.profiles.push(profile.parse::<Profile>()?);
        }
        let mut single = Vec::new();
        let mut groups = Vec::new();
        for (name, level) in &self.rules {
            let level = level_of(level)?;
            let group = Group::ALL.into_iter().find(|group| group.letters().to_ascii_lowercase() == *name);
            match (find(name), group) {
                (Some(rule), _) => single.push((rule.name, level)),
                (None, Some(group)) => groups.push((group, level)),
                (None, None) if name == "all" => {
                    selection.levels = RULES.iter().map(|rule| (rule.name, level)).collect();
                }
                (None, None) => return Err(no_rule(name)),
            }
        }
        for (group, level) in groups {
            let of_it = RULES.iter().filter(|rule| rule.group() == group);
            selection.levels.extend(of_it.map(|rule| (rule.name, level)));
        }
        selection.levels.extend(single);
        Ok(selection)
    }
}

/// `off`, `on`, or what findings are to weigh.
fn level_of(word: &str) -> Result<Level, String> {
    match word {
        "off" => Ok(Level::Off),
        "on" => Ok(Level::On),
        "info" => Ok(Level::As(Severity::Info)),
        "warning" => Ok(Level::As(Severity::Warning)),
        "error" => Ok(Level::As(Severity::Error)),
        _ => Err(format!("\"{word}\" is no level: one of off, on, info, warning, error")),
    }
}

fn no_rule(name: &str) -> String {
    match nearest(name) {
        Some(known) => format!("there is no rule \"{name}\"; did you mean \"{known}\"?"),
        None => {
            let groups: Vec<String> =
                Group::ALL.into_iter().map(|group| group.letters().to_ascii_lowercase()).collect();
            format!(
                "there is no rule \"{name}\": \"wsproxy rules\" lists them; {} and all are groups",
                groups.join(", ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::Version;

    use super::*;

    fn level(text: &str, rule: &str) -> Level {
        Choice::read(text).unwrap().selection().unwrap().level(find(rule).unwrap())
    }

    #[test]
    fn what_is_said_of_a_rule_goes_before_its_group_and_that_before_all() {
        let text = "[rules]\nall = 'off'\nws = 'error'\nws-idle-timeout = 'info'";
        assert_eq!(level(text, "ws-idle-timeout"), Level::As(Severity::Info));
        assert_eq!(level(text, "ws-room-split"), Level::As(Severity::Error));
        assert_eq!(level("[rules]\nall = 'off'", "WS109"), Level::Off);
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        let file =
            Choice::read("nginx-version = '1.22'\nprofiles = ['security']\n[rules]\nWS109 = 'off'").unwrap();
        let flags = Choice {
            nginx_version: Some("1.24.0".into()),
            profiles: vec!["pedantic".into()],
            rules: BTreeMap::from([("WS109".into(), "error".into())]),
        };
        let both = flags.over(file).selection().unwrap();
        assert_eq!(both.target, Some(Version(1, 24, 0)));
        assert!(both.profiles.contains(&Profile::Security) && both.profiles.contains(&Profile::Pedantic));
        assert_eq!(both.level(find("ws-idle-timeout").unwrap()), Level::As(Severity::Error));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong =
            |text: &str| Choice::read(text).and_then(|choice| choice.selection().map(drop)).unwrap_err();
        assert!(wrong("[rules]\nws-idle-timout = 'off'").contains("did you mean \"ws-idle-timeout\""));
        assert!(wrong("[rules]\nnothing-like-it-at-all = 'off'").contains("wsproxy rules"));
        assert!(wrong("[rules]\nws-idle-timeout = 'loud'").contains("off, on, info, warning, error"));
        assert!(wrong("profiles = ['all']").contains("pedantic"));
        assert!(wrong("nginx-version = 'new'").contains("1.22"));
        assert!(wrong("rulez = 1").contains("line 1"));
    }
}
