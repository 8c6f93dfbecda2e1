//! The examples in `grammar/nginx.ebnf` are parsed, and its productions are those of the parser.

use std::fs;
use std::path::Path;

use wsproxy::diagnostics::{Diagnostic, Severity};
use wsproxy::source::Memory;
use wsproxy::syntax::load_text;

/// An example, and what is said of it if it is invalid.
struct Example {
    production: String,
    text: String,
    refused: Option<String>,
}

#[test]
fn every_example_is_read_as_the_grammar_says() {
    for Example { production, text, refused } in examples() {
        let found = problems(&text);
        let said: Vec<&str> = found.iter().map(|found| found.message.as_str()).collect();
        match refused {
            None => assert!(said.is_empty(), "{production}: {text:?} is valid, but: {said:?}"),
            Some(message) => {
                assert!(said.contains(&message.as_str()), "{production}: {text:?} says {said:?}")
            }
        }
    }
}

#[test]
fn every_production_has_valid_and_invalid_examples() {
    for production in productions() {
        let of_this = || examples().into_iter().filter(|example| example.production == production);
        assert!(of_this().any(|example| example.refused.is_none()), "{production} has no valid example");
        assert!(of_this().any(|example| example.refused.is_some()), "{production} has no invalid example");
    }
}

#[test]
fn every_production_is_cited_by_the_code_that_reads_it() {
    let code =
        fs::read_dir("src/syntax").unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let code: String = code.collect();
    for production in productions() {
        assert!(code.contains(&format!("`{production}`")), "nothing in src/syntax cites `{production}`");
    }
}

fn problems(text: &str) -> Vec<Diagnostic> {
    let (_, found) = load_text("example", text.into(), Path::new(""), &Memory::default());
    // A NUL is worth a warning, and no mistake of the language.
    found
        .into_iter()
        .filter(|found| found.severity == Severity::Error || found.code == "unread-comment")
        .collect()
}

fn grammar() -> String {
    fs::read_to_string("grammar/nginx.ebnf").unwrap()
}

/// The names on the left of a `=`.
fn productions() -> Vec<String> {
    grammar().lines().filter_map(production).map(str::to_owned).collect()
}

fn production(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(" = ")?;
    name.chars().all(|c| c.is_ascii_lowercase() || c == ' ').then_some(name.trim())
}

fn examples() -> Vec<Example> {
    let mut examples = Vec::new();
    let mut current = String::new();
    for line in grammar().lines() {
        if let Some(name) = production(line).filter(|_| !line.starts_with(' ')) {
            current = name.into();
        }
        let Some(comment) = line.strip_prefix("    (* ").and_then(|rest| rest.strip_suffix("*)")) else {
            continue;
        };
        let comment = comment.strip_suffix(' ').unwrap_or(comment);
        if let Some(text) = comment.strip_prefix("valid:") {
            examples.push(Example { production: current.clone(), text: bytes(text), refused: None });
        } else if let Some(rest) = comment.strip_prefix("invalid:") {
            let (text, said) = rest.split_once(" → ").expect(line);
            examples.push(Example {
                production: current.clone(),
                text: bytes(text),
                refused: Some(said.into()),
            });
        }
    }
    examples
}

fn bytes(text: &str) -> String {
    let text = text.strip_prefix(' ').unwrap_or(text);
    text.replace('␤', "\n").replace('␍', "\r").replace('␉', "\t").replace('␀', "\0")
}
