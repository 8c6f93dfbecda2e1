//! What goes to upstreams, and with which header.

use std::collections::HashMap;

use bstr::ByteSlice;

use crate::directive::Context;
use crate::syntax::{Directive, Word};

use super::{Block, Held, Site};

/// Directives that pass requests on to a server, or to a group of them.
pub const PASSES: [&str; 6] =
    ["proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "memcached_pass"];

/// A `proxy_pass` of `http`, and the block in which it stands.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    pub block: Block<'a>,
    pub directive: &'a Directive,
    /// Its argument.
    pub url: &'a Word,
}

/// The lines of `proxy_set_header` that are in effect in a block: those of one level, never of two.
#[derive(Clone, Copy)]
pub struct Headers<'a> {
    /// Where they stand; `None` if there are none.
    pub level: Option<Block<'a>>,
    pub lines: &'a [&'a Directive],
}

impl<'a> Site<'a> {
    /// Every `proxy_pass` of `http`, in the order of blocks.
    pub fn passes(&self) -> impl Iterator<Item = Pass<'_>> {
        const PLACES: Context = Context::LOCATION.or(Context::IF_LOCATION).or(Context::LIMIT_EXCEPT);
        self.within(PLACES).filter_map(Block::pass)
    }

    /// The `upstream` block of this name.
    pub fn upstream(&self, name: &[u8]) -> Option<Block<'_>> {
        self.upstreams.get(&name.to_ascii_lowercase()).map(|at| Block::new(self, *at))
    }
}

impl<'a> Block<'a> {
    /// The `proxy_pass` that stands in it.
    pub fn pass(self) -> Option<Pass<'a>> {
        let directive = self.own_last("proxy_pass")?;
        Some(Pass { block: self, directive, url: directive.args.first()? })
    }

    /// What `proxy_set_header` lines are in effect in it.
    pub fn headers(self) -> Headers<'a> {
        let level = self.level("proxy_set_header");
        Headers { level, lines: level.map_or(&[], |level| level.own("proxy_set_header")) }
    }
}

impl<'a> Pass<'a> {
    /// `http` or `https`, as written; `None` where it is a variable's.
    pub fn scheme(&self) -> Option<&'a [u8]> {
        let end = self.url.value.find("://")?;
        Some(&self.url.value[..end]).filter(|scheme| !scheme.contains(&b'$'))
    }

    /// Host and port as written, with variables: what stands between `://` and the path. `unix:` names end with a
    /// `:`.
    pub fn authority(&self) -> &'a [u8] {
        let url = &self.url.value[..];
        let from = url.find("://").map_or(0, |at| at + 3);
        let rest = &url[from..];
        if let Some(path) = rest.strip_prefix(b"unix:") {
            let end = path.find_byte(b':').unwrap_or(path.len());
            return &rest[..5 + end];
        }
        &rest[..rest.find_byteset(b"/?#").unwrap_or(rest.len())]
    }

    /// The URI behind host and port; `None` where there is none and the client's goes on.
    pub fn uri(&self) -> Option<&'a [u8]> {
        let url = &self.url.value[..];
        let from = url.find("://").map_or(0, |at| at + 3) + self.authority().len();
        let rest = &url[from..];
        let rest = if self.authority().starts_with(b"unix:") {
            rest.strip_prefix(b":").unwrap_or(rest)
        } else {
            rest
        };
        Some(rest).filter(|rest| !rest.is_empty())
    }

    /// Whether any variable is in it.
    pub fn has_variables(&self) -> bool {
        self.url.value.contains(&b'$')
    }

    /// The `upstream` block it names, where it names one without variables.
    pub fn upstream(&self) -> Option<Block<'a>> {
        self.block.site.upstream(self.authority())
    }
}

impl<'a> Headers<'a> {
    /// The line that sets a field, of any case: the last, if there are several.
    pub fn get(&self, field: &str) -> Option<&'a Directive> {
        self.all(field).last()
    }

    /// Whether any line sets a field.
    pub fn has(&self, field: &str) -> bool {
        self.get(field).is_some()
    }

    /// Every line that sets a field.
    pub fn all(&self, field: &str) -> impl Iterator<Item = &'a Directive> {
        let field = field.as_bytes();
        let named =
            |line: &&Directive| line.args.first().is_some_and(|name| name.value.eq_ignore_ascii_case(field));
        self.lines.iter().copied().filter(named)
    }
}

/// The first `upstream` block of each name, in lower case.
pub(super) fn upstreams(blocks: &[Held<'_>]) -> HashMap<Vec<u8>, usize> {
    let name = |block: &Held<'_>| {
        let word = block.directive.filter(|_| block.context == Context::UPSTREAM)?.args.first()?;
        Some(word.value.to_ascii_lowercase())
    };
    let named = blocks.iter().enumerate().filter_map(|(at, block)| Some((name(block)?, at)));
    named.rev().collect()
}
