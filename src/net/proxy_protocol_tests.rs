use proptest::prelude::*;

use super::*;

const MOST: usize = 1024;

fn read(bytes: &[u8]) -> ProxyRead {
    read_proxy_header(bytes, MOST)
}

fn header(read: ProxyRead) -> (usize, ProxyHeader) {
    match read {
        ProxyRead::Whole(length, Some(header)) => (length, header),
        other => panic!("no header: {other:?}"),
    }
}

fn line(source: &str, destination: &str, ports: (u16, u16)) -> Vec<u8> {
    format!("PROXY TCP4 {source} {destination} {} {}\r\n", ports.0, ports.1).into_bytes()
}

/// A header of version 2.
fn version_2(version_command: u8, family_transport: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16).to_be_bytes();
    [SIGNATURE, &[version_command, family_transport], &length, body].concat()
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind][..], &(value.len() as u16).to_be_bytes(), value].concat()
}

const INET: &[u8] = &[192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 0x01, 0xbb];

#[test]
fn a_line_has_addresses_and_ports() {
    let bytes = [&line("192.0.2.7", "198.51.100.1", (4711, 443))[..], b"GET / HTTP/1.1\r\n"].concat();
    let (length, own) = header(read(&bytes));
    assert_eq!(&bytes[length..], b"GET / HTTP/1.1\r\n");
    assert_eq!((&own.source[..], own.source_port), (&b"192.0.2.7"[..], 4711));
    assert_eq!((&own.destination[..], own.destination_port), (&b"198.51.100.1"[..], 443));
    let (_, own) = header(read(b"PROXY TCP6 2001:db8::7 ::1 0 65535\r\n"));
    assert_eq!((&own.source[..], own.source_port, own.destination_port), (&b"2001:db8::7"[..], 0, 65535));
    // nginx does not look whether it is an address.
    assert_eq!(&header(read(b"PROXY TCP4 :f..  1 1\r\n")).1.source[..], b":f..");
}

#[test]
fn a_proxy_that_knows_nobody_says_so() {
    assert_eq!(read(b"PROXY UNKNOWN\r\nGET"), ProxyRead::Whole(15, None));
    assert_eq!(read(b"PROXY UNKNOWN ffff::1 \x01 x\r\n"), ProxyRead::Whole(27, None));
    assert_eq!(read(&version_2(0x20, 0x00, b"")), ProxyRead::Whole(16, None));
    // Of itself, of datagrams, of Unix sockets.
    assert_eq!(read(&version_2(0x20, 0x11, INET)), ProxyRead::Whole(28, None));
    assert_eq!(read(&version_2(0x21, 0x12, INET)), ProxyRead::Whole(28, None));
    assert_eq!(read(&version_2(0x21, 0x31, &[0; 216])), ProxyRead::Whole(232, None));
    assert_eq!(read(&version_2(0x2f, 0xff, b"")), ProxyRead::Whole(16, None));
}

#[test]
fn what_is_no_header_is_said_in_nginx_s_words() {
    let said = |bytes: &[u8]| match read(bytes) {
        ProxyRead::Broken(error) => error.to_string(),
        other => panic!("not broken: {other:?}"),
    };
    assert_eq!(said(b"GET / HTTP/1.1\r\nHost: a\r\n"), "broken header: \"GET / HTTP/1.1\"");
    assert_eq!(said(b"PROXY TCP5 a"), "broken header: \"PROXY TCP5 a\"");
    assert_eq!(said(b"PROXY TCP4 a \"\x07"), "broken header: \"PROXY TCP4 a \\x22\\x07\"");
    for tail in ["1 2 x", "1 2 65536 1\r\n", "1 2 1 1\n", "1 2  1\r\n", "1 2 1 1\rx", "1 2 -1 1\r\n", "g"] {
        assert!(said(format!("PROXY TCP4 {tail}").as_bytes()).starts_with("broken header: \"PROXY TCP4"));
    }
    assert_eq!(said(b"\r\n\r\nx"), "broken header: \"\"");
    assert_eq!(said(&version_2(0x31, 0x11, INET)), "unknown PROXY protocol version: 3");
    assert_eq!(said(&version_2(0x21, 0x11, &[0; 1009])), "header is too large");
    assert_eq!(said(&version_2(0x21, 0x11, &INET[..11])), "PROXY protocol header without its addresses");
    assert_eq!(said(&version_2(0x21, 0x21, INET)), "PROXY protocol header without its addresses");
    assert_eq!(said(&[&b"PROXY UNKNOWN"[..], &[b'x'; MOST]].concat()).len(), 17 + SHOWN);
}

#[test]
fn a_type_is_found_by_its_name_and_by_its_number() {
    let of_tls = [&[7, 0, 0, 1, 2][..], &tlv(0x21, b"TLSv1.3"), &tlv(0x22, b"alice")].concat();
    let tlvs = [tlv(0x04, b"padding"), tlv(0x02, b"a.example"), tlv(0xea, b"\x01vpce-1"), tlv(0x20, &of_tls)];
    let body = [INET, &tlvs.concat()].concat();
    let (length, own) = header(read(&version_2(0x21, 0x11, &body)));
    assert_eq!(length, FIXED + body.len());
    let value = |name: &str| {
        let mut out = Vec::new();
        own.tlv(name.as_bytes(), &mut out).then_some(out)
    };
    assert_eq!(value("authority").as_deref(), Some(&b"a.example"[..]));
    assert_eq!(value("0xea").as_deref(), Some(&b"\x01vpce-1"[..]));
    assert_eq!(value("ssl"), Some(of_tls.clone()));
    assert_eq!(value("ssl_verify").as_deref(), Some(&b"258"[..]));
    assert_eq!(value("ssl_version").as_deref(), Some(&b"TLSv1.3"[..]));
    assert_eq!(value("ssl_0x22").as_deref(), Some(&b"alice"[..]));
    for absent in ["alpn", "0x01", "ssl_cipher", "0x", "0xg", "0x102", "nonsense", "ssl_nonsense", "ssl_", ""]
    {
        assert_eq!(value(absent), None, "{absent}");
    }
    for (name, known) in
        [("alpn", true), ("ssl_verify", true), ("0x1F", true), ("alpm", false), ("0x", false)]
    {
        assert_eq!(is_tlv_name(name.as_bytes()), known, "{name}");
    }
}

#[test]
fn nothing_is_found_behind_a_broken_type() {
    let found = |tlvs: &[u8], name: &str| {
        let own = ProxyHeader { tlvs: tlvs.into(), ..header(read(&version_2(0x21, 0x11, INET))).1 };
        own.tlv(name.as_bytes(), &mut Vec::new())
    };
    let is_cut = |tlvs: &[u8]| {
        let own = ProxyHeader { tlvs: tlvs.into(), ..header(read(&version_2(0x21, 0x11, INET))).1 };
        own.is_cut()
    };
    assert!(!is_cut(b"") && !is_cut(&tlv(0x02, b"x")));
    assert!(is_cut(&[2, 0]) && is_cut(&[2, 0, 1]) && is_cut(&[&tlv(2, b"x")[..], &[2]].concat()));
    assert!(found(&tlv(0x02, b""), "authority"));
    assert!(!found(&[0x01, 0, 9, 0x02, 0, 0], "authority"));
    assert!(!found(&[0x02, 0], "authority"));
    assert!(!found(&tlv(0x20, &[1, 0, 0, 0]), "ssl_verify"));
    assert!(found(&tlv(0x20, &[1, 0, 0, 0, 0]), "ssl_verify"));
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), start in 0usize..4) {
        let start: &[u8] = [&b""[..], b"PROXY TCP4 ", b"PROXY UNKNOWN", SIGNATURE][start];
        let bytes = [start, &bytes].concat();
        match read(&bytes) {
            ProxyRead::Whole(length, header) => {
                prop_assert!(length <= bytes.len());
                if let Some(header) = header {
                    header.tlv(b"ssl_cn", &mut Vec::new());
                    header.tlv(b"0xea", &mut Vec::new());
                }
            }
            ProxyRead::Partial(error) | ProxyRead::Broken(error) => {
                prop_assert!(error.to_string().bytes().all(|byte| matches!(byte, b' '..=b'~')));
            }
        }
    }

    /// A header that comes in pieces is the same, and what follows it does not matter.
    #[test]
    fn a_header_is_whole_when_its_last_byte_has_come(
        source in any::<[u8; 4]>(),
        ports in any::<(u16, u16)>(),
        tlvs in proptest::collection::vec(any::<u8>(), 0..300),
        behind in proptest::collection::vec(any::<u8>(), 0..20),
        second in any::<bool>(),
    ) {
        let address = Ipv4Addr::from(source).to_string();
        let bytes = match second {
            true => {
                let ports = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
                version_2(0x21, 0x11, &[&source[..], &source, &ports, &tlvs].concat())
            }
            false => line(&address, &address, ports),
        };
        for length in 0..bytes.len() {
            prop_assert!(matches!(read(&bytes[..length]), ProxyRead::Partial(_)), "{length}");
            prop_assert!(matches!(read_proxy_header(&bytes, length), ProxyRead::Broken(_)), "{length}");
        }
        let (length, own) = header(read(&[&bytes[..], &behind].concat()));
        prop_assert_eq!(length, bytes.len());
        prop_assert_eq!(&own.source[..], address.as_bytes());
        prop_assert_eq!((own.source_port, own.destination_port), ports);
    }
}
