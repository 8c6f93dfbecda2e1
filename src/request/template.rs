//! Text with variables in it, read once and filled in for each request.

use super::{Request, VariableId, Variables};

/// A value such as `$scheme://$host$request_uri`, in pieces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    pieces: Box<[Piece]>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    Text(Box<[u8]>),
    Variable(VariableId),
    /// `$1` to `$9`.
    Capture(u8),
}

/// Why a text is no template; the texts are nginx's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// A `$` with no name behind it.
    InvalidName,
    /// `${name` without its `}`; holds the name.
    Unclosed(String),
}

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TemplateError::InvalidName => f.write_str("invalid variable name"),
            TemplateError::Unclosed(name) => {
                write!(f, "the closing bracket in \"{name}\" variable is missing")
            }
        }
    }
}

impl Template {
    /// Text without variables.
    pub fn literal(text: &[u8]) -> Template {
        Template { pieces: if text.is_empty() { Box::default() } else { [Piece::Text(text.into())].into() } }
    }

    pub fn from_pieces(pieces: Vec<Piece>) -> Template {
        Template { pieces: pieces.into() }
    }

    /// Reads `$name`, `${name}` and `$1` as nginx's `ngx_http_script_compile` does.
    ///
    /// `refer` is told each name and where in `text` it stands (with its `$`).
    pub fn read(
        text: &[u8],
        variables: &mut Variables,
        mut refer: impl FnMut(VariableId, std::ops::Range<usize>),
    ) -> Result<Template, TemplateError> {
        let mut pieces = Vec::new();
        let mut plain = Vec::new();
        let mut at = 0;
        while at < text.len() {
            if text[at] != b'$' {
                plain.push(text[at]);
                at += 1;
                continue;
            }
            let start = at;
            at += 1;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain).into()));
            }
            if let Some(digit @ b'1'..=b'9') = text.get(at) {
                pieces.push(Piece::Capture(digit - b'0'));
                at += 1;
                continue;
            }
            let bracket = text.get(at) == Some(&b'{');
            at += usize::from(bracket);
            let word = text[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_');
            let end = at + word.count();
            let name = &text[at..end];
            if bracket && text.get(end) != Some(&b'}') {
                return Err(TemplateError::Unclosed(String::from_utf8_lossy(name).into_owned()));
            }
            if name.is_empty() {
                return Err(TemplateError::InvalidName);
            }
            at = end + usize::from(bracket);
            let id = variables.refer(name);
            refer(id, start..at);
            pieces.push(Piece::Variable(id));
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.into()));
        }
        Ok(Template { pieces: pieces.into() })
    }

    /// The text, where it has no variables.
    pub fn as_literal(&self) -> Option<&[u8]> {
        match &self.pieces[..] {
            [] => Some(b""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Appends the text with its variables filled in; what has no value is nothing.
    pub fn render(&self, request: &Request, out: &mut Vec<u8>) {
        self.render_captures(request, out, |text, out| out.extend_from_slice(text));
    }

    /// The same, with `write` appending what `$1` to `$9` stand for.
    pub fn render_captures(&self, request: &Request, out: &mut Vec<u8>, write: fn(&[u8], &mut Vec<u8>)) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Variable(id) => {
                    request.variable(*id, out);
                }
                Piece::Capture(number) => write(request.captures.borrow().get(*number as usize), out),
            }
        }
    }
}
