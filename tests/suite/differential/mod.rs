//! nginx and wsproxy on the same configuration and the same bytes: `fixtures/nginx/<case>/`.
//!
//! A case is a directory with `site.conf` (what stands inside `http`, placeholders as in
//! [`crate::support::server`]) and `exchange.http` (who says what, as [`script`] reads it). Both servers
//! are run, and what their clients and upstreams saw is written down as a transcript. The two
//! transcripts must be equal. Where they may not be, the exchange says so in a line
//! `# differs: why`, and `differs.diff` beside it holds what is different, to the line.
//!
//! `SHOW=1` prints the transcripts, `SERVER=nginx` runs nginx alone (to write a case before wsproxy can
//! do it), `UPDATE_EXPECT=1` writes `differs.diff`.

mod cases;
mod run;
mod script;
mod sites;
pub mod transcript;

use std::{env, fs, path::Path};

use crate::support::server::Kind;
use script::Script;

/// A configuration and an exchange with it.
struct Case<'a> {
    name: &'a str,
    /// Where files that the configuration names are, and `differs.diff` if there is one.
    directory: &'a Path,
    site: String,
    exchange: String,
}

/// Runs a case by the name of its directory.
fn case(name: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/nginx").join(name);
    let (site, exchange) = (read(&directory.join("site.conf")), read(&directory.join("exchange.http")));
    compare(&Case { name, directory: &directory, site, exchange });
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Plays the exchange with both servers; panics unless they do alike, or differ as is written down.
fn compare(case: &Case) {
    let name = case.name;
    let script = Script::parse(&case.exchange).unwrap_or_else(|why| panic!("{name}: exchange, {why}"));
    let nginx = run::run(Kind::Nginx, case.directory, &case.site, &script);
    show("nginx", &nginx.text);
    assert!(nginx.complaints.is_empty(), "nginx, {name}: {:#?}\n{}", nginx.complaints, nginx.text);
    if env::var("SERVER").is_ok_and(|server| server == "nginx") {
        return;
    }

    let ours = run::run(Kind::Wsproxy, case.directory, &case.site, &script);
    show("wsproxy", &ours.text);
    let difference = transcript::difference(&nginx.text, &ours.text);
    match &script.differs {
        None => {
            assert!(difference.is_empty(), "{name}: - nginx, + wsproxy\n{difference}\n{}", ours.logs);
            assert!(ours.complaints.is_empty(), "{name}: {:#?}\n{}", ours.complaints, ours.logs);
        }
        Some(why) => compare_difference(&case.directory.join("differs.diff"), why, &difference, &ours.logs),
    }
}

fn compare_difference(path: &Path, why: &str, difference: &str, logs: &str) {
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(path, difference).expect("writing differs.diff");
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert!(!difference.is_empty(), "there is no difference any more: take out `# differs: {why}`");
    assert!(
        difference == expected,
        "it should differ ({why}) as\n{expected}\nbut differs as\n{difference}\n{logs}"
    );
}

fn show(who: &str, transcript: &str) {
    if env::var_os("SHOW").is_some() {
        println!("==== {who}\n{transcript}");
    }
}
