//! The wall clock as logs and headers write it, formatted once a second.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::net::wall_clock;

/// One second in every form.
#[derive(Debug)]
pub struct Texts {
    second: u64,
    /// `23/Nov/2026:05:10:28 +0000`
    pub local: String,
    /// `2026-11-23T05:10:28+00:00`
    pub iso8601: String,
    /// `2026/11/23 05:10:28`
    pub error_log: String,
    /// `Mon, 23 Nov 2026 05:10:28 GMT` (RFC 9110, IMF-fixdate)
    pub http: String,
}

thread_local! {
    static NOW: RefCell<Option<Rc<Texts>>> = const { RefCell::new(None) };
    static ZONE: TimeZone = TimeZone::system();
}

/// The texts of the current second.
pub fn now() -> Rc<Texts> {
    let second = wall_clock().as_secs();
    NOW.with_borrow_mut(|now| match now {
        Some(texts) if texts.second == second => texts.clone(),
        _ => now.insert(Rc::new(texts(second))).clone(),
    })
}

fn texts(second: u64) -> Texts {
    let timestamp = Timestamp::from_second(second as i64).unwrap_or_default();
    let local = ZONE.with(|zone| timestamp.to_zoned(zone.clone()));
    Texts {
        second,
        local: local.strftime("%d/%b/%Y:%H:%M:%S %z").to_string(),
        iso8601: local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        error_log: local.strftime("%Y/%m/%d %H:%M:%S").to_string(),
        http: httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second)),
    }
}
