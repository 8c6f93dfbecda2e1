//! `split_clients` and its parts: `ngx_http_split_clients`.

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, values};
use crate::syntax::Directive;

use super::{Call, Check};

pub const CHECKS: &[Check] =
    &[Check { name: "split_clients", contexts: Context::HTTP.or(Context::STREAM), check }];

/// Hundredths of a percent in a whole.
const WHOLE: u64 = 10_000;

fn check(call: &mut Call) {
    let mut sum = 0;
    let lines: Vec<&Directive> = call.lines().filter(|line| !line.is("include")).collect();
    for line in lines {
        if line.is("*") {
            sum = WHOLE;
            continue;
        }
        let percent = line.name.value.strip_suffix(b"%").and_then(|number| values::fixed(number, 2));
        let Some(percent) = percent.filter(|percent| *percent > 0) else {
            let message = format!("invalid percent value \"{}\"", line.name.value);
            let finding = Diagnostic::error("invalid-value", line.name.span, message);
            call.say(finding.help("a share is written as \"12.5%\", the rest as \"*\""));
            continue;
        };
        sum += percent;
        if sum > WHOLE {
            let message = "percent total is greater than 100%";
            return call.say(Diagnostic::error("invalid-value", line.name.span, message));
        }
    }
}
