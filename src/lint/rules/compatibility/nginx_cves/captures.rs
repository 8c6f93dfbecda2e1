//! Where a configuration uses captures in the ways that nginx's scripts once wrote too much for.

use std::collections::HashMap;

use crate::directive::Context;
use crate::lint::site::{Block, Piece, Site, named_groups, pieces};
use crate::source::Span;
use crate::syntax::{Directive, Word};

/// `rewrite`s whose replacement has a capture and one inside of it, where captures are escaped: in a redirect, or
/// behind a `?`.
pub(super) fn overlapping(site: &Site<'_>) -> Vec<Span> {
    let is_bad = |line: &&Directive| {
        let [pattern, replacement, flags @ ..] = &line.args[..] else { return false };
        let text = &replacement.value[..];
        let is_redirect = flags.iter().any(|flag| flag.value == "redirect" || flag.value == "permanent")
            || [&b"http://"[..], b"https://", b"$scheme"].iter().any(|start| text.starts_with(start));
        let escaped = match text.iter().position(|byte| *byte == b'?') {
            _ if is_redirect => text,
            Some(at) => &text[at..],
            None => return false,
        };
        let outer = groups(&pattern.value);
        let used: Vec<usize> = captures(escaped).map(usize::from).collect();
        let inside = |one: usize, other: usize| {
            std::iter::successors(Some(one), |group| *outer.get(group - 1)?)
                .skip(1)
                .any(|group| group == other)
        };
        used.iter().any(|one| used.iter().any(|other| inside(*one, *other)))
    };
    site.all(&["rewrite"]).map(|(_, line)| line).filter(is_bad).map(Directive::head).collect()
}

/// Lines that use a capture behind a `rewrite` that goes on and whose replacement has a `?`.
pub(super) fn behind_arguments(site: &Site<'_>) -> Vec<Span> {
    let places = Context::SERVER.or(Context::LOCATION).or(Context::IF_SERVER).or(Context::IF_LOCATION);
    // A `?` that ends the replacement only says that the client's arguments are not wanted.
    let has_arguments = |text: &[u8]| text.strip_suffix(b"?").unwrap_or(text).contains(&b'?');
    let leaves_arguments = |line: &Directive| {
        line.is("rewrite") && matches!(&line.args[..], [_, replacement] if has_arguments(&replacement.value))
    };
    let mut found = Vec::new();
    for block in site.within(places) {
        let Some(at) = block.items().iter().position(|line| leaves_arguments(line)) else { continue };
        let inner = block.items()[at + 1..].iter().flat_map(|line| {
            let of_if = site.block(line).filter(|_| line.is("if"));
            std::iter::once(*line).chain(of_if.into_iter().flat_map(|block| block.items().iter().copied()))
        });
        found.extend(inner.filter(|line| uses_capture(line)).map(Directive::head));
    }
    found
}

/// Lines that ask for the path of a file under an alias when a `rewrite` has changed the URI.
pub(super) fn path_of_rewritten(site: &Site<'_>) -> Vec<Span> {
    let goes_on = |line: &Directive| {
        line.is("rewrite")
            && (line.args.len() == 2 || line.args.get(2).is_some_and(|flag| flag.value == "break"))
    };
    let asks = |line: &Directive| {
        let is_script = line.is("if") || line.is("set");
        is_script && line.args.iter().any(|word| names(&word.value, "request_filename"))
    };
    let mut found = Vec::new();
    for block in site.locations().filter(|block| block.has("alias")) {
        let Some(at) = block.items().iter().position(|line| goes_on(line)) else { continue };
        found.extend(block.items()[at + 1..].iter().filter(|line| asks(line)).map(|line| line.head()));
    }
    found
}

/// Whether a text has this variable.
fn names(text: &[u8], variable: &str) -> bool {
    pieces(text)
        .iter()
        .any(|piece| matches!(piece, Piece::Variable(name) if name.eq_ignore_ascii_case(variable.as_bytes())))
}

/// Whether a line of the rewrite module writes or compares what was captured.
fn uses_capture(line: &Directive) -> bool {
    let words: &[Word] = match &line.args[..] {
        [_, value] if line.is("set") => std::slice::from_ref(value),
        [_, replacement, ..] if line.is("rewrite") => std::slice::from_ref(replacement),
        words if line.is("if") => words,
        _ => return false,
    };
    words
        .iter()
        .filter(|word| !word.value.starts_with(b"^"))
        .any(|word| captures(&word.value).next().is_some())
}

/// Texts with a capture and, behind it, the variable of a map with patterns that capture.
pub(super) fn before_maps(site: &Site<'_>) -> Vec<Span> {
    let maps = capturing_maps(site);
    if maps.is_empty() {
        return Vec::new();
    }
    let is_bad = |word: &&Word| {
        let all = pieces(&word.value);
        let map = |piece: &Piece<'_>| match piece {
            Piece::Variable(name) => maps.get(&name.to_ascii_lowercase()),
            _ => None,
        };
        all.iter().enumerate().filter_map(|(at, piece)| Some((at, map(piece)?))).any(|(at, names)| {
            all[..at].iter().any(|before| match before {
                Piece::Capture(_) => true,
                Piece::Variable(name) => names.iter().any(|group| name.eq_ignore_ascii_case(group)),
                Piece::Text(_) => false,
            })
        })
    };
    let lines = site.within(Context::IN_HTTP).flat_map(Block::items);
    lines.flat_map(|line| &line.args).filter(is_bad).map(|word| word.span).collect()
}

/// The variables of maps with patterns that capture, and the names of their groups.
fn capturing_maps(site: &Site<'_>) -> HashMap<Vec<u8>, Vec<Vec<u8>>> {
    let mut maps = HashMap::new();
    for (_, map) in site.all(&["map"]) {
        let patterns: Vec<&[u8]> = site
            .tree
            .items(Some(map.id))
            .filter_map(|row| row.name.value.strip_prefix(b"~"))
            .filter(|pattern| !groups(pattern).is_empty())
            .collect();
        if let Some(variable) = map.args.last().filter(|_| !patterns.is_empty()) {
            let name = variable.value.strip_prefix(b"$").unwrap_or(&variable.value);
            let names = patterns.iter().flat_map(|pattern| named_groups(pattern));
            maps.insert(name.to_ascii_lowercase(), names.map(<[u8]>::to_vec).collect());
        }
    }
    maps
}

/// Lines with captures about an upstream that is asked for slices.
pub(super) fn in_slices(site: &Site<'_>) -> Vec<Span> {
    let sliced = |block: &Block<'_>| !matches!(block.value("slice", "0"), b"0");
    let uses = |line: &&Directive| {
        line.name.value.starts_with(b"proxy_")
            && line.args.iter().any(|word| captures(&word.value).next().is_some())
    };
    let lines = site.locations().filter(sliced).flat_map(|block| block.items().iter().copied());
    lines.filter(uses).map(Directive::head).collect()
}

/// The numbers of the captures in a text.
fn captures(text: &[u8]) -> impl Iterator<Item = u8> {
    pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Capture(number) => Some(number),
        _ => None,
    })
}

/// The groups of a pattern that capture: for each the number of the one around it.
fn groups(pattern: &[u8]) -> Vec<Option<usize>> {
    let (mut all, mut open) = (Vec::new(), Vec::<Option<usize>>::new());
    let (mut in_class, mut at) = (false, 0);
    while at < pattern.len() {
        match pattern[at] {
            b'\\' => at += 1,
            b'[' if !in_class => {
                in_class = true;
                // A `]` that comes first is one of the class.
                at += pattern[at + 1..].iter().take_while(|byte| **byte == b'^').count();
                at += usize::from(pattern.get(at + 1) == Some(&b']'));
            }
            b']' => in_class = false,
            b'(' if !in_class => {
                let rest = &pattern[at + 1..];
                let is_named = [&b"?<"[..], b"?P<", b"?'"].iter().any(|start| rest.starts_with(start))
                    && !rest.starts_with(b"?<=")
                    && !rest.starts_with(b"?<!");
                let is_plain = !matches!(rest.first(), Some(b'?' | b'*'));
                if is_plain || is_named {
                    all.push(open.iter().rev().flatten().next().copied());
                    open.push(Some(all.len()));
                } else {
                    open.push(None);
                }
            }
            b')' if !in_class => drop(open.pop()),
            _ => {}
        }
        at += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_know_what_is_around_them() {
        assert_eq!(groups(b"^/((.*))$"), [None, Some(1)]);
        assert_eq!(groups(b"(?:(a)(?<b>c(d)))[()](e)"), [None, None, Some(2), None]);
        assert_eq!(groups(br"\((?=x)(?<!y)[]()]"), []);
        assert_eq!(groups(b"(unclosed[^"), [None]);
    }
}
