//! `wsproxy route`: which server, location and peer a request would get, and why, without sending anything.
//!
//! `asking.rs` makes the request out of the arguments, `exchange::route` takes it through the code that serves,
//! `facts.rs` says what came of it, `peers.rs` who would be asked and why.

mod asking;
mod facts;
mod peers;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::ValueEnum;

use crate::diagnostics::{Severity, text};
use crate::exchange::route;
use crate::features::NOT_SERVED;
use crate::source::Disk;

use super::Which;
use super::config::Paths;

use facts::{Facts, Report};

/// The arguments of `wsproxy route`.
#[derive(clap::Args, Debug)]
pub struct Route {
    #[command(flatten)]
    which: Which,
    /// A header line; of those that ws:// brings along, one given here takes the place
    #[arg(short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The method; GET if not given
    #[arg(short = 'X', value_name = "METHOD", default_value = "GET")]
    method: String,
    /// The client's address, for ip_hash, $remote_addr and the like
    #[arg(long, value_name = "ADDRESS[:PORT]", default_value = "127.0.0.1")]
    from: String,
    /// The client that a load balancer at --from names, where the listener has proxy_protocol
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    proxy_protocol: Option<String>,
    /// The listener it comes by, as in "listen"; the URL's port decides if not given
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// What stands in the request line in place of the URL's path
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The URL as a client would open it, such as 'ws://example.com/chat?room=7'
    #[arg(value_name = "URL")]
    url: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// The exit codes.
const UNSOUND: u8 = 1;
const CANNOT_ASK: u8 = 2;

impl Route {
    /// Prints the course; exits with 1 where the configuration has errors, with 2 where nothing can be asked.
    pub fn run(&self) -> ExitCode {
        let read = Paths::of(&self.which).read(&self.which, &Disk).for_serving();
        if read.has_errors() {
            let errors: Vec<_> =
                read.found.iter().filter(|found| found.severity == Severity::Error).cloned().collect();
            eprint!("{}", text::render_all(&errors, &read.tree.sources, false));
            eprintln!("wsproxy: this configuration is not served: mend it first");
            return ExitCode::from(UNSOUND);
        }
        let request = match asking::Request::new(self, &read.model) {
            Ok(request) => request,
            Err(why) => {
                eprintln!("wsproxy: {why}");
                return ExitCode::from(CANNOT_ASK);
            }
        };
        let unserved = read.found.iter().filter(|found| found.code == NOT_SERVED);
        let unserved: Vec<_> =
            unserved.map(|one| (read.tree.sources.place(one.span()), &one.message)).collect();
        let (live, course) = match route::route(read.model, request.asked()) {
            Ok(found) => found,
            Err(error) => {
                eprintln!("wsproxy: {error}");
                return ExitCode::from(CANNOT_ASK);
            }
        };
        let mut report = Report::new(&read.tree);
        report.request(&request, &live.model);
        for (place, message) in unserved {
            let facts = Facts::new();
            report.line("unserved", Some(place), format!("{message}: nginx may do otherwise"), facts);
        }
        report.course(&course, &live.model);
        let text = match self.format {
            Format::Text => report.text(),
            Format::Json => report.json(),
        };
        // Who reads the output may have seen enough of it.
        let _ = io::stdout().lock().write_all(text.as_bytes());
        ExitCode::SUCCESS
    }
}
