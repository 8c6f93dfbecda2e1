//! Looks at a configuration, or a part of one: what nginx would refuse, and what rules say.
//!
//! `check` looks at files, and an editor's language server at texts that are not saved yet; both see the same.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::diagnostics::{DependsOn, Diagnostic, Severity};
use crate::directive::fragment::{Whereabouts, whereabouts};
use crate::directive::{Catalogue, Context};
use crate::features::{Options, checked};
use crate::lint::{self, Selection};
use crate::model::{self, Model};
use crate::source::{Disk, Files, Memory, Overlay};
use crate::syntax::{Reader, Tree, understand};

use super::names;

/// How texts are looked at.
#[derive(Clone)]
pub struct Look {
    /// The directory relative names are looked for in; worked out if `None`.
    pub prefix: Option<PathBuf>,
    /// The block that texts stand in; worked out if `None`.
    pub context: Option<Context>,
    /// Whether what depends on this machine is an error.
    pub strict: bool,
    /// Whether names of hosts are looked up.
    pub resolve: bool,
    pub rules: Selection,
}

/// Standard input's name as an argument, and what it is called in findings.
pub const STDIN: &str = "-";
pub const STDIN_NAME: &str = "<stdin>";

impl Look {
    /// Reads one text and all that it includes, and says everything there is to say: first what nginx
    /// refuses and warns of, then what rules find, each in file order.
    pub fn at(&self, input: &Input, files: &dyn Files) -> (Tree, Vec<Diagnostic>) {
        let seen = self.see(input, files);
        (seen.tree, seen.found)
    }

    /// The same, with what was made of the text.
    pub fn see(&self, input: &Input, files: &dyn Files) -> Seen {
        let (place, home) = self.place(input);
        let options = Options {
            prefix: home.clone(),
            conf_prefix: home.clone(),
            context: place.context,
            fragment: place.fragment,
        };
        let reader = input.reader(&home, files);
        let (tree, model, mut found) = understand(&reader, |tree| model::read(tree, files, &options));
        lint::aged(&tree, &mut found, self.rules.target());
        let rules = lint::findings(&tree, &model, &options, &found, &self.rules);
        if self.resolve {
            found.extend(names::unresolved(checked::hosts(&tree, place.context, place.fragment)));
        }
        found.iter_mut().for_each(|one| weigh(one, self.strict, place.fragment));
        found.sort_by_key(|one| (one.span().file, one.span().start));
        found.extend(rules);
        Seen { tree, model, options, found }
    }

    /// Where a text stands, and the directory its relative names are looked for in.
    pub fn place(&self, input: &Input) -> (Whereabouts, PathBuf) {
        let place = match self.context {
            Some(Context::MAIN) => Whereabouts::WHOLE,
            Some(context) => Whereabouts::part(context),
            None => alone(&input.bytes),
        };
        let home = match &self.prefix {
            Some(prefix) => prefix.clone(),
            None if place.fragment => home(&input.directory),
            None => input.directory.clone(),
        };
        (place, home)
    }
}

/// A configuration, or a part of one, and everything there is to say about it.
pub struct Seen {
    pub tree: Tree,
    pub model: Model,
    pub options: Options,
    pub found: Vec<Diagnostic>,
}

/// A text to look at.
pub struct Input {
    /// What it is called in findings.
    pub name: String,
    /// `None` for what came from standard input.
    pub path: Option<PathBuf>,
    pub bytes: Vec<u8>,
    /// Where it lies; the current directory for standard input.
    pub directory: PathBuf,
}

impl Input {
    /// What lies on the disk under this name, or comes from standard input for "-".
    ///
    /// # Errors
    ///
    /// That it cannot be read.
    pub fn read(file: &Path) -> io::Result<Input> {
        if file == Path::new(STDIN) {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes)?;
            return Ok(Input { name: STDIN_NAME.into(), path: None, bytes, directory: PathBuf::new() });
        }
        let bytes = Disk.read(file)?;
        let directory = file.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Input { name: file.to_string_lossy().into(), path: Some(file.to_owned()), bytes, directory })
    }

    /// The text as it stands in `texts`, if it has another one there.
    pub fn within(&self, texts: &Overlay<'_>) -> Input {
        let path = self.path.as_deref().unwrap_or(Path::new(""));
        let bytes = texts.get(path).unwrap_or(&self.bytes).to_vec();
        Input { name: self.name.clone(), path: self.path.clone(), bytes, directory: self.directory.clone() }
    }

    fn reader<'a>(&self, conf_prefix: &'a Path, files: &'a dyn Files) -> Reader<'a> {
        let reader = Reader::new(conf_prefix, files).hints(&Catalogue);
        match &self.path {
            Some(path) => reader.file(path),
            None => reader.text(&self.name, self.bytes.clone()),
        }
    }
}

/// Where a text stands, as far as it tells by itself, without what it includes.
pub fn alone(text: &[u8]) -> Whereabouts {
    let nothing = Memory::default();
    whereabouts(&Reader::new(Path::new(""), &nothing).text("", text.to_owned()).read().0)
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
