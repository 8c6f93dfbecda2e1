//! The client that proxies in between name in a header (`ngx_http_get_forwarded_addr`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Address;

/// Whom `values` name as the client of a connection that comes from `from`; `None` where whoever connected is
/// not to be trusted with that, or no address is named.
///
/// `newest_first` are the lists that proxies have added to at their ends. Recursively an address that is trusted
/// is taken for another proxy, and the one in front of it counts.
pub fn forwarded<'v>(
    from: &Address,
    newest_first: impl Iterator<Item = &'v [u8]>,
    recursive: bool,
    trusts: impl Fn(&Address) -> bool,
) -> Option<Address> {
    let mut found: Option<Address> = None;
    for list in newest_first {
        let (named, all) = walk(list, found.as_ref().unwrap_or(from), recursive, &trusts);
        found = named.or(found);
        if !recursive || !all {
            break;
        }
    }
    found
}

/// Whom one list names, and whether it was gone through to its beginning.
fn walk(
    list: &[u8],
    from: &Address,
    recursive: bool,
    trusts: impl Fn(&Address) -> bool,
) -> (Option<Address>, bool) {
    let mut found: Option<Address> = None;
    let mut left = Some(list);
    while let Some(list) = left {
        if !trusts(found.as_ref().unwrap_or(from)) {
            return (found, false);
        }
        let (rest, word) = last(list);
        let Some(address) = parse(word) else { return (found, false) };
        found = Some(Address::Ip(address));
        left = rest.filter(|_| recursive);
    }
    (found, true)
}

/// The last word of a list, and what stands in front of it. As in nginx the first byte of all is part of a word,
/// whatever it is.
fn last(list: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let separates = |at: &usize| matches!(list[*at], b' ' | b',');
    let end = (1..list.len()).rev().find(|at| !separates(at)).map_or(list.len().min(1), |at| at + 1);
    match (1..end).rev().find(separates) {
        Some(at) => (Some(&list[..at]), &list[at + 1..end]),
        None => (None, &list[..end]),
    }
}

/// An address with or without a port, 0 where there is none (`ngx_parse_addr_port`).
fn parse(word: &[u8]) -> Option<SocketAddr> {
    if let Some(ip) = ip(word) {
        return Some(SocketAddr::new(ip, 0));
    }
    let (host, port) = match word {
        [b'[', rest @ ..] => {
            let close = rest.iter().position(|byte| *byte == b']')?;
            match &rest[close + 1..] {
                [] => return ip(&rest[..close]).map(|ip| SocketAddr::new(ip, 0)),
                [b':', port @ ..] => (&rest[..close], port),
                _ => return None,
            }
        }
        _ => {
            let colon = word.iter().position(|byte| *byte == b':')?;
            (&word[..colon], &word[colon + 1..])
        }
    };
    if !port.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let port = str::from_utf8(port).ok()?.parse().ok().filter(|port| *port > 0)?;
    Some(SocketAddr::new(ip(host)?, port))
}

/// An address as nginx reads one (`ngx_parse_addr`).
pub fn ip(word: &[u8]) -> Option<IpAddr> {
    ipv4(word).map(IpAddr::V4).or_else(|| ipv6(word).map(IpAddr::V6))
}

/// Three dots and numbers up to 255 around them, which may be left out (`ngx_inet_addr`, to which
/// 255.255.255.255 means "no address").
fn ipv4(word: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut parts = word.split(|byte| *byte == b'.');
    for octet in &mut octets {
        for byte in parts.next()? {
            let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
            *octet = octet.checked_mul(10)?.checked_add(digit)?;
        }
    }
    let address = Ipv4Addr::from(octets);
    (parts.next().is_none() && address != Ipv4Addr::BROADCAST).then_some(address)
}

/// Groups of hexadecimal digits, as `ngx_inet6_addr` reads them: one colon may stand in front of all.
fn ipv6(word: &[u8]) -> Option<Ipv6Addr> {
    let text = word.strip_prefix(b":").unwrap_or(word);
    let mut groups = Groups::default();
    // The group that is being read, how many digits it has, and where the last colon's right side begins.
    let (mut group, mut digits, mut behind) = (0u16, 0, None);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b':' => {
                behind = Some(at + 1);
                match digits {
                    0 if groups.gap.is_none() => groups.gap = Some(groups.count),
                    0 => return None,
                    _ if groups.count < 7 => groups.push(group)?,
                    _ => return None,
                }
                (group, digits) = (0, 0);
            }
            b'.' if digits > 0 => {
                let [high, middle, low, last] = ipv4(text.get(behind?..)?)?.octets();
                groups.push(u16::from_be_bytes([high, middle]))?;
                group = u16::from_be_bytes([low, last]);
                break;
            }
            _ => {
                let digit = char::from(*byte).to_digit(16).filter(|_| digits < 4)?;
                group = group << 4 | digit as u16;
                digits += 1;
            }
        }
    }
    if digits == 0 && groups.gap.is_none() {
        return None;
    }
    groups.push(group)?;
    groups.address()
}

#[derive(Default)]
struct Groups {
    groups: [u16; 8],
    count: usize,
    /// Where `::` stands for groups of zeros.
    gap: Option<usize>,
}

impl Groups {
    fn push(&mut self, group: u16) -> Option<()> {
        *self.groups.get_mut(self.count)? = group;
        self.count += 1;
        Some(())
    }

    fn address(mut self) -> Option<Ipv6Addr> {
        match self.gap {
            None if self.count == 8 => {}
            Some(gap) if self.count < 8 => {
                self.groups.copy_within(gap..self.count, gap + 8 - self.count);
                self.groups[gap..gap + 8 - self.count].fill(0);
            }
            _ => return None,
        }
        Some(Ipv6Addr::from(self.groups))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Everything in 10.0.0.0/8 is a proxy of ours.
    fn client(lists: &[&str], recursive: bool) -> Option<String> {
        let trusts = |address: &Address| match address.ip().map(|address| address.ip()) {
            Some(IpAddr::V4(ip)) => ip.octets()[0] == 10,
            _ => false,
        };
        let from = Address::Ip("10.0.0.1:1".parse().unwrap());
        let lists = lists.iter().map(|list| list.as_bytes());
        forwarded(&from, lists, recursive, trusts).map(|address| address.to_string())
    }

    #[test]
    fn the_last_address_counts_and_recursively_the_last_that_is_no_proxy() {
        let named = |lists: &[&str]| client(lists, false);
        assert_eq!(named(&["192.0.2.1, 192.0.2.2"]).as_deref(), Some("192.0.2.2:0"));
        assert_eq!(named(&["192.0.2.1, 10.0.0.2"]).as_deref(), Some("10.0.0.2:0"));
        assert_eq!(named(&["192.0.2.1,192.0.2.2 , ,"]).as_deref(), Some("192.0.2.2:0"));
        assert_eq!(named(&["10.0.0.2", "192.0.2.1"]).as_deref(), Some("10.0.0.2:0"));
        let named = |lists: &[&str]| client(lists, true);
        assert_eq!(named(&["192.0.2.1, 10.0.0.2, 10.0.0.3"]).as_deref(), Some("192.0.2.1:0"));
        assert_eq!(named(&["192.0.2.1, 192.0.2.2, 10.0.0.3"]).as_deref(), Some("192.0.2.2:0"));
        assert_eq!(named(&["10.0.0.2", "192.0.2.9, 192.0.2.1"]).as_deref(), Some("192.0.2.1:0"));
        assert_eq!(named(&["192.0.2.1", "192.0.2.9"]).as_deref(), Some("192.0.2.1:0"));
        assert_eq!(named(&["10.0.0.2, 10.0.0.3"]).as_deref(), Some("10.0.0.2:0"));
    }

    #[test]
    fn what_is_no_address_ends_the_search() {
        for nothing in
            ["", " ", ",", "unknown", "1.2.3", "256.1.1.1", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:"]
        {
            assert_eq!(client(&[nothing], false), None, "{nothing}");
        }
        assert_eq!(client(&[",192.0.2.1"], true), None);
        assert_eq!(client(&[" ,192.0.2.1"], true).as_deref(), Some("192.0.2.1:0"));
        assert_eq!(client(&["unknown, 10.0.0.2"], true).as_deref(), Some("10.0.0.2:0"));
        assert_eq!(client(&["unknown", "192.0.2.1"], true), None);
        assert_eq!(client(&["10.0.0.2", "unknown"], true).as_deref(), Some("10.0.0.2:0"));
        assert_eq!(client(&["192.0.2.1\t192.0.2.2"], false), None);
    }

    #[test]
    fn addresses_may_have_ports_and_brackets() {
        let parsed = |word: &str| parse(word.as_bytes()).map(|address| address.to_string());
        assert_eq!(parsed("192.0.2.1:4711").as_deref(), Some("192.0.2.1:4711"));
        assert_eq!(parsed("2001:db8::1").as_deref(), Some("[2001:db8::1]:0"));
        assert_eq!(parsed("[2001:db8::1]").as_deref(), Some("[2001:db8::1]:0"));
        assert_eq!(parsed("[2001:db8::1]:80").as_deref(), Some("[2001:db8::1]:80"));
        assert_eq!(parsed("[192.0.2.1]:80").as_deref(), Some("192.0.2.1:80"));
        assert_eq!(parsed("::ffff:192.0.2.1").as_deref(), Some("[::ffff:192.0.2.1]:0"));
        for wrong in
            ["[::1", "[::1]80", "[::1]:", "[]", "[", "::1::", "1:2:3:4:5:6:7", "12345::", "fe80::1%eth0"]
        {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
        // As nginx has it.
        assert_eq!(parsed("1..2.3").as_deref(), Some("1.0.2.3:0"));
        assert_eq!(parsed("255.255.255.255"), None);
        assert_eq!(parsed(":1:2:3:4:5:6:7:8").as_deref(), Some("[1:2:3:4:5:6:7:8]:0"));
        assert_eq!(parsed("1:2:3:4:5:6:7::"), None);
    }

    proptest! {
        #[test]
        fn an_address_is_read_as_it_is_printed(bits in any::<u128>(), zeros in any::<u128>(), port in 1u16..) {
            let (six, four) = (Ipv6Addr::from(bits & zeros), Ipv4Addr::from((bits >> 8) as u32));
            prop_assert_eq!(ipv6(six.to_string().as_bytes()), Some(six));
            prop_assert_eq!(ipv4(four.to_string().as_bytes()), Some(four));
            let address = SocketAddr::new(six.into(), port);
            prop_assert_eq!(parse(address.to_string().as_bytes()), Some(address));
        }

        #[test]
        fn whatever_comes_is_read_or_refused(list in proptest::collection::vec(any::<u8>(), 0..60)) {
            let from = Address::Ip("10.0.0.1:1".parse().unwrap());
            for recursive in [false, true] {
                forwarded(&from, [&list[..], &list].into_iter(), recursive, |_| true);
            }
        }

        #[test]
        fn nobody_who_is_not_trusted_names_a_client(list in "[0-9a-f:., \\[\\]]{0,40}") {
            let from = Address::Ip("192.0.2.1:1".parse().unwrap());
            prop_assert_eq!(forwarded(&from, [list.as_bytes()].into_iter(), true, |_| false), None);
        }
    }
}
