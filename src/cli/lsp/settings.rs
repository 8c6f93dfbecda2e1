//! What a client said when it began: what it can do, and what it wants to hear.

use std::path::PathBuf;

use lsp_types::{ClientCapabilities, InitializeParams, MarkupKind};
use serde::Deserialize;

use super::positions::Encoding;
use super::uri;
use crate::cli::chosen::Chosen;

#[derive(Debug)]
pub struct Settings {
    pub encoding: Encoding,
    /// The folders that somebody works in.
    pub folders: Vec<PathBuf>,
    /// Main configurations that the client names.
    pub mains: Vec<PathBuf>,
    /// Which rules are asked, as far as the command line says.
    pub rules: Chosen,
    /// Whether what wsproxy does not serve is told of.
    pub not_served: bool,
    /// What the client can do.
    pub snippets: bool,
    pub markdown: bool,
    pub outline: bool,
    pub related: bool,
    pub tags: bool,
    pub versions: bool,
    pub watches: bool,
}

/// `initializationOptions`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Options {
    /// The main configuration, from the first folder of the workspace.
    main: Option<PathBuf>,
    not_served: bool,
}

impl Settings {
    /// What a client said, and what is wrong with its `initializationOptions`: these count for nothing then.
    pub fn of(params: &InitializeParams, rules: Chosen) -> (Settings, Option<String>) {
        let client = &params.capabilities;
        let written = params.initialization_options.clone().filter(|options| !options.is_null());
        let read = written.map_or_else(|| Ok(Options::default()), serde_json::from_value::<Options>);
        let complaint = read.as_ref().err().map(|error| format!("wsproxy: initializationOptions: {error}"));
        let options = read.unwrap_or_default();
        let folders = folders(params);
        let main = options.main.map(|main| folders.first().map_or(main.clone(), |first| first.join(&main)));
        let settings = Settings {
            encoding: Encoding::choose(
                client.general.as_ref().and_then(|general| general.position_encodings.as_deref()),
            ),
            mains: main.into_iter().collect(),
            folders,
            rules,
            not_served: options.not_served,
            snippets: snippets(client).unwrap_or_default(),
            markdown: markdown(client).unwrap_or_default(),
            outline: outline(client).unwrap_or_default(),
            related: related(client).unwrap_or_default(),
            tags: tags(client).unwrap_or_default(),
            versions: versions(client).unwrap_or_default(),
            watches: watches(client).unwrap_or_default(),
        };
        (settings, complaint)
    }
}

#[allow(deprecated)]
fn folders(params: &InitializeParams) -> Vec<PathBuf> {
    let folders = params.workspace_folders.iter().flatten().filter_map(|folder| uri::path(&folder.uri));
    let folders: Vec<PathBuf> = folders.collect();
    if !folders.is_empty() {
        return folders;
    }
    let root = params.root_uri.as_ref().and_then(uri::path);
    root.or_else(|| params.root_path.as_ref().map(PathBuf::from)).into_iter().collect()
}

fn snippets(client: &ClientCapabilities) -> Option<bool> {
    client.text_document.as_ref()?.completion.as_ref()?.completion_item.as_ref()?.snippet_support
}

fn markdown(client: &ClientCapabilities) -> Option<bool> {
    let formats = client.text_document.as_ref()?.hover.as_ref()?.content_format.as_ref()?;
    Some(formats.contains(&MarkupKind::Markdown))
}

fn outline(client: &ClientCapabilities) -> Option<bool> {
    client.text_document.as_ref()?.document_symbol.as_ref()?.hierarchical_document_symbol_support
}

fn related(client: &ClientCapabilities) -> Option<bool> {
    client.text_document.as_ref()?.publish_diagnostics.as_ref()?.related_information
}

fn tags(client: &ClientCapabilities) -> Option<bool> {
    Some(client.text_document.as_ref()?.publish_diagnostics.as_ref()?.tag_support.is_some())
}

fn versions(client: &ClientCapabilities) -> Option<bool> {
    client.workspace.as_ref()?.workspace_edit.as_ref()?.document_changes
}

fn watches(client: &ClientCapabilities) -> Option<bool> {
    client.workspace.as_ref()?.did_change_watched_files.as_ref()?.dynamic_registration
}
