//! Servers that show the whole disk.

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::Context;
use crate::lint::site::{Block, Site};
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

/// What answers instead of files.
const HANDLERS: [&str; 11] = [
    "proxy_pass",
    "fastcgi_pass",
    "uwsgi_pass",
    "scgi_pass",
    "grpc_pass",
    "memcached_pass",
    "return",
    "stub_status",
    "empty_gif",
    "content_by_lua_block",
    "internal",
];

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for (block, directive) in site.all(&["root", "alias"]) {
        let Some(path) = directive.args.first() else { continue };
        if path.value.is_empty()
            || !path.value.iter().all(|byte| matches!(byte, b'/' | b'.'))
            || !path.value.starts_with(b"/")
        {
            continue;
        }
        if directive.is("alias") && serves_files(block) || directive.is("root") && serves_all(block) {
            let message =
                format!("the whole file system is served: \"{}\" is \"/\" in {block}", directive.name.value);
            found.push(
                rule.finding(directive.head(), message)
                    .help("name the directory that holds what is to be served"),
            );
        }
    }
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
    !HANDLERS.iter().any(|name| block.has(name))
        && !block
            .own("deny")
            .iter()
            .any(|line| line.args.first().is_some_and(|whom| whom.value.trim_ascii() == b"all"))
}
