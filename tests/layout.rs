//! What holds of the layout whatever is laid out: it is read as before, and a second time changes nothing.

#[path = "fuzz/engine.rs"]
mod engine;
#[path = "written/plain.rs"]
mod plain;

use std::fs;
use std::path::{Path, PathBuf};

use plain::{Plain, plain};
use proptest::prelude::*;
use wsproxy::diagnostics::Severity;
use wsproxy::directive::Catalogue;
use wsproxy::layout::layout;
use wsproxy::source::Memory;
use wsproxy::syntax::{MAX_DEPTH, Reader};

/// What a text says; `None` if it is one that a layout has to leave alone.
fn read(text: &[u8]) -> Option<Plain> {
    let files = Memory::default();
    let (tree, found) =
        Reader::new(Path::new("/"), &files).hints(&Catalogue).text("text", text.into()).read();
    let left_alone = found.iter().any(|found| match found.severity {
        Severity::Error => !matches!(found.code, "byte-order-mark" | "cannot-read" | "cannot-include"),
        _ => found.code == "swallowed-directive",
    });
    (!left_alone).then(|| plain(&tree))
}

/// Lays a text out, if it can be; checks that it says the same and is not changed by another time.
fn laid_out(text: &[u8]) -> Option<Vec<u8>> {
    let before = read(text)?;
    let once = match layout("text", text.into(), &Catalogue) {
        Ok(once) => once,
        Err(refused) => {
            let (_, shown) = refused.sources.iter().next().unwrap();
            assert_eq!(&*shown.name, "text, laid out", "{:?}", refused.found);
            return None;
        }
    };
    assert_eq!(read(&once).expect("it is a text without mistakes still"), before);
    let twice = layout("text", once.clone(), &Catalogue).expect("a layout is a text");
    assert_eq!(bstr::BStr::new(&twice), bstr::BStr::new(&once));
    Some(once)
}

fn code(text: impl Into<Vec<u8>>) -> &'static str {
    layout("text", text.into(), &Catalogue).expect_err("it is left alone").found[0].code
}

/// Every configuration among the fixtures.
fn configurations() -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::from("fixtures")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "conf") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn every_configuration_says_the_same_and_is_laid_out_once() {
    let texts: Vec<Vec<u8>> = configurations().iter().map(|path| fs::read(path).unwrap()).collect();
    let done = texts.iter().filter_map(|text| laid_out(text)).count();
    assert!(done > 250 && done > texts.len() / 2, "{done} of {}", texts.len());
}

#[test]
fn bytes_that_are_no_text_stay() {
    let text = b"\xef\xbb\xbf a  \xff\xfe\0; # \x80 \n\"\xc0\r\n\" ;";
    assert_eq!(laid_out(text).unwrap(), b"\xef\xbb\xbf\na \xff\xfe\0; # \x80\n\"\xc0\r\n\";\n");
}

#[test]
fn what_fills_the_buffer_of_nginx_is_left_alone() {
    let word = |length: usize| format!("a {} {{}}", "x".repeat(length));
    assert!(laid_out(word(4094).as_bytes()).is_some());
    let tight = |length: usize| format!("a {}{{}}", "x".repeat(length));
    assert!(laid_out(tight(4094).as_bytes()).is_some());
    assert_eq!(code(tight(4095)), "too-long-parameter");
    assert_eq!(code(word(4095)), "too-long-parameter");
    // Nothing has to follow a comment.
    let comment = |length: usize| format!("a;\n#{}", "x".repeat(length - 1));
    assert!(laid_out(comment(4095).as_bytes()).is_some());
    assert_eq!(code(comment(4096)), "too-long-parameter");
}

#[test]
fn a_text_does_not_grow_without_end() {
    let deep = "a {".repeat(MAX_DEPTH - 1);
    let text = format!("{deep}{}{}", "b;".repeat(60_000), "}".repeat(MAX_DEPTH - 1));
    assert_eq!(code(text), "too-much");
}

/// `FUZZ_SECONDS=600 FUZZ_SEED=$RANDOM cargo test --test layout` searches longer and elsewhere.
#[test]
fn mutations_say_the_same() {
    let words: Vec<&[u8]> = SPACES
        .iter()
        .chain(WORDS)
        .chain(&[";", "{", "}", "x_by_lua_block {"])
        .map(|word| word.as_bytes())
        .collect();
    engine::fuzz(&["fuzz/corpus/language", "fixtures/syntax", "fixtures/layout"], &words, |input, _| {
        let laid_out = laid_out(input)?;
        let lines = laid_out.split(|byte| *byte == b'\n');
        Some((lines.clone().count().min(16), lines.map(<[u8]>::len).max()))
    });
}

const SPACES: &[&str] = &[
    " ",
    "  ",
    "\t",
    "\r",
    "\n",
    "\r\n",
    "\n\n",
    " \n\t\n\n ",
    "\n#\n",
    " # c \t\r\n",
    "\n\n  # a; }\n\n",
    " # wsproxy: websocket_echo;\n",
    " # wsproxy: allow(a) b\n",
];

const WORDS: &[&str] = &[
    "a", "server", "include", "é", "(", ")", "$", "${b}", "a#b", "a\\ ", "\\\n", "b\"", "\"\"", "\"a\")",
    "'a\n  b'",
];

/// Words, braces and every kind of space in any order.
fn loose() -> impl Strategy<Value = Vec<u8>> {
    let others =
        prop::sample::select(vec![";", ";", ";", "{", "{", "}", "}", "x_by_lua_block", "\u{feff}", "#"]);
    let piece = prop_oneof![prop::sample::select(SPACES), prop::sample::select(WORDS), others];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

/// The same, but directives end and braces pair, so that most of it can be read.
fn sound() -> impl Strategy<Value = Vec<u8>> {
    let space = || prop::sample::select(SPACES);
    let word = (space(), prop::sample::select(WORDS)).prop_map(|(space, word)| format!("{space}{word}"));
    let words = prop::collection::vec(word, 1..5).prop_map(|words| words.concat());
    let simple = words.clone().prop_map(|words| format!("{words};"));
    let apart = (words.clone(), space()).prop_map(|(words, space)| format!("{words}{space};"));
    let lua = space().prop_map(|space| format!("{space}x_by_lua_block{space}{{{space}}}"));
    let item = prop_oneof![3 => simple, 2 => apart, 1 => lua].prop_recursive(4, 32, 5, move |inner| {
        let inside = prop::collection::vec(inner, 0..5).prop_map(|items| items.concat());
        (words.clone(), space(), inside, space())
            .prop_map(|(words, before, inside, after)| format!("{words}{before}{{{inside}{after}}}"))
    });
    (prop::collection::vec(item, 0..6), space())
        .prop_map(|(items, space)| format!("{}{space}", items.concat()).into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_says_the_same_when_it_is_laid_out(text in prop_oneof![loose(), sound()]) {
        laid_out(&text);
    }
}
