//! Which location answers a path.

use std::collections::HashMap;

use crate::directive::Context;
use crate::request::{Pattern, Variables};

use super::{Block, Modifier};

/// Patterns of locations, each compiled once.
#[derive(Default)]
pub struct Patterns {
    compiled: HashMap<(Vec<u8>, bool), Option<Pattern>>,
    /// Named captures want slots; nobody reads them.
    variables: Variables,
}

impl Patterns {
    /// Whether a pattern matches; `None` if it is none.
    pub fn matches(&mut self, pattern: &[u8], caseless: bool, subject: &[u8]) -> Option<bool> {
        let key = (pattern.to_vec(), caseless);
        let compiled = self
            .compiled
            .entry(key)
            .or_insert_with(|| Pattern::new(pattern, caseless, &mut self.variables).ok());
        compiled.as_ref().map(|compiled| compiled.is_match(subject))
    }
}

impl<'a> Block<'a> {
    /// The location in this server that answers a path, as `ngx_http_core_find_location` looks for it; `None` if
    /// there is none, or if that hangs on a pattern that cannot be read.
    pub fn answers(self, path: &[u8], patterns: &mut Patterns) -> Option<Block<'a>> {
        let named: Vec<_> = self
            .children()
            .filter(|block| block.context() == Context::LOCATION)
            .filter_map(|block| Some((block, block.name()?)))
            .collect();
        let exact = |(_, name): &&(Block<'a>, super::LocationName<'a>)| {
            name.modifier == Modifier::Exact && name.name == path
        };
        if let Some((block, _)) = named.iter().find(exact) {
            return Some(*block);
        }
        let prefixes =
            named.iter().filter(|(_, name)| name.modifier.is_prefix() && path.starts_with(name.name));
        let longest = prefixes.max_by_key(|(_, name)| name.name.len());
        let inner = longest.and_then(|(block, _)| block.answers(path, patterns));
        // What is found deeper is the answer, unless it is the location itself that would answer.
        if inner.is_some() || longest.is_some_and(|(_, name)| name.modifier == Modifier::Preferred) {
            return inner.or(longest.map(|(block, _)| *block));
        }
        for (block, name) in &named {
            if let Modifier::Pattern { caseless } = name.modifier
                && patterns.matches(name.name, caseless, path)?
            {
                return block.answers(path, patterns).or(Some(*block));
            }
        }
        longest.map(|(block, _)| *block)
    }
}
