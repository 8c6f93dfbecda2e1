//! What nginx said of old spellings before it gave them up, and before it had better ones.
//!
//! Reading knows the newest nginx. Where a configuration is for an older one, some of what was found is no mistake
//! there, or a smaller one.

use crate::diagnostics::Diagnostic;
use crate::syntax::Tree;

use super::rule::Version;
use super::rules::SSL_GONE;

/// Words that nginx warns of, and the first version that does.
const WARNED_OF: [(&str, Version); 9] = [
    ("http2", Version(1, 25, 1)),
    ("http2_idle_timeout", Version(1, 19, 7)),
    ("http2_max_concurrent_pushes", Version(1, 25, 1)),
    ("http2_max_field_size", Version(1, 19, 7)),
    ("http2_max_header_size", Version(1, 19, 7)),
    ("http2_max_requests", Version(1, 19, 7)),
    ("http2_push", Version(1, 25, 1)),
    ("http2_push_preload", Version(1, 25, 1)),
    ("http2_recv_timeout", Version(1, 19, 7)),
];

/// Makes of what reading found what an nginx of this version would say.
pub fn aged(tree: &Tree, mistakes: &mut Vec<Diagnostic>, target: Version) {
    let is_early =
        |word: &[u8]| WARNED_OF.iter().any(|(name, since)| word == name.as_bytes() && target < *since);
    mistakes.retain(|one| one.code != "deprecated" || !is_early(tree.sources.bytes(one.span())));
    for one in mistakes.iter_mut().filter(|one| one.code == "unknown-directive" && target < SSL_GONE) {
        if tree.sources.bytes(one.span()) == b"ssl" {
            let message = "the \"ssl\" directive is deprecated, use the \"listen ... ssl\" directive instead";
            let span = one.span();
            *one = Diagnostic::warning("deprecated", span, message)
                .help(format!("nginx {SSL_GONE} and later do not start with it"));
        }
    }
}
