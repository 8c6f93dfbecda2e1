//! What the program can be asked to do: nginx's flags, and a file per subcommand.

pub mod check;
mod chosen;
mod config;
mod diff;
pub mod dump;
mod fix;
mod fmt;
mod look;
mod lsp;
mod names;
mod replace;
mod route;
mod rules;
mod serve;
pub mod test;
mod token;
mod version;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::runtime;

const AFTER_HELP: &str = "\
Without a subcommand wsproxy serves: wsproxy -c nginx.conf
A newcomer starts with: wsproxy check nginx.conf

Signals, as nginx has them:
  TERM, INT  stops at once
  QUIT       stops when what has begun is done, or after worker_shutdown_timeout
  HUP        reads the configuration again
  USR1       opens the logs anew
  USR2       starts the binary that has this one's name, with the sockets that listen
  WINCH      accepts no more, until HUP";

/// Reads an nginx.conf, says what is wrong with it, and serves what is right, WebSocket first.
#[derive(Parser, Debug)]
#[command(
    name = "wsproxy",
    disable_version_flag = true,
    args_conflicts_with_subcommands = true,
    after_help = AFTER_HELP
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Says what is wrong with configurations and parts of them
    Check(check::Check),
    /// Prints a configuration as it was read, as JSON in the shape of `crossplane parse`
    Dump(dump::Dump),
    /// Says what a rule of check finds, why it matters and how it is mended
    Explain(rules::Explain),
    /// Gives files one layout: indentation, a directive a line; words and comments stay as they are
    Fmt(fmt::Fmt),
    /// Tells editors what check finds while somebody types, and helps to write (language server, LSP)
    Lsp(lsp::Lsp),
    /// Tells which server, location and peer a request would get, and why, without sending anything
    Route(route::Route),
    /// Lists the rules that check asks
    Rules(rules::Rules),
    /// Makes tokens (JWT) and keys for trying things out, and says what a token is worth
    Token(token::Token),
}

/// Which configuration: flags of nginx's.
#[derive(clap::Args, Debug, Clone)]
pub struct Which {
    /// The configuration file; relative to the prefix
    #[arg(short = 'c', value_name = "FILE")]
    conf: Option<PathBuf>,
    /// Where relative paths begin; the working directory if not given
    #[arg(short = 'p', value_name = "PREFIX")]
    prefix: Option<PathBuf>,
    /// Directives that stand in front of the configuration file
    #[arg(short = 'g', value_name = "DIRECTIVES")]
    directives: Option<String>,
}

/// nginx's own flags, and a few of ours.
#[derive(clap::Args, Debug, Clone)]
pub struct Flags {
    #[command(flatten)]
    which: Which,
    /// The error log until the configuration names one, and for what no `error_log` is about
    #[arg(short = 'e', value_name = "FILE")]
    error_log: Option<PathBuf>,
    /// Tests the configuration and exits
    #[arg(short = 't')]
    test: bool,
    /// Tests the configuration, prints it and exits
    #[arg(short = 'T')]
    test_and_dump: bool,
    /// Says only what went wrong
    #[arg(short = 'q')]
    quiet: bool,
    /// Prints the version and exits
    #[arg(short = 'v')]
    version: bool,
    /// Prints the version, and what was built in, and exits
    #[arg(short = 'V')]
    details: bool,
    /// Sends a signal to the process that the pid file names
    #[arg(short = 's', value_name = "SIGNAL", value_enum)]
    signal: Option<Signal>,
    /// Serves though directives that would change what clients get are not served
    #[arg(long)]
    lenient: bool,
    /// Reads the configuration again whenever it, or a file it includes, changes
    #[arg(long)]
    watch: bool,
    /// With -t, takes hosts that do not resolve for errors, as nginx does
    #[arg(long)]
    strict: bool,
    /// How lines of the error log look
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Signal {
    Stop,
    Quit,
    Reload,
    Reopen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Does what the command line asks for.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match (cli.command, &cli.flags) {
        (Some(Command::Check(check)), _) => check.run(),
        (Some(Command::Dump(dump)), _) => dump.run(),
        (Some(Command::Explain(explain)), _) => explain.run(),
        (Some(Command::Fmt(fmt)), _) => fmt.run(),
        (Some(Command::Lsp(lsp)), _) => lsp.run(),
        (Some(Command::Route(route)), _) => route.run(),
        (Some(Command::Rules(rules)), _) => rules.run(),
        (Some(Command::Token(token)), _) => token.run(),
        (None, flags) if flags.details => version::details(),
        (None, flags) if flags.version => version::short(),
        (None, flags) => match flags.signal {
            Some(signal) => serve::signal(flags, signal.into()),
            None if flags.test || flags.test_and_dump => serve::test(flags),
            None => serve::run(flags),
        },
    }
}

impl From<Signal> for runtime::Signal {
    fn from(signal: Signal) -> runtime::Signal {
        match signal {
            Signal::Stop => runtime::Signal::Stop,
            Signal::Quit => runtime::Signal::Quit,
            Signal::Reload => runtime::Signal::Reload,
            Signal::Reopen => runtime::Signal::Reopen,
        }
    }
}

impl From<LogFormat> for runtime::LogFormat {
    fn from(format: LogFormat) -> runtime::LogFormat {
        match format {
            LogFormat::Text => runtime::LogFormat::Text,
            LogFormat::Json => runtime::LogFormat::Json,
        }
    }
}
