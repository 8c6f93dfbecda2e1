//! The PROXY protocol, versions 1 and 2: what a load balancer writes in front of a client's first byte
//! (`ngx_proxy_protocol.c`).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Address, Host};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Of version 2: the signature, version and command, family and transport, a length.
const FIXED: usize = 16;

/// In front of what a TLV of TLS holds: which certificates there were, and whether they were verified.
const TLS: usize = 5;

/// Bytes of a broken header that a message shows.
const SHOWN: usize = 512;

/// What a proxy says of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// The client's address as text. That of version 1 is what was written, and may be no address at all.
    pub source: Box<[u8]>,
    pub source_port: u16,
    /// The address that the client connected to.
    pub destination: Box<[u8]>,
    pub destination_port: u16,
    /// What stands behind the addresses of version 2, as it came.
    pub tlvs: Box<[u8]>,
}

/// What the first bytes of a connection come to.
#[derive(Debug, PartialEq, Eq)]
pub enum ProxyRead {
    /// A header of so many bytes; without addresses where the proxy knows none, or speaks for itself.
    Whole(usize, Option<ProxyHeader>),
    /// As far as it has come it may become one. Were it all, this is what would be wrong with it.
    Partial(ProxyError),
    Broken(ProxyError),
}

/// What is wrong with a header, in nginx's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyError {
    /// Its bytes up to a line end.
    Header(Box<[u8]>),
    Version(u8),
    TooLarge,
    /// Its length leaves no room for the addresses that it promises; nginx is silent here.
    NoAddresses,
}

/// Reads a header that may take up to `most` bytes.
pub fn read_proxy_header(bytes: &[u8], most: usize) -> ProxyRead {
    let (bytes, is_all) = (&bytes[..bytes.len().min(most)], bytes.len() >= most);
    let start = bytes.len().min(SIGNATURE.len());
    let read = match bytes[..start] == SIGNATURE[..start] {
        true if bytes.len() < FIXED => ProxyRead::Partial(broken(bytes)),
        true => version_2(bytes, most),
        false => match version_1(bytes) {
            Ok((header, length)) => ProxyRead::Whole(length, header),
            Err(Stop::End) => ProxyRead::Partial(broken(bytes)),
            Err(Stop::Bad) => ProxyRead::Broken(broken(bytes)),
        },
    };
    match read {
        ProxyRead::Partial(error) if is_all => ProxyRead::Broken(error),
        read => read,
    }
}

fn broken(bytes: &[u8]) -> ProxyError {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    ProxyError::Header(line.into())
}

/// Why a line is not read to its end: there is no more of it, or it is wrong.
enum Stop {
    End,
    Bad,
}

/// `PROXY TCP4 192.0.2.7 192.0.2.1 4711 443`
fn version_1(bytes: &[u8]) -> Result<(Option<ProxyHeader>, usize), Stop> {
    let mut line = Line { left: bytes };
    line.word(b"PROXY ")?;
    if line.left.first() == Some(&b'U') {
        line.word(b"UNKNOWN")?;
        let end = line.left.windows(2).position(|pair| pair == b"\r\n").ok_or(Stop::End)?;
        return Ok((None, bytes.len() - line.left.len() + end + 2));
    }
    line.word(b"TCP")?;
    let [family, rest @ ..] = line.left else { return Err(Stop::End) };
    if !matches!(family, b'4' | b'6') {
        return Err(Stop::Bad);
    }
    line.left = rest;
    line.word(b" ")?;
    let is_address = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let source = line.until(b' ', is_address)?;
    let destination = line.until(b' ', is_address)?;
    let source_port = port(line.until(b' ', u8::is_ascii_digit)?)?;
    let destination_port = port(line.until(b'\r', u8::is_ascii_digit)?)?;
    line.word(b"\n")?;
    let (source, destination) = (source.into(), destination.into());
    let header = ProxyHeader { source, source_port, destination, destination_port, tlvs: Box::default() };
    Ok((Some(header), bytes.len() - line.left.len()))
}

fn port(digits: &[u8]) -> Result<u16, Stop> {
    str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(Stop::Bad)
}

struct Line<'a> {
    left: &'a [u8],
}

impl<'a> Line<'a> {
    fn word(&mut self, word: &[u8]) -> Result<(), Stop> {
        match self.left.strip_prefix(word) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None if word.starts_with(self.left) => Err(Stop::End),
            None => Err(Stop::Bad),
        }
    }

    /// What stands in front of `end`, of which each byte has to fit.
    fn until(&mut self, end: u8, fits: impl Fn(&u8) -> bool) -> Result<&'a [u8], Stop> {
        let length = self.left.iter().position(|byte| !fits(byte)).ok_or(Stop::End)?;
        if self.left[length] != end {
            return Err(Stop::Bad);
        }
        let (taken, left) = (&self.left[..length], &self.left[length + 1..]);
        self.left = left;
        Ok(taken)
    }
}

/// `bytes` hold the signature and the fixed part.
fn version_2(bytes: &[u8], most: usize) -> ProxyRead {
    let (fixed, rest) = bytes.split_at(FIXED);
    let (version, command) = (fixed[12] >> 4, fixed[12] & 0xf);
    if version != 2 {
        return ProxyRead::Broken(ProxyError::Version(version));
    }
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if FIXED + length > most {
        return ProxyRead::Broken(ProxyError::TooLarge);
    }
    let Some(body) = rest.get(..length) else { return ProxyRead::Partial(ProxyError::TooLarge) };
    // A proxy that speaks for itself, and what is no stream, has no addresses for us.
    let (is_proxied, is_stream) = (command == 1, fixed[13] & 0xf == 1);
    let header = match fixed[13] >> 4 {
        family @ (1 | 2) if is_proxied && is_stream => match addresses(family == 1, body) {
            Some(header) => Some(header),
            None => return ProxyRead::Broken(ProxyError::NoAddresses),
        },
        _ => None,
    };
    ProxyRead::Whole(FIXED + length, header)
}

/// Both addresses, both ports, and what is left.
fn addresses(is_ipv4: bool, body: &[u8]) -> Option<ProxyHeader> {
    let width = if is_ipv4 { 4 } else { 16 };
    let (source, rest) = body.split_at_checked(width)?;
    let (destination, rest) = rest.split_at_checked(width)?;
    let (ports, tlvs) = rest.split_at_checked(4)?;
    Some(ProxyHeader {
        source: text(source)?,
        source_port: u16::from_be_bytes([ports[0], ports[1]]),
        destination: text(destination)?,
        destination_port: u16::from_be_bytes([ports[2], ports[3]]),
        tlvs: tlvs.into(),
    })
}

fn text(address: &[u8]) -> Option<Box<[u8]>> {
    let ip = match <[u8; 4]>::try_from(address) {
        Ok(octets) => Ipv4Addr::from(octets).into(),
        Err(_) => Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?).into(),
    };
    Some(Host(&Address::Ip(SocketAddr::new(ip, 0))).to_string().into_bytes().into())
}

/// The TLVs that have names, and those within the one of TLS.
const NAMED: &[(&[u8], u8)] =
    &[(b"alpn", 0x01), (b"authority", 0x02), (b"unique_id", 0x05), (b"ssl", 0x20), (b"netns", 0x30)];
const NAMED_OF_TLS: &[(&[u8], u8)] =
    &[(b"version", 0x21), (b"cn", 0x22), (b"cipher", 0x23), (b"sig_alg", 0x24), (b"key_alg", 0x25)];

/// Whether a TLV may be called so: by its name, or by its number as `0x…`.
pub fn is_tlv_name(name: &[u8]) -> bool {
    match name.strip_prefix(b"ssl_") {
        Some(b"verify") => true,
        Some(name) => number(name, NAMED_OF_TLS).is_some(),
        None => number(name, NAMED).is_some(),
    }
}

fn number(name: &[u8], named: &[(&[u8], u8)]) -> Option<u8> {
    match name.strip_prefix(b"0x") {
        Some(digits) if !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit) => {
            let digits = str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 16).ok()
        }
        Some(_) => None,
        None => named.iter().find(|(own, _)| *own == name).map(|(_, number)| *number),
    }
}

impl ProxyHeader {
    /// Whether what stands behind the addresses ends within a value: from there on nothing is found.
    pub fn is_cut(&self) -> bool {
        let mut left = &self.tlvs[..];
        while let [_, high, low, rest @ ..] = left {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some((_, behind)) = rest.split_at_checked(length) else { return true };
            left = behind;
        }
        !left.is_empty()
    }

    /// Appends the value of the TLV called so; false where there is none.
    pub fn tlv(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        let Some(name) = name.strip_prefix(b"ssl_") else { return append(&self.tlvs, name, NAMED, out) };
        let of_tls = value(&self.tlvs, 0x20).and_then(|tls| tls.split_at_checked(TLS));
        let Some((fixed, tlvs)) = of_tls else { return false };
        if name == b"verify" {
            let verify = u32::from_be_bytes([fixed[1], fixed[2], fixed[3], fixed[4]]);
            out.extend_from_slice(verify.to_string().as_bytes());
            return true;
        }
        append(tlvs, name, NAMED_OF_TLS, out)
    }
}

fn append(tlvs: &[u8], name: &[u8], named: &[(&[u8], u8)], out: &mut Vec<u8>) -> bool {
    let found = number(name, named).and_then(|number| value(tlvs, number));
    out.extend_from_slice(found.unwrap_or_default());
    found.is_some()
}

/// The first of a type; what stands behind a broken one is not looked at.
fn value(mut tlvs: &[u8], wanted: u8) -> Option<&[u8]> {
    while let [kind, high, low, rest @ ..] = tlvs {
        let (value, left) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
        if *kind == wanted {
            return Some(value);
        }
        tlvs = left;
    }
    None
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyError::Header(line) => {
                f.write_str("broken header: \"")?;
                line.iter().take(SHOWN).try_for_each(|byte| match byte {
                    b'"' => f.write_str("\\x22"),
                    b' '..=b'~' => write!(f, "{}", *byte as char),
                    _ => write!(f, "\\x{byte:02X}"),
                })?;
                f.write_str("\"")
            }
            ProxyError::Version(version) => write!(f, "unknown PROXY protocol version: {version}"),
            ProxyError::TooLarge => f.write_str("header is too large"),
            ProxyError::NoAddresses => f.write_str("PROXY protocol header without its addresses"),
        }
    }
}

impl std::error::Error for ProxyError {}

#[cfg(test)]
#[path = "proxy_protocol_tests.rs"]
mod tests;
