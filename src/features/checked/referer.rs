//! `valid_referers`, where all lines of a block are known: `ngx_http_referer_merge_conf`.

use crate::diagnostics::Diagnostic;
use crate::directive::Context;
use crate::features::referer::{is_taken_by, split};
use crate::syntax::{NodeId, Word};

use super::{Build, Whole};

/// `none` and `blocked` beside nothing that is valid, and names of the server that are named once more.
pub fn afterwards(whole: &Whole, build: &mut Build) {
    for block in whole.within(Context::SERVER.or(Context::LOCATION)) {
        let lines = whole.tree.items(block).filter(|line| line.is("valid_referers"));
        let words: Vec<&Word> = lines.flat_map(|line| &line.args).collect();
        let special = |word: &&&Word| matches!(&word.value[..], b"none" | b"blocked");
        let valid = words.iter().any(|word| !special(&word) && !word.value.starts_with(b"~"));
        if let Some(word) = words.iter().find(special).filter(|_| !valid) {
            let message = "the \"none\" or \"blocked\" referers are specified in the \"valid_referers\" \
                           directive without any valid referer";
            let finding = Diagnostic::error("missing-parameter", word.span, message);
            build
                .diagnostics
                .push(finding.help("add \"server_names\" or the name of a host; a pattern is not enough"));
        }
        if let Some(all) = words.iter().find(|word| word.value == "server_names") {
            build.diagnostics.extend(named_twice(whole, block, all, &words));
        }
    }
}

/// A host that `server_names` stands for and that is there already.
fn named_twice(whole: &Whole, block: Option<NodeId>, all: &Word, words: &[&Word]) -> Option<Diagnostic> {
    let is_host = |word: &&Word| !word.value.starts_with(b"~");
    let hosts = words.iter().copied().filter(is_host).map(|word| (split(&word.value).0, word));
    let mut hosts: Vec<_> = hosts.collect();
    for word in server_names(whole, block).into_iter().filter(is_host) {
        let name = word.value.to_ascii_lowercase();
        if let Some((_, other)) = hosts.iter().find(|(other, _)| is_taken_by(&name, other)) {
            let message = format!("conflicting parameter \"{}\"", word.value);
            let finding = Diagnostic::error("duplicate-value", all.span, message);
            let finding = finding.here("stands for a name that is there already").also(other.span, "here");
            return Some(finding.help("a host may be named once: leave it out beside \"server_names\""));
        }
        hosts.push((name, word));
    }
    None
}

/// The words of `server_name` in the server around a block.
fn server_names<'a>(whole: &Whole<'a>, block: Option<NodeId>) -> Vec<&'a Word> {
    let mut server = block;
    while let Some(id) = server.filter(|id| !whole.tree.get(*id).is("server")) {
        server = whole.tree.block_of(id);
    }
    whole.tree.items(server).filter(|line| line.is("server_name")).flat_map(|line| &line.args).collect()
}
