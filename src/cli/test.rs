//! `-t` and `-T`: nginx's answers, in the words and with the exit codes that scripts look for.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::diagnostics::{DependsOn, Diagnostic, Severity};
use crate::source::Sources;

/// How a configuration is to be tested.
#[derive(Clone, Copy, Debug, Default)]
pub struct Test {
    /// `-q`: nothing is printed but errors.
    pub quiet: bool,
    /// `-T`: every file is printed.
    pub dump: bool,
    /// Names that do not resolve are errors, as in nginx.
    pub strict: bool,
}

/// Findings that nginx comes to only when the text itself was accepted.
const AFTER_SYNTAX: &[&str] = &["missing-events"];

impl Test {
    /// Says what was found in the configuration that `conf` names.
    pub fn run(self, conf: &Path, found: &[Diagnostic], sources: &Sources) -> ExitCode {
        let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
        let said = self.say(conf, found, sources, &mut out, &mut err);
        match said {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) | Err(_) => ExitCode::FAILURE,
        }
    }

    fn say(
        self,
        conf: &Path,
        found: &[Diagnostic],
        sources: &Sources,
        out: &mut dyn Write,
        err: &mut dyn Write,
    ) -> io::Result<bool> {
        let conf = conf.display();
        let errors: Vec<&Diagnostic> = found.iter().filter(|one| self.is_error(one)).collect();
        for one in found {
            match (self.is_error(one), one.severity) {
                (true, _) => writeln!(err, "nginx: [emerg] {}", nginx_line(one, sources))?,
                (false, Severity::Error | Severity::Warning) => {
                    writeln!(err, "nginx: [warn] {}", nginx_line(one, sources))?
                }
                (false, Severity::Info) => {}
            }
        }
        let accepted = errors.iter().all(|one| AFTER_SYNTAX.contains(&one.code));
        if accepted && !self.quiet {
            writeln!(err, "nginx: the configuration file {conf} syntax is ok")?;
        }
        if !errors.is_empty() {
            writeln!(err, "nginx: configuration file {conf} test failed")?;
            return Ok(false);
        }
        if !self.quiet {
            writeln!(err, "nginx: configuration file {conf} test is successful")?;
        }
        if self.dump {
            dump(sources, out)?;
        }
        Ok(true)
    }

    /// Files of this machine count as in nginx; names that do not resolve only if `strict`.
    fn is_error(self, found: &Diagnostic) -> bool {
        match found.depends_on {
            DependsOn::Text | DependsOn::Machine => found.severity == Severity::Error,
            DependsOn::Resolver => self.strict && found.severity > Severity::Info,
        }
    }
}

/// `MESSAGE in FILE:LINE`.
pub fn nginx_line(found: &Diagnostic, sources: &Sources) -> String {
    let span = found.span();
    let source = sources.get(span.file);
    if source.text.bytes.is_empty() {
        // The file itself could not be read: there is no line to name.
        return found.message.clone();
    }
    format!("{} in {}:{}", found.message, source.name, sources.line(span))
}

/// Every file once, in the order of reading.
fn dump(sources: &Sources, out: &mut dyn Write) -> io::Result<()> {
    let mut printed: Vec<&str> = Vec::new();
    for (_, source) in sources.iter() {
        if printed.contains(&&*source.name) {
            continue;
        }
        printed.push(&source.name);
        writeln!(out, "# configuration file {}:", source.name)?;
        out.write_all(&source.text.bytes)?;
        writeln!(out)?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Memory, Span};
    use crate::syntax::load;

    fn answer(test: Test, found: impl Fn(Span) -> Vec<Diagnostic>) -> (bool, String, String) {
        let files = Memory::from([("/c/nginx.conf", "include a;\ninclude a;\n"), ("/c/a", "events {}")]);
        let (tree, _) = load(Path::new("/c/nginx.conf"), Path::new("/c"), &files);
        let found = found(tree.get(tree.roots()[1]).name.span);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let said = test.say(Path::new("/c/nginx.conf"), &found, &tree.sources, &mut out, &mut err);
        (said.unwrap(), String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn a_good_configuration_gets_the_lines_scripts_look_for() {
        let (ok, out, err) = answer(Test::default(), |_| Vec::new());
        assert!(ok && out.is_empty());
        assert_eq!(
            err,
            "nginx: the configuration file /c/nginx.conf syntax is ok\n\
             nginx: configuration file /c/nginx.conf test is successful\n"
        );
        assert_eq!(answer(Test { quiet: true, ..Test::default() }, |_| Vec::new()).2, "");
    }

    #[test]
    fn a_dump_holds_each_file_once() {
        let (_, out, _) = answer(Test { dump: true, ..Test::default() }, |_| Vec::new());
        assert_eq!(
            out,
            "# configuration file /c/nginx.conf:\ninclude a;\ninclude a;\n\n\
             # configuration file /c/a:\nevents {}\n"
        );
    }

    #[test]
    fn an_error_is_said_with_its_place() {
        let error = |span| vec![Diagnostic::error("unknown-directive", span, "unknown directive \"x\"")];
        let (ok, _, err) = answer(Test::default(), error);
        assert!(!ok);
        assert_eq!(
            err,
            "nginx: [emerg] unknown directive \"x\" in /c/nginx.conf:2\n\
             nginx: configuration file /c/nginx.conf test failed\n"
        );
        let unresolved = |span| {
            let finding = Diagnostic::error("unresolved-host", span, "host not found in upstream \"a\"");
            vec![finding.depends_on(DependsOn::Resolver)]
        };
        assert!(answer(Test::default(), unresolved).0);
        assert!(!answer(Test { strict: true, ..Test::default() }, unresolved).0);
    }
}
