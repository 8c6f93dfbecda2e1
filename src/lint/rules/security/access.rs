//! Who is let in, and what comes before that is asked.

use bstr::ByteSlice;

use crate::directive::Context;
use crate::lint::site::Block;
use crate::syntax::Directive;

/// The block whose `allow` and `deny` are in effect: they are one list, and it is inherited whole.
pub fn rules(block: Block<'_>) -> Option<Block<'_>> {
    block.outwards().find(|block| block.has("allow") || block.has("deny"))
}

/// Whether something besides addresses is asked for before content: a password, a token, another server's word, a
/// certificate.
pub fn asks_for_proof(block: Block<'_>) -> bool {
    let is_set = |name: &str| block.in_effect(name).is_some() && block.value(name, "off") != b"off";
    [
        "auth_basic",
        "auth_request",
        "auth_jwt",
        "auth_digest",
        "auth_pam",
        "access_by_lua_block",
        "access_by_lua_file",
    ]
    .iter()
    .any(|name| is_set(name))
        || block.value("ssl_verify_client", "off") == b"on"
}

/// The status that a `return` answers with, and its text or address; a lone address redirects.
pub fn answer(directive: &Directive) -> Option<(u16, Option<&[u8]>)> {
    let first = directive.args.first()?;
    let text = directive.args.get(1).map(|word| &word.value[..]);
    match first.value.to_str().ok().and_then(|text| text.parse().ok()) {
        Some(status) => Some((status, text)),
        None => Some((302, Some(&first.value[..]))),
    }
}

/// Whether a `return` in a block turns requests away.
pub fn refuses(block: Block<'_>) -> bool {
    block.own("return").iter().filter_map(|line| answer(line)).any(|(status, _)| status >= 400)
}

/// Whether some `if` around or beside the directives of a block, or in one of those around it, turns requests away.
pub fn is_filtered(block: Block<'_>) -> bool {
    let ifs = Context::IF_SERVER.or(Context::IF_LOCATION);
    let refused =
        |level: Block<'_>| level.children().any(|child| ifs.meets(child.context()) && refuses(child));
    block.outwards().take_while(|level| level.context() != Context::HTTP).any(refused)
}
