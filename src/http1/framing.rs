//! How long a body is, decided once and strictly; RFC 9112, 6.3, as nginx applies it.

use super::headers::Headers;
use super::known::Known;
use super::request::Version;
use super::request_error::RequestError;
use super::response::{ResponseError, ResponseHead};

/// Where the body behind a head ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    #[default]
    None,
    /// That many bytes, at most `i64::MAX`.
    Length(u64),
    Chunked,
    /// At the end of the connection; responses only.
    Close,
}

/// The framing of a request's body (ngx_http_process_request_header).
pub(super) fn request_framing(headers: &Headers, version: Version) -> Result<Framing, RequestError> {
    let length = match headers.first(Known::ContentLength) {
        Some(value) => Some(parse_length(value).ok_or(RequestError::InvalidContentLength)?),
        None => None,
    };
    match headers.first(Known::TransferEncoding) {
        None => Ok(length.map_or(Framing::None, Framing::Length)),
        Some(_) if version < Version::Http11 => Err(RequestError::Http10TransferEncoding),
        Some(value) if !value.eq_ignore_ascii_case(b"chunked") => {
            Err(RequestError::UnknownTransferEncoding(value.into()))
        }
        Some(_) if length.is_some() => Err(RequestError::LengthAndTransferEncoding),
        Some(_) => Ok(Framing::Chunked),
    }
}

/// The framing of a response's body, given the request was a HEAD or not. nginx before 1.23 took
/// `Content-Length` next to `Transfer-Encoding`, and two lengths, from an upstream; now it is a 502.
pub fn response_framing(head: &ResponseHead, request_is_head: bool) -> Result<Framing, ResponseError> {
    let headers = &head.headers;
    let length = match single(headers, Known::ContentLength)? {
        Some(value) => {
            Some(parse_length(value).ok_or_else(|| ResponseError::InvalidContentLength(value.into()))?)
        }
        None => None,
    };
    let chunked = match single(headers, Known::TransferEncoding)? {
        None => false,
        Some(_) if length.is_some() => return Err(ResponseError::LengthAndTransferEncoding),
        Some(value) if value.eq_ignore_ascii_case(b"chunked") => true,
        Some(value) => return Err(ResponseError::UnknownTransferEncoding(value.into())),
    };
    Ok(match (chunked, length) {
        _ if request_is_head || has_no_body(head.status) => Framing::None,
        (true, _) => Framing::Chunked,
        (false, Some(length)) => Framing::Length(length),
        (false, None) => Framing::Close,
    })
}

/// Whether a response with this status ends with its head.
pub fn has_no_body(status: u16) -> bool {
    matches!(status, 100..200 | 204 | 304)
}

fn single(headers: &Headers, known: Known) -> Result<Option<&[u8]>, ResponseError> {
    let mut values = headers.all(known);
    match (values.next(), values.next()) {
        (Some(previous), Some(value)) => Err(ResponseError::DuplicateHeader {
            name: known.name(),
            value: value.into(),
            previous: previous.into(),
        }),
        (value, _) => Ok(value),
    }
}

/// Digits alone, up to `i64::MAX` (ngx_atoof).
fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    let length = value.iter().try_fold(0_u64, |length, byte| {
        let digit = char::from(*byte).to_digit(10)?;
        length.checked_mul(10)?.checked_add(u64::from(digit))
    })?;
    (length <= i64::MAX as u64).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        fields.iter().for_each(|(name, value)| headers.push(name.as_bytes(), value.as_bytes()));
        headers
    }

    fn request(fields: &[(&str, &str)], version: Version) -> Result<Framing, u16> {
        request_framing(&headers(fields), version).map_err(|error| error.status())
    }

    #[test]
    fn requests() {
        let (v10, v11) = (Version::Http10, Version::Http11);
        assert_eq!(request(&[], v11), Ok(Framing::None));
        assert_eq!(request(&[("Content-Length", "0")], v10), Ok(Framing::Length(0)));
        assert_eq!(request(&[("content-length", "007")], v11), Ok(Framing::Length(7)));
        assert_eq!(
            request(&[("Content-Length", "9223372036854775807")], v11),
            Ok(Framing::Length(i64::MAX as u64))
        );
        for bad in ["", "-1", "+1", "1 2", "1,1", "0x1", "9223372036854775808", "99999999999999999999"] {
            assert_eq!(request(&[("Content-Length", bad)], v11), Err(400), "{bad}");
        }
        assert_eq!(request(&[("Transfer-Encoding", "Chunked")], v11), Ok(Framing::Chunked));
        assert_eq!(request(&[("Transfer-Encoding", "chunked")], v10), Err(400));
        for other in ["gzip, chunked", "xchunked", "chunked, chunked", "identity", ""] {
            assert_eq!(request(&[("Transfer-Encoding", other)], v11), Err(501), "{other}");
        }
        let both = [("Transfer-Encoding", "chunked"), ("Content-Length", "1")];
        assert_eq!(request(&both, v11), Err(400));
    }

    #[test]
    fn responses() {
        let framing = |status, fields: &[(&str, &str)], head| {
            let mut response = ResponseHead::new();
            (response.status, response.headers) = (status, headers(fields));
            response_framing(&response, head).ok()
        };
        assert_eq!(framing(200, &[], false), Some(Framing::Close));
        assert_eq!(framing(200, &[("Content-Length", "5")], false), Some(Framing::Length(5)));
        assert_eq!(framing(200, &[("Content-Length", "5")], true), Some(Framing::None));
        assert_eq!(framing(200, &[("Transfer-Encoding", "chunked")], false), Some(Framing::Chunked));
        for status in [100, 101, 103, 204, 304] {
            assert_eq!(framing(status, &[("Content-Length", "5")], false), Some(Framing::None));
        }
        assert_eq!(framing(200, &[("Content-Length", "5"), ("Content-Length", "5")], false), None);
        assert_eq!(framing(200, &[("Content-Length", "5"), ("Transfer-Encoding", "chunked")], false), None);
        assert_eq!(framing(200, &[("Transfer-Encoding", "gzip")], false), None);
        assert_eq!(framing(200, &[("Content-Length", "x")], true), None);
    }
}
