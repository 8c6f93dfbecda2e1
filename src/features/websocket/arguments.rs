//! Reads what the arguments of these directives have of their own: sides, sizes with a side, rates.

use std::time::Duration;

use crate::diagnostics::Diagnostic;
use crate::directive::values;
use crate::features::Call;
use crate::tunnel::{Limit, MaxSize, Over, Rate, Sides, Unit};

/// `client`, `upstream` or `both`.
pub fn sides(word: &[u8]) -> Option<Sides> {
    let named = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    match () {
        () if named("client") => Some(Sides::Client),
        () if named("upstream") => Some(Sides::Upstream),
        () if named("both") => Some(Sides::Both),
        () => None,
    }
}

/// `size [client | upstream | both]`, whose form the catalogue has seen to; 0 is no limit.
pub fn max_size(call: &Call) -> Option<MaxSize> {
    let of = sides(call.arg(1)).unwrap_or(Sides::Both);
    Some(MaxSize { bytes: call.size(0), of, place: Some(call.place()) }).filter(|size| size.bytes > 0)
}

/// `websocket_message_rate rate [burst=…] [delay | close] [client | upstream | both]` or `off`. `None` where
/// it cannot be read, which was said.
pub fn rate(call: &mut Call) -> Option<Option<Rate>> {
    if call.arg(0) == b"off" {
        return match call.args().len() {
            1 => Some(None),
            _ => unexpected(call, 1, "nothing goes with \"off\""),
        };
    }
    let steady = match Steady::read(call.arg(0)) {
        Ok(steady) => steady,
        Err(expected) => {
            let finding = format!("invalid rate \"{}\"", call.text(0));
            let finding = Diagnostic::error("invalid-value", call.span(0), finding);
            call.say(finding.here(expected).help(USAGE));
            return None;
        }
    };
    let (mut burst, mut over, mut of) = (None, None, None);
    for at in 1..call.args().len() {
        let word = call.arg(at);
        let again = if let Some(size) = word.strip_prefix(b"burst=") {
            let Some(size) = steady.burst(size) else { return bad_burst(call, at, steady.unit) };
            burst.replace(size).is_some()
        } else if let Some(sides) = sides(word) {
            of.replace(sides).is_some()
        } else if word.eq_ignore_ascii_case(b"delay") {
            over.replace(Over::Delay).is_some()
        } else if word.eq_ignore_ascii_case(b"close") {
            over.replace(Over::Close).is_some()
        } else {
            let expected =
                "expected \"burst=…\", \"delay\" or \"close\", \"client\", \"upstream\" or \"both\"";
            return unexpected(call, at, expected);
        };
        if again {
            return unexpected(call, at, "this was said by an earlier parameter");
        }
    }
    Some(Some(Rate {
        unit: steady.unit,
        count: steady.count,
        per: steady.per,
        burst: burst.unwrap_or_else(|| steady.in_a_second()),
        over: over.unwrap_or(Over::Delay),
        of: of.unwrap_or(Sides::Client),
        place: Some(call.place()),
    }))
}

/// `close [grace]` or `ignore`, whose form the catalogue has seen to. `None` where it cannot be read, which was
/// said.
pub fn token_expiry(call: &mut Call) -> Option<Option<Limit>> {
    match call.args().len() {
        1 if call.arg(0).eq_ignore_ascii_case(b"ignore") => Some(None),
        _ if call.arg(0).eq_ignore_ascii_case(b"ignore") => {
            unexpected(call, 1, "nothing goes with \"ignore\"")
        }
        _ => Some(Some(Limit { after: call.time(1), place: Some(call.place()) })),
    }
}

const USAGE: &str = "messages: 20/s, 20r/s or 600/m; bytes: 64kb/s, 1mb/s or 5000b/s";

fn unexpected<T>(call: &mut Call, at: usize, why: &str) -> Option<T> {
    let message = format!("invalid parameter \"{}\"", call.text(at));
    let finding = Diagnostic::error("invalid-parameter", call.span(at), message);
    call.say(finding.here(why));
    None
}

fn bad_burst<T>(call: &mut Call, at: usize, unit: Unit) -> Option<T> {
    let expected = match unit {
        Unit::Messages => "expected how many messages may come at once, 1 or more: \"burst=40\"",
        Unit::Bytes => "expected how many bytes may come at once, 1 or more: \"burst=256k\"",
    };
    let message = format!("invalid burst value \"{}\"", call.text(at).trim_start_matches("burst="));
    let finding = Diagnostic::error("invalid-value", call.span(at), message);
    call.say(finding.here(expected));
    None
}

/// A rate without its burst.
#[derive(Debug, PartialEq)]
struct Steady {
    unit: Unit,
    count: u64,
    per: Duration,
}

impl Steady {
    /// `20/s` and, as in `limit_req_zone`, `20r/s` are messages; with a `b` they are bytes, of which `k`, `m` and
    /// `g` make more. `64k/s` could be meant as either and is refused. The error is what was expected.
    fn read(word: &[u8]) -> Result<Steady, &'static str> {
        let word = word.to_ascii_lowercase();
        let (amount, per) = match &word[..] {
            [amount @ .., b'/', b's'] => (amount, Duration::from_secs(1)),
            [amount @ .., b'/', b'm'] => (amount, Duration::from_secs(60)),
            _ => return Err("expected a number per second (\"/s\") or per minute (\"/m\")"),
        };
        let (unit, count) = match amount {
            [size @ .., b'b'] => (Unit::Bytes, values::offset(size)),
            [.., b'k' | b'm' | b'g'] => return Err("bytes are written with a \"b\": \"64kb/s\""),
            [count @ .., b'r'] => (Unit::Messages, values::number(count)),
            count => (Unit::Messages, values::number(count)),
        };
        match count {
            None => Err("expected a number of messages (\"20/s\") or of bytes (\"64kb/s\")"),
            Some(0) => Err("a rate has to be more than 0; \"off\" is no limit"),
            Some(count) => Ok(Steady { unit, count, per }),
        }
    }

    /// What flows in within a second: so much may come at once where no burst is given.
    fn in_a_second(&self) -> u64 {
        (self.count / self.per.as_secs()).max(1)
    }

    /// A burst in the unit of the rate, more than 0.
    fn burst(&self, word: &[u8]) -> Option<u64> {
        let size = match self.unit {
            Unit::Messages => values::number(word),
            Unit::Bytes => {
                let word = word.to_ascii_lowercase();
                values::offset(word.strip_suffix(b"b").unwrap_or(&word))
            }
        };
        size.filter(|size| *size > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(word: &str) -> Option<(Unit, u64, u64)> {
        Steady::read(word.as_bytes()).ok().map(|read| (read.unit, read.count, read.per.as_secs()))
    }

    #[test]
    fn messages_are_counted_and_bytes_have_a_b() {
        assert_eq!(read("20/s"), Some((Unit::Messages, 20, 1)));
        assert_eq!(read("20r/s"), Some((Unit::Messages, 20, 1)));
        assert_eq!(read("600r/m"), Some((Unit::Messages, 600, 60)));
        assert_eq!(read("64kb/s"), Some((Unit::Bytes, 65536, 1)));
        assert_eq!(read("1MB/s"), Some((Unit::Bytes, 1 << 20, 1)));
        assert_eq!(read("5000b/m"), Some((Unit::Bytes, 5000, 60)));
    }

    #[test]
    fn what_could_be_meant_as_either_is_refused() {
        for word in
            ["20", "20/h", "20m/s", "64k/s", "0/s", "0kb/s", "-1/s", "/s", "b/s", "r/s", "1.5/s", "", "s"]
        {
            assert_eq!(read(word), None, "{word}");
        }
    }

    #[test]
    fn a_bucket_holds_what_flows_in_within_a_second_and_one_at_least() {
        let of = |word: &str| Steady::read(word.as_bytes()).unwrap().in_a_second();
        assert_eq!((of("20/s"), of("600/m"), of("5/m"), of("64kb/s")), (20, 10, 1, 65536));
    }

    #[test]
    fn a_burst_has_the_unit_of_its_rate() {
        let messages = Steady::read(b"20/s").unwrap();
        let bytes = Steady::read(b"64kb/s").unwrap();
        assert_eq!(
            (messages.burst(b"40"), messages.burst(b"4k"), messages.burst(b"0")),
            (Some(40), None, None)
        );
        assert_eq!(
            (bytes.burst(b"256k"), bytes.burst(b"1MB"), bytes.burst(b"x")),
            (Some(262144), Some(1 << 20), None)
        );
    }
}
