//! What holds of the language whatever is written in it.

use std::path::Path;
use std::process::Command;

use bstr::ByteSlice;
use proptest::prelude::*;
use wsproxy::diagnostics::{Diagnostic, Severity};
use wsproxy::directive::Catalogue;
use wsproxy::source::{Disk, Memory};
use wsproxy::syntax::{Body, MAX_DEPTH, NodeId, Reader, Tree, load, load_text};

fn read(text: impl Into<Vec<u8>>) -> (Tree, Vec<Diagnostic>) {
    let files = Memory::default();
    Reader::new(Path::new(""), &files).hints(&Catalogue).text("text", text.into()).read()
}

fn errors(found: &[Diagnostic]) -> Vec<&str> {
    found.iter().filter(|found| found.severity == Severity::Error).map(|found| &found.message[..]).collect()
}

/// Text out of which mistakes are made.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "a",
        "listen",
        "server",
        "location",
        "if",
        "map",
        "x_by_lua_block",
        "include",
        "$",
        "${",
        "}",
        "{",
        ";",
        "\"",
        "'",
        "\\",
        "#",
        " ",
        "\n",
        "\n    ",
        "\r\n",
        "\t",
        ")",
        "[[",
        "]]",
        "--",
        "# wsproxy: ",
        "{{",
        "}}",
        "\0",
        "é",
        "\u{feff}",
    ]);
    prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat().into_bytes())
}

/// A tree as nested words.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    words: Vec<Vec<u8>>,
    block: Option<Vec<Plain>>,
}

fn plain(tree: &Tree, items: &[NodeId]) -> Vec<Plain> {
    let one = |id: &NodeId| {
        let directive = tree.get(*id);
        let words = std::iter::once(&directive.name).chain(&directive.args);
        let block = matches!(directive.body, Body::Block { .. }).then(|| plain(tree, directive.items()));
        Plain { words: words.map(|word| word.value.to_vec()).collect(), block }
    };
    items.iter().map(one).collect()
}

fn trees() -> impl Strategy<Value = Vec<Plain>> {
    let word = prop_oneof![
        "[a-z_$]{1,8}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..12),
        prop::sample::select(vec!["\\n", "\\\\", "\"", "'", "${a b}", "#", "}", "include"])
            .prop_map(|word| word.into()),
    ];
    let words = prop::collection::vec(word, 1..4);
    let words = words.prop_filter("no file is read, no Lua", |words| {
        words[0] != b"include" && !words[0].ends_with(b"_by_lua_block")
    });
    let simple = words.clone().prop_map(|words| Plain { words, block: None });
    let nested = simple.prop_recursive(4, 24, 4, move |inner| {
        (words.clone(), prop::collection::vec(inner, 0..4))
            .prop_map(|(words, block)| Plain { words, block: Some(block) })
    });
    prop::collection::vec(nested, 0..6)
}

fn print(items: &[Plain], text: &mut Vec<u8>) {
    for item in items {
        for word in &item.words {
            text.push(b'"');
            text.extend(word.replace("\\", "\\\\").replace("\"", "\\\""));
            text.extend(b"\" ");
        }
        match &item.block {
            None => text.push(b';'),
            Some(block) => {
                text.push(b'{');
                print(block, text);
                text.push(b'}');
            }
        }
    }
}

/// Whether spans stand in the order of the text, each within what it belongs to.
fn in_order(tree: &Tree, items: &[NodeId], from: u32, to: u32) -> bool {
    let mut at = from;
    items.iter().map(|id| tree.get(*id)).all(|directive| {
        let span = directive.span;
        let mut words = std::iter::once(&directive.name).chain(&directive.args);
        let ordered = words.try_fold(span.start, |at, word| (at <= word.span.start).then_some(word.span.end));
        let inside = match &directive.body {
            Body::Block { open, close, items } => {
                open.start <= open.end
                    && open.end <= close.start
                    && in_order(tree, items, open.end, close.start)
            }
            Body::None | Body::Included(_) | Body::Lua(_) => true,
        };
        let good = ordered.is_some_and(|end| end <= span.end) && inside && at <= span.start && span.end <= to;
        at = if directive.from_comment { at } else { span.end };
        good
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_to_the_end(text in prop::collection::vec(any::<u8>(), 0..300)) {
        read(text);
    }

    #[test]
    fn any_mistakes_are_survived_and_told_within_the_text(text in soup()) {
        let length = text.len() as u32;
        let (tree, found) = read(text);
        for label in found.iter().flat_map(|found| &found.labels) {
            prop_assert!(label.span.start <= label.span.end && label.span.end <= length);
        }
        prop_assert!(in_order(&tree, tree.roots(), 0, length));
    }

    #[test]
    fn hints_decide_nothing(text in soup()) {
        let unaided = load_text("text", text.clone(), Path::new(""), &Memory::default());
        let accepted = errors(&unaided.1).is_empty();
        // What is sure to be refused for its form may be said to be so, and nothing else.
        if accepted {
            let aided = read(text);
            let surely = |message: &&str| message.starts_with("invalid number") || message.contains("not terminated");
            prop_assert!(errors(&aided.1).iter().all(surely), "{:?}", errors(&aided.1));
        }
    }

    #[test]
    fn what_is_printed_is_read_back(tree in trees()) {
        let mut text = Vec::new();
        print(&tree, &mut text);
        let (read, found) = load_text("text", text, Path::new(""), &Memory::default());
        prop_assert_eq!(errors(&found), Vec::<&str>::new());
        prop_assert_eq!(plain(&read, read.roots()), tree);
    }
}

/// Every text that nginx cuts into words is cut by us, and every other is refused: asked in a
/// `types` block, which takes any words.
#[test]
fn nginx_agrees_about_words() {
    if Command::new("nginx").arg("-v").output().is_err() {
        eprintln!("no nginx here: nothing compared");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(150));
    let pieces = prop::sample::select(vec![
        "a", "b", "$", "${", "}", ";", "\"", "'", "\\", "#", " ", "\n", "\r\n", "\t", ")", "{", ";\n",
        "\"x\"", "'y'",
    ]);
    let texts = prop::collection::vec(pieces, 0..14).prop_map(|pieces| pieces.concat());
    runner
        .run(&texts, |text| {
            prop_assert_eq!(ours(&text, folder.path()), nginx(&text, folder.path()), "{:?}", text);
            Ok(())
        })
        .unwrap();
}

#[test]
fn nginx_agrees_about_long_words() {
    if Command::new("nginx").arg("-v").output().is_err() {
        eprintln!("no nginx here: nothing compared");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for length in 4090..4100 {
        for (before, after) in
            [("", ";"), ("", " ;"), ("\"", "\";"), ("\"", "\" ;"), ("'", "'  ;"), ("#", "\n"), ("#", "")]
        {
            let text = format!("a b;{before}{}{after}", "x".repeat(length));
            assert_eq!(ours(&text, folder.path()), nginx(&text, folder.path()), "{before}x{length}{after:?}");
        }
    }
}

/// Whether the text can stand in a file that a `types` block includes.
fn ours(text: &str, folder: &Path) -> bool {
    write(text, folder);
    let (tree, found) = load(&folder.join("nginx.conf"), folder, &Disk);
    let types = tree.items(None).flat_map(|http| http.items()).map(|types| tree.items(Some(*types)));
    let blocks = types.flatten().any(|entry| matches!(entry.body, Body::Block { .. }));
    errors(&found).is_empty() && !blocks
}

fn nginx(text: &str, folder: &Path) -> bool {
    write(text, folder);
    let conf = folder.join("nginx.conf");
    let mut test = Command::new("nginx");
    test.arg("-t").arg("-p").arg(folder).arg("-c").arg(conf).args(["-e", "stderr"]);
    test.output().unwrap().status.success()
}

fn write(text: &str, folder: &Path) {
    std::fs::write(folder.join("entries"), text).unwrap();
    let conf = "pid pid; error_log stderr; events {} http { types { include entries; } }\n";
    std::fs::write(folder.join("nginx.conf"), conf).unwrap();
}

#[test]
fn a_thousand_levels_are_fine_and_too_many_are_one_mistake() {
    let nested = |depth: usize| "a {".repeat(depth) + &"}".repeat(depth);
    assert_eq!(errors(&read(nested(1_000)).1), Vec::<&str>::new());
    assert_eq!(errors(&read(nested(MAX_DEPTH)).1), Vec::<&str>::new());
    assert_eq!(errors(&read(nested(MAX_DEPTH + 1)).1).len(), 1);
    assert_eq!(errors(&read("a {".repeat(100_000)).1).len(), 1);
}

#[test]
fn monotonous_texts_are_read_in_time() {
    for piece in [
        "{",
        "}",
        ";",
        "\"",
        "'",
        "a",
        "a ",
        "a\n",
        "\"a\n",
        "#",
        "#\n",
        "\\",
        "${",
        "a{}",
        "a;",
        "a_by_lua_block {[[",
        "{{",
    ] {
        let (_, found) = read(piece.repeat(100_000 / piece.len()));
        assert!(found.len() <= 60, "{piece:?} {}", found.len());
    }
}

#[test]
fn a_snippet_that_thousands_include_is_kept_once() {
    let main = "server { include snippet; }\n".repeat(10_000);
    let files = Memory::from([("/etc/main", main), ("/etc/snippet", "listen 80\n".to_string())]);
    let (tree, found) = load(Path::new("/etc/main"), Path::new("/etc"), &files);
    assert_eq!(found.len(), 1, "its mistake is told once");
    let texts: std::collections::HashSet<_> =
        tree.sources.iter().map(|(_, source)| source.text.bytes.as_ptr()).collect();
    assert_eq!((tree.sources.iter().count(), texts.len()), (10_001, 2));
}

#[test]
fn files_that_include_one_another_for_ever_come_to_an_end() {
    let files = Memory::from([
        ("/a", "include b; include c;"),
        ("/b", "include c; include c;"),
        ("/c", "include d*;"),
        ("/d1", "include d2;"),
        ("/d2", "include a;"),
    ]);
    let (_, found) = load(Path::new("/a"), Path::new("/"), &files);
    assert!(
        errors(&found).iter().all(|message| message.ends_with("includes itself")),
        "{:?}",
        errors(&found)
    );
}

#[test]
fn the_command_line_stands_before_the_file_and_has_no_blocks() {
    let files = Memory::from([("/nginx.conf", "events {}")]);
    let reader = Reader::new(Path::new("/"), &files).command_line(b"daemon off; pid x;".into());
    let (tree, found) = reader.file(Path::new("/nginx.conf")).read();
    assert_eq!(errors(&found), Vec::<&str>::new());
    let names: Vec<_> = tree.items(None).map(|directive| directive.name.value.to_string()).collect();
    assert_eq!(names, ["daemon", "pid", "events"]);
    let refused = |text: &str| {
        let (_, found) = Reader::new(Path::new("/"), &files).command_line(text.into()).read();
        errors(&found).concat()
    };
    assert_eq!(refused("events {}"), "block directives are not supported in -g option");
    assert_eq!(refused("daemon off"), "unexpected end of parameter, expecting \";\"");
}
