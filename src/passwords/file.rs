//! A file of users: a line `name:hash`, to which `:anything` may be added, for each.

use std::collections::HashMap;

use super::hash::{Form, Hash};

/// A file that was read.
#[derive(Default)]
pub struct UserFile {
    users: HashMap<Box<[u8]>, Entry>,
    /// The user whose password takes longest to check.
    slowest: Option<Box<[u8]>>,
}

/// A user's line.
pub struct Entry {
    /// Counted from 1.
    pub line: u32,
    /// `None` where it is in no form that is known.
    pub hash: Option<Hash>,
}

/// Something about a line that whoever wrote it may not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no colon.
    NoPassword,
    NoName,
    /// The password is in no form that is known.
    Unknown,
    /// A user of an earlier line again: this one is never looked at.
    Again {
        earlier: u32,
    },
    /// Whoever reads the file has the password, or soon will.
    Weak(Form),
}

impl UserFile {
    /// What is wrong in it is passed over.
    pub fn parse(bytes: &[u8]) -> UserFile {
        let mut file = UserFile::default();
        let mut slowest = None;
        for (line, written) in lines(bytes) {
            let Line::User { name, hash } = written else { continue };
            if file.users.contains_key(name) {
                continue;
            }
            let hash = Hash::read(hash);
            let form = hash.as_ref().map(|hash| hash.form);
            if form > slowest {
                slowest = form;
                file.slowest = Some(name.into());
            }
            file.users.insert(name.into(), Entry { line, hash });
        }
        file
    }

    pub fn find(&self, user: &[u8]) -> Option<&Entry> {
        self.users.get(user)
    }

    /// A password of the form that takes longest to check.
    pub fn slowest(&self) -> Option<&Hash> {
        self.users.get(self.slowest.as_deref()?)?.hash.as_ref()
    }
}

/// What there is to say about a file, by line.
pub fn troubles(bytes: &[u8]) -> Vec<(u32, Trouble)> {
    let mut seen: HashMap<&[u8], u32> = HashMap::new();
    let trouble = |(line, written)| {
        let trouble = match written {
            Line::NoPassword => Trouble::NoPassword,
            Line::User { name: b"", .. } => Trouble::NoName,
            Line::User { name, hash } => match (seen.get(name), Hash::read(hash)) {
                (Some(earlier), _) => Trouble::Again { earlier: *earlier },
                (None, read) => {
                    seen.insert(name, line);
                    match read.map(|hash| hash.form) {
                        None => Trouble::Unknown,
                        Some(form @ (Form::Plain | Form::Sha | Form::Des)) => Trouble::Weak(form),
                        Some(_) => return None,
                    }
                }
            },
        };
        Some((line, trouble))
    };
    lines(bytes).filter_map(trouble).collect()
}

enum Line<'a> {
    User { name: &'a [u8], hash: &'a [u8] },
    NoPassword,
}

/// The lines that are neither empty nor comments, as `ngx_http_auth_basic_handler` tells them apart.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (u32, Line<'_>)> {
    let all = bytes.split(|byte| *byte == b'\n').zip(1..);
    let written = all.filter(|(line, _)| !matches!(line.first(), None | Some(b'#' | b'\r')));
    written.map(|(line, number)| {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return (number, Line::NoPassword);
        };
        let rest = &line[colon + 1..];
        let end = rest.iter().position(|byte| matches!(byte, b':' | b'\r' | 0)).unwrap_or(rest.len());
        (number, Line::User { name: &line[..colon], hash: &rest[..end] })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"# users\r\n\r\nann:{PLAIN}a:the first\r\nben:{SHA}QL0AFWMIX8NRZTKeof9cXsvbvu8=\n\
        \nno colon\n:{PLAIN}nobody\nann:{PLAIN}again\ncid:nonsense\n#dan:{PLAIN}d\neve:{SSHA}\nfay:abNANd1rDfiNc";

    #[test]
    fn lines_are_read_as_nginx_reads_them() {
        let file = UserFile::parse(FILE);
        let passes = |user: &[u8], password: &[u8]| {
            file.find(user).and_then(|entry| entry.hash.as_ref()).is_some_and(|hash| hash.is_of(password))
        };
        assert!(passes(b"ann", b"a") && !passes(b"ann", b"again") && !passes(b"ann", b"a:the first"));
        assert!(passes(b"ben", b"123"));
        assert!(passes(b"fay", b"secret"), "the last line needs no end");
        assert!(!passes(b"cid", b"nonsense") && !passes(b"eve", b""));
        assert_eq!(file.find(b"cid").map(|entry| entry.line), Some(9));
        assert!(file.find(b"#dan").is_none() && file.find(b"dan").is_none());
        assert!(file.find(b"an").is_none() && file.find(b"ann:").is_none());
        assert_eq!(file.slowest().map(|hash| hash.form), Some(Form::Des));
    }

    #[test]
    fn what_is_odd_about_lines_is_said_with_their_numbers() {
        let found = troubles(FILE);
        let expected = [
            (3, Trouble::Weak(Form::Plain)),
            (4, Trouble::Weak(Form::Sha)),
            (6, Trouble::NoPassword),
            (7, Trouble::NoName),
            (8, Trouble::Again { earlier: 3 }),
            (9, Trouble::Unknown),
            (11, Trouble::Unknown),
            (12, Trouble::Weak(Form::Des)),
        ];
        assert_eq!(found, expected);
        assert_eq!(troubles(b""), []);
    }
}
