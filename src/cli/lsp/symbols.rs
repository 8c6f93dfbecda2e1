//! `textDocument/documentSymbol`: the blocks of a text, one in the other.

use std::path::Path;

use bstr::ByteSlice;
use lsp_types::{DocumentSymbol, DocumentSymbolResponse, Location, SymbolInformation, SymbolKind, Uri};

use super::positions::Lines;
use super::settings::Settings;
use crate::directive::Catalogue;
use crate::source::Memory;
use crate::syntax::{Body, Directive, NodeId, Reader, Tree};

/// How deep blocks are shown; what is deeper is left out.
const MAX_DEPTH: usize = 64;

/// The outline of a text. It is read alone: what it includes has an outline of its own.
pub fn symbols(text: &str, uri: &Uri, settings: &Settings) -> DocumentSymbolResponse {
    let nothing = Memory::default();
    let (tree, _) = Reader::new(Path::new(""), &nothing).hints(&Catalogue).text("", text.into()).read();
    let lines = Lines::new(text.as_bytes(), settings.encoding);
    let nested = blocks(&tree, tree.roots(), &lines, 0);
    if settings.outline {
        return DocumentSymbolResponse::Nested(nested);
    }
    let mut flat = Vec::new();
    flatten(nested, None, uri, &mut flat);
    DocumentSymbolResponse::Flat(flat)
}

fn blocks(tree: &Tree, items: &[NodeId], lines: &Lines, depth: usize) -> Vec<DocumentSymbol> {
    let directives = items.iter().map(|id| tree.get(*id));
    let blocks = directives.filter(|item| matches!(item.body, Body::Block { .. }) && depth < MAX_DEPTH);
    blocks.map(|block| symbol(tree, block, lines, depth)).collect()
}

#[allow(deprecated)]
fn symbol(tree: &Tree, block: &Directive, lines: &Lines, depth: usize) -> DocumentSymbol {
    let head = block.head();
    let children = blocks(tree, block.items(), lines, depth + 1);
    let (name, detail) = name(tree, block);
    DocumentSymbol {
        name,
        detail,
        kind: kind(block),
        tags: None,
        deprecated: None,
        range: lines.range(block.span.start, block.span.end),
        selection_range: lines.range(head.start, head.end),
        children: (!children.is_empty()).then_some(children),
    }
}

/// What a block is called, and what else tells it from others: a server has names, and addresses.
fn name(tree: &Tree, block: &Directive) -> (String, Option<String>) {
    let joined = |directive: &Directive| {
        let words = directive.args.iter().map(|word| word.value.to_str_lossy().into_owned());
        words.collect::<Vec<_>>().join(" ")
    };
    let named = |name: &str| {
        let lines = block.items().iter().map(|id| tree.get(*id)).filter(|line| line.is(name));
        lines.map(joined).collect::<Vec<_>>().join(", ")
    };
    let directive = block.name.value.to_str_lossy();
    if !block.is("server") {
        return (format!("{directive} {}", joined(block)).trim_end().to_owned(), None);
    }
    let (names, addresses) = (named("server_name"), named("listen"));
    (format!("server {names}").trim_end().to_owned(), Some(addresses).filter(|listen| !listen.is_empty()))
}

fn kind(block: &Directive) -> SymbolKind {
    match &block.name.value[..] {
        b"http" | b"stream" | b"mail" | b"events" => SymbolKind::NAMESPACE,
        b"server" => SymbolKind::CLASS,
        b"location" => SymbolKind::METHOD,
        b"upstream" => SymbolKind::INTERFACE,
        b"map" | b"geo" | b"split_clients" => SymbolKind::VARIABLE,
        _ => SymbolKind::OBJECT,
    }
}

#[allow(deprecated)]
fn flatten(nested: Vec<DocumentSymbol>, around: Option<&str>, uri: &Uri, flat: &mut Vec<SymbolInformation>) {
    for symbol in nested {
        flat.push(SymbolInformation {
            name: symbol.name.clone(),
            kind: symbol.kind,
            tags: None,
            deprecated: None,
            location: Location { uri: uri.clone(), range: symbol.range },
            container_name: around.map(str::to_owned),
        });
        flatten(symbol.children.unwrap_or_default(), Some(&symbol.name), uri, flat);
    }
}
