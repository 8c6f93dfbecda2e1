//! What a change to a file looks like, for people and for patch(1). The only door to `similar`.

use std::time::Duration;

use similar::TextDiff;

/// How long a shorter way from one text to the other is looked for.
const PATIENCE: Duration = Duration::from_millis(500);

/// What makes `after` of `before`, as `diff -u` writes it; nothing if they are equal.
pub fn unified(name: &str, before: &[u8], after: &[u8]) -> Vec<u8> {
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(before, after);
    let mut written = Vec::new();
    let done = diff.unified_diff().header(name, name).to_writer(&mut written);
    done.map(|()| written).unwrap_or_default()
}
