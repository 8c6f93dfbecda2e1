//! Times as people say and write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The end of the year 9999: what is later has no date.
const LAST_DATE: u64 = 253_402_300_799;

/// Seconds from now, before it where negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FromNow(pub i64);

impl FromNow {
    fn of(self, now: Duration) -> Duration {
        let length = Duration::from_secs(self.0.unsigned_abs());
        if self.0 < 0 { now.saturating_sub(length) } else { now.saturating_add(length) }
    }
}

/// For clap: `30s`, `1h 30m`, `-10s`.
pub fn from_now(text: &str) -> Result<FromNow, String> {
    let (sign, length) = match text.strip_prefix('-') {
        Some(length) => (-1, length),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let length = humantime::parse_duration(length)
        .map_err(|_| "expected a time from now such as 30s, 15m, 1h, or -10s for the past".to_owned())?;
    let seconds = i64::try_from(length.as_secs()).ok().filter(|seconds| *seconds <= LAST_DATE as i64);
    seconds.map(|seconds| FromNow(sign * seconds)).ok_or_else(|| "that is too far away".into())
}

/// For clap: a moment since the Unix epoch, as a date, as seconds, or from now.
pub fn moment(text: &str) -> Result<Duration, String> {
    if text.starts_with(['+', '-']) {
        return from_now(text).map(|away| away.of(now()));
    }
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let date = humantime::parse_rfc3339_weak(text).map_err(|_| {
        "expected a date such as 2026-01-31T12:00:00Z, seconds since 1970, or a time from now such as +30s"
    })?;
    Ok(date.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Since the Unix epoch.
pub fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// `in 28s`, `2m 5s ago`, `now`: in whole seconds, the two largest units.
pub fn away(now: Duration, then: Duration) -> String {
    let words = |length: Duration| {
        let whole = humantime::format_duration(Duration::from_secs(length.as_secs())).to_string();
        whole.split(' ').take(2).collect::<Vec<_>>().join(" ")
    };
    match (then.as_secs().saturating_sub(now.as_secs()), now.as_secs().saturating_sub(then.as_secs())) {
        (0, 0) => "now".into(),
        (ahead @ 1.., _) => format!("in {}", words(Duration::from_secs(ahead))),
        (_, behind) => format!("{} ago", words(Duration::from_secs(behind))),
    }
}

/// `2026-01-31T12:00:00Z`, where there is such a date.
pub fn date(then: Duration) -> Option<String> {
    let seconds = Duration::from_secs(then.as_secs());
    (seconds.as_secs() <= LAST_DATE)
        .then(|| humantime::format_rfc3339_seconds(UNIX_EPOCH + seconds).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_words() {
        let at = Duration::from_secs;
        assert_eq!(away(at(100), at(128)), "in 28s");
        assert_eq!(away(at(1000), at(875)), "2m 5s ago");
        assert_eq!(away(at(100), at(100)), "now");
        assert_eq!(away(at(0), at(90_061)), "in 1day 1h");
        assert!(away(at(0), at(u64::MAX)).starts_with("in "));
        assert_eq!(date(at(1_767_225_600)).as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!((date(at(LAST_DATE)).is_some(), date(at(LAST_DATE + 1))), (true, None));
    }

    #[test]
    fn times_that_are_asked_for() {
        assert_eq!(from_now("30s"), Ok(FromNow(30)));
        assert_eq!(from_now("+1h 30m"), Ok(FromNow(5400)));
        assert_eq!(from_now("-10s"), Ok(FromNow(-10)));
        assert!(from_now("soon").is_err() && from_now("--1s").is_err() && from_now("99999999999y").is_err());
        assert_eq!(moment("1767225600"), Ok(Duration::from_secs(1_767_225_600)));
        assert_eq!(moment("2026-01-01T00:00:00Z"), Ok(Duration::from_secs(1_767_225_600)));
        assert_eq!(moment("2026-01-01 00:00:00"), Ok(Duration::from_secs(1_767_225_600)));
        assert!(moment("+1h").expect("an hour from now") > now());
        assert!(moment("tomorrow").is_err() && moment("+30").is_err());
    }
}
