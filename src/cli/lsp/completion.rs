//! `textDocument/completion`: what may be written at a place.
//!
//! The place is found in the text as it is now; names come from the configuration as it was looked at last, which may
//! be a moment ago.

use std::collections::BTreeSet;
use std::fs;

use bstr::ByteSlice;
use lsp_types::{
    CompletionItem, CompletionItemKind, CompletionTextEdit, Documentation, InsertTextFormat, MarkupContent,
    MarkupKind, TextEdit,
};
use serde_json::json;

use super::hover;
use super::settings::Settings;
use super::things::{Kind, given};
use super::view::View;
use super::words;
use crate::directive::Context;
use crate::directive::catalogue::{self, Arity, Row};
use crate::directive::variables::{self, Protocol};
use crate::syntax::{Cursor, cursor};

/// How many files of a folder are offered.
const MAX_FILES: usize = 1000;

/// What may be written at `offset` of the text.
pub fn completion(view: &View, offset: u32) -> Vec<CompletionItem> {
    let text = view.document.text.as_bytes();
    let Some(cursor) = cursor(text, offset) else { return Vec::new() };
    let Some((context, protocol)) = context(view, &cursor) else { return Vec::new() };
    let typed = &text[cursor.word.start as usize..offset as usize];
    let asked = Asked { view, typed, from: cursor.word.start, offset };
    match (cursor.words.split_first(), dollar(typed)) {
        (Some(_), Some(at)) => asked.variables(protocol, at),
        (None, Some(at)) if Context::DATA.contains(context) => asked.variables(protocol, at),
        (None, _) if Context::DATA.contains(context) => {
            asked.plain(words::of_data(context), CompletionItemKind::KEYWORD)
        }
        (None, _) => asked.directives(context),
        (Some((name, arguments)), None) => {
            let Some(row) = catalogue::in_context(name, context) else { return Vec::new() };
            asked.arguments(row, arguments.len())
        }
    }
}

/// An item with its documentation.
pub fn resolve(mut item: CompletionItem, settings: &Settings) -> CompletionItem {
    let row = item.data.as_ref().and_then(|data| {
        let context = Context::named(data.get("context")?.as_str()?)?;
        catalogue::in_context(data.get("directive")?.as_str()?.as_bytes(), context)
    });
    if let Some(row) = row {
        let page = hover::page(row);
        item.documentation = Some(Documentation::MarkupContent(match settings.markdown {
            true => MarkupContent { kind: MarkupKind::Markdown, value: page },
            false => MarkupContent { kind: MarkupKind::PlainText, value: hover::plain(&page) },
        }));
    }
    item
}

/// The context of a place, and whose variables are known there.
fn context(view: &View, cursor: &Cursor) -> Option<(Context, Option<Protocol>)> {
    let around = view.tree().sources.get(view.file).included_from;
    let include = around.and_then(|word| {
        view.tree().all().find(|directive| directive.args.first().is_some_and(|first| first.span == word))
    });
    let block = match include {
        Some(include) => view.site.block_of(include),
        None => Some(view.site.root()),
    };
    let mut context = block?.context();
    let mut protocol = Protocol::of(context);
    for head in &cursor.blocks {
        let row = catalogue::in_context(head.first()?, context)?;
        context = row.inner(context)?;
        protocol = Protocol::of(context).or(protocol);
    }
    Some((context, protocol))
}

/// Where the variable begins whose name is being typed at the end of a word.
fn dollar(typed: &[u8]) -> Option<usize> {
    let at = typed.rfind_byte(b'$')?;
    let name = typed[at + 1..].strip_prefix(b"{").unwrap_or(&typed[at + 1..]);
    name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').then_some(at)
}

/// A place and what has been typed there already.
struct Asked<'a> {
    view: &'a View<'a>,
    typed: &'a [u8],
    from: u32,
    offset: u32,
}

impl Asked<'_> {
    /// An item that replaces what has been typed from byte `skip` of the word on.
    fn item(&self, label: String, skip: usize, kind: CompletionItemKind) -> CompletionItem {
        let range = self.view.lines().range(self.from + skip as u32, self.offset);
        CompletionItem {
            kind: Some(kind),
            filter_text: Some(label.clone()),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit { range, new_text: label.clone() })),
            label,
            ..CompletionItem::default()
        }
    }

    fn plain(
        &self,
        words: impl IntoIterator<Item = String>,
        kind: CompletionItemKind,
    ) -> Vec<CompletionItem> {
        words.into_iter().map(|word| self.item(word, 0, kind)).collect()
    }

    fn directives(&self, context: Context) -> Vec<CompletionItem> {
        let rows = catalogue::rows().iter().filter(|row| row.known() && row.contexts.meets(context));
        let names: BTreeSet<&str> = rows.map(|row| row.name).collect();
        let snippets = self.view.settings.snippets && self.line_ends_here();
        let rows = names.into_iter().filter_map(|name| catalogue::in_context(name.as_bytes(), context));
        let item = |row: &'static Row| {
            let kind =
                if row.block.is_some() { CompletionItemKind::MODULE } else { CompletionItemKind::PROPERTY };
            let mut item = self.item(row.name.to_owned(), 0, kind);
            item.detail = Some(row.syntax.to_owned()).filter(|syntax| !syntax.is_empty());
            item.data = Some(json!({ "directive": row.name, "context": context.name() }));
            if let Some(CompletionTextEdit::Edit(edit)) = item.text_edit.as_mut().filter(|_| snippets) {
                edit.new_text = snippet(row);
                item.insert_text_format = Some(InsertTextFormat::SNIPPET);
            }
            item
        };
        rows.map(item).collect()
    }

    /// Whether nothing stands behind the place that would be an argument.
    fn line_ends_here(&self) -> bool {
        let rest = &self.view.document.text.as_bytes()[self.offset as usize..];
        let line = rest.lines().next().unwrap_or_default().trim_ascii();
        line.is_empty() || line.starts_with(b"}") || line.starts_with(b"#")
    }

    fn variables(&self, protocol: Option<Protocol>, at: usize) -> Vec<CompletionItem> {
        let open = if self.typed[at..].starts_with(b"${") { "${" } else { "$" };
        let close = if open == "${" { "}" } else { "" };
        let item = |name: &str, detail: &str| {
            let mut item = self.item(format!("{open}{name}{close}"), at, CompletionItemKind::VARIABLE);
            item.detail = Some(detail.to_owned());
            item
        };
        let mut found: Vec<CompletionItem> = Vec::new();
        for (name, giver) in self.view.site.given() {
            if let Ok(name) = name.to_str() {
                found.push(item(name, &giver.name.value.to_str_lossy()));
            }
        }
        let given: BTreeSet<String> = found.iter().map(|item| item.label.clone()).collect();
        let builtin = protocol.into_iter().flat_map(variables::rows).filter(|row| row.open || row.ours);
        let builtin = builtin.map(|row| item(row.name, row.module));
        found.extend(builtin.filter(|item| !given.contains(&item.label)));
        found.sort_by(|one, other| one.label.cmp(&other.label));
        found
    }

    fn arguments(&self, row: &Row, index: usize) -> Vec<CompletionItem> {
        let mut fixed = row.forms.of(index).map(|form| words::of_form(form, self.typed)).unwrap_or_default();
        // Somebody who is to write a time or a size can see what it is otherwise.
        let default = row.default.to_owned();
        if index == 0 && !default.is_empty() && !default.contains(' ') && !fixed.contains(&default) {
            fixed.push(default);
        }
        let mut found = self.plain(fixed, CompletionItemKind::VALUE);
        let names = words::named_by(row.name, index).map(|(kind, giver, prefix)| {
            let known = self.names(kind, giver);
            known.into_iter().map(|name| format!("{}{name}", scheme(prefix, self.typed))).collect::<Vec<_>>()
        });
        found.extend(self.plain(names.unwrap_or_default(), CompletionItemKind::REFERENCE));
        if row.name == "include" {
            found.extend(self.plain(self.files(), CompletionItemKind::FILE));
        }
        if self.typed.starts_with(b"@") && row.name != "location" {
            found.extend(self.plain(self.names(Kind::Location, ""), CompletionItemKind::REFERENCE));
        }
        found
    }

    /// The files and folders in the folder whose name has been typed.
    fn files(&self) -> Vec<String> {
        let typed = self.typed.to_str_lossy();
        let folder = typed.rfind('/').map_or("", |slash| &typed[..=slash]);
        let there = self.view.looked.seen.options.conf_prefix.join(folder);
        let entries = fs::read_dir(there).into_iter().flatten().flatten();
        let names = entries.take(MAX_FILES).filter_map(|entry| {
            let slash = if entry.file_type().ok()?.is_dir() { "/" } else { "" };
            Some(format!("{folder}{}{slash}", entry.file_name().into_string().ok()?))
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// Every name of a kind that a directive gives whose own name begins like this.
    fn names(&self, kind: Kind, giver: &str) -> BTreeSet<String> {
        let tree = self.view.tree();
        let givers = tree.all().filter(|directive| directive.name.value.starts_with(giver.as_bytes()));
        let given = givers.filter_map(|directive| given(tree, directive));
        given.filter(|one| one.thing.kind == kind).map(|one| one.thing.name.to_string()).collect()
    }
}

/// What stands in front of a name: the scheme that has been typed, or the usual one.
fn scheme<'t>(usual: &'t str, typed: &'t [u8]) -> &'t str {
    let typed = typed.find(b"://").and_then(|at| typed[..at + 3].to_str().ok());
    typed.filter(|_| usual.ends_with("://")).unwrap_or(usual)
}

/// A directive with places for its arguments.
fn snippet(row: &Row) -> String {
    let bare = row.arity.takes(0);
    match (row.block.is_some(), row.arity) {
        (true, _) if bare && row.arity != Arity::Any => format!("{} {{\n\t$0\n}}", row.name),
        (true, _) => format!("{} $1 {{\n\t$0\n}}", row.name),
        (false, Arity::Counts(1)) => format!("{};", row.name),
        (false, _) if words::is_flag(row) => format!("{} ${{1|on,off|}};", row.name),
        (false, _) => format!("{} $1;", row.name),
    }
}
