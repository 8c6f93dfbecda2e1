//! What a text hangs on: the variables it is made of, and those that maps and `set` make them of.

use std::collections::HashSet;

use bstr::{BString, ByteSlice};

use crate::directive::Context;
use crate::lint::site::{Block, Origin, Piece, pieces};
use crate::syntax::Directive;

/// Whether a text hangs on a variable of which this holds.
pub fn depends_on(block: Block<'_>, text: &[u8], holds: impl Fn(&[u8]) -> bool) -> bool {
    source(block, text, holds).is_some()
}

/// The first variable of which this holds, of those that a text hangs on: its name in lower case.
pub fn source(block: Block<'_>, text: &[u8], holds: impl Fn(&[u8]) -> bool) -> Option<BString> {
    let mut seen = HashSet::new();
    let mut waiting = vec![text];
    while let Some(text) = waiting.pop() {
        for piece in pieces(text) {
            let Piece::Variable(name) = piece else { continue };
            let name = name.to_ascii_lowercase();
            if holds(&name) {
                return Some(name.into());
            }
            if !seen.insert(name.clone()) {
                continue;
            }
            for origin in block.site.origins(&name) {
                match origin {
                    Origin::Map { directive, input } => {
                        waiting.push(&input.value);
                        waiting.extend(block.site.rows(directive).map(|(_, value)| &value.value[..]));
                    }
                    Origin::Set { value, .. } => waiting.push(&value.value),
                    _ => {}
                }
            }
        }
    }
    None
}

/// The `if` blocks that a request to a location comes by: the server's and its own.
pub fn ifs(location: Block<'_>) -> impl Iterator<Item = Block<'_>> {
    let blocks =
        location.outwards().filter(|block| Context::SERVER.or(Context::LOCATION).meets(block.context()));
    blocks.flat_map(|block| block.own("if").iter().filter_map(|line| block.site.block(line)))
}

/// The directive that makes a request an error in this block.
pub fn refusal<'a>(block: Block<'a>) -> Option<&'a Directive> {
    let is_refusal = |line: &&&Directive| {
        let status = line.args.first().map(|word| word.value.to_str_lossy().into_owned());
        status.is_some_and(|status| status.len() == 3 && status.starts_with('4'))
    };
    block.own("return").iter().find(is_refusal).copied()
}

/// Whether a program looks at requests to a location: nobody knows what it asks for.
pub fn has_a_script(location: Block<'_>) -> bool {
    let is_script =
        |name: &[u8]| name.contains_str("_by_lua") || name.starts_with(b"js_") || name.starts_with(b"perl");
    location.outwards().flat_map(Block::names).any(is_script)
}
