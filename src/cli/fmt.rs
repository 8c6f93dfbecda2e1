//! `wsproxy fmt`: gives configurations, and parts of them, one layout.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::diagnostics::text::render_all;
use crate::directive::Catalogue;
use crate::layout::{Refused, layout};
use crate::source::{Disk, Files};

use super::diff::unified;
use super::replace::replace;

/// The arguments of `wsproxy fmt`.
#[derive(clap::Args, Debug)]
pub struct Fmt {
    /// Configuration files, or parts of them; none is read that they include. "-", or no file, is standard
    /// input, which is laid out on standard output
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write nothing, print the names of files that would change, and fail if there are any
    #[arg(long)]
    check: bool,
    /// Write nothing, print what would change, and fail if anything would
    #[arg(long)]
    diff: bool,
}

/// The exit codes.
const DONE: u8 = 0;
const WOULD_CHANGE: u8 = 1;
const COULD_NOT: u8 = 2;

/// Standard input's name as an argument, and what it is called in findings.
const STDIN: &str = "-";
const STDIN_NAME: &str = "<stdin>";

impl Fmt {
    /// Lays out every file by itself: one that cannot be read keeps no other from it.
    pub fn run(&self) -> ExitCode {
        let stdin = [PathBuf::from(STDIN)];
        if self.files.is_empty() && io::stdin().is_terminal() {
            eprintln!("wsproxy: which files? Name them, or \"-\" for standard input");
            return ExitCode::from(COULD_NOT);
        }
        let files = if self.files.is_empty() { &stdin[..] } else { &self.files };
        let outcomes = files.iter().map(|file| {
            self.lay_out(file).unwrap_or_else(|failure| {
                failure.tell(file);
                COULD_NOT
            })
        });
        ExitCode::from(outcomes.max().unwrap_or(DONE))
    }

    fn lay_out(&self, file: &Path) -> Result<u8, Failure> {
        let text = read(file).map_err(Failure::Read)?;
        let is_stdin = file == Path::new(STDIN);
        let name = if is_stdin { STDIN_NAME.into() } else { file.to_string_lossy() };
        let laid_out = layout(&name, text.clone(), &Catalogue).map_err(Failure::Refused)?;
        let changes = laid_out != text;
        if self.check || self.diff {
            let told = match changes {
                false => Vec::new(),
                true if self.diff => unified(&name, &text, &laid_out),
                true => format!("{name}\n").into_bytes(),
            };
            print(&told)?;
            return Ok(if changes { WOULD_CHANGE } else { DONE });
        }
        match is_stdin {
            true => print(&laid_out)?,
            false if changes => replace(file, &laid_out).map_err(Failure::Write)?,
            false => {}
        }
        Ok(DONE)
    }
}

/// Why a file was left as it is.
enum Failure {
    Read(io::Error),
    Refused(Refused),
    Write(io::Error),
    Print(io::Error),
}

impl Failure {
    fn tell(&self, file: &Path) {
        let name = file.display();
        match self {
            Failure::Read(error) => eprintln!("wsproxy: cannot read \"{name}\": {error}"),
            Failure::Write(error) => eprintln!("wsproxy: cannot write \"{name}\": {error}"),
            Failure::Print(error) => eprintln!("wsproxy: cannot print: {error}"),
            Failure::Refused(Refused { sources, found }) => {
                let color = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
                eprint!("{}", render_all(found, sources, color));
                eprintln!("wsproxy: \"{name}\" is left as it is");
            }
        }
    }
}

/// All of a file, or of standard input.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    if file == Path::new(STDIN) {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    let found = fs::metadata(file)?;
    if found.is_dir() {
        return Err(io::Error::other("it is a directory; name the files in it"));
    }
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file; \"-\" reads standard input"));
    }
    Disk.read(file)
}

/// Who reads the output may have seen enough of it: that is no error of ours.
fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let printed = out.write_all(bytes).and_then(|()| out.flush());
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Print(error)),
        _ => Ok(()),
    }
}
