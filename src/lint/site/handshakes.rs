//! What becomes of a WebSocket's handshake at each `proxy_pass`.
//!
//! Upgrade and Connection are hop-by-hop: nginx drops the client's and sends what `proxy_set_header` says. Rules about
//! WebSockets ask here and nowhere else whether a location is for them, and what is wrong if it was meant to be.

use bstr::ByteSlice;

use crate::lint::Version;
use crate::syntax::Directive;

use super::{Block, Headers, Pass, Piece, Site, pieces};

/// Since when `proxy_http_version` is 1.1 where nothing is written, and nothing is said about Connection.
pub const ONE_ONE_BY_DEFAULT: Version = Version(1, 29, 7);

/// What the lines in effect at a `proxy_pass` make of a handshake. One mistake, one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// Nothing is said about upgrades: it becomes a plain request, and nobody is known to mind.
    Unasked,
    /// Upgrade goes on, and Connection may say so.
    Passed,
    /// Connection says `upgrade`, and there is no Upgrade.
    NoUpgrade,
    /// Upgrade goes on, and Connection is not set or says something else.
    NoConnection,
    /// Upgrade goes on, and Connection is taken out.
    EmptyConnection,
    /// One of the two has what belongs into the other.
    Swapped,
    /// Lines further out would have passed it on; those of a deeper level have taken their place.
    Lost,
}

/// A `proxy_pass` and what becomes of a handshake there.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    pub pass: Pass<'a>,
    pub handshake: Handshake,
    /// The level that would have passed it on, where it is [`Handshake::Lost`].
    pub outer: Option<Block<'a>>,
}

/// A [`Way`] by the numbers of its blocks.
pub(super) struct Kept {
    pass: usize,
    handshake: Handshake,
    outer: Option<usize>,
}

impl<'a> Site<'a> {
    /// Every `proxy_pass` of `http` and what becomes of a handshake there, in the order of blocks.
    pub fn ways(&self) -> impl Iterator<Item = Way<'_>> {
        let keep = |pass: Pass<'_>| {
            let way = pass.way();
            Kept { pass: pass.block.at, handshake: way.handshake, outer: way.outer.map(|outer| outer.at) }
        };
        let kept = self.handshakes.get_or_init(|| self.passes().map(keep).collect());
        kept.iter().filter_map(|kept| {
            let outer = kept.outer.map(|at| Block::new(self, at));
            Some(Way { pass: Block::new(self, kept.pass).pass()?, handshake: kept.handshake, outer })
        })
    }
}

impl Way<'_> {
    /// Whether a WebSocket comes to be: the handshake goes on, in a version of HTTP that can.
    pub fn is_open(&self) -> bool {
        self.handshake == Handshake::Passed && self.pass.http_version() == b"1.1"
    }
}

impl<'a> Pass<'a> {
    /// What becomes of a handshake here.
    pub fn way(self) -> Way<'a> {
        let (block, headers) = (self.block, self.block.headers());
        let way = |handshake, outer| Way { pass: self, handshake, outer };
        // Without the client's headers there is no Sec-WebSocket-Key.
        if !block.is_on("proxy_pass_request_headers", true) {
            return way(Handshake::Unasked, None);
        }
        let handshake = handshake(block, &headers, block.is_on("websocket_proxy", false));
        if handshake != Handshake::Unasked || headers.has("Upgrade") || headers.has("Connection") {
            return way(handshake, None);
        }
        let further = headers.level.and_then(Block::parent).into_iter().flat_map(Block::outwards);
        let mut levels = further.filter(|level| level.has("proxy_set_header"));
        match levels.find(|level| self::handshake(block, &level.headers(), false) == Handshake::Passed) {
            Some(outer) => way(Handshake::Lost, Some(outer)),
            None => way(Handshake::Unasked, None),
        }
    }

    /// Whether the lines in effect make a WebSocket of a handshake: the client's Upgrade goes on, and Connection may
    /// say so. Whether HTTP is spoken in a version that can is another question.
    pub fn carries_websockets(self) -> bool {
        self.way().handshake == Handshake::Passed
    }

    /// The version of HTTP that is spoken to the upstream.
    pub fn http_version(self) -> &'a [u8] {
        let is_newer = self.block.site.target >= ONE_ONE_BY_DEFAULT;
        let default = if is_newer || self.block.is_on("websocket_proxy", false) { "1.1" } else { "1.0" };
        self.block.value("proxy_http_version", default)
    }
}

/// What lines make of a handshake; `ours` is whether `websocket_proxy` sees to what they leave out.
fn handshake(block: Block<'_>, headers: &Headers<'_>, ours: bool) -> Handshake {
    let upgrade = Field::of(block, headers, "Upgrade", ours);
    let connection = Field::of(block, headers, "Connection", ours);
    match (upgrade, connection) {
        (Field::Absent | Field::Empty, Field::Upgrade) => Handshake::NoUpgrade,
        (Field::Absent | Field::Empty, _) => Handshake::Unasked,
        (Field::Upgrade, _) | (_, Field::Protocol) => Handshake::Swapped,
        (_, Field::Upgrade | Field::Open) => Handshake::Passed,
        (_, Field::Empty) => Handshake::EmptyConnection,
        (_, Field::Absent | Field::Other) => Handshake::NoConnection,
    }
}

/// What the lines that set Upgrade or Connection send.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    /// There are none.
    Absent,
    /// Nothing, ever: the field is taken out.
    Empty,
    /// What belongs into Connection: the word `upgrade`, at least for some requests; from a variable if it is sent
    /// as Upgrade.
    Upgrade,
    /// What belongs into Upgrade: the client's own.
    Protocol,
    /// Other words.
    Other,
    /// It may be anything.
    Open,
}

impl Field {
    fn of(block: Block<'_>, headers: &Headers<'_>, name: &str, ours: bool) -> Field {
        let sent = |line: &Directive| Field::sent(block, line, name);
        let mut all: Vec<Field> = headers.all(name).map(sent).collect();
        if all.is_empty() {
            return match (ours, name) {
                (false, _) => Field::Absent,
                (true, "Upgrade") => Field::Protocol,
                (true, _) => Field::Upgrade,
            };
        }
        // Of several lines nginx sends each that is not empty.
        all.retain(|field| *field != Field::Empty);
        let wanted = if name == "Upgrade" { Field::Protocol } else { Field::Upgrade };
        let best = [wanted, Field::Open].into_iter().find(|field| all.contains(field));
        best.or(all.first().copied()).unwrap_or(Field::Empty)
    }

    fn sent(block: Block<'_>, line: &Directive, name: &str) -> Field {
        let Some(value) = line.args.get(1).map(|word| &word.value[..]) else { return Field::Other };
        let Some(all) = block.site.possible(block, value) else {
            return match &pieces(value)[..] {
                [Piece::Variable(variable)] if variable.eq_ignore_ascii_case(b"http_upgrade") => {
                    Field::Protocol
                }
                [Piece::Variable(variable)]
                    if variable.eq_ignore_ascii_case(b"http_connection") && name == "Upgrade" =>
                {
                    Field::Upgrade
                }
                _ => Field::Open,
            };
        };
        let is_upgrade = all.iter().any(|value| has_upgrade(value));
        match name {
            _ if all.iter().all(|value| value.is_empty()) => Field::Empty,
            "Upgrade" if is_upgrade && value.contains(&b'$') => Field::Upgrade,
            "Connection" if is_upgrade => Field::Upgrade,
            _ => Field::Other,
        }
    }
}

/// Whether the word `upgrade` is in a value of Connection.
pub fn has_upgrade(value: &[u8]) -> bool {
    value.split_str(",").any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}
