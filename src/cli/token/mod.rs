//! `wsproxy token`: makes tokens and keys for trying things out, and says what a token is worth.
//!
//! Nothing is sent anywhere, and no secret is printed.

mod keys;
mod new;
mod reading;
mod show;
mod times;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Subcommand;

/// The arguments of `wsproxy token`.
#[derive(clap::Args, Debug)]
pub struct Token {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Prints a signed token
    New(new::New),
    /// Prints what a token says, and whether it is valid; exits with 0 if it is, 1 if not, 2 if it could not be told
    Show(show::Show),
    /// Writes new private keys and the JWK Set to verify with
    Keys(keys::Keys),
    /// Prints the JWK Set of keys that OpenSSL wrote
    Jwks(keys::Jwks),
}

/// The exit codes, beside 0.
const NOT_VALID: u8 = 1;
const CANNOT_TELL: u8 = 2;

impl Token {
    pub fn run(&self) -> ExitCode {
        let done = match &self.action {
            Action::New(new) => new.token().map(|token| (token + "\n", 0)),
            Action::Show(show) => show.told(),
            Action::Keys(keys) => keys.written().map(|told| (told, 0)),
            Action::Jwks(jwks) => jwks.set().map(|set| (set + "\n", 0)),
        };
        let (text, code) = match done {
            Ok(done) => done,
            Err(why) => {
                eprintln!("wsproxy: {why}");
                return ExitCode::from(CANNOT_TELL);
            }
        };
        // Who reads the output may have seen enough of it.
        let _ = io::stdout().lock().write_all(text.as_bytes());
        ExitCode::from(code)
    }
}
