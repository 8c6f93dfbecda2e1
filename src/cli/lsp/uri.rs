//! `file:` URIs and the paths they name.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use lsp_types::Uri;

/// The path that a URI names, if it names a file of this machine.
pub fn path(uri: &Uri) -> Option<PathBuf> {
    let rest = uri.as_str().strip_prefix("file://")?;
    let (host, path) = rest.split_at(rest.find('/')?);
    let path = path.split(['?', '#']).next().unwrap_or(path);
    (host.is_empty() || host == "localhost").then(|| PathBuf::from(OsString::from_vec(decoded(path))))
}

/// The URI of a file; a relative path is taken from the working directory.
pub fn of(path: &Path) -> Option<Uri> {
    let absolute = std::path::absolute(path).ok()?;
    let escaped = absolute.as_os_str().as_bytes().iter().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
            char::from(*byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    });
    format!("file://{}", escaped.collect::<String>()).parse().ok()
}

/// The bytes that a text with `%41` in it stands for.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let code = behind.get(..2).filter(|_| *first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris_and_paths_again() {
        for name in ["/etc/nginx/nginx.conf", "/a b/ż#?%.conf"] {
            let uri = of(Path::new(name)).unwrap();
            assert_eq!(path(&uri), Some(PathBuf::from(name)), "{}", uri.as_str());
        }
        let bytes = PathBuf::from(OsString::from_vec(b"/\xff".to_vec()));
        assert_eq!(path(&of(&bytes).unwrap()), Some(bytes));
    }

    #[test]
    fn what_is_no_file_here_has_no_path() {
        assert_eq!(path(&"untitled:Untitled-1".parse().unwrap()), None);
        assert_eq!(path(&"file://elsewhere/a".parse().unwrap()), None);
        assert_eq!(path(&"file://localhost/a%41".parse().unwrap()), Some(PathBuf::from("/aA")));
    }
}
