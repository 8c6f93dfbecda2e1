//! Everything that the catalogue alone can say of one directive as written.

use std::collections::{HashMap, HashSet};

use bstr::{BStr, ByteSlice};

use crate::diagnostics::{Diagnostic, Edit, Fix};
use crate::directive::catalogue::{self, Edition, Row};
use crate::directive::form::{Form, Kind, Misfit, either};
use crate::directive::{Context, values};
use crate::source::{FileId, Span};
use crate::syntax::{Body, Directive, NodeId, Tree, Word};

/// A directive that stands where it may.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub row: &'static Row,
    /// What its block holds, if it has one: a context to go on with, or one of [`Context::DATA`].
    pub inner: Option<Context>,
    /// Whether nothing was found wrong with it: its arguments can be read as the row says.
    pub sound: bool,
}

/// The directives already met in one block, for those that may stand there only once.
#[derive(Debug, Default)]
pub struct Seen {
    first: HashMap<&'static str, Span>,
    /// Files that were told to be included again.
    included_again: HashSet<FileId>,
}

/// Looks at one directive that stands in `context`: its name, place, arguments and whether it came
/// before in this block. `None` says that there is no going on with it: nobody knows it, or not here.
pub fn examine(
    tree: &Tree,
    node: NodeId,
    context: Context,
    seen: &mut Seen,
    found: &mut Vec<Diagnostic>,
) -> Option<Known> {
    let directive = tree.get(node);
    let before = found.len();
    let row = row_of(tree, directive, context, found)?;
    body(directive, row, found)?;
    if row.arity.takes(directive.args.len()) {
        arguments(directive, row, found);
    } else {
        found.push(wrong_count(directive, row));
    }
    if row.once {
        once(tree, directive, row, seen, found);
    }
    Some(Known { row, inner: row.inner(context), sound: found.len() == before })
}

fn row_of(
    tree: &Tree,
    directive: &Directive,
    context: Context,
    found: &mut Vec<Diagnostic>,
) -> Option<&'static Row> {
    let name = &directive.name.value;
    let rows = catalogue::find(name);
    let usable = |row: &&Row| row.known() || is_loaded(tree, row);
    if let Some(row) = rows.iter().filter(usable).find(|row| row.contexts.meets(context)) {
        return Some(row);
    }
    let known: Vec<&Row> = rows.iter().filter(usable).collect();
    found.push(if known.is_empty() {
        unknown(directive, rows, context)
    } else {
        misplaced(directive, &known, context)
    });
    None
}

/// Whether a `load_module` of the main level names the module of this row.
fn is_loaded(tree: &Tree, row: &Row) -> bool {
    if row.edition != Edition::Separate {
        return false;
    }
    let object = row.shared_object();
    let mut loads = tree.items(None).filter(|directive| directive.is("load_module"));
    loads.any(|load| load.args.first().is_some_and(|path| path.value.ends_with(object.as_bytes())))
}

fn unknown(directive: &Directive, rows: &[Row], context: Context) -> Diagnostic {
    let name = directive.name.value.as_bstr();
    let span = directive.name.span;
    let finding = Diagnostic::error("unknown-directive", span, format!("unknown directive \"{name}\""));
    let Some(row) = rows.first() else { return guess(finding, directive, context) };
    let said = |finding: Diagnostic| match row.note {
        "" => finding,
        note => finding.help(note),
    };
    match row.edition {
        Edition::Plus => finding.here("only NGINX Plus has it"),
        Edition::Separate => {
            let object = row.shared_object();
            let help = format!(
                "with nginx: install the module and write \"load_module modules/{object};\" at the top"
            );
            finding.here("of a module that is loaded apart").help(help)
        }
        Edition::Elsewhere => finding.here("nginx has it only on other systems than Linux"),
        Edition::Removed => said(finding.here("nginx has it no more")),
        Edition::ThirdParty => {
            let module = row.module;
            said(finding.here(format!("of the module \"{module}\", which is not part of nginx")))
        }
        Edition::Open | Edition::Ours => finding,
    }
}

fn guess(finding: Diagnostic, directive: &Directive, context: Context) -> Diagnostic {
    let name = &directive.name;
    if let Some(joined) = missing_blank(name) {
        return finding
            .help(format!("a blank is missing: \"{joined} {}\"", name.value[joined.len()..].as_bstr()));
    }
    match catalogue::nearest(&name.value, context) {
        Some(nearest) => {
            let title = format!("did you mean \"{nearest}\"?");
            let edits = vec![Edit { span: name.span, text: nearest.to_owned() }];
            finding.fix(Fix { title, safe: false, edits })
        }
        None => finding,
    }
}

/// The directive that a word starts with, if what follows cannot be part of a name:
/// `server_name=a.example`, `listen80`.
fn missing_blank(word: &Word) -> Option<&'static str> {
    let end = word.value.find_byteset(b"=:/0123456789$'\"")?;
    catalogue::find(&word.value[..end]).first().map(|row| row.name)
}

fn misplaced(directive: &Directive, rows: &[&Row], context: Context) -> Diagnostic {
    let name = directive.name.value.as_bstr();
    let message = format!("\"{name}\" directive is not allowed here");
    let places = rows.iter().fold(Context::NONE, |all, row| all | row.contexts);
    Diagnostic::error("misplaced-directive", directive.name.span, message)
        .here(format!("this is {}", place(context)))
        .help(format!("\"{name}\" may stand in {}", either(places.each().map(|one| place(one).to_owned()))))
}

/// A context in a sentence.
fn place(context: Context) -> &'static str {
    match context {
        Context::MAIN => "the main level, outside of all blocks",
        one => one.name(),
    }
}

/// A `;` where a block belongs, or the other way around. nginx asks this before it counts arguments.
fn body(directive: &Directive, row: &Row, found: &mut Vec<Diagnostic>) -> Option<()> {
    let name = directive.name.value.as_bstr();
    match (&directive.body, row.block) {
        (Body::None | Body::Included(_), Some(_)) => {
            let message = format!("directive \"{name}\" has no opening \"{{\"");
            found.push(
                Diagnostic::error("missing-block", directive.name.span, message)
                    .here("a block has to follow it")
                    .help(format!("write \"{} {{ … }}\"", written(directive))),
            );
            None
        }
        (Body::Block { open, .. }, None) => {
            let message = format!("directive \"{name}\" is not terminated by \";\"");
            let edits = vec![Edit { span: end_of_words(directive).after(), text: ";".to_owned() }];
            found.push(
                Diagnostic::error("missing-semicolon", end_of_words(directive).after(), message)
                    .here("a \";\" is missing here")
                    .also(*open, "it cannot have a block")
                    .fix(Fix { title: "end it with a \";\"".to_owned(), safe: false, edits }),
            );
            None
        }
        (Body::Lua(_), None | Some(_)) | (Body::Block { .. }, Some(_)) | (_, None) => Some(()),
    }
}

/// A directive's words, without what ends them.
fn written(directive: &Directive) -> String {
    let words = std::iter::once(&directive.name).chain(&directive.args);
    words.map(|word| word.value.as_bstr().to_string()).collect::<Vec<_>>().join(" ")
}

fn end_of_words(directive: &Directive) -> Span {
    directive.args.last().unwrap_or(&directive.name).span
}

fn wrong_count(directive: &Directive, row: &Row) -> Diagnostic {
    let name = row.name;
    let message = format!("invalid number of arguments in \"{name}\" directive");
    let count = directive.args.len();
    let finding = Diagnostic::error("wrong-arguments", directive.name.span, message);
    let finding = finding.here(format!("takes {}, and has {count}", row.arity));
    match usage(row) {
        Some(usage) => finding.help(usage),
        None => finding,
    }
}

/// How the documentation writes it.
fn usage(row: &Row) -> Option<String> {
    match row.syntax {
        "" => None,
        syntax if row.block.is_some() => Some(format!("usage: {} {syntax} {{ … }}", row.name)),
        syntax => Some(format!("usage: {} {syntax};", row.name)),
    }
}

/// What the forms of the row say of the arguments.
fn arguments(directive: &Directive, row: &Row, found: &mut Vec<Diagnostic>) {
    let mut before: Vec<&Word> = Vec::new();
    for (at, word) in directive.args.iter().enumerate() {
        let Some(form) = row.forms.of(at) else { return };
        if let Err(misfit) = form.fit(&word.value) {
            found.push(wrong_value(row, form, word, misfit));
        }
        if let [Kind::Set(_)] = form.kinds[..] {
            if before.iter().any(|one| one.value.eq_ignore_ascii_case(&word.value)) {
                let message = format!("duplicate value \"{}\"", word.value);
                found.push(Diagnostic::warning("duplicate-value", word.span, message));
            }
            before.push(word);
        }
        if let Some(network) =
            form.kinds.iter().any(|kind| matches!(kind, Kind::Cidr)).then(|| values::cidr(&word.value))
            && network.is_some_and(|network| network.meaningless_bits)
        {
            let message = format!("low address bits of {} are meaningless", word.value);
            found.push(Diagnostic::warning("meaningless-bits", word.span, message));
        }
    }
}

fn wrong_value(row: &Row, form: &Form, word: &Word, misfit: Misfit) -> Diagnostic {
    let name = row.name;
    let value = word.value.as_bstr();
    let message = match (misfit, &form.kinds[..]) {
        (Misfit::Range(bounds), [_]) => bounds.to_string(),
        (_, [kind]) => refusal(kind, name, value),
        (_, kinds) if kinds.iter().any(|kind| matches!(kind, Kind::Key(..))) => parameter(name, kinds, word),
        (_, kinds) if kinds.iter().all(|kind| matches!(kind, Kind::Literal(_) | Kind::Cidr)) => {
            format!("invalid parameter \"{value}\"")
        }
        (_, kinds) if kinds.iter().any(is_counted) => format!("\"{name}\" directive invalid value"),
        (_, _) => format!("invalid value \"{value}\" in \"{name}\" directive"),
    };
    let finding = Diagnostic::error("invalid-value", word.span, message);
    let finding = match misfit {
        Misfit::Range(bounds) => finding.here(bounds.to_string()),
        Misfit::Shape => finding.here(format!("expected {form}")),
    };
    match usage(row) {
        Some(usage) if form.kinds.len() > 1 => finding.help(usage),
        _ => finding,
    }
}

fn is_counted(kind: &Kind) -> bool {
    matches!(kind, Kind::Number(_) | Kind::Time(_) | Kind::Seconds(_) | Kind::Size(_) | Kind::Offset(_))
}

/// What nginx says of a parameter that is none of those a directive has, or whose value is wrong.
fn parameter(name: &str, kinds: &[Kind], word: &Word) -> String {
    let value = word.value.as_bstr();
    let key = kinds.iter().find_map(|kind| match kind {
        Kind::Key(key, _)
            if value.strip_prefix(key.as_bytes()).is_some_and(|rest| rest.starts_with(b"=")) =>
        {
            Some(*key)
        }
        _ => None,
    });
    match key {
        _ if matches!(name, "open_file_cache" | "open_log_file_cache") => {
            format!("invalid \"{name}\" parameter \"{value}\"")
        }
        Some("keys_zone") => format!("invalid keys zone size \"{value}\""),
        Some(key) if !name.ends_with("_certificate_cache") => format!("invalid {key} value \"{value}\""),
        _ => format!("invalid parameter \"{value}\""),
    }
}

/// What nginx says of a word that is not of a kind.
fn refusal(kind: &Kind, name: &str, value: &BStr) -> String {
    match kind {
        Kind::Flag => {
            format!("invalid value \"{value}\" in \"{name}\" directive, it must be \"on\" or \"off\"")
        }
        Kind::Number(_) | Kind::Integer => format!("\"{name}\" directive invalid number"),
        Kind::Time(_) | Kind::Seconds(_) | Kind::Size(_) | Kind::Offset(_) | Kind::Count | Kind::Each => {
            format!("\"{name}\" directive invalid value")
        }
        Kind::Defines | Kind::Uses => format!("invalid variable name \"{value}\""),
        Kind::Cidr | Kind::Key(..) | Kind::Literal(_) => format!("invalid parameter \"{value}\""),
        Kind::OrVars(kind) => refusal(kind, name, value),
        _ => format!("invalid value \"{value}\""),
    }
}

fn once(tree: &Tree, directive: &Directive, row: &'static Row, seen: &mut Seen, found: &mut Vec<Diagnostic>) {
    let span = directive.name.span;
    let Some(first) = seen.first.get(row.name).copied() else {
        seen.first.insert(row.name, span);
        return;
    };
    let message = format!("\"{}\" directive is duplicate", row.name);
    let Some((again, before)) = included_again(tree, span, first) else {
        let finding = Diagnostic::error("duplicate-directive", span, message);
        return found.push(finding.here("a second time in the same block").also(first, "the first time"));
    };
    // One include that was written twice is one mistake, however much the file holds.
    if seen.included_again.insert(span.file) {
        let finding = Diagnostic::error("duplicate-directive", again, message)
            .here("the same file is included a second time in this block")
            .also(before, "the first time")
            .also(span, "and may not be repeated");
        found.push(finding);
    }
}

/// Where a file was included that repeats what it says, and where it was included before.
fn included_again(tree: &Tree, span: Span, first: Span) -> Option<(Span, Span)> {
    let (source, earlier) = (tree.sources.get(span.file), tree.sources.get(first.file));
    let same = span.file != first.file && source.path == earlier.path && span.start == first.start;
    Some((source.included_from?, earlier.included_from?)).filter(|_| same)
}
