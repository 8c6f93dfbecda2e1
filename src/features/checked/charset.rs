//! `charset_map`: `ngx_http_charset_map_block`.

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, values};
use crate::syntax::{Directive, Word};

use super::{Build, Call, Check, Whole, text};

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

/// Charsets that answers are to be recoded between, and no table that says how.
pub fn afterwards(whole: &Whole, build: &mut Build) {
    if build.options.fragment {
        return;
    }
    let maps = whole.within(Context::HTTP).flat_map(|http| whole.tree.items(http));
    let maps: Vec<&Directive> = maps.filter(|line| line.is("charset_map")).collect();
    for block in whole.within(Context::IN_HTTP) {
        let own = whole.own(block, "source_charset").or_else(|| whole.own(block, "charset"));
        let charset = |name: &str| whole.in_effect(block, name).and_then(|line| line.args.first());
        let (Some(line), Some(from), Some(to)) = (own, charset("source_charset"), charset("charset")) else {
            continue;
        };
        let open = |word: &Word| word.value == "off" || word.value.contains(&b'$');
        if open(from) || open(to) || from.value.eq_ignore_ascii_case(&to.value) {
            continue;
        }
        let has = |map: &&Directive, word: &Word| {
            map.args.iter().any(|one| one.value.eq_ignore_ascii_case(&word.value))
        };
        if !maps.iter().any(|map| has(map, from) && has(map, to)) {
            let message =
                format!("no \"charset_map\" between the charsets \"{}\" and \"{}\"", from.value, to.value);
            build.say_once(Diagnostic::error("missing-charset-map", line.name.span, message));
        }
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
