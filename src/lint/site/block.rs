//! One block, what stands in it and what it inherits.

use std::fmt;

use bstr::ByteSlice;

use crate::directive::Context;
use crate::source::Span;
use crate::syntax::Directive;

use super::{Held, Site};

/// A block of a [`Site`]: a number that knows its site.
#[derive(Clone, Copy)]
pub struct Block<'a> {
    pub site: &'a Site<'a>,
    pub(super) at: usize,
}

/// How a location's name is compared with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modifier {
    Prefix,
    /// `=`
    Exact,
    /// `^~`
    Preferred,
    /// `~`, or `~*` where it is `caseless`.
    Pattern {
        caseless: bool,
    },
    /// `@name`
    Named,
}

/// A location's name and how it is compared.
#[derive(Clone, Copy, Debug)]
pub struct LocationName<'a> {
    pub modifier: Modifier,
    /// Without the modifier.
    pub name: &'a [u8],
    /// Where the name stands.
    pub span: Span,
}

impl PartialEq for Block<'_> {
    fn eq(&self, other: &Block<'_>) -> bool {
        self.at == other.at
    }
}

impl<'a> Block<'a> {
    pub(super) fn new(site: &'a Site<'a>, at: usize) -> Block<'a> {
        Block { site, at }
    }

    fn held(self) -> &'a Held<'a> {
        &self.site.blocks[self.at]
    }

    pub fn context(self) -> Context {
        self.held().context
    }

    /// The directive whose block it is; `None` for the outermost level.
    pub fn directive(self) -> Option<&'a Directive> {
        self.held().directive
    }

    /// The directive without its block: where findings about a block stand. The outermost level has none.
    pub fn head(self) -> Option<Span> {
        self.directive().map(Directive::head)
    }

    pub fn parent(self) -> Option<Block<'a>> {
        self.held().parent.map(|at| Block { at, ..self })
    }

    /// The blocks in it, in order.
    pub fn children(self) -> impl Iterator<Item = Block<'a>> {
        self.held().children.iter().map(move |at| Block { at: *at, ..self })
    }

    /// Itself and the blocks around it, from the inside out.
    pub fn outwards(self) -> impl Iterator<Item = Block<'a>> {
        std::iter::successors(Some(self), |block| block.parent())
    }

    /// The blocks in it and in those, without itself.
    pub fn descendants(self) -> impl Iterator<Item = Block<'a>> {
        let mut waiting: Vec<Block<'a>> = self.children().collect();
        waiting.reverse();
        std::iter::from_fn(move || {
            let next = waiting.pop()?;
            let from = waiting.len();
            waiting.extend(next.children());
            waiting[from..].reverse();
            Some(next)
        })
    }

    /// The nearest `server` of `http` around it, or itself.
    pub fn server(self) -> Option<Block<'a>> {
        self.outwards().find(|block| block.context() == Context::SERVER)
    }

    /// The nearest `location` around it, or itself.
    pub fn location(self) -> Option<Block<'a>> {
        self.outwards().find(|block| block.context() == Context::LOCATION)
    }

    /// What stands in it, in the order in which it is written, what is included in its place.
    pub fn items(self) -> &'a [&'a Directive] {
        &self.held().items
    }

    /// The names of what stands in it, each once.
    pub fn names(self) -> impl Iterator<Item = &'a [u8]> {
        self.held().names.iter().map(|(name, _)| *name)
    }

    /// The directives of a name that stand in the block itself, in order.
    pub fn own(self, name: &str) -> &'a [&'a Directive] {
        self.held().named(name.as_bytes())
    }

    /// The last directive of a name that stands in the block itself.
    pub fn own_last(self, name: &str) -> Option<&'a Directive> {
        self.own(name).last().copied()
    }

    /// Whether a directive of this name stands in the block itself.
    pub fn has(self, name: &str) -> bool {
        !self.own(name).is_empty()
    }

    /// The block whose directives of a name are in effect here: this one, or the nearest around it that has any.
    /// Which directives are inherited at all is for the caller to know: `proxy_pass`, `return`, `try_files` in a
    /// server, `rewrite` and their kin are not.
    pub fn level(self, name: &str) -> Option<Block<'a>> {
        self.outwards().find(|block| block.has(name))
    }

    /// The directives of a name that are in effect here, as lists are inherited: all of the nearest block that has
    /// any (`add_header`, `proxy_set_header`, `access_log`).
    pub fn all_in_effect(self, name: &str) -> &'a [&'a Directive] {
        self.level(name).map_or(&[], |block| block.own(name))
    }

    /// The directive of a name that is in effect here: the last of the nearest block that has one.
    pub fn in_effect(self, name: &str) -> Option<&'a Directive> {
        self.all_in_effect(name).last().copied()
    }

    /// The first argument of the directive in effect, as written, or nginx's default.
    pub fn value(self, name: &str, default: &'a str) -> &'a [u8] {
        let written = self.in_effect(name).and_then(|directive| directive.args.first());
        written.map_or(default.as_bytes(), |word| &word.value[..])
    }

    /// Whether a flag is on here, by its directive or by nginx's default.
    pub fn is_on(self, name: &str, default: bool) -> bool {
        self.in_effect(name)
            .and_then(|directive| directive.args.first())
            .map_or(default, |word| word.value.eq_ignore_ascii_case(b"on"))
    }

    /// Its name, if it is a location.
    pub fn name(self) -> Option<LocationName<'a>> {
        let directive = self.directive().filter(|_| self.context() == Context::LOCATION)?;
        let (modifier, word) = match &directive.args[..] {
            [word] => (None, word),
            [modifier, word] => (Some(&modifier.value[..]), word),
            _ => return None,
        };
        let glued = |prefix: &[u8]| word.value.strip_prefix(prefix).map(|_| prefix.len());
        let (modifier, skipped) = match modifier {
            Some(b"=") => (Modifier::Exact, 0),
            Some(b"^~") => (Modifier::Preferred, 0),
            Some(b"~") => (Modifier::Pattern { caseless: false }, 0),
            Some(b"~*") => (Modifier::Pattern { caseless: true }, 0),
            Some(_) => return None,
            // nginx takes `location =/path` and `location ~\.php$` for what they look like.
            None => match (glued(b"="), glued(b"^~"), glued(b"~*"), glued(b"~"), glued(b"@")) {
                (Some(skipped), ..) => (Modifier::Exact, skipped),
                (_, Some(skipped), ..) => (Modifier::Preferred, skipped),
                (_, _, Some(skipped), ..) => (Modifier::Pattern { caseless: true }, skipped),
                (_, _, _, Some(skipped), _) => (Modifier::Pattern { caseless: false }, skipped),
                (.., Some(_)) => (Modifier::Named, 0),
                _ => (Modifier::Prefix, 0),
            },
        };
        Some(LocationName { modifier, name: &word.value[skipped..], span: word.span })
    }
}

impl Modifier {
    /// Whether the name is the beginning of the paths it stands for.
    pub fn is_prefix(self) -> bool {
        matches!(self, Modifier::Prefix | Modifier::Preferred)
    }

    pub fn is_pattern(self) -> bool {
        matches!(self, Modifier::Pattern { .. })
    }
}

/// As messages name it: `location /ws`, `server chat.example.com`, `http`.
impl fmt::Display for Block<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(directive) = self.directive() else { return f.write_str("the outermost level") };
        write!(f, "{}", directive.name.value)?;
        if self.context() == Context::SERVER
            && let Some(name) = self.own("server_name").first().and_then(|line| line.args.first())
        {
            return write!(f, " {}", name.value.to_str_lossy());
        }
        directive.args.iter().try_for_each(|word| write!(f, " {}", word.value.to_str_lossy()))
    }
}
