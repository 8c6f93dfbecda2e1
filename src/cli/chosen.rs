//! Which rules are asked: flags, and the nearest `wsproxy.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::lint::choice::Choice;
use crate::lint::{Profile, Selection, Version};

/// The name of the file in which a project says what it wants to hear.
const FILE: &str = "wsproxy.toml";

/// The flags that choose rules.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Chosen {
    /// Ask the rules of a profile as well: pedantic, security or compat; several with commas
    #[arg(long = "profile", value_name = "PROFILE", value_delimiter = ',')]
    profiles: Vec<Profile>,
    /// Choose for a rule, a group such as sec, or all: off, on, info, warning or error
    #[arg(long = "rule", value_name = "RULE=LEVEL", value_parser = pair)]
    rules: Vec<(String, String)>,
    /// The nginx that configurations are for, such as 1.22; the newest if not given
    #[arg(long, value_name = "VERSION", value_parser = version)]
    nginx_version: Option<String>,
    /// The file that says what this project wants to hear; the nearest wsproxy.toml around each configuration if
    /// not given
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, level) = text.split_once('=').ok_or("a rule and a level, such as ws-idle-timeout=off")?;
    Ok((name.to_owned(), level.to_owned()))
}

fn version(text: &str) -> Result<String, String> {
    text.parse::<Version>().map(|_| text.to_owned())
}

impl Chosen {
    /// What holds for a configuration in `directory`.
    ///
    /// # Errors
    ///
    /// What is wrong with a flag, or with a `wsproxy.toml` and where that is.
    pub fn selection(&self, directory: &Path) -> Result<Selection, String> {
        let flags = Choice {
            nginx_version: self.nginx_version.clone(),
            profiles: self.profiles.iter().map(|profile| profile.name().to_owned()).collect(),
            rules: self.rules.iter().cloned().collect::<BTreeMap<_, _>>(),
        };
        flags.selection()?;
        match self.config.clone().or_else(|| nearest(directory)) {
            None => flags.selection(),
            Some(file) => {
                let within = |error: String| format!("{}: {error}", file.display());
                let text = fs::read_to_string(&file).map_err(|error| within(error.to_string()))?;
                let written = Choice::read(&text).map_err(within)?;
                written.selection().map_err(within)?;
                flags.over(written).selection()
            }
        }
    }
}

/// The nearest `wsproxy.toml` in this directory or those around it.
fn nearest(directory: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(directory.join(".")).ok()?;
    absolute.ancestors().map(|around| around.join(FILE)).find(|file| file.is_file())
}
