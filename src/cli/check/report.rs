//! What was found, in the form that was asked for.

use std::io::{self, Write};

use crate::diagnostics::{Diagnostic, Form, Names, Summary, checkstyle, github, gitlab, json, sarif, text};
use crate::features::NOT_SERVED;
use crate::lint;
use crate::source::Sources;

use super::{Check, Format};

/// What was found so far.
pub struct Report {
    pub summary: Summary,
    form: Box<dyn Form>,
    to: Box<dyn Write>,
}

impl Report {
    pub fn new(asked: &Check, names: &Names) -> Report {
        let names = names.clone();
        let form: Box<dyn Form> = match asked.format {
            Format::Text => Box::new(ForPeople {
                verbose: asked.verbose,
                color: asked.is_coloured(),
                text: String::new(),
            }),
            Format::Json => Box::new(json::Report::new(lint::facts)),
            Format::Sarif => Box::new(sarif::Log::new(names, lint::facts)),
            Format::Github => Box::new(github::Commands::new(names, lint::facts)),
            Format::Gitlab => Box::new(gitlab::CodeQuality::new(names)),
            Format::Checkstyle => Box::new(checkstyle::Document::new(names)),
        };
        let to: Box<dyn Write> =
            if asked.output_is_taken() { Box::new(io::stderr()) } else { Box::new(io::stdout()) };
        Report { summary: Summary::default(), form, to }
    }

    /// Adds the findings of one configuration, and the number of those that a baseline accepts.
    pub fn add(&mut self, found: &[Diagnostic], accepted: usize, sources: &Sources) {
        self.summary.add(found, sources);
        self.summary.in_baseline += accepted;
        self.form.add(found, sources);
    }

    pub fn print(mut self) -> io::Result<()> {
        let printed = self.form.render(&self.summary);
        self.to.write_all(printed.as_bytes())?;
        self.to.flush()
    }
}

/// Text as in rustc.
struct ForPeople {
    verbose: bool,
    color: bool,
    text: String,
}

impl Form for ForPeople {
    /// What is not served is said in a line, unless each is to be seen.
    fn add(&mut self, found: &[Diagnostic], sources: &Sources) {
        for one in found {
            if one.code == NOT_SERVED && !self.verbose {
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

    fn render(self: Box<Self>, summary: &Summary) -> String {
        format!("{}{summary}\n", self.text)
    }
}
