//! Where the configuration is, and reading it whole (`ngx_process_options`).

use std::path::{Path, PathBuf};

use crate::diagnostics::{DependsOn, Diagnostic, Severity};
use crate::directive::{Catalogue, Context};
use crate::features::Options;
use crate::model::{self, Model};
use crate::source::{Disk, Files};
use crate::syntax::{Reader, Tree, understand};

use super::Which;

/// Where nginx has its configuration under the prefix, and where Debian has it.
const UNDER_PREFIX: &str = "conf/nginx.conf";
const OF_THE_SYSTEM: &str = "/etc/nginx/nginx.conf";

/// The paths that everything else is relative to.
#[derive(Clone, Debug)]
pub struct Paths {
    pub prefix: PathBuf,
    /// The configuration file.
    pub conf: PathBuf,
}

/// A configuration that was read.
pub struct Read {
    pub tree: Tree,
    pub model: Model,
    pub found: Vec<Diagnostic>,
}

impl Paths {
    /// A relative prefix is under the working directory, a relative file under the prefix.
    pub fn of(which: &Which) -> Paths {
        let here = std::env::current_dir().unwrap_or_default();
        let prefix = match &which.prefix {
            Some(prefix) => here.join(prefix),
            None => here,
        };
        let conf = match &which.conf {
            Some(conf) => prefix.join(conf),
            None if prefix.join(UNDER_PREFIX).exists() => prefix.join(UNDER_PREFIX),
            None => PathBuf::from(OF_THE_SYSTEM),
        };
        Paths { prefix, conf }
    }

    /// Where relative includes begin.
    fn conf_prefix(&self) -> &Path {
        self.conf.parent().unwrap_or(Path::new("/"))
    }

    /// Reads the configuration with the directives of `-g` in front.
    pub fn read(&self, which: &Which, files: &dyn Files) -> Read {
        let options = Options {
            prefix: self.prefix.clone(),
            conf_prefix: self.conf_prefix().to_owned(),
            context: Context::MAIN,
            fragment: false,
        };
        let mut reader = Reader::new(self.conf_prefix(), files).hints(&Catalogue);
        if let Some(directives) = &which.directives {
            reader = reader.command_line(directives.clone().into_bytes());
        }
        let reader = reader.file(&self.conf);
        let (tree, model, found) = understand(&reader, |tree| model::read(tree, &Disk, &options));
        Read { tree, model, found }
    }
}

impl Read {
    /// Makes warnings of what depends on the machine. What is missing is told again by whoever needs
    /// it: a cache that is not served needs no directory.
    pub fn for_serving(mut self) -> Read {
        for found in self.found.iter_mut().filter(|found| found.depends_on != DependsOn::Text) {
            found.severity = found.severity.min(Severity::Warning);
        }
        self
    }

    pub fn has_errors(&self) -> bool {
        self.found.iter().any(|found| found.severity == Severity::Error)
    }
}
