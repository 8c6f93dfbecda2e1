//! An open text, and the configuration that it is part of: what requests are answered from.

use lsp_types::Range;

use super::documents::{Document, Documents};
use super::findings::Places;
use super::positions::Lines;
use super::settings::Settings;
use super::workspace::Looked;
use crate::directive::Context;
use crate::directive::catalogue::{self, Row};
use crate::lint::site::Site;
use crate::source::{FileId, Span};
use crate::syntax::{Directive, Tree};

pub struct View<'a> {
    pub documents: &'a Documents,
    pub document: &'a Document,
    pub settings: &'a Settings,
    pub looked: &'a Looked,
    /// The text's first reading in the configuration.
    pub file: FileId,
    pub site: Site<'a>,
}

impl<'a> View<'a> {
    pub fn new(
        documents: &'a Documents,
        document: &'a Document,
        settings: &'a Settings,
        looked: &'a Looked,
        file: FileId,
    ) -> View<'a> {
        let seen = &looked.seen;
        let site = Site::new(&seen.tree, &seen.model, &seen.options, &seen.found, None);
        View { documents, document, settings, looked, file, site }
    }

    pub fn tree(&self) -> &'a Tree {
        &self.looked.seen.tree
    }

    pub fn lines(&self) -> Lines<'a> {
        Lines::new(self.document.text.as_bytes(), self.settings.encoding)
    }

    pub fn places(&self) -> Places<'a> {
        Places::new(&self.tree().sources, self.documents, self.settings)
    }

    pub fn range(&self, span: Span) -> Range {
        self.places().range(span)
    }

    /// The innermost directive that the byte at `offset` of the text belongs to.
    pub fn directive_at(&self, offset: u32) -> Option<&'a Directive> {
        let holds = |directive: &&Directive| {
            directive.span.file == self.file && (directive.span.start..=directive.span.end).contains(&offset)
        };
        self.tree().all().filter(holds).last()
    }

    /// The context that a directive stands in; `None` in a block of data.
    pub fn context(&self, directive: &Directive) -> Option<Context> {
        self.site.block_of(directive).map(|block| block.context())
    }

    /// What is known of a directive where it stands.
    pub fn row(&self, directive: &Directive) -> Option<&'static Row> {
        catalogue::in_context(&directive.name.value, self.context(directive)?)
    }
}
