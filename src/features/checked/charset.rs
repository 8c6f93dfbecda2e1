//! `charset_map`: `ngx_http_charset_map_block`.

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, values};
use crate::syntax::Directive;

use super::{Call, Check, text};

pub const CHECKS: &[Check] = &[Check { name: "charset_map", contexts: Context::HTTP, check }];

fn check(call: &mut Call) {
    let (from, to) = (call.arg(0), call.arg(1));
    if from.eq_ignore_ascii_case(to) {
        let message =
            format!("\"charset_map\" between the same charsets \"{}\" and \"{}\"", text(from), text(to));
        return call.error(1, "invalid-value", message);
    }
    let pair = |other: &&Directive| {
        let names: Vec<&[u8]> = other.args.iter().map(|word| &word.value[..]).collect();
        names == [from, to] || names == [to, from]
    };
    let earlier = call.earlier().find(pair).map(|other| other.name.span);
    if let Some(earlier) = earlier {
        let message = format!("duplicate \"charset_map\" between \"{}\" and \"{}\"", text(from), text(to));
        let finding = Diagnostic::error("duplicate-directive", call.directive.name.span, message);
        return call.say(finding.also(earlier, "the earlier one"));
    }
    if from.eq_ignore_ascii_case(b"utf-8") {
        let message = "\"charset_map\" with \"utf-8\" charset should be given in the second column";
        return call.error(0, "invalid-value", message);
    }
    let utf8 = to.eq_ignore_ascii_case(b"utf-8");
    let lines: Vec<&Directive> = call.lines().filter(|line| !line.is("include")).collect();
    for line in lines {
        line_of(call, line, utf8);
    }
}

fn line_of(call: &mut Call, line: &Directive, utf8: bool) {
    let [target] = &line.args[..] else {
        return call.say(Diagnostic::error("wrong-arguments", line.name.span, "invalid parameters number"));
    };
    let byte = |word: &[u8]| values::hexadecimal(word).is_some_and(|code| code <= 255);
    let bytes = |word: &[u8]| !word.is_empty() && word.chunks(2).all(byte);
    let fits = if utf8 { bytes(&target.value) } else { byte(&target.value) };
    let wrong = if !byte(&line.name.value) {
        &line.name
    } else if !fits {
        target
    } else {
        return;
    };
    let message = format!("invalid value \"{}\"", wrong.value);
    call.say(
        Diagnostic::error("invalid-value", wrong.span, message).help("codes are hexadecimal: \"C1 D181\""),
    );
}
