//! The target of a request in its normal form: `$uri` and `$args`, as `ngx_http_process_request_uri`
//! and `ngx_http_parse_complex_uri` make them.

use super::escape::hex_digit;
use super::request_error::RequestError;

/// A target taken apart. A value is reused without allocating again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// `$uri`: decoded, without dot segments, slashes merged if asked for, without query and fragment.
    pub path: Vec<u8>,
    /// `$args`: as it was sent, without the fragment.
    pub args: Vec<u8>,
    /// The path had `%XX` in it. `proxy_pass` with a URI then escapes what it makes of the path
    /// (`r->quoted_uri`).
    pub quoted: bool,
    /// What was sent can be passed on as it is (`r->valid_unparsed_uri`); not so for an absolute form
    /// without a path.
    pub unparsed_is_valid: bool,
}

impl Target {
    pub fn new() -> Target {
        Target::default()
    }
}

/// Takes `target` apart, which is what [`super::RequestHead::target`] gives: starts with `/` or `?`.
///
/// # Errors
///
/// `%` without two hex digits, `%00`, and dot segments that lead above the root.
pub fn normalise(target: &[u8], merge_slashes: bool, out: &mut Target) -> Result<(), RequestError> {
    out.path.clear();
    out.args.clear();
    out.quoted = false;
    out.unparsed_is_valid = target.first() != Some(&b'?');
    let rest = match simple_path(target) {
        Some(length) => {
            out.path.extend_from_slice(&target[..length]);
            &target[length..]
        }
        None => {
            let mut path = Path { out, merge_slashes, state: State::Usual };
            let end = path.read(target).ok_or(RequestError::InvalidRequest)?;
            &target[end..]
        }
    };
    if let Some(args) = rest.strip_prefix(b"?") {
        let end = memchr::memchr(b'#', args).unwrap_or(args.len());
        out.args.extend_from_slice(&args[..end]);
    }
    Ok(())
}

/// The length of a path that is its own normal form; the common case.
fn simple_path(target: &[u8]) -> Option<usize> {
    let mut previous = 0;
    for (at, byte) in target.iter().enumerate() {
        match byte {
            b'?' if at > 0 => return Some(at),
            b'?' | b'%' | b'#' => return None,
            b'/' | b'.' if previous == b'/' => return None,
            _ => previous = *byte,
        }
    }
    Some(target.len())
}

struct Path<'a> {
    out: &'a mut Target,
    merge_slashes: bool,
    state: State,
}

/// What the bytes just written are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Usual,
    Slash,
    Dot,
    DotDot,
}

impl Path<'_> {
    /// Writes the path and gives the place where it ends: at `?`, at `#` or at the end.
    fn read(&mut self, target: &[u8]) -> Option<usize> {
        if target.first() == Some(&b'?') {
            self.out.path.push(b'/');
        }
        let mut at = 0;
        while let Some(byte) = target.get(at).copied() {
            match byte {
                b'?' | b'#' => break,
                b'%' => {
                    let decoded = hex_digit(*target.get(at + 1)?)? << 4 | hex_digit(*target.get(at + 2)?)?;
                    self.out.quoted = true;
                    self.decoded(decoded)?;
                    at += 3;
                }
                _ => {
                    self.byte(byte)?;
                    at += 1;
                }
            }
        }
        self.end_segment()?;
        Some(at)
    }

    /// Takes a byte that was escaped. It means what it would mean unescaped, but for the three that
    /// would otherwise end the path or start an escape.
    fn decoded(&mut self, byte: u8) -> Option<()> {
        match byte {
            0 => None,
            b'%' | b'#' | b'?' => {
                self.state = State::Usual;
                self.out.path.push(byte);
                Some(())
            }
            _ => self.byte(byte),
        }
    }

    fn byte(&mut self, byte: u8) -> Option<()> {
        let path = &mut self.out.path;
        self.state = match (self.state, byte) {
            (State::Usual, b'/') => {
                path.push(b'/');
                State::Slash
            }
            (State::Slash, b'/') => {
                if !self.merge_slashes {
                    path.push(b'/');
                }
                State::Slash
            }
            (State::Dot | State::DotDot, b'/') => {
                self.end_segment()?;
                State::Slash
            }
            (State::Slash, b'.') => {
                path.push(b'.');
                State::Dot
            }
            (State::Dot, b'.') => {
                path.push(b'.');
                State::DotDot
            }
            _ => {
                path.push(byte);
                State::Usual
            }
        };
        Some(())
    }

    /// Resolves a dot segment that ends here; `None` above the root.
    fn end_segment(&mut self) -> Option<()> {
        let path = &mut self.out.path;
        match self.state {
            State::Dot => {
                path.pop();
            }
            State::DotDot => {
                // Behind `/a/..` the slash in front of `a` is where the path goes on.
                let above = path.len().checked_sub(4)?;
                let slash = path[..=above].iter().rposition(|byte| *byte == b'/')?;
                path.truncate(slash + 1);
            }
            State::Usual | State::Slash => {}
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::escape::escape_uri;
    use super::*;

    fn parts(target: &str) -> Option<(String, String)> {
        let mut out = Target::new();
        normalise(target.as_bytes(), true, &mut out).ok()?;
        Some((out.path.escape_ascii().to_string(), out.args.escape_ascii().to_string()))
    }

    fn path(target: &str) -> Option<String> {
        parts(target).map(|(path, _)| path)
    }

    #[test]
    fn paths() {
        for (target, expected) in [
            ("/", "/"),
            ("/a/b.c", "/a/b.c"),
            ("//a///b", "/a/b"),
            ("/a/./b/.", "/a/b/"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a//../b", "/b"),
            ("/a/...", "/a/..."),
            ("/a/.b/..c/", "/a/.b/..c/"),
            ("/%61%2f%2E%2e/b", "/b"),
            ("/a%3Fb%23c%25d", "/a?b#c%d"),
            ("/a%3f/../b", "/b"),
            ("/a%00", "!"),
            ("/a%zz", "!"),
            ("/a%2", "!"),
            ("/a%", "!"),
            ("/..", "!"),
            ("/a/../..", "!"),
            ("/../a", "!"),
            ("/%2e%2e/", "!"),
            ("/./../a", "!"),
            ("/a%20b", "/a b"),
            ("/\"<>`", "/\\\"<>`"),
            ("?x", "/"),
        ] {
            let expected = (expected != "!").then(|| expected.to_string());
            assert_eq!(path(target), expected, "{target}");
        }
    }

    #[test]
    fn args_and_fragments() {
        let parts = |target| parts(target).unwrap();
        assert_eq!(parts("/a?b=%20&c"), ("/a".into(), "b=%20&c".into()));
        assert_eq!(parts("/a?"), ("/a".into(), "".into()));
        assert_eq!(parts("/a#b?c"), ("/a".into(), "".into()));
        assert_eq!(parts("/a?b#c"), ("/a".into(), "b".into()));
        assert_eq!(parts("/a/..?b/../#"), ("/".into(), "b/../".into()));
        assert_eq!(parts("?b"), ("/".into(), "b".into()));
    }

    #[test]
    fn slashes_are_kept_if_asked_for() {
        let mut out = Target::new();
        normalise(b"//a//../b", false, &mut out).unwrap();
        assert_eq!(out.path, b"//a/b");
        assert!(!out.quoted && out.unparsed_is_valid);
    }

    proptest! {
        /// A path in normal form, escaped and read again, is itself.
        #[test]
        fn normal_forms_stay(target in "/([a./%?# ]|%2[eEfF05]|\u{e9}){0,12}") {
            let mut first = Target::new();
            if normalise(target.as_bytes(), true, &mut first).is_ok() {
                let mut escaped = Vec::new();
                escape_uri(&first.path, &mut escaped);
                let mut second = Target::new();
                prop_assert_eq!(normalise(&escaped, true, &mut second), Ok(()));
                prop_assert_eq!(first.path, second.path);
            }
        }

        /// The short way and the long way give the same.
        #[test]
        fn simple_paths_are_their_own_normal_form(target in "/[a./?]{0,9}") {
            if let Some(length) = simple_path(target.as_bytes()) {
                let mut out = Target::new();
                let mut path = Path { out: &mut out, merge_slashes: true, state: State::Usual };
                prop_assert_eq!(path.read(target.as_bytes()), Some(length));
                prop_assert_eq!(&out.path, &target.as_bytes()[..length]);
            }
        }
    }
}
