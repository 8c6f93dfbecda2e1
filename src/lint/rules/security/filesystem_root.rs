//! Servers that show the whole disk.

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::Context;
use crate::lint::site::{Block, PASSES, Site};
use crate::lint::{Mend, Profile, Rule, examples};

pub static RULE: Rule = Rule {
    id: "SEC318",
    name: "filesystem-root",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "root or alias is \"/\": the whole file system is served",
    why: "With \"/\" as its directory a location gives out every file that nginx's workers may read: configurations, \
          passwords of others, sources. It does not matter where an upstream answers and no file is looked for.",
    mend: Mend::None,
    examples: examples!("filesystem-root"),
    check,
};

/// What answers instead of files, beside [`PASSES`].
const HANDLERS: [&str; 5] = ["return", "stub_status", "empty_gif", "content_by_lua_block", "internal"];

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for (block, directive) in site.all(&["root", "alias"]) {
        let Some(path) = directive.args.first() else { continue };
        let is_all = match directive.is("alias") {
            true => is_everything(block, &path.value) && serves_files(block),
            false => is_top(&path.value) && serves_all(block),
        };
        if is_all {
            let message = format!(
                "the whole file system is served: \"{}\" is \"{}\" in {block}",
                directive.name.value, path.value
            );
            found.push(
                rule.finding(directive.head(), message)
                    .help("name the directory that holds what is to be served"),
            );
        }
    }
}

/// Whether a path is that of the whole disk, as `/`, `//` and `/usr/..` are.
fn is_top(path: &[u8]) -> bool {
    let Some(rest) = path.strip_prefix(b"/") else { return false };
    let depth = rest.split(|byte| *byte == b'/').fold(0_usize, |depth, part| match part {
        b"" | b"." => depth,
        b".." => depth.saturating_sub(1),
        _ => depth + 1,
    });
    depth == 0 && !path.contains(&b'$')
}

/// Whether the rest of every path of a location is looked for from the top: it is put right behind the alias.
fn is_everything(block: Block<'_>, alias: &[u8]) -> bool {
    let Some(name) = block.name().filter(|name| name.modifier.is_prefix()) else { return false };
    is_top(alias) && (alias.ends_with(b"/") || !name.name.ends_with(b"/"))
}

/// Whether some request is answered with a file from anywhere below the `root` of a block.
fn serves_all(block: Block<'_>) -> bool {
    match block.context() {
        Context::LOCATION => is_wide(block) && serves_files(block),
        Context::SERVER => {
            if block.has("return") {
                return false;
            }
            let catches_all = |location: &Block<'_>| {
                location.name().is_some_and(|name| name.modifier.is_prefix() && name.name == b"/")
            };
            match block.children().find(catches_all) {
                Some(location) => !location.has("root") && !location.has("alias") && serves_files(location),
                None => block.is_known(),
            }
        }
        Context::HTTP => block
            .children()
            .any(|server| server.context() == Context::SERVER && !server.has("root") && serves_all(server)),
        _ => false,
    }
}

/// Whether the paths of a location are more than those below a directory that it names.
fn is_wide(block: Block<'_>) -> bool {
    block.name().is_some_and(|name| match () {
        _ if name.modifier.is_prefix() => name.name == b"/",
        _ if name.modifier.is_pattern() => {
            !name.name.starts_with(b"^/") || name.name.get(2).is_none_or(|byte| !byte.is_ascii_alphanumeric())
        }
        _ => false,
    })
}

fn serves_files(block: Block<'_>) -> bool {
    !PASSES.iter().chain(&HANDLERS).any(|name| block.has(name))
        && !block
            .own("deny")
            .iter()
            .any(|line| line.args.first().is_some_and(|whom| whom.value.trim_ascii() == b"all"))
}
