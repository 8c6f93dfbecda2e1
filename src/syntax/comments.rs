//! `# wsproxy: …`: what nginx passes over and wsproxy reads.
//!
//! Either directives, `# wsproxy: websocket_ping_interval 20s;`, which then stand in the block in
//! which the comment stands, or an exemption for the linter, `# wsproxy: allow(rule-name) reason`.

use super::words::{self, Kind, Token};

/// What a comment says to wsproxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note<'a> {
    /// `allow(rule, …) reason`
    Allow { rules: Vec<&'a [u8]>, reason: &'a [u8] },
    /// Anything else, which begins at this byte of the comment: directives, if it can be read.
    Directives(u32),
}

/// `note`: what the text of a comment says to wsproxy, if it is addressed to it.
pub fn note(comment: &[u8]) -> Option<Note<'_>> {
    let behind_hash = comment.strip_prefix(b"#")?.trim_ascii_start();
    let said = behind_hash.strip_prefix(b"wsproxy:")?;
    let from = comment.len() - said.len();
    Some(allow(said).unwrap_or(Note::Directives(from as u32)))
}

/// `allow`, each `rule` and the `reason`
fn allow(said: &[u8]) -> Option<Note<'_>> {
    let listed = said.trim_ascii_start().strip_prefix(b"allow")?.trim_ascii_start().strip_prefix(b"(")?;
    let close = listed.iter().position(|byte| *byte == b')')?;
    let rules: Vec<&[u8]> = listed[..close].split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect();
    let named = |rule: &&[u8]| {
        !rule.is_empty() && rule.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    rules.iter().all(named).then(|| Note::Allow { rules, reason: listed[close + 1..].trim_ascii() })
}

/// `directives`: the simple directives in a text from `from` to `to`, each as its words and its `;`; `None` if
/// there is anything else in it, or nothing.
pub(super) fn directives(bytes: &[u8], from: u32, to: u32) -> Option<Vec<(Vec<Token>, Token)>> {
    let text = &bytes[..to as usize];
    let (mut read, mut pending, mut at) = (Vec::new(), Vec::new(), from);
    while let Some(token) = words::token(text, at) {
        at = token.end;
        match token.kind {
            Kind::Word(None) => pending.push(token),
            Kind::Word(Some(_)) => {
                let next = text.get(at as usize);
                if next.is_some_and(|byte| !words::is_space(*byte) && !matches!(byte, b';' | b')')) {
                    return None;
                }
                pending.push(token);
            }
            Kind::Semicolon if !pending.is_empty() => read.push((std::mem::take(&mut pending), token)),
            Kind::Comment => {}
            Kind::Semicolon | Kind::Open | Kind::Close | Kind::OpenQuote(_) => return None,
        }
    }
    (pending.is_empty() && !read.is_empty()).then_some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_that_speaks_of_wsproxy_is_not_addressed_to_it() {
        assert_eq!(note(b"# see wsproxy: allow(x)"), None);
        assert_eq!(note(b"#wsproxy allow(x)"), None);
    }

    #[test]
    fn an_exemption_names_rules_and_a_reason() {
        let said = note(b"# wsproxy: allow(a-rule, b) because\r");
        assert_eq!(said, Some(Note::Allow { rules: vec![b"a-rule", b"b"], reason: b"because" }));
    }

    #[test]
    fn allow_of_nginx_is_a_directive() {
        assert_eq!(note(b"# wsproxy: allow 10.0.0.0/8;"), Some(Note::Directives(10)));
    }
}
