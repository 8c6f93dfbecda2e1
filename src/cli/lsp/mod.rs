//! `wsproxy lsp`: what `check` says, in an editor, while somebody types. The door to lsp-server and lsp-types.
//!
//! `server` is the life of it: messages come in by `wire`, change `documents`, or are left for the thread in `worker`,
//! which answers from a `workspace` of configurations that were looked at; `out` writes. A `view` is one text with
//! the configuration it is part of; a file for each kind of request takes it, and knows nothing of messages.

mod actions;
mod allow;
mod capabilities;
mod changes;
mod completion;
mod definition;
mod documents;
mod findings;
mod formatting;
mod hover;
mod mains;
mod out;
mod positions;
mod requests;
mod server;
mod settings;
mod symbols;
#[cfg(test)]
mod tests;
mod things;
mod uri;
mod view;
mod wire;
mod words;
mod worker;
mod workspace;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use super::chosen::Chosen;

/// The arguments of `wsproxy lsp`.
#[derive(clap::Args, Debug)]
pub struct Lsp {
    /// Speak over standard input and output, as is done anyway: editors like to say so
    #[arg(long, hide = true)]
    stdio: bool,
    #[command(flatten)]
    rules: Chosen,
}

impl Lsp {
    pub fn run(&self) -> ExitCode {
        if io::stdin().is_terminal() {
            eprintln!("wsproxy: lsp is for editors, which start it themselves: docs/editor.md says how");
        }
        server::run(self.rules.clone())
    }
}
