//! Where a directive may stand.

use std::fmt;
use std::ops::BitOr;

/// A set of blocks: where something may stand, or (with one member) where something stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Context(u32);

/// Each context with its name in the catalogue, in the order of the bits.
const NAMES: &[(Context, &str)] = &[
    (Context::MAIN, "main"),
    (Context::EVENTS, "events"),
    (Context::HTTP, "http"),
    (Context::SERVER, "server"),
    (Context::LOCATION, "location"),
    (Context::IF_SERVER, "if in server"),
    (Context::IF_LOCATION, "if in location"),
    (Context::LIMIT_EXCEPT, "limit_except"),
    (Context::UPSTREAM, "upstream"),
    (Context::STREAM, "stream"),
    (Context::STREAM_SERVER, "stream server"),
    (Context::STREAM_UPSTREAM, "stream upstream"),
    (Context::MAIL, "mail"),
    (Context::MAIL_SERVER, "mail server"),
    (Context::TYPES, "types"),
    (Context::MAP, "map"),
    (Context::GEO, "geo"),
    (Context::SPLIT_CLIENTS, "split_clients"),
    (Context::CHARSET_MAP, "charset_map"),
    (Context::MATCH, "match"),
    (Context::MGMT, "mgmt"),
    (Context::OIDC_PROVIDER, "oidc_provider"),
    (Context::ACME_ISSUER, "acme_issuer"),
    (Context::OTEL_EXPORTER, "otel_exporter"),
];

impl Context {
    pub const MAIN: Context = Context(1);
    pub const EVENTS: Context = Context(1 << 1);
    pub const HTTP: Context = Context(1 << 2);
    pub const SERVER: Context = Context(1 << 3);
    pub const LOCATION: Context = Context(1 << 4);
    pub const IF_SERVER: Context = Context(1 << 5);
    pub const IF_LOCATION: Context = Context(1 << 6);
    pub const LIMIT_EXCEPT: Context = Context(1 << 7);
    pub const UPSTREAM: Context = Context(1 << 8);
    pub const STREAM: Context = Context(1 << 9);
    pub const STREAM_SERVER: Context = Context(1 << 10);
    pub const STREAM_UPSTREAM: Context = Context(1 << 11);
    pub const MAIL: Context = Context(1 << 12);
    pub const MAIL_SERVER: Context = Context(1 << 13);
    pub const TYPES: Context = Context(1 << 14);
    pub const MAP: Context = Context(1 << 15);
    pub const GEO: Context = Context(1 << 16);
    pub const SPLIT_CLIENTS: Context = Context(1 << 17);
    pub const CHARSET_MAP: Context = Context(1 << 18);
    pub const MATCH: Context = Context(1 << 19);
    pub const MGMT: Context = Context(1 << 20);
    pub const OIDC_PROVIDER: Context = Context(1 << 21);
    pub const ACME_ISSUER: Context = Context(1 << 22);
    pub const OTEL_EXPORTER: Context = Context(1 << 23);

    /// Nowhere.
    pub const NONE: Context = Context(0);
    /// Everywhere that directives stand, `include`'s place.
    pub const ANY: Context = Context(u32::MAX);
    /// Blocks whose lines are data and not directives.
    pub const DATA: Context = Context(
        Self::TYPES.0
            | Self::MAP.0
            | Self::GEO.0
            | Self::SPLIT_CLIENTS.0
            | Self::CHARSET_MAP.0
            | Self::MATCH.0,
    );
    /// Everything inside `http`, itself included.
    pub const IN_HTTP: Context = Context(
        Self::HTTP.0
            | Self::SERVER.0
            | Self::LOCATION.0
            | Self::IF_SERVER.0
            | Self::IF_LOCATION.0
            | Self::LIMIT_EXCEPT.0
            | Self::UPSTREAM.0,
    );
    /// Everything inside `stream`, itself included.
    pub const IN_STREAM: Context = Context(Self::STREAM.0 | Self::STREAM_SERVER.0 | Self::STREAM_UPSTREAM.0);
    /// Everything inside `mail`, itself included.
    pub const IN_MAIL: Context = Context(Self::MAIL.0 | Self::MAIL_SERVER.0);

    pub const fn or(self, other: Context) -> Context {
        Context(self.0 | other.0)
    }

    /// Whether all of `other` is in here.
    pub const fn contains(self, other: Context) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is in here.
    pub const fn meets(self, other: Context) -> bool {
        self.0 & other.0 != 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members, each as a set of its own.
    pub fn each(self) -> impl Iterator<Item = Context> {
        NAMES.iter().map(|(context, _)| *context).filter(move |context| self.contains(*context))
    }

    /// The context of this name; `any` is all of them.
    pub fn named(name: &str) -> Option<Context> {
        if name == "any" {
            return Some(Context::ANY);
        }
        NAMES.iter().find(|(_, known)| *known == name).map(|(context, _)| *context)
    }

    /// The name of a context that is one member.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(context, _)| *context == self).map_or("any", |(_, name)| name)
    }
}

impl BitOr for Context {
    type Output = Context;

    fn bitor(self, other: Context) -> Context {
        self.or(other)
    }
}

/// `http, server, location`.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Context::ANY {
            return f.write_str("any");
        }
        for (at, context) in self.each().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            f.write_str(context.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_context_has_its_name() {
        for (context, name) in NAMES {
            assert_eq!(Context::named(name), Some(*context));
            assert_eq!(context.name(), *name);
        }
        assert_eq!((Context::HTTP | Context::SERVER).to_string(), "http, server");
        assert!(Context::ANY.contains(Context::IN_HTTP));
        assert!(!Context::IN_HTTP.meets(Context::IN_STREAM));
    }
}
