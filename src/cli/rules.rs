//! `wsproxy rules` and `wsproxy explain`: what `check` looks for, and why.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;

use crate::lint::{self, RULES, pages};

/// The arguments of `wsproxy rules`.
#[derive(clap::Args, Debug)]
pub struct Rules {
    /// How they are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for each
    Text,
    Json,
    /// What docs/rules.md holds
    Markdown,
}

/// The arguments of `wsproxy explain`.
#[derive(clap::Args, Debug)]
pub struct Explain {
    /// Names or ids, such as ws-idle-timeout or WS109
    #[arg(required = true, value_name = "RULE")]
    rules: Vec<String>,
}

/// A rule for other programs.
#[derive(Serialize)]
struct Told {
    id: &'static str,
    name: &'static str,
    group: &'static str,
    severity: &'static str,
    profile: &'static str,
    summary: &'static str,
    why: &'static str,
    fix: &'static str,
}

impl Rules {
    pub fn run(&self) -> ExitCode {
        let text = match self.format {
            Format::Text => pages::list(),
            Format::Markdown => pages::page(),
            Format::Json => {
                let told = RULES.iter().map(|rule| Told {
                    id: rule.id,
                    name: rule.name,
                    group: rule.group().title(),
                    severity: rule.severity.name(),
                    profile: rule.profile.name(),
                    summary: rule.summary,
                    why: rule.why,
                    fix: rule.mend.name(),
                });
                let told: Vec<Told> = told.collect();
                serde_json::to_string_pretty(&told).expect("strings can be written") + "\n"
            }
        };
        // Who reads the output may have seen enough of it: that is no error of ours.
        let _ = io::stdout().write_all(text.as_bytes());
        ExitCode::SUCCESS
    }
}

impl Explain {
    pub fn run(&self) -> ExitCode {
        let mut unknown = false;
        for (at, name) in self.rules.iter().enumerate() {
            match lint::find(name) {
                Some(rule) => {
                    let between = if at > 0 { "\n" } else { "" };
                    let _ = write!(io::stdout(), "{between}{}", pages::explain(rule));
                }
                None => {
                    unknown = true;
                    let near = lint::nearest(name);
                    let near = near.map_or(String::new(), |known| format!("; did you mean \"{known}\"?"));
                    eprintln!("wsproxy: there is no rule \"{name}\"{near} (wsproxy rules lists them)");
                }
            }
        }
        if unknown { ExitCode::from(2) } else { ExitCode::SUCCESS }
    }
}
