//! The hash by which GitHub knows a line again when others are written before it.
//!
//! It is the one that GitHub computes where a log has none, so that both agree: over the 100 characters that
//! follow the start of the line, without spaces and tabs, in a polynomial of 37 modulo 2⁶⁴.

use std::collections::HashMap;

/// How many characters a hash is made of.
const WINDOW: usize = 100;
const BASE: u64 = 37;
/// Stands behind the last character.
const END: u16 = u16::MAX;

/// For each line of a text its hash and how often it came up to there: `271789c17abda88f:1`.
pub fn line_hashes(text: &[u8]) -> Vec<String> {
    let (units, starts) = units(text);
    let unit = |at: usize| u64::from(units.get(at).copied().unwrap_or(0));
    let first_power = (0..WINDOW).fold(1u64, |power, _| power.wrapping_mul(BASE));
    let mut seen: HashMap<u64, usize> = HashMap::new();
    let mut hash = (0..WINDOW).fold(0u64, |hash, at| hash.wrapping_mul(BASE).wrapping_add(unit(at)));
    let mut at = 0;
    let line = |start: &usize| {
        while at < *start {
            let gone = first_power.wrapping_mul(unit(at));
            hash = hash.wrapping_mul(BASE).wrapping_add(unit(at + WINDOW)).wrapping_sub(gone);
            at += 1;
        }
        let count = seen.entry(hash).or_default();
        *count += 1;
        format!("{hash:x}:{count}")
    };
    starts.iter().map(line).collect()
}

/// The UTF-16 units that count, and at which of them each line starts.
fn units(text: &[u8]) -> (Vec<u16>, Vec<usize>) {
    let (mut units, mut starts) = (Vec::new(), vec![0]);
    let mut after_cr = false;
    for unit in String::from_utf8_lossy(text).encode_utf16() {
        let (cr, lf) = (unit == u16::from(b'\r'), unit == u16::from(b'\n'));
        if unit == u16::from(b' ') || unit == u16::from(b'\t') || (after_cr && lf) {
            after_cr = false;
            continue;
        }
        after_cr = cr;
        units.push(if cr { u16::from(b'\n') } else { unit });
        if cr || lf {
            starts.push(units.len());
        }
    }
    units.push(END);
    (units, starts)
}

#[cfg(test)]
mod tests {
    use super::line_hashes;

    /// What GitHub's own action computes.
    #[test]
    fn hashes_are_those_of_github() {
        assert_eq!(line_hashes(b""), ["c129715d7a2bc9a3:1"]);
        let small = ["271789c17abda88f:1", "54703d4cd895b18:1", "180aee12dab6264:1", "a23a3dc5e078b07b:1"];
        assert_eq!(line_hashes(b" a\nb\n  \t\tc\n d"), small);
        let greetings = [
            "e9496ae3ebfced30:1",
            "fb7c023a8b9ccb3f:1",
            "ce8ba1a563dcdaca:1",
            "e20e36e16fcb0cc8:1",
            "b3edc88f2938467e:1",
            "c8e28b0b4002a3a0:1",
            "c129715d7a2bc9a3:1",
        ];
        assert_eq!(line_hashes(b" hello; \t\nworld!!!\n\n\n  \t\tGreetings\n End\n"), greetings);
        assert_eq!(line_hashes(b" hello; \t\r\nworld!!!\r\n\n\r  \t\tGreetings\r End\r\n"), greetings);
        let repeated = line_hashes(&b"Lorem ipsum dolor sit amet.\n".repeat(10));
        assert_eq!(repeated[5..8], ["a7f2ff13bc495cf2:6", "a7f2ff1481e87703:1", "a9cf91f7bbf1862b:1"]);
    }
}
