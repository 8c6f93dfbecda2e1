//! Mending what a toy of a linter finds: words that should be others.

use std::path::Path;

use crate::diagnostics::Edit;
use crate::source::{Memory, Span};
use crate::syntax::load;

use super::*;

/// Finds the word `from` and wants it to be `to`.
type Word = (&'static str, &'static str);

/// The files that are read from `main` on; what is found are words, and that somebody wrote `broken`.
fn look(words: &[Word], files: &Overlay<'_>, main: &str) -> Seen {
    let (tree, _) = load(Path::new(main), Path::new(""), files);
    let sources = tree.sources;
    let mut found = Vec::new();
    for (file, source) in sources.iter() {
        let text = String::from_utf8_lossy(&source.text.bytes).into_owned();
        let places = |word: &'static str| {
            text.match_indices(word).map(move |(start, _)| Span {
                file,
                start: start as u32,
                end: (start + word.len()) as u32,
            })
        };
        found.extend(places("broken").map(|span| Diagnostic::error("unexpected", span, "this is broken")));
        for (from, to) in words {
            found.extend(places(from).map(|span| {
                let edits =
                    vec![Edit { span, text: to.replace("FILE", &format!("{:?}", source.included_from)) }];
                let fix = Fix { title: format!("write {to}"), safe: true, edits };
                Diagnostic::warning("deprecated", span, format!("{from} is not {to}")).fix(fix)
            }));
        }
    }
    Seen { sources, found }
}

/// What becomes of files, how many findings are mended, and why others are not.
fn mended<const N: usize>(words: &[Word], files: [(&str, &str); N]) -> (Vec<String>, usize, Vec<Why>) {
    let memory = Memory::from(files);
    let mending = Mending {
        look: &|_, texts| look(words, texts, files[0].0),
        wants: &|_, _| true,
        may_change: &|_, file| !file.starts_with("/elsewhere"),
    };
    let mended = mending.run(1, &memory);
    let text =
        |(name, _): &(&str, &str)| String::from_utf8(mended.texts.read(Path::new(name)).unwrap()).unwrap();
    (
        files.iter().map(text).collect(),
        mended.findings,
        mended.left_out.into_iter().map(|left| left.why).collect(),
    )
}

#[test]
fn it_goes_on_until_nothing_is_left() {
    let words = [("one", "two"), ("two", "three")];
    assert_eq!(mended(&words, [("main", "one; two; é")]), (vec!["three; three; é".into()], 3, vec![]));
    // These two want the same bytes: the second is made when it is still found then.
    let words = [("ab", "b"), ("bc", "d")];
    assert_eq!(mended(&words, [("main", "abc;")]), (vec!["d;".into()], 2, vec![]));
}

#[test]
fn what_nginx_would_refuse_is_left_out() {
    let words = [("one", "two"), ("three", "broken")];
    let (texts, findings, left_out) = mended(&words, [("main", "one; three; one; one; three;")]);
    assert_eq!((&*texts[0], findings), ("two; three; two; two; three;", 3));
    assert_eq!(
        left_out,
        [Why::Refused("this is broken".into())],
        "a line and what is to be done there are told once"
    );
    // What is broken already may stay so.
    let (texts, findings, left_out) = mended(&words[..1], [("main", "one; broken;")]);
    assert_eq!((&*texts[0], findings, left_out), ("two; broken;", 1, vec![]));
}

#[test]
fn a_file_is_one_file_however_often_it_is_included() {
    let files = [("main", "include part; a { include part; } one;"), ("part", "one;")];
    let (texts, findings, left_out) = mended(&[("one", "two")], files);
    assert_eq!((&*texts[0], &*texts[1]), ("include part; a { include part; } two;", "two;"));
    assert_eq!((findings, left_out), (3, vec![]));
    // What depends on where the file is included is not for the file to say.
    let (texts, findings, left_out) =
        mended(&[("one", "FILE")], [("main", "include part; include part;"), files[1]]);
    assert_eq!((&*texts[1], findings, left_out), ("one;", 0, vec![Why::Torn]));
}

#[test]
fn files_that_may_not_be_changed_are_not() {
    let files = [("main", "one; include /elsewhere/part;"), ("/elsewhere/part", "one;")];
    let (texts, findings, left_out) = mended(&[("one", "two")], files);
    assert_eq!((&*texts[0], &*texts[1], findings), ("two; include /elsewhere/part;", "one;", 1));
    assert_eq!(left_out, [Why::Outside("/elsewhere/part".into())]);
}

#[test]
fn what_would_be_made_for_ever_is_not_made_at_all() {
    let (texts, findings, left_out) = mended(&[("one", "one one")], [("main", "one;")]);
    assert_eq!((&*texts[0], findings, left_out), ("one;", 0, vec![Why::Endless]));
}

#[test]
fn configurations_that_share_a_file_are_mended_together() {
    let memory = Memory::from([("a", "include part;"), ("b", "one; include part;"), ("part", "one; three;")]);
    let words = [("one", "two"), ("three", "four")];
    // Who reads b would not have a four.
    let mending = Mending {
        look: &|at, texts| {
            let mut seen = look(&words, texts, ["a", "b"][at]);
            let four = seen.sources.iter().find(|(_, source)| source.text.bytes.ends_with(b"four;"));
            if let Some((file, _)) = four.filter(|_| at == 1) {
                let span = Span { file, start: 0, end: 0 };
                seen.found.push(Diagnostic::error("unexpected", span, "four"));
            }
            seen
        },
        wants: &|_, _| true,
        may_change: &|_, _| true,
    };
    let mended = mending.run(2, &memory);
    assert_eq!(mended.texts.read(Path::new("part")).unwrap(), b"two; three;");
    assert_eq!(mended.texts.read(Path::new("b")).unwrap(), b"two; include part;");
    assert_eq!(mended.left_out.len(), 1, "{:?}", mended.left_out);
}
