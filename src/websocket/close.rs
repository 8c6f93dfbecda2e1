//! What a close frame carries (RFC 6455 section 7.4).

use std::fmt;

/// A control frame's payload (RFC 6455 section 5.5).
pub const MAX_PAYLOAD: usize = 125;

/// Bytes of UTF-8 behind the code.
pub const MAX_REASON: usize = MAX_PAYLOAD - 2;

/// A status code that may be sent in a close frame: none of those that only stand for the lack of one
/// (1005, 1006, 1015) or that nobody has defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseCode(u16);

impl CloseCode {
    pub const NORMAL: CloseCode = CloseCode(1000);
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    pub const PROTOCOL_ERROR: CloseCode = CloseCode(1002);
    pub const INVALID_PAYLOAD: CloseCode = CloseCode(1007);
    pub const POLICY: CloseCode = CloseCode(1008);
    pub const TOO_BIG: CloseCode = CloseCode(1009);
    pub const INTERNAL_ERROR: CloseCode = CloseCode(1011);
    pub const SERVICE_RESTART: CloseCode = CloseCode(1012);
    pub const TRY_AGAIN_LATER: CloseCode = CloseCode(1013);
    pub const BAD_GATEWAY: CloseCode = CloseCode(1014);
    /// Ours: as 401 is to a request. Codes from 4000 on are for who agrees on them.
    pub const TOKEN_EXPIRED: CloseCode = CloseCode(4401);

    pub fn new(code: u16) -> Option<CloseCode> {
        matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999).then_some(CloseCode(code))
    }

    pub fn get(self) -> u16 {
        self.0
    }
}

/// Why a payload is not a close frame's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseError {
    /// A single byte is no code.
    HalfACode,
    ForbiddenCode(u16),
    /// The reason is not UTF-8.
    Reason,
    /// More than 125 bytes.
    TooLong,
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseError::HalfACode => f.write_str("close frame with one byte"),
            CloseError::ForbiddenCode(code) => write!(f, "close code {code} must not be sent"),
            CloseError::Reason => f.write_str("close reason is not UTF-8"),
            CloseError::TooLong => f.write_str("close frame with more than 125 bytes"),
        }
    }
}

/// Reads an unmasked payload: nothing, or a code and a reason, which may be empty.
pub fn read(payload: &[u8]) -> Result<Option<(CloseCode, &str)>, CloseError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(CloseError::TooLong);
    }
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(CloseError::HalfACode) };
    };
    let code = u16::from_be_bytes(*code);
    let code = CloseCode::new(code).ok_or(CloseError::ForbiddenCode(code))?;
    let reason = str::from_utf8(reason).map_err(|_| CloseError::Reason)?;
    Ok(Some((code, reason)))
}

/// Writes a payload and gives its length. A reason that is too long is cut between characters.
pub fn write(code: CloseCode, reason: &str, payload: &mut [u8; MAX_PAYLOAD]) -> usize {
    let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
    payload[..2].copy_from_slice(&code.0.to_be_bytes());
    payload[2..][..reason.len()].copy_from_slice(reason.as_bytes());
    2 + reason.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_that_must_not_be_sent_are_refused() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
            assert_eq!(CloseCode::new(code), None, "{code}");
            assert_eq!(read(&u16::to_be_bytes(code)), Err(CloseError::ForbiddenCode(code)));
        }
        for code in [1000, 1003, 1007, 1014, 3000, 4401, 4999] {
            assert_eq!(CloseCode::new(code).unwrap().get(), code);
        }
    }

    #[test]
    fn payloads_that_are_none() {
        assert_eq!(read(b""), Ok(None));
        assert_eq!(read(b"\x03"), Err(CloseError::HalfACode));
        assert_eq!(read(b"\x03\xe8\xff"), Err(CloseError::Reason));
        assert_eq!(read(&[b'a'; 126]), Err(CloseError::TooLong));
        assert_eq!(read(b"\x03\xe8"), Ok(Some((CloseCode::NORMAL, ""))));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(reason in ".{0,200}") {
            let mut payload = [0; MAX_PAYLOAD];
            let length = write(CloseCode::GOING_AWAY, &reason, &mut payload);
            let (code, read) = read(&payload[..length]).unwrap().unwrap();
            prop_assert_eq!(code, CloseCode::GOING_AWAY);
            prop_assert!(reason.starts_with(read));
            prop_assert!(read.len() == reason.len() || read.len() > MAX_REASON - 4);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(payload: Vec<u8>) {
            let _ = read(&payload);
        }
    }
}
