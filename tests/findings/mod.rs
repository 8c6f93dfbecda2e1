//! The cases of `fixtures/check/`: a file holds several, each in a block of its own kind.
//!
//! A case begins with `### CONTEXT: MESSAGE`. The context says what is put around its lines; the
//! message is how one of the errors begins, as nginx words it, or `ok`. A comment that begins with
//! `# nginx 1.22` says why Debian's nginx decides otherwise.

// Two test programs share this, and each uses a part of it.
#![allow(dead_code)]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use wsproxy::diagnostics::text::render;
use wsproxy::diagnostics::{DependsOn, Diagnostic, Severity};
use wsproxy::directive::{Catalogue, Context};
use wsproxy::features::Options;
use wsproxy::model;
use wsproxy::source::Disk;
use wsproxy::syntax::{Reader, Tree, understand};

pub struct Case {
    pub context: String,
    /// How an error has to begin; `None` where there may be none.
    pub message: Option<String>,
    pub text: String,
}

/// What stands around the lines of a case, and around which.
const AROUND: &[(&str, &str, &str)] = &[
    ("whole", "", ""),
    ("main", "events { }\n", ""),
    ("events", "events {\n", "}\n"),
    ("http", "events { }\nhttp { access_log off;\n", "}\n"),
    ("server", "events { }\nhttp { access_log off; server { listen 127.0.0.1:8099;\n", "} }\n"),
    (
        "location",
        "events { }\nhttp { access_log off; server { listen 127.0.0.1:8099; location /case {\n",
        "} } }\n",
    ),
    ("upstream", "events { }\nhttp { access_log off; upstream case { server 127.0.0.1:1;\n", "} }\n"),
    ("stream", "events { }\nstream {\n", "}\n"),
    ("stream-server", "events { }\nstream { server { listen 127.0.0.1:8098; return case;\n", "} }\n"),
    ("mail", "events { }\nmail {\n", "}\n"),
];

/// The cases of a file.
pub fn cases(path: &Path) -> Vec<Case> {
    let text = fs::read_to_string(path).unwrap();
    let cases = text.split("\n### ").skip(1).map(|case| {
        let (head, lines) = case.split_once('\n').unwrap_or((case, ""));
        let (context, message) = head.split_once(": ").expect("a context and a message");
        let (_, before, after) =
            AROUND.iter().find(|(name, _, _)| *name == context).expect("a context that is known");
        Case {
            context: head.to_owned(),
            message: Some(message.to_owned()).filter(|message| message != "ok"),
            text: format!("{before}{}\n{after}", lines.trim_end()),
        }
    });
    cases.collect()
}

impl Case {
    /// What is found, but for names that would have to resolve and what is not served.
    pub fn look(&self, folder: &Path) -> (Tree, Vec<Diagnostic>) {
        let options = Options {
            prefix: folder.into(),
            conf_prefix: folder.into(),
            context: Context::MAIN,
            fragment: false,
        };
        let reader = Reader::new(folder, &Disk).hints(&Catalogue).text("case.conf", self.text.clone().into());
        let (tree, _, found) = understand(&reader, |tree| model::read(tree, &Disk, &options));
        let told = |one: &Diagnostic| one.severity > Severity::Info && one.depends_on != DependsOn::Resolver;
        (tree, found.into_iter().filter(told).collect())
    }

    /// Debian's nginx decides otherwise: a comment says why, or the case is about words of ours.
    pub fn differs(&self) -> bool {
        self.text.contains("# nginx 1.22") || self.text.contains("websocket_")
    }
}

/// Every case of a file with what is found, as text to compare.
pub fn findings(path: &Path) -> String {
    let mut text = String::new();
    for case in cases(path) {
        let (tree, found) = case.look(path.parent().unwrap());
        writeln!(text, "### {}", case.context).unwrap();
        for one in found {
            writeln!(text, "{}", render(&one, &tree.sources, false)).unwrap();
        }
    }
    text
}
