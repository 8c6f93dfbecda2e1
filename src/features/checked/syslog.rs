//! Logs that go to `syslog:`: `ngx_syslog_parse_args`.

use crate::diagnostics::Diagnostic;
use crate::directive::Context;
use crate::syntax::Word;

use super::address;
use super::{Build, Whole, text};

const FACILITIES: &str = "kern user mail daemon auth intern lpr news uucp clock authpriv ftp ntp audit alert cron \
                          local0 local1 local2 local3 local4 local5 local6 local7";
const SEVERITIES: &str = "emerg alert crit error warn notice info debug";

/// The longest tag.
const TAG: usize = 32;

pub fn afterwards(whole: &Whole, build: &mut Build) {
    for block in whole.within(Context::ANY) {
        for log in whole.tree.items(block).filter(|one| one.is("access_log") || one.is("error_log")) {
            if let Some(word) = log.args.first().filter(|word| word.value.starts_with(b"syslog:")) {
                target(word, build);
            }
        }
    }
}

fn target(word: &Word, build: &mut Build) {
    let mut names: Vec<&[u8]> = Vec::new();
    let mut wrong = Vec::new();
    for parameter in word.value[b"syslog:".len()..].split(|byte| *byte == b',') {
        let equals = parameter.iter().position(|byte| *byte == b'=').unwrap_or(parameter.len());
        let (name, value) = (&parameter[..equals], parameter.get(equals + 1..).unwrap_or_default());
        if names.contains(&name) {
            wrong.push(format!("duplicate syslog \"{}\"", text(name)));
        }
        names.push(name);
        wrong.extend(self::parameter(name, value, parameter));
    }
    if !names.contains(&&b"server"[..]) {
        wrong.push("no syslog server specified".to_owned());
    }
    let findings = wrong.into_iter().map(|message| Diagnostic::error("invalid-syslog", word.span, message));
    build.diagnostics.extend(findings);
}

fn parameter(name: &[u8], value: &[u8], whole: &[u8]) -> Option<String> {
    let one_of = |list: &str| list.split_whitespace().any(|known| known.as_bytes() == value);
    let shown = text(value);
    match name {
        b"server" => {
            address::parse(value, false).err().map(|why| format!("{why} in syslog server \"{shown}\""))
        }
        b"facility" => (!one_of(FACILITIES)).then(|| format!("unknown syslog facility \"{shown}\"")),
        b"severity" => (!one_of(SEVERITIES)).then(|| format!("unknown syslog severity \"{shown}\"")),
        b"tag" if value.len() > TAG => Some(format!("syslog tag length exceeds {TAG}")),
        b"tag" if !value.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') => {
            Some("syslog \"tag\" only allows alphanumeric characters and underscore".to_owned())
        }
        b"tag" => None,
        b"nohostname" if whole == name => None,
        _ => Some(format!("unknown syslog parameter \"{}\"", text(whole))),
    }
}
