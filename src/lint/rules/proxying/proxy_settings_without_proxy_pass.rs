//! Settings for a proxy_pass that is not there.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::directive::{Context, catalogue};
use crate::lint::edit;
use crate::lint::site::{Block, Pass, Site};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::syntax::Directive;

use super::places::listed;

pub static RULE: Rule = Rule {
    id: "PX210",
    name: "proxy-settings-without-proxy-pass",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "proxy settings in a location without proxy_pass have no effect",
    why: "proxy_pass is not inherited: a location inside of one that passes requests on, made to give some of them a \
          longer timeout, answers them from the file system instead, mostly with 404. And fastcgi_pass, uwsgi_pass and \
          grpc_pass have settings of their own. It does not matter where a shared file is included for other lines.",
    mend: Mend::Unsafe,
    examples: examples!("proxy-settings-without-proxy-pass"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for location in site.locations().filter(|location| location.is_known() && !passes(*location)) {
        let settings: Vec<&Directive> =
            location.items().iter().copied().filter(|line| is_setting(line)).collect();
        let (Some(first), Some(head)) = (settings.first(), location.head()) else { continue };
        let names: Vec<String> = settings.iter().map(|line| line.name.value.to_string()).collect();
        let have = if settings.len() == 1 { "has" } else { "have" };
        let message = format!("{} in {location} {have} no effect: there is no proxy_pass", few(&names));
        let finding = rule.finding(first.span, message).also(head, "no proxy_pass in here");
        found.push(match (handler(location), outer(location)) {
            (Some((line, help)), _) => finding.also(line.span, "answers here").help(help),
            (None, Some(pass)) => {
                let mut finding = finding.also(pass.directive.span, "is not inherited");
                match copied(location, &pass) {
                    Some(line) => {
                        finding = finding.help(format!("repeat it: \"{line}\""));
                        finding.fix = fix(location, &line);
                    }
                    None => finding = finding.help("give the location a proxy_pass of its own"),
                }
                finding
            }
            (None, None) => {
                finding.help("give the location a proxy_pass, or put them where the proxy_pass is")
            }
        });
    }
}

/// What answers in a location without proxy_pass, and what to do about settings then.
fn handler(location: Block<'_>) -> Option<(&Directive, String)> {
    for module in ["fastcgi", "uwsgi", "scgi", "grpc", "memcached"] {
        if let Some(line) = location.own_last(&format!("{module}_pass")) {
            return Some((
                line,
                format!("{module}_pass has settings of its own, which begin with {module}_"),
            ));
        }
    }
    let line = OTHERS.iter().find_map(|name| location.own_last(name))?;
    let target = line.args.last().filter(|word| line.is("try_files") && word.value.starts_with(b"@"));
    let help = match target {
        Some(name) => {
            format!("what is set here does not come along to {0}: put it into location {0}", name.value)
        }
        None => "take them out, or pass requests on with proxy_pass".to_owned(),
    };
    Some((line, help))
}

const OTHERS: [&str; 8] =
    ["return", "try_files", "alias", "root", "stub_status", "empty_gif", "autoindex", "rewrite"];

/// Whether requests are passed on from here, or from a block in here: that inherits the settings.
fn passes(location: Block<'_>) -> bool {
    let all = std::iter::once(location).chain(location.descendants());
    all.into_iter().any(|block| block.has("proxy_pass") || !block.is_known())
}

/// Whether a line is a setting of the proxy module, whichever.
fn is_setting(line: &Directive) -> bool {
    line.name.value.starts_with(b"proxy_")
        && catalogue::in_context(&line.name.value, Context::LOCATION).is_some()
}

/// The proxy_pass of the nearest location around this one that somebody may have thought to be inherited.
fn outer<'a>(location: Block<'a>) -> Option<Pass<'a>> {
    location.outwards().skip(1).take_while(|block| block.context() == Context::LOCATION).find_map(Block::pass)
}

/// The outer proxy_pass as it has to be in here for requests to get to the same place; `None` where that is not sure.
fn copied(location: Block<'_>, pass: &Pass<'_>) -> Option<String> {
    let url = pass.url.value.to_str().ok()?;
    if pass.uri().is_none() || pass.has_variables() {
        return Some(format!("proxy_pass {};", edit::quoted(url)));
    }
    let (inner, outer) = (location.name()?, pass.block.name()?);
    let is_prefix = inner.modifier.is_prefix() && outer.modifier.is_prefix();
    let rest = inner.name.strip_prefix(outer.name).filter(|_| is_prefix)?;
    Some(format!("proxy_pass {};", edit::quoted(&format!("{url}{}", rest.to_str().ok()?))))
}

fn fix(location: Block<'_>, line: &str) -> Option<Fix> {
    let edit = edit::first_in(location.site.tree, location.directive()?, line)?;
    Some(Fix { title: "repeat the proxy_pass".to_owned(), safe: false, edits: vec![edit] })
}

/// Names, or the first of many.
fn few(names: &[String]) -> String {
    match names {
        [first, second, _, _, ..] => format!("{first}, {second} and {} more", names.len() - 2),
        names => listed(names),
    }
}
