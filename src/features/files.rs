//! Files: `root`, `alias`, `index`, `types`, `default_type`.

use std::collections::HashMap;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;

use crate::diagnostics::Diagnostic;
use crate::directive::Context;
use crate::request::{Root, Template};
use crate::source::Span;

use super::{Call, Feature, Row};

pub static FEATURE: Feature<Written> = Feature {
    name: "files",
    contexts: Context::HTTP.or(Context::SERVER).or(Context::LOCATION).or(Context::IF_LOCATION),
    rows: ROWS,
    at: |w| &mut w.files,
};

const ROWS: &[Row<Written>] = &[
    Row { name: "alias", doc: "The folder or file that stands for the location's name.", set: alias },
    Row {
        name: "default_type",
        doc: "The Content-Type of what no type is known for.",
        set: |w, call| w.default_type = Some(call.arg(0).into()),
    },
    Row { name: "index", doc: "The files that answer for a folder, the first that is there.", set: index },
    Row { name: "root", doc: "The folder that a URI is looked up in.", set: root },
    Row { name: "types", doc: "Which endings of file names have which Content-Type.", set: types },
];

#[derive(Default)]
pub struct Written {
    root: Option<(Arc<Root>, Span)>,
    index: Option<Arc<[Template]>>,
    types: Option<Types>,
    default_type: Option<Arc<[u8]>>,
}

/// Content types by the ending of the file's name, in lower case.
pub type Types = HashMap<Box<[u8]>, Arc<[u8]>>;

#[derive(Clone, Debug)]
pub struct Settings {
    pub root: Arc<Root>,
    pub index: Arc<[Template]>,
    pub types: Arc<Types>,
    pub default_type: Arc<[u8]>,
}

impl Default for Settings {
    fn default() -> Settings {
        let types = [("html", "text/html"), ("gif", "image/gif"), ("jpg", "image/jpeg")];
        let types = types.map(|(ending, name)| (ending.as_bytes().into(), Arc::from(name.as_bytes())));
        Settings {
            root: Arc::new(Root { path: Template::literal(b"html"), alias: None }),
            index: [Template::literal(b"index.html")].into(),
            types: Arc::new(types.into()),
            default_type: Arc::from(&b"text/plain"[..]),
        }
    }
}

impl Settings {
    /// nginx's defaults: files are in `html` under the prefix.
    pub fn under(prefix: &Path) -> Settings {
        let path = Template::literal(prefix.join("html").as_os_str().as_bytes());
        Settings { root: Arc::new(Root { path, alias: None }), ..Settings::default() }
    }

    /// The Content-Type of a file by the ending of its name, as `ngx_http_set_exten` finds it.
    pub fn content_type(&self, path: &[u8]) -> &Arc<[u8]> {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let ending = name.iter().rposition(|byte| *byte == b'.').map(|dot| &name[dot + 1..]);
        let ending = ending.filter(|ending| ending.len() < name.len() - 1 && !ending.is_empty());
        ending.and_then(|ending| self.types.get(&*ending.to_ascii_lowercase())).unwrap_or(&self.default_type)
    }
}

impl Written {
    pub fn over(&self, outer: &Settings) -> Settings {
        Settings {
            root: self.root.as_ref().map_or(&outer.root, |(root, _)| root).clone(),
            index: self.index.as_ref().unwrap_or(&outer.index).clone(),
            types: self.types.as_ref().map_or_else(|| outer.types.clone(), |types| Arc::new(types.clone())),
            default_type: self.default_type.as_ref().unwrap_or(&outer.default_type).clone(),
        }
    }
}

fn root(written: &mut Written, call: &mut Call) {
    set_root(written, call, None);
}

fn alias(written: &mut Written, call: &mut Call) {
    // How much of the URI it stands for is the location's to say; `model` fills it in.
    set_root(written, call, Some(usize::MAX));
}

fn set_root(written: &mut Written, call: &mut Call, alias: Option<usize>) {
    if let Some((earlier, span)) = &written.root {
        let same = earlier.alias.is_some() == alias.is_some();
        let other = if alias.is_some() { "root" } else { "alias" };
        let message = match same {
            true => format!("\"{}\" directive is duplicate", call.name()),
            false => format!(
                "\"{}\" directive is duplicate, \"{other}\" directive was specified earlier",
                call.name()
            ),
        };
        let name = call.directive.name.span;
        call.say(Diagnostic::error("duplicate-directive", name, message).also(*span, "the earlier one"));
        return;
    }
    let text = call.arg(0);
    for forbidden in ["document_root", "realpath_root"] {
        let shown = String::from_utf8_lossy(text);
        if shown.contains(&format!("${forbidden}")) || shown.contains(&format!("${{{forbidden}}}")) {
            let message =
                format!("the ${forbidden} variable cannot be used in the \"{}\" directive", call.name());
            call.error(0, "root-of-itself", message);
            return;
        }
    }
    // nginx takes a trailing slash off a root, and keeps an alias as it is.
    let absolute = matches!(text, [b'/' | b'$', ..]);
    let text = if alias.is_none() { text.strip_suffix(b"/").unwrap_or(text) } else { text };
    let text = if absolute { text.to_vec() } else { call.prefixed(text).into_os_string().into_vec() };
    let span = call.span(0);
    let path = call.template_of(&text, span, 0);
    written.root = Some((Arc::new(Root { path, alias }), span));
}

impl Written {
    /// Tells an `alias` how many bytes of the URI it stands for.
    pub fn alias_for(&mut self, location_name_length: usize) {
        if let Some((root, _)) = &mut self.root
            && root.alias.is_some()
        {
            let alias = Some(location_name_length);
            *root = Arc::new(Root { path: root.path.clone(), alias });
        }
    }

    /// Where an `alias` was written in this block.
    pub fn alias(&self) -> Option<Span> {
        self.root.as_ref().filter(|(root, _)| root.alias.is_some()).map(|(_, span)| *span)
    }
}

fn index(written: &mut Written, call: &mut Call) {
    let count = call.args().len();
    let mut names: Vec<Template> = written.index.iter().flat_map(|names| names.iter().cloned()).collect();
    for at in 0..count {
        let absolute = call.arg(at).starts_with(b"/");
        if absolute && at + 1 != count {
            call.warning(at, "index-order", "only the last index in \"index\" directive should be absolute");
        }
        if call.arg(at).is_empty() {
            let message = format!("index \"{}\" in \"index\" directive is invalid", call.text(at));
            call.error(at, "invalid-value", message);
            continue;
        }
        names.push(call.template(at));
    }
    written.index = Some(names.into());
}

fn types(written: &mut Written, call: &mut Call) {
    let types = written.types.get_or_insert_default();
    for row in call.tree.items(Some(call.directive.id)) {
        if row.is("include") {
            continue;
        }
        let name: Arc<[u8]> = Arc::from(&row.name.value[..]);
        for ending in &row.args {
            let ending_lower: Box<[u8]> = ending.value.to_ascii_lowercase().into();
            if let Some(earlier) = types.insert(ending_lower, name.clone()) {
                let message = format!(
                    "duplicate extension \"{}\", content type: \"{}\", previous content type: \"{}\"",
                    ending.value,
                    row.name.value,
                    String::from_utf8_lossy(&earlier)
                );
                call.build.diagnostics.push(Diagnostic::warning("duplicate-type", ending.span, message));
            }
        }
    }
}
