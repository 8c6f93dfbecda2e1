//! Header names that something in the house asks for, as numbers.

macro_rules! known_names {
    ($($variant:ident = $text:literal,)*) => {
        /// A well-known header name; [`Known::Other`] is every other.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Known { Other, $($variant,)* }

        const NAMES: &[(&str, Known)] = &[$(($text, Known::$variant),)*];

        impl Known {
            /// The name as it is usually written; empty for [`Known::Other`].
            pub const fn name(self) -> &'static str {
                match self { Known::Other => "", $(Known::$variant => $text,)* }
            }
        }
    };
}

known_names! {
    Accept = "Accept",
    AcceptEncoding = "Accept-Encoding",
    AcceptLanguage = "Accept-Language",
    AcceptRanges = "Accept-Ranges",
    Age = "Age",
    Allow = "Allow",
    Authorization = "Authorization",
    CacheControl = "Cache-Control",
    Connection = "Connection",
    ContentDisposition = "Content-Disposition",
    ContentEncoding = "Content-Encoding",
    ContentLanguage = "Content-Language",
    ContentLength = "Content-Length",
    ContentRange = "Content-Range",
    ContentType = "Content-Type",
    Cookie = "Cookie",
    Date = "Date",
    Depth = "Depth",
    Destination = "Destination",
    ETag = "ETag",
    Expect = "Expect",
    Expires = "Expires",
    Forwarded = "Forwarded",
    Host = "Host",
    IfMatch = "If-Match",
    IfModifiedSince = "If-Modified-Since",
    IfNoneMatch = "If-None-Match",
    IfRange = "If-Range",
    IfUnmodifiedSince = "If-Unmodified-Since",
    KeepAlive = "Keep-Alive",
    LastModified = "Last-Modified",
    Link = "Link",
    Location = "Location",
    Origin = "Origin",
    Overwrite = "Overwrite",
    Pragma = "Pragma",
    ProxyAuthenticate = "Proxy-Authenticate",
    ProxyAuthorization = "Proxy-Authorization",
    ProxyConnection = "Proxy-Connection",
    Range = "Range",
    Referer = "Referer",
    Refresh = "Refresh",
    SecWebSocketAccept = "Sec-WebSocket-Accept",
    SecWebSocketExtensions = "Sec-WebSocket-Extensions",
    SecWebSocketKey = "Sec-WebSocket-Key",
    SecWebSocketProtocol = "Sec-WebSocket-Protocol",
    SecWebSocketVersion = "Sec-WebSocket-Version",
    Server = "Server",
    SetCookie = "Set-Cookie",
    Status = "Status",
    Te = "TE",
    Trailer = "Trailer",
    TransferEncoding = "Transfer-Encoding",
    Upgrade = "Upgrade",
    UserAgent = "User-Agent",
    Vary = "Vary",
    Via = "Via",
    WwwAuthenticate = "WWW-Authenticate",
    XAccelBuffering = "X-Accel-Buffering",
    XAccelCharset = "X-Accel-Charset",
    XAccelExpires = "X-Accel-Expires",
    XAccelLimitRate = "X-Accel-Limit-Rate",
    XAccelRedirect = "X-Accel-Redirect",
    XForwardedFor = "X-Forwarded-For",
    XForwardedHost = "X-Forwarded-Host",
    XForwardedProto = "X-Forwarded-Proto",
    XPad = "X-Pad",
    XRealIp = "X-Real-IP",
    XRequestId = "X-Request-ID",
}

impl Known {
    /// The number of `name`, whatever its case.
    pub fn of(name: &[u8]) -> Known {
        if name.is_empty() {
            return Known::Other;
        }
        let mut at = slot(name);
        while SLOTS[at] != 0 {
            let (text, known) = NAMES[SLOTS[at] as usize - 1];
            if is_same(text.as_bytes(), name) {
                return known;
            }
            at = (at + 1) % SLOTS.len();
        }
        Known::Other
    }
}

/// A set of known names; [`Known::Other`] is a member like the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownSet(u128);

const _: () = assert!(NAMES.len() < u128::BITS as usize);

impl KnownSet {
    pub fn add(&mut self, known: Known) {
        self.0 |= 1 << known as u8;
    }

    pub fn has(self, known: Known) -> bool {
        self.0 >> known as u8 & 1 == 1
    }
}

/// Whether `name` is `known` in another case. Without branches inside, for this is asked for every field.
fn is_same(known: &[u8], name: &[u8]) -> bool {
    let difference = |difference, (known, own): (&u8, &u8)| {
        // Known names hold letters, digits and `-`; only letters have a case to ignore.
        let case = (known & 0x40) >> 1;
        difference | ((known | case) ^ (own | case))
    };
    known.len() == name.len() && known.iter().zip(name).fold(0, difference) == 0
}

/// Open addressing over [`NAMES`]: an index plus one, or 0 where nothing stands.
const SLOTS: [u8; 512] = {
    let mut slots = [0; 512];
    let mut index = 0;
    while index < NAMES.len() {
        let mut at = slot(NAMES[index].0.as_bytes());
        while slots[at] != 0 {
            at = (at + 1) % slots.len();
        }
        index += 1;
        slots[at] = index as u8;
    }
    slots
};

/// Where the search for a name begins: its length and three of its bytes tell nearly all names apart.
const fn slot(name: &[u8]) -> usize {
    let length = name.len();
    let first = (name[0] | 0x20) as usize;
    let middle = (name[length / 2] | 0x20) as usize;
    let last = (name[length - 1] | 0x20) as usize;
    (length * 37 + first * 5 + middle * 19 + last * 71) % 512
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for (text, known) in NAMES {
            assert_eq!(Known::of(text.as_bytes()), *known);
            assert_eq!(Known::of(text.to_ascii_lowercase().as_bytes()), *known);
            assert_eq!(Known::of(text.to_ascii_uppercase().as_bytes()), *known);
            assert_eq!(known.name(), *text);
        }
        for unknown in ["", "X", "Hosts", "Hos", "host ", "X-Forwarded_For", "Connectiom"] {
            assert_eq!(Known::of(unknown.as_bytes()), Known::Other);
        }
    }
}
