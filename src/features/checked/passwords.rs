//! `auth_basic`: whether there is a file to look passwords up in, and what is in it. nginx finds out when a request comes.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::diagnostics::{DependsOn, Diagnostic};
use crate::directive::Context;
use crate::passwords::{Form, Trouble, troubles};
use crate::syntax::{Directive, NodeId, Word};

use super::{Build, Whole};

const REALM: &str = "auth_basic";
const FILE: &str = "auth_basic_user_file";

/// How many lines of a file are named for one and the same trouble.
const NAMED: usize = 5;

pub fn afterwards(whole: &Whole, build: &mut Build) {
    let mut seen = HashSet::new();
    for block in whole.within(Context::IN_HTTP) {
        if let Some(realm) = whole.own(block, REALM).filter(|realm| asks(realm)) {
            without_file(whole, block, realm, build);
        }
        if let Some(file) = whole.own(block, FILE) {
            without_realm(whole, block, file, build);
            if let [word] = &file.args[..] {
                contents(word, &mut seen, build);
            }
        }
    }
}

fn asks(realm: &Directive) -> bool {
    realm.args.first().is_some_and(|word| *word.value != *b"off")
}

/// nginx lets everybody in, without a word.
fn without_file(whole: &Whole, block: Option<NodeId>, realm: &Directive, build: &mut Build) {
    let holds = |at: Option<NodeId>| whole.in_effect(at, FILE).is_some();
    if build.options.fragment || blocks_within(whole, block).any(holds) {
        return;
    }
    let message = format!("\"{REALM}\" asks nobody: no \"{FILE}\" holds here");
    let finding = Diagnostic::warning("no-password-file", realm.name.span, message)
        .here("nobody is asked for a password")
        .help(format!("add a line \"{FILE} users;\", with a line name:hash in the file for each user"));
    build.say_once(finding);
}

fn without_realm(whole: &Whole, block: Option<NodeId>, file: &Directive, build: &mut Build) {
    let holds = |at: Option<NodeId>| whole.in_effect(at, REALM).is_some_and(asks);
    if build.options.fragment || blocks_within(whole, block).any(holds) {
        return;
    }
    let message = format!("\"{FILE}\" has no effect: no \"{REALM}\" holds here");
    let finding = Diagnostic::warning("no-effect", file.name.span, message);
    build.say_once(
        finding.here("nobody is asked for a password").help(format!("add a line \"{REALM} members;\"")),
    );
}

/// A block and those inside of it.
fn blocks_within<'w>(whole: &'w Whole, block: Option<NodeId>) -> impl Iterator<Item = Option<NodeId>> + 'w {
    whole.within(Context::IN_HTTP).filter(move |inner| {
        block.is_none()
            || std::iter::successors(*inner, |at| whole.tree.block_of(*at)).any(|at| Some(at) == block)
    })
}

/// What there is to say of a file, once.
fn contents(word: &Word, seen: &mut HashSet<PathBuf>, build: &mut Build) {
    if word.value.contains(&b'$') {
        return;
    }
    let path = build.options.conf_prefix.join(Path::new(OsStr::from_bytes(&word.value)));
    if !seen.insert(path.clone()) {
        return;
    }
    let shown = path.display();
    match build.files.read(&path) {
        Err(error) => {
            let message = format!("cannot read passwords from \"{shown}\": {error}");
            let finding = Diagnostic::warning("unreadable-file", word.span, message);
            let finding = finding.here("nobody gets in until it is there: 403, or 500");
            build.diagnostics.push(finding.depends_on(DependsOn::Machine));
        }
        Ok(bytes) => {
            for (told, lines) in gathered(&troubles(&bytes)) {
                let message = format!("\"{shown}\", {lines}: {}", told.what);
                let finding = Diagnostic::warning(told.code, word.span, message).help(told.help);
                build.diagnostics.push(finding.depends_on(DependsOn::Machine));
            }
        }
    }
}

/// A trouble in a sentence.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Told {
    code: &'static str,
    what: &'static str,
    help: &'static str,
}

/// Each trouble once, with the lines that have it.
fn gathered(troubles: &[(u32, Trouble)]) -> Vec<(Told, String)> {
    let mut gathered: Vec<(Told, Vec<u32>)> = Vec::new();
    for (line, trouble) in troubles {
        let told = told(trouble);
        match gathered.iter_mut().find(|(other, _)| *other == told) {
            Some((_, lines)) => lines.push(*line),
            None => gathered.push((told, vec![*line])),
        }
    }
    gathered.into_iter().map(|(told, lines)| (told, named(&lines))).collect()
}

fn named(lines: &[u32]) -> String {
    let word = if lines.len() == 1 { "line" } else { "lines" };
    let first: Vec<String> = lines.iter().take(NAMED).map(u32::to_string).collect();
    let more = match lines.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{word} {}{more}", first.join(", "))
}

fn told(trouble: &Trouble) -> Told {
    const ANEW: &str = "hash it anew, with \"htpasswd -B\" or \"mkpasswd -m yescrypt\"";
    let (code, what, help) = match trouble {
        Trouble::NoPassword => ("password-line", "no colon, so that it is passed over", "write name:hash"),
        Trouble::NoName => ("password-line", "no name, so that nobody gets in with it", "write name:hash"),
        Trouble::Again { .. } => (
            "password-line",
            "a user of an earlier line again: it is never looked at",
            "take one of the lines out",
        ),
        Trouble::Unknown => {
            ("password-line", "a password in no form that is known: nobody gets in with it", ANEW)
        }
        Trouble::Weak(Form::Plain) => {
            ("weak-password", "a password that whoever reads the file knows ({PLAIN})", ANEW)
        }
        Trouble::Weak(Form::Sha) => {
            ("weak-password", "a password under one SHA-1 and without salt ({SHA}), soon guessed", ANEW)
        }
        Trouble::Weak(_) => ("weak-password", "a password under DES, which looks at eight bytes of it", ANEW),
    };
    Told { code, what, help }
}
