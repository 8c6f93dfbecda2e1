//! The `stream` block: `listen`, `proxy_pass`, upstreams, and variables that nobody defines.

use std::collections::{HashMap, HashSet};

use crate::diagnostics::{Diagnostic, Edit, Fix};
use crate::directive::catalogue;
use crate::directive::form::Kind;
use crate::directive::variables::Protocol;
use crate::directive::{Context, values};
use crate::request::{Template, VariableId, Variables};
use crate::source::Span;
use crate::syntax::{Directive, NodeId, Word};

use super::address::{self, Target};
use super::{Build, Call, Check, Whole, sockets, span_of, text};

pub const CHECKS: &[Check] = &[
    Check { name: "access_log", contexts: Context::IN_STREAM, check: access_log },
    Check { name: "listen", contexts: Context::STREAM_SERVER, check: listen },
    Check { name: "map", contexts: Context::STREAM, check: map },
    Check { name: "pass", contexts: Context::STREAM_SERVER, check: pass },
    Check { name: "proxy_pass", contexts: Context::STREAM_SERVER, check: proxy_pass },
    Check { name: "server", contexts: Context::STREAM_UPSTREAM, check: server },
];

const WORDS: [&str; 8] =
    ["bind", "default_server", "deferred", "multipath", "proxy_protocol", "reuseport", "ssl", "udp"];

fn listen(call: &mut Call) {
    sockets::listen(call, &WORDS);
    let has = |start: &[u8]| call.args()[1..].iter().any(|word| word.value.starts_with(start));
    if !has(b"udp") {
        return;
    }
    let tcp_only = ["backlog", "ssl", "so_keepalive", "proxy_protocol", "fastopen", "deferred", "multipath"];
    if let Some(name) = tcp_only.iter().find(|name| has(name.as_bytes())) {
        let message = format!("\"listen\" directive \"{name}\" parameter is incompatible with \"udp\"");
        call.error(0, "incompatible", message);
    }
}

/// The format of a log has to be written out; which ones there are is seen afterwards.
fn access_log(call: &mut Call) {
    let off = call.arg(0) == b"off";
    if off && call.args().len() > 1 {
        let message = format!("invalid parameter \"{}\"", call.text(1));
        return call.error(1, "invalid-parameter", message);
    }
    if !off && call.args().len() == 1 {
        call.error(0, "missing-parameter", "log format is not specified");
    }
}

fn proxy_pass(call: &mut Call) {
    let word = call.arg(0);
    if word.contains(&b'$') {
        return;
    }
    if let Err(why) = address::parse(word, false) {
        let message = format!("{why} in upstream \"{}\"", text(word));
        call.error(0, "invalid-address", message);
    }
}

fn pass(call: &mut Call) {
    let word = call.arg(0);
    if word.contains(&b'$') {
        return;
    }
    let why = match address::parse(word, false) {
        Err(why) => why,
        Ok(Target::Host { port: None, .. }) if !word.iter().all(u8::is_ascii_digit) => "no port",
        Ok(_) => return,
    };
    let message = format!("{why} in \"{}\" of the \"pass\" directive", text(word));
    call.error(0, "invalid-address", message);
}

fn server(call: &mut Call) {
    let word = call.arg(0);
    let resolved_later = call.args()[1..].iter().any(|word| word.value.starts_with(b"service="));
    let why = match address::parse(word, false) {
        Err(why) => Some(why),
        Ok(Target::Host { port: None, .. }) if !resolved_later => Some("no port"),
        Ok(_) => None,
    };
    if let Some(why) = why {
        let message = format!("{why} in upstream \"{}\"", text(word));
        call.error(0, "invalid-address", message);
    }
    for at in 1..call.args().len() {
        let word = call.arg(at);
        let equals = word.iter().position(|byte| *byte == b'=');
        let (name, value) = equals.map_or((word, &b""[..]), |equals| (&word[..equals], &word[equals + 1..]));
        let fits = match name {
            b"backup" | b"down" | b"resolve" => equals.is_none(),
            b"weight" => values::number(value).is_some_and(|weight| weight > 0),
            b"max_conns" | b"max_fails" => values::number(value).is_some(),
            b"fail_timeout" => values::seconds(value).is_some(),
            b"service" => !value.is_empty(),
            _ => false,
        };
        if !fits {
            let message = format!("invalid parameter \"{}\"", text(word));
            call.error(at, "invalid-parameter", message);
        }
    }
}

/// The body of a `map`: what http's feature says of its own, for stream's.
fn map(call: &mut Call) {
    let mut default: Option<Span> = None;
    let lines: Vec<&Directive> = call.lines().collect();
    for line in lines {
        if line.args.is_empty() && (line.is("hostnames") || line.is("volatile")) || line.is("include") {
            continue;
        }
        if line.args.len() != 1 {
            call.say(Diagnostic::error(
                "wrong-arguments",
                line.name.span,
                "invalid number of the map parameters",
            ));
        } else if line.is("default") {
            if let Some(earlier) = default {
                let finding =
                    Diagnostic::error("duplicate-value", line.name.span, "duplicate default map parameter");
                call.say(finding.also(earlier, "the earlier one"));
            }
            default = Some(line.name.span);
        }
    }
}

pub fn afterwards(whole: &Whole, build: &mut Build) {
    let servers: Vec<NodeId> = whole.within(Context::STREAM_SERVER).flatten().collect();
    for server in &servers {
        handlers(whole, *server, build);
    }
    for group in whole.within(Context::STREAM_UPSTREAM).flatten() {
        if !whole.tree.items(Some(group)).any(|directive| directive.is("server")) {
            let span = span_of(whole.tree.get(group), 0);
            build.diagnostics.push(Diagnostic::error(
                "empty-upstream",
                span,
                "no servers are inside upstream",
            ));
        }
    }
    if build.options.fragment {
        return;
    }
    logs(whole, build);
    ports(whole, &servers, build);
    variables(whole, build);
}

/// Formats of logs by their names.
fn logs(whole: &Whole, build: &mut Build) {
    let mut formats: HashMap<&[u8], Span> = HashMap::new();
    for block in whole.within(Context::STREAM) {
        for line in whole.tree.items(block).filter(|line| line.is("log_format")) {
            let Some(name) = line.args.first() else { continue };
            if let Some(earlier) = formats.insert(&name.value, name.span) {
                let message = format!("duplicate \"log_format\" name \"{}\"", name.value);
                let finding = Diagnostic::error("duplicate-log-format", name.span, message);
                build.diagnostics.push(finding.also(earlier, "the earlier one"));
            }
        }
    }
    for block in whole.within(Context::IN_STREAM) {
        for line in whole.tree.items(block).filter(|line| line.is("access_log")) {
            let Some(format) = line.args.get(1).filter(|format| !formats.contains_key(&format.value[..]))
            else {
                continue;
            };
            if line.args[0].value != "off" {
                let message = format!("unknown log format \"{}\"", format.value);
                build.diagnostics.push(Diagnostic::error("unknown-log-format", format.span, message));
            }
        }
    }
}

/// A server has to listen, and to do something with what it accepts.
fn handlers(whole: &Whole, server: NodeId, build: &mut Build) {
    let has = |names: &[&str]| {
        whole.tree.items(Some(server)).any(|directive| names.iter().any(|name| directive.is(name)))
    };
    let span = whole.tree.get(server).name.span;
    let mut addresses: HashMap<Vec<u8>, Span> = HashMap::new();
    for word in
        whole.tree.items(Some(server)).filter(|line| line.is("listen")).filter_map(|line| line.args.first())
    {
        if let Some(earlier) = addresses.insert(super::ssl::canonical(&word.value), word.span) {
            let address = text(&super::ssl::canonical(&word.value)).replace('*', "0.0.0.0");
            let message = format!("a duplicate listen {address}");
            build.diagnostics.push(
                Diagnostic::error("duplicate-listen", word.span, message).also(earlier, "the earlier one"),
            );
        }
    }
    if !has(&["listen"]) {
        let message = "no \"listen\" is defined for server";
        build.diagnostics.push(Diagnostic::error("missing-listen", span, message));
    }
    if !has(&["proxy_pass", "return", "pass", "js_access", "js_preread", "js_filter"]) {
        let finding = Diagnostic::error("missing-handler", span, "no handler for server");
        build.diagnostics.push(finding.help("add \"proxy_pass\", \"pass\" or \"return\""));
    }
}

/// Targets without a port that no `upstream` is named for.
fn ports(whole: &Whole, servers: &[NodeId], build: &mut Build) {
    let groups: HashSet<Vec<u8>> = whole
        .within(Context::STREAM_UPSTREAM)
        .flatten()
        .filter_map(|group| Some(whole.tree.get(group).args.first()?.value.to_ascii_lowercase()))
        .collect();
    for server in servers {
        for directive in whole.tree.items(Some(*server)).filter(|directive| directive.is("proxy_pass")) {
            let Some(word) = directive.args.first().filter(|word| !word.value.contains(&b'$')) else {
                continue;
            };
            let Ok(Target::Host { host, port: None }) = address::parse(&word.value, false) else { continue };
            if !groups.contains(&host.to_ascii_lowercase()) {
                let message = format!("no port in upstream \"{}\"", text(host));
                let finding = Diagnostic::error("missing-port", word.span, message);
                build.diagnostics.push(
                    finding.here("neither an address with a port nor the name of an \"upstream\" block"),
                );
            }
        }
    }
}

/// Names that are used and neither nginx's nor defined.
#[derive(Default)]
struct Names {
    variables: Variables,
    used: Vec<(VariableId, Span)>,
    defined: HashSet<VariableId>,
}

impl Names {
    fn word(&mut self, kind: &Kind, word: &Word) {
        match kind {
            Kind::Defines => self.define(word.value.strip_prefix(b"$").unwrap_or(&word.value)),
            Kind::Regex => self.captures(&word.value),
            Kind::Vars | Kind::OrVars(_) | Kind::Uses => self.uses(word),
            _ => {}
        }
    }

    fn define(&mut self, name: &[u8]) {
        let id = self.variables.refer(name);
        self.defined.insert(id);
    }

    fn uses(&mut self, word: &Word) {
        let mut found = Vec::new();
        // What is wrong with a template itself was said when it was read.
        let _ = Template::read(&word.value, &mut self.variables, |id, _| found.push(id));
        self.used.extend(found.into_iter().map(|id| (id, word.span)));
    }

    /// `(?<name>…)`.
    fn captures(&mut self, pattern: &[u8]) {
        for start in [&b"(?<"[..], b"(?P<", b"(?'"] {
            for at in (0..pattern.len()).filter(|at| pattern[*at..].starts_with(start)) {
                let rest = &pattern[at + start.len()..];
                let end = rest.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
                if let Some(end) = end.filter(|end| *end > 0) {
                    self.define(&rest[..end]);
                }
            }
        }
    }
}

fn variables(whole: &Whole, build: &mut Build) {
    let mut names = Names::default();
    for (block, context) in &whole.blocks {
        if !Context::IN_STREAM.meets(*context) {
            continue;
        }
        for directive in whole.tree.items(*block) {
            let Some(row) = catalogue::in_context(&directive.name.value, *context) else { continue };
            for (at, word) in directive.args.iter().enumerate() {
                let kinds = row.forms.of(at).map_or(&[][..], |form| &form.kinds[..]);
                kinds.iter().for_each(|kind| names.word(kind, word));
            }
            body(whole, directive, &mut names);
        }
    }
    let mut said = HashSet::new();
    for (id, span) in &names.used {
        let name = text(names.variables.name(*id));
        if names.defined.contains(id) || Protocol::Stream.find(name.as_bytes()).is_some() || !said.insert(*id)
        {
            continue;
        }
        build.diagnostics.push(unknown(&name, *span, &names));
    }
}

/// What data blocks and patterns define.
fn body(whole: &Whole, directive: &Directive, names: &mut Names) {
    let lines = || whole.tree.items(Some(directive.id));
    if directive.is("map") {
        for line in lines() {
            names.captures(&line.name.value);
            line.args.iter().for_each(|word| names.uses(word));
        }
    } else if directive.is("geo") {
        if let Some(word) = directive.args.last() {
            names.define(word.value.strip_prefix(b"$").unwrap_or(&word.value));
        }
    } else if directive.is("server_name") {
        directive.args.iter().for_each(|word| names.captures(&word.value));
    }
}

fn unknown(name: &str, span: Span, names: &Names) -> Diagnostic {
    let finding = Diagnostic::error("unknown-variable", span, format!("unknown \"{name}\" variable"));
    let defined: HashMap<VariableId, String> =
        names.defined.iter().map(|id| (*id, text(names.variables.name(*id)))).collect();
    match Protocol::Stream.nearest(name, defined.values().map(String::as_str)) {
        None => finding.help("\"set\", \"map\" and named captures give variables their values"),
        Some(nearest) => finding.fix(Fix {
            title: format!("did you mean \"${nearest}\"?"),
            safe: false,
            edits: vec![Edit { span, text: format!("${nearest}") }],
        }),
    }
}
