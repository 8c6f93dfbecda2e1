//! Bytes as text a test can hold: `\r \n \t \0 \\ \xHH`, and `\{1000*ab}` for a thousand `ab`.

/// The bytes a text with escapes stands for.
pub fn decode(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = escape(&rest[at + 1..], &mut bytes).map_err(|why| format!("{why} in `{text}`"))?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// Reads what stands behind a backslash and gives back what follows it.
fn escape<'a>(text: &'a str, bytes: &mut Vec<u8>) -> Result<&'a str, String> {
    let kind = text.chars().next().ok_or("a backslash at the end")?;
    let rest = &text[kind.len_utf8()..];
    match kind {
        'r' => bytes.push(b'\r'),
        'n' => bytes.push(b'\n'),
        't' => bytes.push(b'\t'),
        '0' => bytes.push(0),
        '\\' => bytes.push(b'\\'),
        'x' => {
            let digits = rest.get(..2).ok_or("`\\x` wants two hexadecimal digits")?;
            bytes.push(u8::from_str_radix(digits, 16).map_err(|e| e.to_string())?);
            return Ok(&rest[2..]);
        }
        '{' => {
            let (inside, after) = rest.split_once('}').ok_or("`\\{` without `}`")?;
            let (count, what) = inside.split_once('*').ok_or("`\\{COUNT*TEXT}` without `*`")?;
            let count: usize = count.parse().map_err(|e| format!("`{count}`: {e}"))?;
            bytes.extend_from_slice(&decode(what)?.repeat(count));
            return Ok(after);
        }
        other => return Err(format!("unknown escape `\\{other}`")),
    }
    Ok(rest)
}

/// Bytes as text on one line: printable ASCII and UTF-8 as they are, the rest escaped.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\r' => text.push_str("\\r"),
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                '\\' => text.push_str("\\\\"),
                c if c.is_control() => text.push_str(&format!("\\x{:02x}", c as u32)),
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}
