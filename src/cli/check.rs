//! `wsproxy check`: says what is wrong with configurations and parts of them, and serves nothing.

use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;

use crate::diagnostics::text::{self, Summary};
use crate::diagnostics::{DependsOn, Diagnostic, Severity, json, sarif};
use crate::directive::fragment::{Whereabouts, whereabouts};
use crate::directive::{Catalogue, Context};
use crate::features::{NOT_SERVED, Options, checked};
use crate::lint;
use crate::model;
use crate::source::{Disk, Files, Sources};
use crate::syntax::{Reader, Tree, understand};

use super::names;

/// The arguments of `wsproxy check`.
#[derive(clap::Args, Debug)]
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
    /// The directory relative names are looked for in; a whole file's own directory if not given
    #[arg(long, short, value_name = "DIRECTORY")]
    prefix: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Sarif,
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

/// Standard input's name as an argument, and what it is called in findings.
const STDIN: &str = "-";
const STDIN_NAME: &str = "<stdin>";

impl Check {
    /// Looks at every file, prints what was found, and says it again with the exit code.
    pub fn run(&self) -> ExitCode {
        let mut report = Report::new(self);
        let mut blind = false;
        for file in &self.files {
            match self.look(file) {
                Ok((tree, found)) => report.add(found, &tree.sources),
                Err(error) => {
                    blind = true;
                    eprintln!("wsproxy: cannot read \"{}\": {error}", file.display());
                }
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

    /// Reads one file and all that it includes, and says everything there is to say, in file order.
    fn look(&self, file: &Path) -> io::Result<(Tree, Vec<Diagnostic>)> {
        let input = Input::read(file)?;
        let place = match self.context {
            Some(Context::MAIN) => Whereabouts::WHOLE,
            Some(context) => Whereabouts::part(context),
            None => input.whereabouts(),
        };
        let home = match &self.prefix {
            Some(prefix) => prefix.clone(),
            None if place.fragment => home(&input.directory),
            None => input.directory.clone(),
        };
        let options = Options {
            prefix: home.clone(),
            conf_prefix: home.clone(),
            context: place.context,
            fragment: place.fragment,
        };
        let reader = input.reader(&home);
        let (tree, model, mut found) = understand(&reader, |tree| model::read(tree, &Disk, &options));
        // What a mistake makes of a configuration is not what was meant.
        if found.iter().all(|one| one.severity < Severity::Error) {
            found.extend(lint::findings(&model));
        }
        found.extend(names::unresolved(checked::hosts(&tree, place.context, place.fragment)));
        found.iter_mut().for_each(|one| weigh(one, self.strict, place.fragment));
        found.sort_by_key(|one| (one.span().file, one.span().start));
        let found = if self.verbose { found } else { without_not_served(found) };
        Ok((tree, found))
    }

    fn is_coloured(&self) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let choice = anstream::AutoStream::choice(&io::stdout());
                io::stdout().is_terminal() && choice != anstream::ColorChoice::Never
            }
        }
    }
}

/// A text to look at.
struct Input {
    name: String,
    /// `None` for what came from standard input.
    path: Option<PathBuf>,
    bytes: Vec<u8>,
    /// Where it lies; the current directory for standard input.
    directory: PathBuf,
}

impl Input {
    fn read(file: &Path) -> io::Result<Input> {
        if file == Path::new(STDIN) {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes)?;
            return Ok(Input { name: STDIN_NAME.into(), path: None, bytes, directory: PathBuf::new() });
        }
        let bytes = Disk.read(file)?;
        let directory = file.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Input { name: file.to_string_lossy().into(), path: Some(file.to_owned()), bytes, directory })
    }

    /// Where the text stands, as far as it tells by itself, without what it includes.
    fn whereabouts(&self) -> Whereabouts {
        let (tree, _) = Reader::new(Path::new(""), &Nothing).text(&self.name, self.bytes.clone()).read();
        whereabouts(&tree)
    }

    fn reader<'a>(&self, conf_prefix: &'a Path) -> Reader<'a> {
        let reader = Reader::new(conf_prefix, &Disk).hints(&Catalogue);
        match &self.path {
            Some(path) => reader.file(path),
            None => reader.text(&self.name, self.bytes.clone()),
        }
    }
}

/// A disk without files: nothing is included.
struct Nothing;

impl Files for Nothing {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn glob(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }
}

/// The directory in which the main configuration of a part most likely lies: the nearest around it
/// that holds what nginx puts beside its `nginx.conf`.
fn home(directory: &Path) -> PathBuf {
    let beside = ["nginx.conf", "mime.types", "fastcgi_params"];
    let is_home = |place: &&Path| beside.iter().any(|name| place.join(name).is_file());
    let absolute = std::path::absolute(directory.join(".")).unwrap_or_else(|_| directory.to_owned());
    let found = absolute.ancestors().find(is_home).map(Path::to_owned);
    found.filter(|found| *found != absolute).unwrap_or_else(|| directory.to_owned())
}

/// How much a finding weighs here: what depends on the machine is a warning unless `strict`, and
/// a part may be included from where its names lead to files.
fn weigh(found: &mut Diagnostic, strict: bool, fragment: bool) {
    let elsewhere = fragment && matches!(found.code, "cannot-read" | "cannot-include");
    let depends = found.depends_on != DependsOn::Text || elsewhere;
    match found.severity {
        Severity::Error if depends && !strict => found.severity = Severity::Warning,
        Severity::Warning if depends && strict => found.severity = Severity::Error,
        _ => {}
    }
    if elsewhere {
        found.help.push("--prefix says in which directory relative names are looked for".into());
    }
}

/// One finding that names everything that is not served, in the place of one for each.
fn without_not_served(found: Vec<Diagnostic>) -> Vec<Diagnostic> {
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

/// What was found so far, in the form it will be printed.
struct Report<'a> {
    asked: &'a Check,
    summary: Summary,
    text: String,
    json: json::Report,
    sarif: sarif::Log,
    color: bool,
}

impl<'a> Report<'a> {
    fn new(asked: &'a Check) -> Report<'a> {
        let directory = std::env::current_dir().unwrap_or_default();
        Report {
            asked,
            summary: Summary::default(),
            text: String::new(),
            json: json::Report::default(),
            sarif: sarif::Log::new(directory),
            color: asked.is_coloured(),
        }
    }

    fn add(&mut self, found: Vec<Diagnostic>, sources: &Sources) {
        self.summary.add(&found, sources);
        match self.asked.format {
            Format::Text => self.text(&found, sources),
            Format::Json => self.json.add(&found, sources),
            Format::Sarif => self.sarif.add(&found, sources),
        }
    }

    /// What is not served is said in a line, unless each is to be seen.
    fn text(&mut self, found: &[Diagnostic], sources: &Sources) {
        for one in found {
            if one.code == NOT_SERVED && !self.asked.verbose {
                let place = sources.place(one.span());
                self.text.push_str(&format!(
                    "info[{NOT_SERVED}]: {}: {} (--verbose shows where)\n\n",
                    place.file, one.message
                ));
            } else {
                self.text.push_str(&text::render(one, sources, self.color));
                self.text.push('\n');
            }
        }
    }

    fn print(self) -> io::Result<()> {
        let printed = match self.asked.format {
            Format::Text => format!("{}{}\n", self.text, self.summary),
            Format::Json => self.json.render(self.summary),
            Format::Sarif => self.sarif.render(),
        };
        let mut out = io::stdout().lock();
        out.write_all(printed.as_bytes())?;
        out.flush()
    }
}
