//! `secure_link_secret` beside `secure_link` and `secure_link_md5`.

use crate::diagnostics::Diagnostic;
use crate::directive::Context;

use super::{Build, Whole};

pub fn afterwards(whole: &Whole, build: &mut Build) {
    for block in whole.within(Context::IN_HTTP) {
        let Some(secret) = whole.own(block, "secure_link_secret") else { continue };
        let other = whole.own(block, "secure_link").or_else(|| whole.own(block, "secure_link_md5"));
        if let Some(other) = other {
            let message =
                "\"secure_link_secret\" cannot be mixed with \"secure_link\" and \"secure_link_md5\"";
            let finding = Diagnostic::error("incompatible", secret.name.span, message);
            build.diagnostics.push(finding.also(other.name.span, "in the same block"));
        }
    }
}
