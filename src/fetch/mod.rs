//! Fetches one thing from one URL: a small client for HTTP/1.1, with TLS or without.
//!
//! Knows nothing of what it fetches. Everything has a limit, since the other side may hang, lie or never end:
//! [`CONNECT`], [`WHOLE`], and how many bytes are wanted at most. A redirect is not followed, and nothing is
//! sent that the server would not need. Start at [`get`].

mod tls;
mod url;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::http1::framing::response_framing;
use crate::http1::response::ParsedResponse;
use crate::http1::{
    BodyDecoder, BodyError, ResponseError, ResponseHead, Trailers, parse_response, write_field,
};
use crate::net::{Address, LookupError, Resolver, Stream, connect, numbered};

pub use url::{Url, UrlError};

/// How long looking the name up, connecting and the TLS handshake may take together.
pub const CONNECT: Duration = Duration::from_secs(5);

/// How long all of it may take.
pub const WHOLE: Duration = Duration::from_secs(10);

/// Bytes of an answer's head, interim ones included.
const MOST_OF_HEAD: usize = 16 * 1024;

/// Addresses of a name that are tried, one after the other.
const MOST_ADDRESSES: usize = 4;

/// Bytes read at once.
const READ_SIZE: usize = 16 * 1024;

/// Why nothing was fetched.
#[derive(Debug)]
pub enum FetchError {
    Lookup(LookupError),
    Connect(Address, io::Error),
    Tls(String),
    /// What it was that took too long.
    TooSlow(&'static str),
    Io(io::Error),
    /// The connection ended before the answer did.
    Closed,
    NotHttp,
    Head(ResponseError),
    Status(u16),
    Body(BodyError),
    /// There are more bytes than are wanted.
    TooLarge(usize),
}

/// Fetches the body behind a URL, which is to be answered with 200 and no more than `most` bytes.
///
/// # Errors
/// What kept it from coming.
pub async fn get(url: &Url, resolver: &Resolver, accept: &str, most: usize) -> Result<Vec<u8>, FetchError> {
    let began = Instant::now();
    let whole = began + WHOLE;
    let reaching = async {
        let stream = reach(url, resolver).await?;
        Ok(match url.tls {
            true => Line::Tls(Box::new(tls::begin(stream, &url.host).await?)),
            false => Line::Plain(stream),
        })
    };
    let line = timeout_at(began + CONNECT, reaching).await;
    let line = line.unwrap_or(Err(FetchError::TooSlow("connecting")))?;
    let asking = async {
        match line {
            Line::Tls(mut stream) => ask(&mut stream, url, accept, most).await,
            Line::Plain(mut stream) => ask(&mut stream, url, accept, most).await,
        }
    };
    timeout_at(whole, asking).await.unwrap_or(Err(FetchError::TooSlow("the answer")))
}

enum Line {
    Plain(Stream),
    Tls(Box<tokio_rustls::client::TlsStream<Stream>>),
}

/// Connects to the first address of the host that can be connected to.
async fn reach(url: &Url, resolver: &Resolver) -> Result<Stream, FetchError> {
    let addresses = match url.host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => resolver.addresses(&url.host, CONNECT).await.map_err(FetchError::Lookup)?.found,
    };
    let mut failed = FetchError::Lookup(LookupError::NotFound);
    for ip in addresses.into_iter().take(MOST_ADDRESSES) {
        let address = Address::Ip(SocketAddr::new(ip, url.port));
        match connect(&address, None).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = FetchError::Connect(address, error),
        }
    }
    Err(failed)
}

async fn ask(
    line: &mut (impl AsyncRead + AsyncWrite + Unpin),
    url: &Url,
    accept: &str,
    most: usize,
) -> Result<Vec<u8>, FetchError> {
    let mut request = format!("GET {} HTTP/1.1\r\n", url.target).into_bytes();
    write_field(b"Host", url.authority.as_bytes(), &mut request);
    write_field(b"User-Agent", concat!("wsproxy/", env!("CARGO_PKG_VERSION")).as_bytes(), &mut request);
    write_field(b"Accept", accept.as_bytes(), &mut request);
    request.extend_from_slice(b"Connection: close\r\n\r\n");
    line.write_all(&request).await.map_err(FetchError::Io)?;
    line.flush().await.map_err(FetchError::Io)?;
    let mut buffer = Vec::new();
    let head = read_head(line, &mut buffer).await?;
    if head.status != 200 {
        return Err(FetchError::Status(head.status));
    }
    read_body(line, buffer, &head, most).await
}

async fn read_head(
    line: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> Result<ResponseHead, FetchError> {
    let mut head = ResponseHead::new();
    let mut most = MOST_OF_HEAD;
    loop {
        match parse_response(buffer, most, &mut head).map_err(FetchError::Head)? {
            ParsedResponse::Head(length) => {
                buffer.drain(..length);
                most = most.saturating_sub(length);
                if !(100..200).contains(&head.status) || head.status == 101 {
                    return Ok(head);
                }
            }
            ParsedResponse::Partial => {
                read(line, buffer).await.and_then(|some| some.ok_or(FetchError::Closed))?
            }
            ParsedResponse::Http09 => return Err(FetchError::NotHttp),
        }
    }
}

async fn read_body(
    line: &mut (impl AsyncRead + Unpin),
    mut buffer: Vec<u8>,
    head: &ResponseHead,
    most: usize,
) -> Result<Vec<u8>, FetchError> {
    let framing = response_framing(head, false).map_err(FetchError::Head)?;
    let mut decoder = BodyDecoder::new(framing, Trailers::Drop);
    let mut body = Vec::new();
    loop {
        let decoded = decoder.decode(&buffer).map_err(FetchError::Body)?;
        if decoded.data.len() > most - body.len() {
            return Err(FetchError::TooLarge(most));
        }
        body.extend_from_slice(&buffer[decoded.data]);
        buffer.drain(..decoded.consumed);
        if decoder.is_done() {
            return Ok(body);
        }
        if decoded.consumed == 0 && read(line, &mut buffer).await?.is_none() {
            return if decoder.ends_at_close() { Ok(body) } else { Err(FetchError::Closed) };
        }
    }
}

/// Adds what comes next; `None` at the end. With TLS that is a farewell: a connection that is merely cut is an
/// error, since what was cut off could not be told from what never was.
async fn read(line: &mut (impl AsyncRead + Unpin), into: &mut Vec<u8>) -> Result<Option<()>, FetchError> {
    into.reserve(READ_SIZE);
    match line.read_buf(into).await.map_err(FetchError::Io)? {
        0 => Ok(None),
        _ => Ok(Some(())),
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Lookup(error) => write!(f, "its host could not be resolved ({error})"),
            FetchError::Connect(address, error) => {
                write!(f, "connect() to {address} failed ({})", numbered(error))
            }
            FetchError::Tls(why) => write!(f, "TLS handshake failed ({why})"),
            FetchError::TooSlow(what) => write!(f, "{what} took too long"),
            FetchError::Io(error) => write!(f, "the connection failed ({})", numbered(error)),
            FetchError::Closed => f.write_str("the connection ended before the answer did"),
            FetchError::NotHttp => f.write_str("the answer is not HTTP/1"),
            FetchError::Head(error) => write!(f, "the answer cannot be read: {error}"),
            FetchError::Status(status @ (301..=303 | 307 | 308)) => {
                write!(f, "it was answered {status}, and redirects are not followed")
            }
            FetchError::Status(status) => write!(f, "it was answered {status} in place of 200"),
            FetchError::Body(error) => write!(f, "the answer cannot be read: {error}"),
            FetchError::TooLarge(most) => write!(f, "the answer has more than {most} bytes"),
        }
    }
}

impl std::error::Error for FetchError {}
