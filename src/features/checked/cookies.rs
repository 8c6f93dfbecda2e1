//! `proxy_cookie_domain`, `proxy_cookie_flags` and `proxy_cookie_path`.

use crate::diagnostics::Diagnostic;
use crate::directive::Context;

use super::{Call, Check};

pub const CHECKS: &[Check] = &[
    Check { name: "proxy_cookie_domain", contexts: Context::IN_HTTP, check },
    Check { name: "proxy_cookie_flags", contexts: Context::IN_HTTP, check },
    Check { name: "proxy_cookie_path", contexts: Context::IN_HTTP, check },
];

fn check(call: &mut Call) {
    let off = call.args().len() == 1;
    if off && call.arg(0) != b"off" {
        let message = format!("invalid parameter \"{}\"", call.text(0));
        return call.error(0, "invalid-parameter", message);
    }
    // "off" stands alone in its block.
    let clashing = call.earlier().find(|other| off || other.args.len() == 1).map(|other| other.name.span);
    if let Some(earlier) = clashing {
        let message = format!("\"{}\" directive is duplicate", call.name());
        let finding = Diagnostic::error("duplicate-directive", call.directive.name.span, message);
        return call.say(finding.here("\"off\" stands alone").also(earlier, "the earlier one"));
    }
    let [b'~', pattern @ ..] = call.arg(0) else {
        call.template(0);
        return;
    };
    let is_path = call.directive.is("proxy_cookie_path");
    let (caseless, pattern) = match pattern {
        [b'*', pattern @ ..] if is_path => (true, pattern),
        pattern => (!is_path, pattern),
    };
    let span = call.span(0);
    call.pattern(pattern, caseless, span);
}
