//! `textDocument/definition` and `textDocument/references`: from a name to what it names, and back.

use lsp_types::{Location, Position, Range};

use super::things::{Named, definitions, given, uses};
use super::view::View;
use crate::source::Span;
use crate::syntax::Directive;

/// Where what is named at `offset` is defined, or the files that an `include` there reads.
pub fn definition(view: &View, offset: u32) -> Vec<Location> {
    let Some(directive) = view.directive_at(offset) else { return Vec::new() };
    let included = included(view, directive, offset);
    if !included.is_empty() {
        return included;
    }
    let Some(named) = named_at(view, directive, offset) else { return Vec::new() };
    let mut places = view.places();
    unique(definitions(&view.site, &named.thing).into_iter().filter_map(|(_, span)| places.location(span)))
}

/// Every place that names what is named at `offset`, and where it is defined if that is asked for.
pub fn references(view: &View, offset: u32, with_definition: bool) -> Vec<Location> {
    let named = view.directive_at(offset).and_then(|directive| named_at(view, directive, offset));
    let Some(named) = named else { return Vec::new() };
    let given: Vec<Span> = definitions(&view.site, &named.thing).into_iter().map(|(_, span)| span).collect();
    let all = view.tree().all().flat_map(|directive| uses(view.tree(), directive));
    let used = all.filter(|used| used.thing == named.thing && !given.contains(&used.span));
    let spans = given.iter().copied().filter(|_| with_definition).chain(used.map(|used| used.span));
    let mut places = view.places();
    unique(spans.filter_map(|span| places.location(span)))
}

/// What the words of a directive at `offset` name, or give a name to.
pub fn named_at(view: &View, directive: &Directive, offset: u32) -> Option<Named> {
    let holds = |named: &Named| (named.span.start..=named.span.end).contains(&offset);
    let used = uses(view.tree(), directive).into_iter().find(holds);
    used.or_else(|| given(view.tree(), directive).filter(holds))
}

/// The files that an `include` reads, if the place is in its argument.
fn included(view: &View, directive: &Directive, offset: u32) -> Vec<Location> {
    let word = directive.args.first().filter(|_| directive.is("include"));
    let Some(word) = word.filter(|word| (word.span.start..=word.span.end).contains(&offset)) else {
        return Vec::new();
    };
    let sources = view.tree().sources.iter();
    let read = sources.filter(|(_, source)| source.included_from == Some(word.span));
    let start = Range { start: Position::new(0, 0), end: Position::new(0, 0) };
    unique(
        read.filter_map(|(_, source)| {
            Some(Location { uri: view.documents.uri(&source.path)?, range: start })
        }),
    )
}

/// A file that is included often is one place.
fn unique(locations: impl Iterator<Item = Location>) -> Vec<Location> {
    let mut found: Vec<Location> = Vec::new();
    for location in locations {
        if !found.contains(&location) {
            found.push(location);
        }
    }
    found
}
