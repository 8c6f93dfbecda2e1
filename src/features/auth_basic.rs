//! `ngx_http_auth_basic_module`: who has a name and a password in a file is let in.

use std::sync::Arc;

use crate::directive::Context;
use crate::request::Template;
use crate::source::Place;

use super::{Call, Feature, Row};

pub static FEATURE: Feature<Written> =
    Feature { name: "auth_basic", contexts: Context::IN_HTTP, rows: ROWS, at: |w| &mut w.auth_basic };

const ROWS: &[Row<Written>] = &[
    Row {
        name: "auth_basic",
        doc: "What a client is told that a name and a password are for; off asks for none.",
        set: realm,
    },
    Row {
        name: "auth_basic_user_file",
        doc: "The file of names and passwords: a line name:hash for each.",
        set: user_file,
    },
];

#[derive(Default)]
pub struct Written {
    /// `off` is a realm of its own kind: it ends what the outer block asked for.
    realm: Option<Option<Arc<Realm>>>,
    user_file: Option<Arc<Template>>,
}

/// `auth_basic`
#[derive(Debug)]
pub struct Realm {
    pub text: Template,
    pub place: Place,
}

#[derive(Clone, Debug, Default)]
pub struct Settings {
    realm: Option<Arc<Realm>>,
    user_file: Option<Arc<Template>>,
}

impl Settings {
    /// A password is asked for.
    pub fn is_on(&self) -> bool {
        self.realm.is_some() && self.user_file.is_some()
    }
}

impl Written {
    pub fn over(&self, outer: &Settings) -> Settings {
        Settings {
            realm: self.realm.as_ref().unwrap_or(&outer.realm).clone(),
            user_file: self.user_file.as_ref().or(outer.user_file.as_ref()).cloned(),
        }
    }
}

impl Settings {
    /// What to ask for and where to look it up. As in nginx nothing is asked where one of both is missing.
    pub fn asked(&self) -> Option<(&Realm, &Template)> {
        Some((self.realm.as_ref()?, self.user_file.as_ref()?))
    }
}

fn realm(written: &mut Written, call: &mut Call) {
    let text = call.template(0);
    let off = text.as_literal() == Some(b"off");
    written.realm = Some((!off).then(|| Arc::new(Realm { text, place: call.place() })));
}

fn user_file(written: &mut Written, call: &mut Call) {
    let path = call.conf_prefixed_template(0);
    written.user_file = Some(Arc::new(path));
}
