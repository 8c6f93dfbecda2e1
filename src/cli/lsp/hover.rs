//! `textDocument/hover`: what there is to know of a directive, a variable, or something that has a name.

use std::fmt::Write;

use bstr::ByteSlice;
use lsp_types::{Hover, HoverContents, MarkupContent, MarkupKind};

use super::definition::named_at;
use super::things::{Kind, Thing, definitions};
use super::view::View;
use crate::directive::catalogue::{Edition, Row, Serve};
use crate::directive::variables::VariableRow;
use crate::features::REGISTER;
use crate::lint::site::Origin;
use crate::source::Span;
use crate::syntax::NodeId;

/// How many lines of a definition are shown.
const MAX_LINES: usize = 16;

/// What there is to know of what stands at `offset`.
pub fn hover(view: &View, offset: u32) -> Option<Hover> {
    let directive = view.directive_at(offset)?;
    let holds = |span: Span| (span.start..=span.end).contains(&offset);
    let (text, span) = if holds(directive.name.span) && view.row(directive).is_some() {
        (page(view.row(directive)?), directive.name.span)
    } else {
        let named = named_at(view, directive, offset)?;
        (of_thing(view, &named.thing)?, named.span)
    };
    let value = if view.settings.markdown { text } else { plain(&text) };
    let kind = if view.settings.markdown { MarkupKind::Markdown } else { MarkupKind::PlainText };
    let contents = HoverContents::Markup(MarkupContent { kind, value });
    Some(Hover { contents, range: Some(view.range(span)) })
}

/// What there is to know of a directive, in Markdown.
pub fn page(row: &Row) -> String {
    let mut text = String::from("```nginx\n");
    let end = if row.block.is_some() { " { … }" } else { ";" };
    for form in row.syntax.split(" ; ") {
        let between = if form.is_empty() { "" } else { " " };
        let _ = writeln!(text, "{}{between}{form}{end}", row.name);
    }
    text.push_str("```\n");
    if let Some(documentation) = documentation(row) {
        let _ = write!(text, "\n{documentation}\n");
    }
    let default = if row.default.is_empty() { "none".to_owned() } else { format!("`{}`", row.default) };
    let _ = write!(text, "\nDefault: {default}  \nContext: {}  \n", row.contexts);
    let since = if row.since.is_empty() { String::new() } else { format!(", since {}", row.since) };
    let _ = write!(text, "Module: {}{since}{}  \n{}\n", row.module, edition(row), served(row));
    if !row.note.is_empty() {
        let _ = write!(text, "\n{}\n", row.note);
    }
    if let Some(link) = link(row) {
        let _ = write!(text, "\n[nginx.org]({link})\n");
    }
    text
}

/// What the feature's file says of it.
fn documentation(row: &Row) -> Option<&'static str> {
    let features = REGISTER.iter().filter(|feature| feature.contexts().meets(row.contexts));
    let mut rows = features.flat_map(|feature| feature.directives());
    rows.find(|(name, _)| *name == row.name).map(|(_, documentation)| documentation)
}

fn edition(row: &Row) -> &'static str {
    match row.edition {
        Edition::Open | Edition::Ours => "",
        Edition::Separate => ", a module that is loaded apart",
        Edition::Plus => ", NGINX Plus",
        Edition::Elsewhere => ", on other systems than Linux",
        Edition::Removed => ", removed",
        Edition::ThirdParty => ", a module of somebody else",
    }
}

fn served(row: &Row) -> &'static str {
    match (row.serve, row.edition) {
        (_, Edition::Ours) => "Of wsproxy: nginx does not know it",
        (Serve::Served, _) => "Served by wsproxy",
        (Serve::Tunes, _) => "wsproxy does without it: clients see no difference",
        (Serve::Changes, _) => "Not served by wsproxy",
    }
}

/// Where nginx documents a directive of its own.
fn link(row: &Row) -> Option<String> {
    if row.edition != Edition::Open {
        return None;
    }
    let folder = match row.module.split_once('_') {
        Some((folder @ ("http" | "stream" | "mail"), _)) => format!("{folder}/"),
        _ => String::new(),
    };
    Some(format!("https://nginx.org/en/docs/{folder}ngx_{}_module.html#{}", row.module, row.name))
}

fn of_thing(view: &View, thing: &Thing) -> Option<String> {
    let mut text = String::new();
    if thing.kind == Kind::Variable {
        let builtin = view.site.origins(&thing.name).into_iter().find_map(|origin| match origin {
            Origin::Builtin(row) => Some(row),
            _ => None,
        });
        match builtin {
            Some(row) => text.push_str(&of_variable(&thing.name.to_str_lossy(), row)),
            None => _ = writeln!(text, "`${}`", thing.name),
        }
    }
    for (id, _) in definitions(&view.site, thing) {
        text.push_str(&quoted(view, id));
    }
    (!text.is_empty()).then_some(text)
}

fn of_variable(name: &str, row: &VariableRow) -> String {
    let family = if row.family { format!(", one of `${}…`", row.name) } else { String::new() };
    let served = if row.served { "Served by wsproxy" } else { "Not served by wsproxy" };
    format!("`${name}`{family}\n\nModule: {}  \n{served}\n", row.module)
}

/// A directive as it is written, and where.
fn quoted(view: &View, id: NodeId) -> String {
    let tree = view.tree();
    let directive = tree.get(id);
    let place = tree.sources.place(directive.span);
    let written = tree.sources.bytes(directive.span).to_str_lossy();
    let mut lines: Vec<&str> = written.lines().take(MAX_LINES).collect();
    if written.lines().count() > MAX_LINES {
        lines.push("…");
    }
    // As far to the left as the line that ends the block.
    let indents = lines.iter().skip(1).filter(|line| !line.trim().is_empty());
    let indent = indents.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    let shifted = lines
        .iter()
        .enumerate()
        .map(|(at, line)| if at == 0 { line } else { line.get(indent..).unwrap_or(line.trim_start()) });
    format!("\n{place}\n\n```nginx\n{}\n```\n", shifted.collect::<Vec<_>>().join("\n"))
}

/// Markdown for clients that cannot show it.
pub fn plain(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("```") && !line.starts_with("[nginx.org]"));
    lines.map(|line| line.trim_end().replace('`', "")).collect::<Vec<_>>().join("\n")
}
