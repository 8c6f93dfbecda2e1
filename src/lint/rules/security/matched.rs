//! Which pattern `$1` and named groups speak of, and which `set` a variable's value may come from.

use bstr::ByteSlice;

use crate::directive::Context;
use crate::lint::regex::Regex;
use crate::lint::site::{Block, Modifier, Operator};
use crate::syntax::{Directive, Word};

/// The pattern that was compared last, and with what.
#[derive(Clone, Copy)]
pub struct Matched<'a> {
    pub pattern: &'a [u8],
    pub caseless: bool,
    /// The word in which the pattern stands.
    pub word: &'a Word,
    pub against: Against<'a>,
}

/// What a pattern was compared with.
#[derive(Clone, Copy)]
pub enum Against<'a> {
    /// The decoded path.
    Path,
    /// The name of the host.
    Host,
    /// What a text with variables came to, in this block at this directive.
    Text(&'a [u8], Block<'a>),
}

impl Matched<'_> {
    pub fn regex(&self) -> Option<Regex> {
        Regex::new(self.pattern, self.caseless)
    }
}

/// Steps of the rewrite module, which run in order and before anything else.
const STEPS: [&str; 5] = ["rewrite", "set", "if", "return", "break"];

/// The pattern whose groups `$1` and its kin are at a directive; `None` where that is not plain, or there is none.
pub fn matched<'a>(block: Block<'a>, directive: &'a Directive) -> Option<Matched<'a>> {
    if let Some(own) = of_rewrite(directive) {
        return Some(own);
    }
    let is_step = STEPS.iter().any(|step| directive.is(step));
    let mut before = block.items().iter().take_while(|item| !is_step || item.id != directive.id);
    // A step that compared something has set or forgotten the groups, as it happened to match or not.
    if before.any(|item| of_rewrite(item).is_some() || compares(block, item)) {
        return None;
    }
    let parent = block.parent();
    if Context::IF_SERVER.or(Context::IF_LOCATION).meets(block.context()) {
        if let Some(condition) = block.condition()
            && let Operator::Matches { caseless, negated } = condition.operator
        {
            let against = Against::Text(condition.subject, parent?);
            let found = Matched { pattern: condition.operand, caseless, word: condition.word, against };
            return (!negated).then_some(found);
        }
        return matched(parent?, block.directive()?);
    }
    if block.context() == Context::LIMIT_EXCEPT {
        return matched(parent?, directive);
    }
    if let Some(name) = block.name() {
        let Modifier::Pattern { caseless } = name.modifier else { return None };
        let word = block.directive()?.args.last()?;
        return Some(Matched { pattern: name.name, caseless, word, against: Against::Path });
    }
    None
}

/// The pattern that gives a named group, where it stands around or before what is looked at.
pub fn named<'a>(block: Block<'a>, giver: &'a Directive, word: &'a Word) -> Option<Matched<'a>> {
    let site = block.site;
    if giver.is("server_name") {
        let is_around = site.block_of(giver) == block.server();
        let pattern = word.value.strip_prefix(b"~")?;
        return is_around.then_some(Matched { pattern, caseless: true, word, against: Against::Host });
    }
    if giver.is("rewrite") {
        return of_rewrite(giver)
            .filter(|_| site.block_of(giver).is_some_and(|level| is_in_reach(block, level)));
    }
    let opened = site.block(giver)?;
    if !block.outwards().any(|level| level == opened) {
        return None;
    }
    match opened.name() {
        Some(name) => match name.modifier {
            Modifier::Pattern { caseless } => {
                Some(Matched { pattern: name.name, caseless, word, against: Against::Path })
            }
            _ => None,
        },
        None => {
            let condition = opened.condition()?;
            let Operator::Matches { caseless, negated: false } = condition.operator else { return None };
            let against = Against::Text(condition.subject, opened.parent()?);
            Some(Matched { pattern: condition.operand, caseless, word, against })
        }
    }
}

/// Whether what a `set` in `level` says may hold in `block`: it stands around it, or in an `if` beside what does.
pub fn is_in_reach(block: Block<'_>, level: Block<'_>) -> bool {
    let ifs = Context::IF_SERVER.or(Context::IF_LOCATION);
    let outside = level.outwards().find(|level| !ifs.meets(level.context()));
    block.outwards().any(|around| Some(around) == outside || around == level)
}

/// Whether a `rewrite` sends the client elsewhere.
pub fn redirects(rewrite: &Directive) -> bool {
    let to = rewrite.args.get(1).map_or(&b""[..], |word| &word.value[..]);
    let flag = rewrite.args.get(2).map_or(&b""[..], |word| &word.value[..]);
    let schemes: [&[u8]; 3] = [b"http://", b"https://", b"$scheme"];
    matches!(flag, b"redirect" | b"permanent") || schemes.iter().any(|scheme| to.starts_with_str(scheme))
}

fn of_rewrite(directive: &Directive) -> Option<Matched<'_>> {
    let word = directive.args.first().filter(|_| directive.is("rewrite"))?;
    Some(Matched { pattern: &word.value, caseless: false, word, against: Against::Path })
}

/// Whether it is an `if` that looks at something with a pattern.
fn compares(block: Block<'_>, item: &Directive) -> bool {
    item.is("if")
        && block
            .site
            .block(item)
            .and_then(Block::condition)
            .is_some_and(|condition| matches!(condition.operator, Operator::Matches { .. }))
}
