//! `alias` where there is no name it could take the place of.

use crate::diagnostics::Diagnostic;
use crate::directive::Context;

use super::{Build, Whole};

pub fn afterwards(whole: &Whole, build: &mut Build) {
    for block in whole.within(Context::LOCATION).flatten() {
        let named = whole.tree.get(block).args.first().is_some_and(|name| name.value.starts_with(b"@"));
        if let Some(alias) = whole.own(Some(block), "alias").filter(|_| named) {
            let message = "the \"alias\" directive cannot be used inside the named location";
            let finding = Diagnostic::error("misplaced-directive", alias.name.span, message);
            build.diagnostics.push(finding.help("use \"root\""));
        }
    }
}
