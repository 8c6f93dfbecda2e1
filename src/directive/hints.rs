//! What the catalogue tells the reader of a text that is known to be wrong.

use crate::directive::catalogue::{self, Block, Row};
use crate::directive::context::Context;
use crate::syntax::{Hints, Shape};

/// The catalogue, asked by [`crate::syntax`] what a directive may look like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Catalogue;

impl Hints for Catalogue {
    fn is_directive(&self, name: &[u8]) -> bool {
        !catalogue::find(name).is_empty()
    }

    fn knows_names(&self) -> bool {
        true
    }

    fn holds_data(&self, block: &[u8]) -> bool {
        Context::DATA.contains(inside(block))
    }

    fn is_refused(&self, shape: &Shape) -> bool {
        if shape.block.is_some_and(|block| catalogue::find(block).is_empty()) {
            // A block of a module's has directives of its own, by whatever names.
            return false;
        }
        let inner = shape.block.map_or(Context::ANY, inside);
        if Context::DATA.contains(inner) {
            return is_no_data(shape, inner);
        }
        let rows = catalogue::find(shape.name);
        let takes = |row: &Row| {
            row.contexts.meets(inner) && row.block.is_some() == shape.opens && row.arity.takes(shape.args)
        };
        !rows.is_empty() && !rows.iter().any(takes)
    }
}

/// What blocks of this name hold; anything, for a name that the catalogue does not know.
fn inside(block: &[u8]) -> Context {
    let held = catalogue::find(block).iter().filter_map(|row| row.block);
    let held = held.fold(Context::NONE, |all, block| match block {
        Block::Of(inner) => all | inner,
        Block::If => all | Context::IF_SERVER | Context::IF_LOCATION,
    });
    if held.is_empty() { Context::ANY } else { held }
}

/// A line of data is a key and a value, or a word alone (`hostnames`, `ranges`); after a MIME type
/// any number of endings follows.
fn is_no_data(shape: &Shape, inner: Context) -> bool {
    shape.opens || shape.args > 1 && !inner.meets(Context::TYPES | Context::MATCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(block: Option<&str>, name: &str, args: usize, opens: bool) -> bool {
        let shape = Shape { block: block.map(str::as_bytes), name: name.as_bytes(), args, opens };
        Catalogue.is_refused(&shape)
    }

    #[test]
    fn what_nginx_may_accept_is_not_refused() {
        assert!(!refused(Some("upstream"), "server", 3, false));
        assert!(!refused(Some("http"), "server", 0, true));
        assert!(!refused(Some("map"), "server", 1, false));
        assert!(!refused(Some("types"), "text/html", 3, false));
        assert!(!refused(Some("a_block_of_a_module"), "server", 7, true));
        assert!(!refused(None, "a_directive_of_a_module", 7, true));
    }

    #[test]
    fn what_has_no_form_for_it_is_refused() {
        assert!(refused(None, "listen", 1, true));
        assert!(refused(None, "location", 1, false));
        assert!(refused(Some("location"), "root", 3, false));
        assert!(refused(Some("http"), "listen", 1, false));
        assert!(refused(Some("map"), "a", 3, false));
    }
}
