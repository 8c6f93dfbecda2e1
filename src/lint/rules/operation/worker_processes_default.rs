//! One worker, whatever the machine has.

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::directive::Context;
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, edit, examples};

pub static RULE: Rule = Rule {
    id: "OPS503",
    name: "worker-processes-default",
    severity: Severity::Info,
    profile: Profile::Pedantic,
    summary: "worker_processes is not written: there is one worker",
    why: "A worker uses one processor. Where worker_processes is not written there is one, and the other processors of the \
          machine do nothing for nginx. It does not matter on small machines, or where it is said on the command line \
          with -g.",
    mend: Mend::Safe,
    examples: examples!("worker-processes-default"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let root = site.root();
    if !site.sees(Context::MAIN) || !root.is_known() || root.has("worker_processes") {
        return;
    }
    // Who serves nothing needs no workers, and without a master there is one process only.
    let serves = site.within(Context::HTTP.or(Context::STREAM).or(Context::MAIL)).next().is_some();
    if !serves || !root.is_on("master_process", true) {
        return;
    }
    let Some(events) = root.own_last("events") else { return };
    let first = root.items().iter().find(|line| !line.is("load_module")).copied().unwrap_or(events);
    // Without a zone each worker counts for itself: two of them ask a broken server twice.
    let shares =
        site.within(Context::UPSTREAM.or(Context::STREAM_UPSTREAM)).all(|upstream| upstream.has("zone"));
    let edits = vec![edit::before(site.tree, first, "worker_processes auto;")];
    found.push(
        rule.finding(events.head(), "worker_processes is not written: one worker serves all of this")
            .help("\"worker_processes auto;\" above it: one worker for each processor")
            .fix(Fix { title: "one worker for each processor".to_owned(), safe: shares, edits }),
    );
}
