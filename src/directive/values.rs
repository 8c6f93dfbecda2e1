//! Readers of single values, each as nginx's own function reads them; `None` where nginx refuses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// What nginx's integers hold on a 64-bit machine.
const MAX: i64 = i64::MAX;

/// A time in milliseconds: `500ms`, `1d 12h`, `60` (seconds). Years and months are refused, as in
/// nginx wherever milliseconds are counted (`ngx_parse_time` with `is_sec` 0).
pub fn time(word: &[u8]) -> Option<Duration> {
    parse_time(word, false).map(Duration::from_millis)
}

/// A time in whole seconds: `1y`, `1M`, `1d12h`, `60`; `ms` is refused (`ngx_parse_time` with `is_sec` 1).
pub fn seconds(word: &[u8]) -> Option<Duration> {
    parse_time(word, true).map(Duration::from_secs)
}

/// The units of a time, in the order they must come in, with their seconds.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Step {
    Start,
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Last,
}

fn parse_time(word: &[u8], whole_seconds: bool) -> Option<u64> {
    let unit: i64 = if whole_seconds { 1 } else { 1000 };
    let mut step = if whole_seconds { Step::Start } else { Step::Month };
    let (mut value, mut total, mut digits): (i64, i64, bool) = (0, 0, false);
    let mut rest = word;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if byte.is_ascii_digit() {
            value = value.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
            digits = true;
            continue;
        }
        let milliseconds = *byte == b'm' && rest.first() == Some(&b's');
        let (next, scale) = match byte {
            b'y' => (Step::Year, 60 * 60 * 24 * 365 * unit),
            b'M' => (Step::Month, 60 * 60 * 24 * 30 * unit),
            b'w' => (Step::Week, 60 * 60 * 24 * 7 * unit),
            b'd' => (Step::Day, 60 * 60 * 24 * unit),
            b'h' => (Step::Hour, 60 * 60 * unit),
            b'm' if milliseconds && whole_seconds => return None,
            b'm' if milliseconds => (Step::Millisecond, 1),
            b'm' => (Step::Minute, 60 * unit),
            b's' => (Step::Second, unit),
            b' ' => (Step::Last, unit),
            _ => return None,
        };
        // A blank stands for seconds and may come where seconds may.
        let reached = if next == Step::Last { Step::Second } else { next };
        if step >= reached {
            return None;
        }
        step = next;
        if milliseconds {
            rest = &rest[1..];
        }
        total = total.checked_add(value.checked_mul(scale)?)?;
        value = 0;
        let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
        rest = &rest[blanks..];
    }
    if !digits {
        return None;
    }
    u64::try_from(total.checked_add(value.checked_mul(unit)?)?).ok()
}

/// A size in bytes with `k`, `K`, `m` or `M` (`ngx_parse_size`).
pub fn size(word: &[u8]) -> Option<u64> {
    match word.split_last()? {
        (b'k' | b'K', head) => scaled(head, 1 << 10),
        (b'm' | b'M', head) => scaled(head, 1 << 20),
        _ => number(word),
    }
}

/// A size in bytes that may also be given with `g` or `G` (`ngx_parse_offset`).
pub fn offset(word: &[u8]) -> Option<u64> {
    match word.split_last()? {
        (b'g' | b'G', head) => scaled(head, 1 << 30),
        _ => size(word),
    }
}

fn scaled(digits: &[u8], scale: u64) -> Option<u64> {
    number(digits)?.checked_mul(scale).filter(|size| *size <= MAX as u64)
}

/// Digits and nothing else (`ngx_atoi`).
pub fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for byte in word {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
    }
    u64::try_from(value).ok()
}

/// A fixed-point number as an integer, `digits` behind the point: `fixed(b"10.5", 2)` is 1050
/// (`ngx_atofp`).
pub fn fixed(word: &[u8], digits: u32) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    let (mut value, mut left, mut point): (i64, u32, bool) = (0, digits, false);
    for byte in word {
        if point && left == 0 {
            return None;
        }
        if *byte == b'.' {
            if point {
                return None;
            }
            point = true;
            continue;
        }
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
        left -= u32::from(point);
    }
    for _ in 0..left {
        value = value.checked_mul(10)?;
    }
    u64::try_from(value).ok()
}

/// Hexadecimal digits and nothing else (`ngx_hextoi`).
pub fn hexadecimal(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for byte in word {
        let digit = char::from(*byte).to_digit(16)?;
        value = value.checked_mul(16)?.checked_add(i64::from(digit))?;
    }
    u64::try_from(value).ok()
}

/// `on` or `off`, in any case (`ngx_conf_set_flag_slot`).
pub fn flag(word: &[u8]) -> Option<bool> {
    if word.eq_ignore_ascii_case(b"on") {
        Some(true)
    } else if word.eq_ignore_ascii_case(b"off") {
        Some(false)
    } else {
        None
    }
}

/// How many buffers, and of which size; neither may be 0 (`ngx_conf_set_bufs_slot`).
pub fn bufs(count: &[u8], each: &[u8]) -> Option<(usize, usize)> {
    let count = number(count).filter(|count| *count > 0)?;
    let each = size(each).filter(|size| *size > 0)?;
    Some((usize::try_from(count).ok()?, usize::try_from(each).ok()?))
}

/// The name and the size in bytes of a shared memory zone, written `name:size`.
pub fn zone(word: &[u8]) -> Option<(&[u8], u64)> {
    let colon = word.iter().position(|byte| *byte == b':').filter(|colon| *colon > 0)?;
    Some((&word[..colon], size(&word[colon + 1..])?))
}

/// A network: an address, and how many of its bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// With the bits that do not count set to 0.
    pub address: IpAddr,
    pub prefix: u8,
    /// Whether a bit that does not count was written as 1, of which nginx warns.
    pub meaningless_bits: bool,
}

impl Cidr {
    /// Whether an address is in this network. One of IPv4 in IPv6 (`::ffff:10.0.0.1`) is another one than that of IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (network, address, width) = match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (u128::from(network.to_bits()), u128::from(address.to_bits()), 32)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
            _ => return false,
        };
        let differs = network ^ address;
        differs.checked_shr(width - u32::from(self.prefix)).unwrap_or(0) == 0
    }
}

/// An address, or a network as `address/bits` (`ngx_ptocidr`).
pub fn cidr(word: &[u8]) -> Option<Cidr> {
    let (host, bits) = match word.iter().position(|byte| *byte == b'/') {
        Some(slash) => (&word[..slash], Some(number(&word[slash + 1..])?)),
        None => (word, None),
    };
    let (written, width) = match ipv4(host) {
        Some(address) => (u128::from(address.to_bits()), 32),
        None => (std::str::from_utf8(host).ok()?.parse::<Ipv6Addr>().ok()?.to_bits(), 128),
    };
    let prefix = u8::try_from(bits.unwrap_or(width)).ok().filter(|prefix| u64::from(*prefix) <= width)?;
    let ignored = width as u32 - u32::from(prefix);
    let kept = if ignored == 128 { 0 } else { written >> ignored << ignored };
    let address = match width {
        32 => IpAddr::V4(Ipv4Addr::from_bits(kept as u32)),
        _ => IpAddr::V6(Ipv6Addr::from_bits(kept)),
    };
    Some(Cidr { address, prefix, meaningless_bits: kept != written })
}

/// Four numbers with dots, leading zeros allowed (`ngx_inet_addr`).
pub fn ipv4(word: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = word.split(|byte| *byte == b'.');
    for octet in &mut octets {
        *octet = u8::try_from(number(parts.next()?)?).ok()?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(word: &str) -> Option<u64> {
        time(word.as_bytes()).map(|time| time.as_millis() as u64)
    }

    #[test]
    fn a_time_is_a_sum_of_units_in_falling_order() {
        assert_eq!(milliseconds("60"), Some(60_000));
        assert_eq!(milliseconds("500ms"), Some(500));
        assert_eq!(milliseconds("1d12h"), Some(129_600_000));
        assert_eq!(milliseconds("1d 12h"), Some(129_600_000));
        assert_eq!(milliseconds("1m30"), Some(90_000));
        assert_eq!(milliseconds("1s500ms"), Some(1500));
        assert_eq!(milliseconds("30 "), Some(30_000));
        assert_eq!(milliseconds("h"), None);
        assert_eq!(milliseconds("12h1d"), None);
        assert_eq!(milliseconds("1s1s"), None);
        assert_eq!(milliseconds("-1"), None);
        assert_eq!(milliseconds(""), None);
        assert_eq!(milliseconds("1h30q"), None);
        assert_eq!(milliseconds("9223372036854775"), Some(9_223_372_036_854_775_000));
        assert_eq!(milliseconds("9223372036854776"), None);
        assert_eq!(milliseconds("99999999999999999999"), None);
    }

    #[test]
    fn months_and_years_are_for_times_in_seconds() {
        assert_eq!(milliseconds("1M"), None);
        assert_eq!(milliseconds("1y"), None);
        assert_eq!(seconds(b"1M"), Some(Duration::from_secs(2_592_000)));
        assert_eq!(seconds(b"1y1M"), Some(Duration::from_secs(34_128_000)));
        assert_eq!(seconds(b"500ms"), None);
    }

    #[test]
    fn a_size_knows_kilo_and_mega_and_an_offset_giga() {
        assert_eq!(size(b"8k"), Some(8192));
        assert_eq!(size(b"1M"), Some(1 << 20));
        assert_eq!(size(b"1g"), None);
        assert_eq!(offset(b"1g"), Some(1 << 30));
        assert_eq!(size(b"k"), None);
        assert_eq!(size(b""), None);
        assert_eq!(size(b"9223372036854775807"), Some(i64::MAX as u64));
        assert_eq!(size(b"9223372036854775808"), None);
        assert_eq!(size(b"9223372036854775807k"), None);
    }

    #[test]
    fn numbers_are_digits() {
        assert_eq!(number(b"007"), Some(7));
        assert_eq!(number(b"+7"), None);
        assert_eq!(fixed(b"10.5", 2), Some(1050));
        assert_eq!(fixed(b"10.505", 2), None);
        assert_eq!(fixed(b".5", 2), Some(50));
        assert_eq!(hexadecimal(b"fF"), Some(255));
        assert_eq!(flag(b"ON"), Some(true));
        assert_eq!(flag(b"yes"), None);
        assert_eq!(bufs(b"8", b"4k"), Some((8, 4096)));
        assert_eq!(bufs(b"0", b"4k"), None);
    }

    #[test]
    fn a_network_is_an_address_and_its_bits() {
        let network =
            |word: &str| cidr(word.as_bytes()).map(|c| (c.address.to_string(), c.prefix, c.meaningless_bits));
        assert_eq!(network("10.1.2.3"), Some(("10.1.2.3".into(), 32, false)));
        assert_eq!(network("10.1.2.3/8"), Some(("10.0.0.0".into(), 8, true)));
        assert_eq!(network("0.0.0.0/0"), Some(("0.0.0.0".into(), 0, false)));
        assert_eq!(network("2001:db8::/32"), Some(("2001:db8::".into(), 32, false)));
        assert_eq!(network("::/0"), Some(("::".into(), 0, false)));
        assert_eq!(network("10.1.2.3/33"), None);
        assert_eq!(network("10.1.2"), None);
        assert_eq!(network("10.1.2.300"), None);
        assert_eq!(network("10.0.0.0/255.0.0.0"), None);
        assert_eq!(network("example.com"), None);
    }
}
