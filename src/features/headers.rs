//! `add_header` and `add_header_inherit`: headers of our own in replies.

use std::sync::Arc;

use crate::directive::Context;
use crate::request::{Request, Template, write_rendered};

use super::{Call, Feature, Row};

pub static FEATURE: Feature<Written> = Feature {
    name: "headers",
    contexts: Context::HTTP.or(Context::SERVER).or(Context::LOCATION).or(Context::IF_LOCATION),
    rows: ROWS,
    at: |w| &mut w.headers,
};

const ROWS: &[Row<Written>] = &[
    Row {
        name: "add_header",
        doc: "A header for replies that are 200, 201, 204, 206, 301 to 304, 307 or 308; `always` for all.",
        set: add_header,
    },
    Row {
        name: "add_header_inherit",
        doc: "Whether a block with add_header lines of its own keeps the outer ones too.",
        set: |w, call| {
            w.inherit = Some(match call.arg(0) {
                b"off" => Inherit::Off,
                b"merge" => Inherit::Merge,
                _ => Inherit::On,
            })
        },
    },
];

/// `add_header_inherit`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inherit {
    #[default]
    On,
    Off,
    Merge,
}

#[derive(Default)]
pub struct Written {
    headers: Vec<Header>,
    inherit: Option<Inherit>,
}

/// One `add_header`.
#[derive(Clone, Debug)]
pub struct Header {
    pub name: Box<[u8]>,
    pub value: Template,
    pub always: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub headers: Arc<[Header]>,
    inherit: Inherit,
}

impl Written {
    /// A block with lines of its own forgets the outer ones, as in nginx, unless it merges.
    pub fn over(&self, outer: &Settings) -> Settings {
        let inherit = self.inherit.unwrap_or(outer.inherit);
        let headers = match inherit {
            Inherit::On if self.headers.is_empty() => outer.headers.clone(),
            Inherit::Merge => outer.headers.iter().chain(&self.headers).cloned().collect(),
            Inherit::On | Inherit::Off => self.headers.clone().into(),
        };
        Settings { headers, inherit }
    }
}

/// Appends the headers that a reply of this status gets, as lines.
pub fn write(settings: &Settings, request: &Request, status: u16, out: &mut Vec<u8>) {
    let usual = matches!(status, 200 | 201 | 204 | 206 | 301 | 302 | 303 | 304 | 307 | 308);
    for header in settings.headers.iter().filter(|header| usual || header.always) {
        write_rendered(&header.name, &header.value, request, out);
    }
}

fn add_header(written: &mut Written, call: &mut Call) {
    let always = match call.args().get(2) {
        None => false,
        Some(word) if word.value == "always" => true,
        Some(word) => {
            let message = format!("invalid parameter \"{}\"", word.value);
            return call.error(2, "invalid-parameter", message);
        }
    };
    let value = call.template(1);
    written.headers.push(Header { name: call.arg(0).into(), value, always });
}
