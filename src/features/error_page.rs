//! `error_page`: what to answer in place of an error.

use std::sync::Arc;

use crate::directive::{Context, values};
use crate::request::Template;
use crate::source::Span;

use super::{Call, Feature, Row};

pub static FEATURE: Feature<Written> = Feature {
    name: "error_page",
    contexts: Context::HTTP.or(Context::SERVER).or(Context::LOCATION).or(Context::IF_LOCATION),
    rows: ROWS,
    at: |w| &mut w.error_page,
};

const ROWS: &[Row<Written>] = &[
    Row {
        name: "error_page",
        doc: "A URI, a named location or an address to redirect to, for the statuses named before it.",
        set,
    },
    Row {
        name: "recursive_error_pages",
        doc: "Whether an error page's own errors have error pages.",
        set: |w, call| w.recursive = Some(call.flag(0)),
    },
];

#[derive(Default)]
pub struct Written {
    pages: Vec<Page>,
    recursive: Option<bool>,
}

/// What answers for one status.
#[derive(Clone, Debug)]
pub struct Page {
    pub status: u16,
    /// The status to answer with: `None` keeps it, `Some(0)` (`=`) takes the page's own.
    pub overwrite: Option<u16>,
    pub target: Template,
    /// `?args` that were written literally behind the URI.
    pub args: Arc<[u8]>,
    pub span: Span,
}

#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub pages: Arc<[Page]>,
    pub recursive: bool,
}

impl Settings {
    pub fn page(&self, status: u16) -> Option<&Page> {
        self.pages.iter().find(|page| page.status == status)
    }
}

impl Written {
    pub fn over(&self, outer: &Settings) -> Settings {
        Settings {
            pages: if self.pages.is_empty() { outer.pages.clone() } else { self.pages.clone().into() },
            recursive: self.recursive.unwrap_or(outer.recursive),
        }
    }
}

fn set(written: &mut Written, call: &mut Call) {
    let last = call.args().len() - 1;
    let mut codes = last;
    let mut overwrite = None;
    if last > 1
        && let [b'=', code @ ..] = call.arg(last - 1)
    {
        codes -= 1;
        overwrite = Some(match values::number(code) {
            _ if code.is_empty() => 0,
            Some(code) => code as u16,
            None => {
                let message = format!("invalid value \"{}\"", call.text(last - 1));
                return call.error(last - 1, "invalid-value", message);
            }
        });
    }
    let uri = call.arg(last);
    let span = call.span(last);
    let (path, args) = match uri.iter().position(|byte| *byte == b'?') {
        Some(mark) if uri.starts_with(b"/") && !uri.contains(&b'$') => (&uri[..mark], &uri[mark + 1..]),
        _ => (uri, &b""[..]),
    };
    let target = call.template_of(path, span, 0);
    for at in 0..codes {
        let Some(status) = values::number(call.arg(at)) else {
            let message = format!("invalid value \"{}\"", call.text(at));
            call.error(at, "invalid-value", message);
            continue;
        };
        match status {
            499 => {
                call.error(at, "invalid-value", format!("invalid value \"{}\"", call.text(at)));
                continue;
            }
            300..=599 => {}
            _ => {
                let message = format!("value \"{}\" must be between 300 and 599", call.text(at));
                call.error(at, "invalid-value", message);
                continue;
            }
        }
        let overwrite = match (status, overwrite) {
            // nginx: its own codes are told to the client as 400.
            (494..=497, None) => Some(400),
            (_, overwrite) => overwrite,
        };
        let args = Arc::from(args);
        let (status, span) = (status as u16, call.directive.head());
        written.pages.push(Page { status, overwrite, target: target.clone(), args, span });
    }
}
