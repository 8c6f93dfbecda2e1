//! What a text is made of: plain text, variables, and what patterns captured.

/// A piece of a text with variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Text(&'a [u8]),
    /// Its name without `$` and braces, as written.
    Variable(&'a [u8]),
    /// `$1` to `$9`: what the last pattern captured.
    Capture(u8),
}

/// Cuts a text as `ngx_http_script_compile` does; a `$` without a name is text.
pub fn pieces(text: &[u8]) -> Vec<Piece<'_>> {
    let (mut found, mut plain, mut at) = (Vec::new(), 0, 0);
    while at < text.len() {
        let rest = &text[at..];
        let (piece, length) = match rest {
            [b'$', digit @ b'1'..=b'9', ..] => (Piece::Capture(digit - b'0'), 2),
            [b'$', b'{', inner @ ..] => match inner.iter().position(|byte| *byte == b'}') {
                Some(end) if end > 0 => (Piece::Variable(&inner[..end]), end + 3),
                _ => {
                    at += 1;
                    continue;
                }
            },
            [b'$', inner @ ..] => {
                let named = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                let end = inner.iter().position(|byte| !named(byte)).unwrap_or(inner.len());
                if end == 0 {
                    at += 1;
                    continue;
                }
                (Piece::Variable(&inner[..end]), end + 1)
            }
            _ => {
                at += 1;
                continue;
            }
        };
        if plain < at {
            found.push(Piece::Text(&text[plain..at]));
        }
        found.push(piece);
        at += length;
        plain = at;
    }
    if plain < text.len() {
        found.push(Piece::Text(&text[plain..]));
    }
    found
}

/// The names of a pattern's named groups: `(?<name>…)`, `(?P<name>…)`, `(?'name'…)`.
pub fn named_groups(pattern: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts: [&[u8]; 3] = [b"(?<", b"(?P<", b"(?'"];
    (0..pattern.len()).filter_map(move |at| {
        let start = starts.iter().find(|start| pattern[at..].starts_with(start))?;
        let inner = &pattern[at + start.len()..];
        let end = inner.iter().position(|byte| matches!(byte, b'>' | b'\''))?;
        let name = &inner[..end];
        let named = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        (!name.is_empty() && name.iter().all(named)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_its_variables() {
        let all = pieces(b"a$b-${c}d$1x$");
        let expected = [
            Piece::Text(b"a"),
            Piece::Variable(b"b"),
            Piece::Text(b"-"),
            Piece::Variable(b"c"),
            Piece::Text(b"d"),
            Piece::Capture(1),
            Piece::Text(b"x$"),
        ];
        assert_eq!(all, expected);
        assert_eq!(pieces(b""), []);
    }

    #[test]
    fn named_groups_are_found() {
        let all: Vec<&[u8]> = named_groups(br"^/(?<user>[^/]+)/(?P<id>\d+)(?=x)(?<!y)").collect();
        assert_eq!(all, [&b"user"[..], b"id"]);
    }
}
