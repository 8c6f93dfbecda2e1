//! `textDocument/codeAction`: what mends a finding, or silences it.

use lsp_types::{
    CodeAction, CodeActionKind, CodeActionOrCommand, CodeActionParams, DocumentChanges, OneOf,
    OptionalVersionedTextDocumentIdentifier, TextDocumentEdit, TextEdit, WorkspaceEdit,
};

use super::findings::show;
use super::view::View;
use super::{allow, changes};
use crate::diagnostics::{Diagnostic, Edit};
use crate::lint;
use crate::source::{FileId, Span};

/// Mends all that can be mended without asking.
pub const FIX_ALL: CodeActionKind = CodeActionKind::new("source.fixAll.wsproxy");

/// What can be done about the findings in a range.
pub fn actions(view: &View, params: &CodeActionParams) -> Vec<CodeActionOrCommand> {
    let lines = view.lines();
    let (start, end) = (lines.offset(params.range.start), lines.offset(params.range.end));
    let mut found = Vec::new();
    let own = view.looked.seen.found.iter().filter(|finding| is_of(view, finding));
    if is_wanted(params, &CodeActionKind::QUICKFIX) {
        let there = own.filter(|finding| finding.span().start <= end && start <= finding.span().end);
        for finding in there {
            found.extend(mended(view, finding));
            found.extend(silenced(view, finding));
        }
    }
    found.into_iter().map(CodeActionOrCommand::CodeAction).collect()
}

/// Whether a finding is about this text, whichever reading of it, and is told.
fn is_of(view: &View, finding: &Diagnostic) -> bool {
    let path = |file| &view.tree().sources.get(file).path;
    path(finding.span().file) == path(view.file) && view.settings.is_told(finding)
}

/// A client that names kinds wants those, and those under them: `source.fixAll` is all that ends in more.
fn is_wanted(params: &CodeActionParams, kind: &CodeActionKind) -> bool {
    let under = |wanted: &CodeActionKind| {
        let rest = kind.as_str().strip_prefix(wanted.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || wanted.as_str().is_empty())
    };
    params.context.only.as_ref().is_none_or(|wanted| wanted.iter().any(under))
}

fn mended(view: &View, finding: &Diagnostic) -> Option<CodeAction> {
    let fix = finding.fix.as_ref().filter(|fix| !fix.edits.is_empty())?;
    let title = match fix.safe {
        true => fix.title.clone(),
        false => format!("{} (unsafe: the meaning may change)", fix.title),
    };
    Some(CodeAction {
        title,
        kind: Some(CodeActionKind::QUICKFIX),
        diagnostics: Some(vec![show(finding, &mut view.places())]),
        edit: Some(workspace_edit(view, &fix.edits)?),
        is_preferred: Some(fix.safe),
        ..CodeAction::default()
    })
}

fn silenced(view: &View, finding: &Diagnostic) -> Option<CodeAction> {
    let rule = lint::find(finding.code)?;
    let edit = allow::here(view.tree(), finding.span(), rule.name)?;
    Some(CodeAction {
        title: format!("Allow {} here", rule.name),
        kind: Some(CodeActionKind::QUICKFIX),
        diagnostics: Some(vec![show(finding, &mut view.places())]),
        edit: Some(workspace_edit(view, &[edit])?),
        ..CodeAction::default()
    })
}

/// Whether somebody asks for all that can be mended: only who says so, for it takes several looks.
pub fn wants_all(params: &CodeActionParams) -> bool {
    params.context.only.is_some() && is_wanted(params, &FIX_ALL)
}

/// What makes a text the one in which everything is mended; `None` if it is that already.
pub fn all(view: &View, mended: &[u8]) -> Option<CodeAction> {
    let (start, end, text) = changes::one(view.document.text.as_bytes(), mended)?;
    let edit = Edit { span: Span { file: view.file, start, end }, text };
    Some(CodeAction {
        title: "Mend all that can be mended safely".to_owned(),
        kind: Some(FIX_ALL),
        edit: Some(workspace_edit(view, &[edit])?),
        ..CodeAction::default()
    })
}

/// Edits as a client makes them, those of open texts to the version that was looked at.
fn workspace_edit(view: &View, edits: &[Edit]) -> Option<WorkspaceEdit> {
    let mut files: Vec<(FileId, Vec<TextEdit>)> = Vec::new();
    let mut places = view.places();
    for edit in edits {
        let text = TextEdit { range: places.range(edit.span), new_text: edit.text.clone() };
        match files.iter_mut().find(|(file, _)| *file == edit.span.file) {
            Some((_, texts)) => texts.push(text),
            None => files.push((edit.span.file, vec![text])),
        }
    }
    if view.settings.versions {
        let changes = files.into_iter().map(|(file, edits)| {
            let path = &view.tree().sources.get(file).path;
            let version = view.documents.of(path).map(|document| document.version);
            let text_document = OptionalVersionedTextDocumentIdentifier { uri: places.uri(file)?, version };
            Some(TextDocumentEdit { text_document, edits: edits.into_iter().map(OneOf::Left).collect() })
        });
        let changes = DocumentChanges::Edits(changes.collect::<Option<Vec<_>>>()?);
        return Some(WorkspaceEdit { document_changes: Some(changes), ..WorkspaceEdit::default() });
    }
    let changes = files.into_iter().map(|(file, edits)| Some((places.uri(file)?, edits)));
    Some(WorkspaceEdit { changes: Some(changes.collect::<Option<_>>()?), ..WorkspaceEdit::default() })
}
