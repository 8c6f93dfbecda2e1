//! `wsproxy check`: says what is wrong with configurations and parts of them, and serves nothing.

mod accepted;
mod report;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::stream::RawStream;
use clap::ValueEnum;

use crate::diagnostics::{Diagnostic, Names};
use crate::directive::Context;
use crate::features::NOT_SERVED;
use crate::lint::Selection;
use crate::source::{Disk, Overlay};

use super::chosen::Chosen;
use super::fix::{Fixing, Subject};
use super::look::{Input, Look, STDIN};
use accepted::Accepted;
use report::Report;

const AFTER_HELP: &str = "\
wsproxy explain RULE says why a finding matters; the comment \"# wsproxy: allow(RULE) reason\" silences it.
It exits with 1 where there are errors, and with 2 where it could not look.";

/// The arguments of `wsproxy check`.
#[derive(clap::Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct Check {
    /// Configuration files, or parts of them such as those in conf.d; "-" is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Take what depends on this machine (files, users, names of hosts) for errors as well
    #[arg(long)]
    strict: bool,
    /// Also fail where there are warnings
    #[arg(long, value_enum, value_name = "WHAT")]
    deny: Option<Deny>,
    /// The block that the text stands in, such as "http" or "location"; worked out if not given
    #[arg(long, value_name = "BLOCK", value_parser = context)]
    context: Option<Context>,
    /// Show where each directive stands that is not served, not only their names
    #[arg(long, short)]
    verbose: bool,
    /// Whether the text is coloured
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
    #[command(flatten)]
    rules: Chosen,
    #[command(flatten)]
    fixing: Fixing,
    /// The directory relative names are looked for in; a whole file's own directory if not given
    #[arg(long, short, value_name = "DIRECTORY")]
    prefix: Option<PathBuf>,
    /// Accept the findings that this file holds, and count only others
    #[arg(long, value_name = "FILE", conflicts_with = "write_baseline")]
    baseline: Option<PathBuf>,
    /// Write what is found into this file, for --baseline
    #[arg(long, value_name = "FILE")]
    write_baseline: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, as in rustc
    Text,
    /// Everything, for other programs
    Json,
    /// For code scanning
    Sarif,
    /// Annotations of GitHub Actions
    Github,
    /// Code Quality of GitLab
    Gitlab,
    /// XML, for build servers
    Checkstyle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Deny {
    Warnings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

fn context(name: &str) -> Result<Context, String> {
    let name = name.replace('-', " ");
    Context::named(&name).filter(|context| *context != Context::ANY).ok_or_else(|| {
        format!("one of {}", Context::ANY.each().map(Context::name).collect::<Vec<_>>().join(", "))
    })
}

/// The exit codes.
const CLEAN: u8 = 0;
const FINDINGS: u8 = 1;
const COULD_NOT_LOOK: u8 = 2;

impl Check {
    /// Looks at every file, prints what was found, and says it again with the exit code.
    pub fn run(&self) -> ExitCode {
        let names = Names::from(std::env::current_dir().unwrap_or_default());
        let mut accepted = match Accepted::asked(self, &names) {
            Ok(accepted) => accepted,
            Err(message) => return could_not(&message),
        };
        let mut subjects = Vec::new();
        let mut errors = Vec::new();
        for file in &self.files {
            match self.subject(file) {
                Ok(subject) => subjects.push(subject),
                // What is wrong with an option is wrong for each file.
                Err(error) if errors.contains(&error) => {}
                Err(error) => errors.push(error),
            }
        }
        errors.iter().for_each(|error| eprintln!("wsproxy: {error}"));
        let mut blind = !errors.is_empty();
        if subjects.is_empty() && self.format == Format::Text {
            return ExitCode::from(COULD_NOT_LOOK);
        }
        let mut texts = Overlay::new(&Disk);
        if self.fixing.is_asked_for() {
            let mended = self.fixing.mend(&subjects, &Disk);
            if let Some(code) = self.fixing.finish(&subjects, &mended) {
                return ExitCode::from(if blind { COULD_NOT_LOOK } else { code });
            }
            texts = mended.texts;
        }
        let mut report = Report::new(self, &names);
        for Subject { input, look } in &subjects {
            let (tree, found) = look.at(&input.within(&texts), &texts);
            let found = if self.verbose { found } else { self.without_not_served(found) };
            let (new, known) = accepted.part(found, &tree.sources);
            report.add(&new, known, &tree.sources);
        }
        let selections: Vec<Selection> = subjects.into_iter().map(|subject| subject.look.rules).collect();
        match accepted.end(blind, &selections) {
            Ok(Some((finding, sources))) => report.add(&[finding], 0, &sources),
            Ok(None) => {}
            Err(message) => {
                blind = true;
                eprintln!("wsproxy: {message}");
            }
        }
        let summary = report.summary;
        let denied = summary.warnings > 0 && self.deny == Some(Deny::Warnings);
        // Who reads the output may have seen enough of it: that is no error of ours.
        let _ = report.print();
        ExitCode::from(match (blind, summary.errors > 0 || denied) {
            (true, _) => COULD_NOT_LOOK,
            (false, true) => FINDINGS,
            (false, false) => CLEAN,
        })
    }

    /// What is not served is told in one finding, and not where a change is reviewed: nginx serves it.
    fn without_not_served(&self, mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
        match self.format {
            Format::Text | Format::Json => in_one(found),
            Format::Sarif | Format::Github | Format::Gitlab | Format::Checkstyle => {
                found.retain(|one| one.code != NOT_SERVED);
                found
            }
        }
    }

    fn subject(&self, file: &Path) -> Result<Subject, String> {
        let input =
            Input::read(file).map_err(|error| format!("cannot read \"{}\": {error}", file.display()))?;
        let look = Look {
            prefix: self.prefix.clone(),
            context: self.context,
            strict: self.strict,
            resolve: true,
            rules: self.rules.selection(&input.directory)?,
        };
        Ok(Subject { input, look })
    }

    /// Whether findings go to standard error: standard output has the mended text of standard input.
    fn output_is_taken(&self) -> bool {
        self.fixing.is_asked_for() && self.files.iter().any(|file| file == Path::new(STDIN))
    }

    fn is_coloured(&self) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto if self.output_is_taken() => is_coloured(&io::stderr()),
            Color::Auto => is_coloured(&io::stdout()),
        }
    }
}

fn could_not(message: &str) -> ExitCode {
    eprintln!("wsproxy: {message}");
    ExitCode::from(COULD_NOT_LOOK)
}

fn is_coloured(stream: &(impl RawStream + IsTerminal)) -> bool {
    IsTerminal::is_terminal(stream) && anstream::AutoStream::choice(stream) != anstream::ColorChoice::Never
}

/// One finding that names everything that is not served, in the place of one for each.
fn in_one(found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    /// How many names are written out.
    const NAMED: usize = 6;
    let (quiet, mut loud): (Vec<_>, Vec<_>) = found.into_iter().partition(|one| one.code == NOT_SERVED);
    let Some(first) = quiet.first() else { return loud };
    let mut names: Vec<&str> = quiet.iter().filter_map(|one| one.message.split('"').nth(1)).collect();
    names.sort_unstable();
    names.dedup();
    let more = names.len().saturating_sub(NAMED);
    let named = names[..names.len() - more].join(", ");
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message = format!("known to nginx and not served by wsproxy: {named}{rest}");
    let summary = Diagnostic::info(NOT_SERVED, first.span(), message);
    loud.push(summary.help("--verbose shows where"));
    loud
}
