//! Which request is answered by what.

use std::rc::Rc;

use lsp_server::{ErrorCode, Request, ResponseError};
use lsp_types::request::{
    CodeActionRequest, Completion, DocumentSymbolRequest, Formatting, GotoDefinition, HoverRequest,
    References, Request as Kind, ResolveCompletionItem,
};
use lsp_types::{
    CodeActionOrCommand, CodeActionParams, CodeActionResponse, CompletionResponse, GotoDefinitionResponse,
    Position, Uri,
};
use serde_json::Value;

use super::documents::Documents;
use super::settings::Settings;
use super::view::View;
use super::workspace::{Looked, Workspace};
use super::{actions, completion, definition, formatting, hover, symbols};

/// Answers a request about the texts as they were when it came.
///
/// # Errors
///
/// That nobody knows the request, or that its parameters are others than its kind has.
pub fn answer(
    request: Request,
    workspace: &mut Workspace,
    documents: &Documents,
    settings: &Settings,
) -> Result<Value, ResponseError> {
    let mut asked = Asked { workspace, documents, settings };
    match request.method.as_str() {
        HoverRequest::METHOD => typed::<HoverRequest>(request, |params| {
            let at = params.text_document_position_params;
            asked.at(&at.text_document.uri, at.position, hover::hover).flatten()
        }),
        GotoDefinition::METHOD => typed::<GotoDefinition>(request, |params| {
            let at = params.text_document_position_params;
            let found = asked.at(&at.text_document.uri, at.position, definition::definition);
            found.map(GotoDefinitionResponse::Array)
        }),
        References::METHOD => typed::<References>(request, |params| {
            let (at, with) = (params.text_document_position, params.context.include_declaration);
            let found = |view: &View, offset| definition::references(view, offset, with);
            asked.at(&at.text_document.uri, at.position, found)
        }),
        Completion::METHOD => typed::<Completion>(request, |params| {
            let at = params.text_document_position;
            asked.completion(&at.text_document.uri, at.position).map(CompletionResponse::Array)
        }),
        ResolveCompletionItem::METHOD => {
            typed::<ResolveCompletionItem>(request, |item| completion::resolve(item, settings))
        }
        DocumentSymbolRequest::METHOD => typed::<DocumentSymbolRequest>(request, |params| {
            let (_, document) = documents.find(&params.text_document.uri)?;
            let outline = || symbols::symbols(&document.text, &document.uri, settings);
            (!document.is_too_large()).then(outline)
        }),
        Formatting::METHOD => typed::<Formatting>(request, |params| {
            let (_, document) = documents.find(&params.text_document.uri)?;
            formatting::formatted(document, settings)
        }),
        CodeActionRequest::METHOD => typed::<CodeActionRequest>(request, |params| asked.actions(&params)),
        method => Err(refusal(ErrorCode::MethodNotFound, format!("wsproxy does not answer {method}"))),
    }
}

/// Reads the parameters that a kind of request has, and writes its result.
fn typed<K: Kind>(
    request: Request,
    answer: impl FnOnce(K::Params) -> K::Result,
) -> Result<Value, ResponseError> {
    let params = serde_json::from_value(request.params)
        .map_err(|error| refusal(ErrorCode::InvalidParams, format!("{}: {error}", K::METHOD)))?;
    serde_json::to_value(answer(params)).map_err(|error| refusal(ErrorCode::InternalError, error.to_string()))
}

fn refusal(code: ErrorCode, message: String) -> ResponseError {
    ResponseError { code: code as i32, message, data: None }
}

/// What answers are made from.
struct Asked<'a> {
    workspace: &'a mut Workspace,
    documents: &'a Documents,
    settings: &'a Settings,
}

impl Asked<'_> {
    /// What a request finds in an open text and its configuration; `None` if the text is not open.
    fn view<T>(&mut self, uri: &Uri, find: impl FnOnce(&View) -> T) -> Option<T> {
        let (key, document) = self.documents.find(uri)?;
        let looked = self.workspace.look(self.documents, self.settings);
        let (looked, file) = looked.iter().find_map(|one| Some((one, one.file(key)?)))?;
        Some(find(&View::new(self.documents, document, self.settings, looked, file)))
    }

    /// The same at a position.
    fn at<T>(&mut self, uri: &Uri, position: Position, find: impl FnOnce(&View, u32) -> T) -> Option<T> {
        self.view(uri, |view| find(view, view.lines().offset(position)))
    }

    fn actions(&mut self, params: &CodeActionParams) -> Option<CodeActionResponse> {
        let uri = &params.text_document.uri;
        let mut found = self.view(uri, |view| actions::actions(view, params))?;
        if actions::wants_all(params) {
            let (key, _) = self.documents.find(uri)?;
            let looked = self.workspace.known(key)?;
            let mended = self.workspace.mended(&looked, key, self.documents, self.settings);
            let all = self.view(uri, |view| actions::all(view, &mended?)).flatten();
            found.extend(all.map(CodeActionOrCommand::CodeAction));
        }
        Some(found)
    }

    /// Completion is asked for with every letter: what is known from a moment ago is enough for names.
    fn completion(&mut self, uri: &Uri, position: Position) -> Option<Vec<lsp_types::CompletionItem>> {
        let (key, document) = self.documents.find(uri).filter(|(_, document)| !document.is_too_large())?;
        let fresh = |asked: &mut Self| -> Option<Rc<Looked>> {
            asked.workspace.look(asked.documents, asked.settings);
            asked.workspace.known(key)
        };
        let looked = self.workspace.known(key).or_else(|| fresh(self))?;
        let view = View::new(self.documents, document, self.settings, &looked, looked.file(key)?);
        Some(completion::completion(&view, view.lines().offset(position)))
    }
}
