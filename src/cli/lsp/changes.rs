//! One text into another.

/// The bytes to replace, from start to end, and by what; `None` if the texts are the same.
///
/// They are whole lines, and only those that change, so that a cursor elsewhere stays where it is.
pub fn one(before: &[u8], after: &[u8]) -> Option<(u32, u32, String)> {
    if before == after {
        return None;
    }
    let (from, to) = changed(before, after);
    let behind = after.len() - (before.len() - to);
    Some((from as u32, to as u32, String::from_utf8_lossy(&after[from..behind]).into_owned()))
}

/// The bytes of `before` that are not as in `after`, which is another text.
fn changed(before: &[u8], after: &[u8]) -> (usize, usize) {
    let same = before.iter().zip(after).take_while(|(one, other)| one == other).count();
    let from = before[..same].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let behind = before[from..].iter().rev().zip(after[from..].iter().rev());
    let same = behind.take_while(|(one, other)| one == other).count();
    let start = before.len() - same;
    if start == from || before[start - 1] == b'\n' {
        return (from, start);
    }
    let line = before[start..].iter().position(|byte| *byte == b'\n');
    (from, line.map_or(before.len(), |at| start + at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(before: &str, after: &str) -> (String, String) {
        let (from, to, new) = one(before.as_bytes(), after.as_bytes()).unwrap();
        let (from, to) = (from as usize, to as usize);
        let edited = format!("{}{new}{}", &before[..from], &before[to..]);
        assert_eq!(edited, after);
        (before[from..to].to_owned(), new)
    }

    #[test]
    fn only_lines_that_change_are_replaced() {
        let told = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        assert_eq!(edited("a;\n b;\nc;\n", "a;\nb;\nc;\n"), told(" b;\n", "b;\n"));
        assert_eq!(edited("a;\n\n\nb;\n", "a;\n\nb;\n"), told("\n", ""));
        assert_eq!(edited("a;", "a;\n"), told("a;", "a;\n"));
        assert_eq!(one(b"a;\n", b"a;\n"), None);
        assert_eq!(edited("a;\n\n", "a;\n"), told("\n", ""));
        assert_eq!(edited("a;\r\nb;\r\n", "a;\nb;\n"), told("a;\r\nb;\r\n", "a;\nb;\n"));
    }
}
