//! A timeout of nothing, which was to be none.

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::values::time;
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};

pub static RULE: Rule = Rule {
    id: "WS111",
    name: "ws-timeout-zero",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "a timeout of 0 lets every request fail at once",
    why: "Where other programs read 0 as for ever, nginx sets a timer that goes off at once: handshakes and \
          all other requests are answered 504. A very long time, such as 1d, is the nearest there is to \
          none.",
    mend: Mend::None,
    examples: examples!("ws-timeout-zero"),
    check,
};

/// Those that run from the beginning; proxy_send_timeout does not begin unless a write has to wait.
/// With each what people may have meant.
const RUN_AT_ONCE: [(&str, &str); 2] = [("proxy_read_timeout", "1d"), ("proxy_connect_timeout", "60s")];

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for pass in site.passes() {
        for (name, instead) in RUN_AT_ONCE {
            let Some(line) = pass.block.in_effect(name) else { continue };
            let Some(word) =
                line.args.first().filter(|word| time(&word.value).is_some_and(|time| time.is_zero()))
            else {
                continue;
            };
            let message =
                format!("{name} {} is not \"no timeout\": every request fails with 504 at once", word.value);
            found.push(
                rule.finding(line.head(), message)
                    .also(pass.directive.head(), "no answer comes from here")
                    .help(format!("write a time: \"{name} {instead};\"")),
            );
        }
    }
}
