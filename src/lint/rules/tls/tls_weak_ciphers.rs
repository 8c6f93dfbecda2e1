//! Ciphers that are broken, in the list for TLS 1.2 and older.

use bstr::BStr;

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};

pub static RULE: Rule = Rule {
    id: "TLS402",
    name: "tls-weak-ciphers",
    severity: Severity::Warning,
    profile: Profile::Security,
    summary: "ssl_ciphers names ciphers that are broken",
    why: "RC4, DES, 3DES, MD5, export ciphers and those without encryption or without a certificate can be read or \
          tampered with by who sits on the line. OpenSSL builds of today leave most of them out by themselves; older \
          ones, and those told to be lenient, do what the list says. TLS 1.3 has ciphers of its own and does not look at \
          it.",
    mend: Mend::None,
    examples: examples!("tls-weak-ciphers"),
    check,
};

/// What is weak, by the pieces of OpenSSL's names for it.
const WEAK: [(&str, &[&str]); 8] = [
    ("RC4", &["RC4"]),
    ("3DES", &["3DES", "CBC3"]),
    ("DES", &["DES"]),
    ("MD5", &["MD5"]),
    ("NULL", &["NULL", "eNULL"]),
    ("aNULL", &["aNULL", "ADH", "AECDH"]),
    ("EXPORT", &["EXP", "EXPORT", "EXPORT40", "EXPORT56", "EXP1024"]),
    ("LOW", &["LOW"]),
];

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for (block, line) in site.all(&["ssl_ciphers"]) {
        let Some(list) = line.args.first() else { continue };
        // The old way to refuse handshakes: a server that has nothing but ciphers no client takes.
        if list.value == "aNULL" || block.is_on("ssl_reject_handshake", false) {
            continue;
        }
        let weak = allowed(&list.value);
        if weak.is_empty() {
            continue;
        }
        let names: Vec<String> = weak.iter().map(|name| BStr::new(name).to_string()).collect();
        found.push(rule.finding(list.span, format!("the cipher list allows {}", names.join(", "))).help(
            "name good ones only (\"ECDHE+AESGCM:ECDHE+CHACHA20\"), or leave ssl_ciphers to nginx's default",
        ));
    }
}

/// The elements of a list in OpenSSL's language that let in what is weak. One that another element takes out again
/// (`!RC4`, `-RC4`) lets in nothing.
fn allowed(list: &[u8]) -> Vec<&[u8]> {
    let elements: Vec<&[u8]> = list
        .split(|byte| matches!(byte, b':' | b',' | b' ' | b';'))
        .filter(|name| !name.is_empty())
        .collect();
    let taken_out = |class: &str, name: &[u8]| {
        let removals =
            elements.iter().filter_map(|element| element.strip_prefix(b"!").or(element.strip_prefix(b"-")));
        removals.into_iter().any(|removed| removed == name || classes(removed).any(|one| one == class))
    };
    let is_plain = |element: &&&[u8]| !matches!(element[0], b'!' | b'-' | b'+' | b'@');
    let lets_in = |element: &&&[u8]| {
        let mut all = classes(element).peekable();
        all.peek().is_some() && all.all(|class| !taken_out(class, element))
    };
    elements.iter().filter(is_plain).filter(lets_in).copied().collect()
}

/// What is weak about a cipher or a group of them: `DES-CBC3-SHA`, `kRSA+RC4`.
fn classes(element: &[u8]) -> impl Iterator<Item = &'static str> {
    let pieces: Vec<&[u8]> = element.split(|byte| matches!(byte, b'-' | b'+' | b'_')).collect();
    let has =
        move |names: &[&str]| pieces.iter().any(|piece| names.iter().any(|name| piece == &name.as_bytes()));
    let triple = has(WEAK[1].1);
    WEAK.iter()
        .filter(move |(class, names)| has(names) && !(*class == "DES" && triple))
        .map(|(class, _)| *class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_out_again_is_not_let_in() {
        let weak = |list: &str| -> Vec<String> {
            allowed(list.as_bytes()).iter().map(|name| BStr::new(name).to_string()).collect()
        };
        assert_eq!(weak("ALL:RC4"), ["RC4"]);
        assert_eq!(
            weak("EECDH+RC4:RC4-MD5:DES-CBC3-SHA:EXP"),
            ["EECDH+RC4", "RC4-MD5", "DES-CBC3-SHA", "EXP"]
        );
        assert_eq!(weak("RC4-MD5:DES-CBC3-SHA:!3DES:!MD5"), [""; 0]);
        assert_eq!(weak("HIGH:!aNULL:!MD5:+RC4:@STRENGTH"), [""; 0]);
        assert_eq!(weak("DES-CBC3-SHA:!DES"), ["DES-CBC3-SHA"]);
        assert_eq!(weak("ECDHE-RSA-AES128-GCM-SHA256:kEDH+AESGCM"), [""; 0]);
    }
}
