//! Prints findings for people, in the manner of rustc.

use std::ops::Range;

use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level, Origin, Patch, Renderer, Snippet, normalize_untrusted_str,
};
use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Edit, Fix, Label, Position, Severity};
use crate::source::{FileId, Sources, Span};

/// Places of one file this many lines apart are shown in one piece, with what lies between folded.
const NEAR: u32 = 100;

/// How much of a line is shown before and after the place in it, in bytes: configurations that
/// programs write may be one line of megabytes.
const BEFORE: usize = 160;
const AFTER: usize = 240;

/// A fix that touches more lines than this is named and not shown.
const LONGEST_FIX: u32 = 20;

/// One finding as text that ends in a line break.
pub fn render(diagnostic: &Diagnostic, sources: &Sources, color: bool) -> String {
    let mut groups = vec![finding(diagnostic, sources)];
    groups.extend(diagnostic.fix.iter().map(|fix| suggestion(fix, sources)));
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    format!("{}\n", renderer.render(&groups))
}

/// All of these findings, with an empty line behind each.
pub fn render_all(diagnostics: &[Diagnostic], sources: &Sources, color: bool) -> String {
    diagnostics.iter().map(|diagnostic| render(diagnostic, sources, color) + "\n").collect()
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    }
}

fn finding<'a>(diagnostic: &'a Diagnostic, sources: &Sources) -> Group<'a> {
    let title = level(diagnostic.severity).primary_title(&diagnostic.message).id(diagnostic.code);
    let mut group = Group::with_title(title);
    for (at, labels) in pieces(&diagnostic.labels, sources).into_iter().enumerate() {
        group = piece(group, &labels, at == 0, sources);
    }
    let including = sources.include_chain(diagnostic.span());
    let included = including.map(|include| format!("included from {}", sources.place(include)));
    let notes = included.chain(diagnostic.notes.iter().cloned());
    let notes = notes.map(|note| Level::NOTE.message(normalize_untrusted_str(&note)));
    let help = diagnostic.help.iter().map(|help| Level::HELP.message(normalize_untrusted_str(help)));
    group.elements(notes).elements(help)
}

/// The labels in groups of one file and near each other, the finding's own place first.
fn pieces<'a>(labels: &'a [Label], sources: &Sources) -> Vec<Vec<&'a Label>> {
    let mut pieces: Vec<Vec<&Label>> = Vec::new();
    for label in labels {
        let line = sources.line(label.span);
        let near =
            |one: &&Label| one.span.file == label.span.file && sources.line(one.span).abs_diff(line) <= NEAR;
        match pieces.iter_mut().find(|piece| piece.iter().any(near)) {
            Some(piece) => piece.push(label),
            None => pieces.push(vec![label]),
        }
    }
    pieces
}

/// Shows the places of one piece; the first label of the first piece is where the finding stands.
fn piece<'a>(group: Group<'a>, labels: &[&'a Label], first: bool, sources: &Sources) -> Group<'a> {
    let file = labels[0].span.file;
    let name = sources.get(file).name.to_string();
    let excerpt = Excerpt::around(labels.iter().map(|label| label.span), sources);
    let annotations = labels.iter().enumerate().map(|(at, label)| {
        let kind = if first && at == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        annotation(kind, excerpt.range(label.span), &label.text)
    });
    let annotations: Vec<Annotation<'a>> = annotations.collect();
    let snippet = Snippet::source(excerpt.text.clone()).line_start(excerpt.first as usize);
    let snippet = snippet.annotations(annotations);
    if !excerpt.cut {
        return group.element(snippet.path(name));
    }
    // Columns in a line that was cut are not those of the file: the place is said by itself.
    let start = Position::of(sources, file, labels[0].span.start);
    let origin = Origin::path(name).line(start.line as usize).char_column(start.column as usize);
    group.element(origin).element(snippet)
}

fn annotation(kind: AnnotationKind, range: Range<usize>, text: &str) -> Annotation<'_> {
    let annotation = kind.span(range);
    if text.is_empty() { annotation } else { annotation.label(text) }
}

fn suggestion<'a>(fix: &'a Fix, sources: &Sources) -> Group<'a> {
    let mut group = Group::with_title(Level::HELP.secondary_title(normalize_untrusted_str(&fix.title)));
    let mut rest: &[Edit] = &fix.edits;
    while let Some(edit) = rest.first() {
        let same = rest.iter().take_while(|one| one.span.file == edit.span.file).count();
        let (here, further) = rest.split_at(same);
        rest = further;
        let spans = || here.iter().map(|edit| edit.span);
        let excerpt = Excerpt::whole(spans(), sources);
        if excerpt.cut || excerpt.lines > LONGEST_FIX {
            continue;
        }
        let patches = here.iter().map(|edit| Patch::new(excerpt.range(edit.span), &*edit.text));
        let patches: Vec<Patch<'a>> = patches.collect();
        let name = sources.get(edit.span.file).name.to_string();
        let snippet = Snippet::source(excerpt.text.clone()).line_start(excerpt.first as usize);
        group = group.element(snippet.path(name).patches(patches));
    }
    group
}

/// Some lines of a file as text that can be printed.
struct Excerpt {
    file: FileId,
    /// The first line, counted from 1, and how many there are.
    first: u32,
    lines: u32,
    text: String,
    /// For each character shown: where it stands in the file and in `text`.
    places: Vec<(u32, usize)>,
    /// Whether a line is not shown whole.
    cut: bool,
}

impl Excerpt {
    /// The lines from the first in which one of these spans starts to the last.
    fn around(spans: impl Iterator<Item = Span> + Clone, sources: &Sources) -> Excerpt {
        let starts = spans.clone().map(|span| sources.line(span));
        let (first, last) = starts.fold((u32::MAX, 0), |(low, high), line| (low.min(line), high.max(line)));
        Excerpt::lines(spans, first, last, sources)
    }

    /// The lines from the first that one of these spans touches to the last.
    fn whole(spans: impl Iterator<Item = Span> + Clone, sources: &Sources) -> Excerpt {
        let touched = spans.clone().map(|span| (sources.line(span), sources.line(span.after())));
        let (first, last) =
            touched.fold((u32::MAX, 0), |(low, high), (from, to)| (low.min(from), high.max(to)));
        Excerpt::lines(spans, first, last.min(first + LONGEST_FIX), sources)
    }

    fn lines(spans: impl Iterator<Item = Span> + Clone, first: u32, last: u32, sources: &Sources) -> Excerpt {
        let file = spans.clone().next().map(|span| span.file).expect("a finding has a place");
        let text = &sources.get(file).text;
        let mut excerpt = Excerpt {
            file,
            first,
            lines: last - first + 1,
            text: String::new(),
            places: Vec::new(),
            cut: false,
        };
        for line in first..=last {
            let bytes = text.line_bytes(line);
            let start = text.line_starts()[line as usize - 1];
            let mut here = spans.clone().filter(|span| text.line(span.start) == line);
            let column = here.next().map_or(0, |span| (span.start - start) as usize);
            excerpt.line(bytes, start, column.min(bytes.len()));
        }
        excerpt
    }

    /// Adds one line, of which the part around `column` is what matters.
    fn line(&mut self, bytes: &[u8], start: u32, column: usize) {
        let long = bytes.len() > BEFORE + AFTER;
        let from = if long { column.saturating_sub(BEFORE) } else { 0 };
        let to = if long { (column + AFTER).min(bytes.len()) } else { bytes.len() };
        self.cut |= long;
        if from > 0 {
            self.text.push('…');
        }
        for (at, _, char) in bytes[from..to].char_indices() {
            self.places.push((start + (from + at) as u32, self.text.len()));
            self.text.push(char);
        }
        self.places.push((start + to as u32, self.text.len()));
        if to < bytes.len() {
            self.text.push('…');
        }
        self.text.push('\n');
    }

    /// Where a span of the file stands in the text; at most to the end of what is shown of it.
    fn range(&self, span: Span) -> Range<usize> {
        debug_assert_eq!(span.file, self.file);
        let start = self.place(span.start);
        let end = self.place(span.end.max(span.start));
        // A place within several lines is marked in the first.
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        start..end.clamp(start, line_end.max(start))
    }

    /// Where the character that holds the byte at `offset` is shown, or the next one that is.
    fn place(&self, offset: u32) -> usize {
        let next = self.places.partition_point(|(at, _)| *at < offset);
        match self.places.get(next) {
            Some((at, shown)) if *at == offset || next == 0 => *shown,
            // Within a character, or in a part that is not shown.
            Some(_) | None => self.places.get(next.saturating_sub(1)).map_or(0, |(_, shown)| *shown),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::source::{Source, Text};

    fn sources(bytes: &[u8]) -> (Sources, FileId) {
        let mut sources = Sources::default();
        let file = sources.add(Source {
            name: "site.conf".into(),
            path: PathBuf::new(),
            text: Arc::new(Text::new(bytes.to_vec())),
            included_from: None,
        });
        (sources, file)
    }

    #[test]
    fn a_finding_shows_its_line_and_word() {
        let (sources, file) = sources(b"http {\n    sever {\n    }\n}\n");
        let span = Span { file, start: 11, end: 16 };
        let edits = vec![Edit { span, text: "server".into() }];
        let diagnostic = Diagnostic::error("unknown-directive", span, "unknown directive \"sever\"")
            .also(Span { file, start: 0, end: 4 }, "in this block")
            .note("a note")
            .fix(Fix { title: "did you mean \"server\"?".into(), safe: false, edits });
        let expected = "\
error[unknown-directive]: unknown directive \"sever\"
 --> site.conf:2:5
  |
1 | http {
  | ---- in this block
2 |     sever {
  |     ^^^^^
  |
  = note: a note
help: did you mean \"server\"?
  |
2 |     server {
  |       +
";
        assert_eq!(render(&diagnostic, &sources, false), expected);
    }

    #[test]
    fn a_long_line_is_cut_around_the_word() {
        let mut text = b"x ".repeat(1 << 20);
        text.extend_from_slice(b"wrong");
        text.extend_from_slice(&b" y".repeat(1000));
        let (sources, file) = sources(&text);
        let span = Span { file, start: 2 << 20, end: (2 << 20) + 5 };
        let shown = render(&Diagnostic::error("code", span, "message"), &sources, false);
        assert!(shown.len() < 2000, "{shown}");
        assert!(shown.contains("site.conf:1:2097153"), "{shown}");
        assert!(shown.contains("^^^^^"), "{shown}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn no_text_and_no_place_stops_the_printing(
            bytes in proptest::collection::vec(
                prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'\t'), Just(0), Just(0xe2), Just(b'a'), any::<u8>()],
                0..700,
            ),
            places in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..5),
            replacement in ".{0,9}",
        ) {
            let (sources, file) = sources(&bytes);
            let span = |(from, to): &(prop::sample::Index, prop::sample::Index)| {
                let (from, to) = (from.index(bytes.len() + 1) as u32, to.index(bytes.len() + 1) as u32);
                Span { file, start: from.min(to), end: from.max(to) }
            };
            let mut diagnostic = Diagnostic::warning("code", span(&places[0]), "message\u{7}").here("here");
            for place in &places[1..] {
                diagnostic = diagnostic.also(span(place), "there");
            }
            let edits = vec![Edit { span: span(&places[0]), text: replacement }];
            let diagnostic = diagnostic.fix(Fix { title: "fix".into(), safe: true, edits });
            for color in [false, true] {
                prop_assert!(render(&diagnostic, &sources, color).contains("code"));
            }
        }
    }
}
