//! `limit_req`: a leaky bucket for each key (`ngx_http_limit_req_module.c`), to the millisecond.
//!
//! Requests that are more than the rate allows make up a bucket's excess, which runs out at that rate.
//! Excesses are in thousandths of a request, rates in thousandths of a request a second, times in
//! milliseconds.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::table::Table;

/// The length of a key up to which it is counted.
pub const LONGEST_RATE_KEY: usize = 65_535;

/// The bytes that nginx keeps beside each key, and for a zone itself.
const OVERHEAD: usize = 80;
const OWN: usize = 80;

/// How long a bucket is kept that nobody asks for.
const KEPT: i64 = 60_000;

/// How far back a clock may go before the difference counts for something: the clocks of workers differ.
const SKEW: i64 = 60_000;

/// A zone, shared by all workers.
pub struct Rates {
    table: Mutex<Table<Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    excess: i64,
    /// When the excess was what it is.
    last: i64,
    /// Requests about which other zones are being asked.
    held: u32,
}

/// How a zone's buckets limit what is asked for.
#[derive(Clone, Copy)]
pub struct Limit<'z> {
    pub zone: &'z Rates,
    /// More than 0.
    pub rate: i64,
    /// What is beyond this excess is too much.
    pub burst: i64,
    /// What is beyond this one waits.
    pub delay: i64,
}

/// What several limits come to for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No limit has a key for it.
    Uncounted,
    Passed,
    /// It is to wait for so many milliseconds; `limit` is the number of the one that has it wait longest.
    Delayed {
        limit: usize,
        excess: i64,
        delay: i64,
    },
    /// It is one too many for this limit.
    Refused {
        limit: usize,
        excess: i64,
    },
    /// This limit's zone has no room for its key, all buckets being asked for.
    NoRoom {
        limit: usize,
    },
}

/// Asks one limit after the other, of which there are `count`; a request counts with all of them or with
/// none (`ngx_http_limit_req_handler`).
///
/// `limit` writes the key of the limit with this number into an empty buffer, or gives none where the request
/// has no key for it.
pub fn judge<'z>(
    count: usize,
    limit: &mut impl FnMut(usize, &mut Vec<u8>) -> Option<Limit<'z>>,
    key: &mut Vec<u8>,
    now: i64,
) -> Verdict {
    judge_from(0, count, limit, key, now, Verdict::Uncounted)
}

/// The same from one limit on; `so_far` is what those before it come to, if nothing follows.
fn judge_from<'z>(
    number: usize,
    count: usize,
    limit: &mut impl FnMut(usize, &mut Vec<u8>) -> Option<Limit<'z>>,
    key: &mut Vec<u8>,
    now: i64,
    so_far: Verdict,
) -> Verdict {
    if number == count {
        return so_far;
    }
    key.clear();
    let Some(own) = limit(number, key) else {
        return judge_from(number + 1, count, limit, key, now, so_far);
    };
    let is_last = number + 1 == count;
    match own.look(key, now, is_last) {
        Look::TooMuch(excess) => Verdict::Refused { limit: number, excess },
        Look::NoRoom => Verdict::NoRoom { limit: number },
        Look::Counted(excess) => own.wait(number, excess, Verdict::Passed),
        Look::Held(held) => match judge_from(number + 1, count, limit, key, now, Verdict::Passed) {
            refused @ (Verdict::Refused { .. } | Verdict::NoRoom { .. }) => refused,
            verdict => own.wait(number, held.count(own.rate, now), verdict),
        },
    }
}

enum Look<'z> {
    TooMuch(i64),
    /// It has been counted.
    Counted(i64),
    /// It will be if all others let it pass.
    Held(Held<'z>),
    NoRoom,
}

impl<'z> Limit<'z> {
    /// `ngx_http_limit_req_lookup`.
    fn look(&self, key: &[u8], now: i64, is_last: bool) -> Look<'z> {
        let mut table = self.zone.lock();
        if let Some(at) = table.find(key) {
            table.touch(at);
            let bucket = table.get(at);
            let (excess, moved) = bucket.with_one_more(self.rate, now);
            if excess > self.burst {
                return Look::TooMuch(excess);
            }
            if is_last {
                bucket.set(excess, moved.then_some(now));
                return Look::Counted(excess);
            }
            bucket.held += 1;
            return Look::Held(Held { zone: self.zone, at });
        }
        forget(&mut table, self.rate, now, false);
        // A bucket that nobody has counted in is as if nobody had asked for ages.
        let bucket = if is_last {
            Bucket { excess: 0, last: now, held: 0 }
        } else {
            Bucket { excess: 0, last: i64::MIN, held: 1 }
        };
        let mut at = table.insert(key, bucket);
        if at.is_none() {
            forget(&mut table, self.rate, now, true);
            at = table.insert(key, bucket);
        }
        match at {
            None => Look::NoRoom,
            Some(_) if is_last => Look::Counted(0),
            Some(at) => Look::Held(Held { zone: self.zone, at }),
        }
    }

    /// What becomes of a verdict when this limit has counted, too: the one that delays longest has its way.
    fn wait(&self, number: usize, excess: i64, verdict: Verdict) -> Verdict {
        let own = match excess.saturating_sub(self.delay) {
            over @ 1.. => over.saturating_mul(1000) / self.rate,
            _ => 0,
        };
        let others = match verdict {
            Verdict::Delayed { delay, .. } => delay,
            _ => 0,
        };
        if own > others { Verdict::Delayed { limit: number, excess, delay: own } } else { verdict }
    }
}

/// Keeps a bucket from being forgotten while other zones are asked.
struct Held<'z> {
    zone: &'z Rates,
    at: u32,
}

impl Held<'_> {
    /// Counts the request (`ngx_http_limit_req_account`); gives the excess that there is now.
    fn count(self, rate: i64, now: i64) -> i64 {
        let mut table = self.zone.lock();
        let bucket = table.get(self.at);
        let (excess, moved) = bucket.with_one_more(rate, now);
        bucket.set(excess, moved.then_some(now));
        excess
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.zone.lock().get(self.at).held -= 1;
    }
}

impl Bucket {
    /// The excess with a request that comes now, and whether time has passed since it was last counted.
    fn with_one_more(&self, rate: i64, now: i64) -> (i64, bool) {
        let passed = match now.saturating_sub(self.last) {
            passed if passed < -SKEW => 1,
            passed => passed.max(0),
        };
        let excess = self.excess.saturating_sub(leaked(rate, passed)).saturating_add(1000);
        (excess.max(0), passed != 0)
    }

    fn set(&mut self, excess: i64, last: Option<i64>) {
        self.excess = excess;
        self.last = last.unwrap_or(self.last);
    }
}

/// What runs out in so many milliseconds.
fn leaked(rate: i64, milliseconds: i64) -> i64 {
    rate.saturating_mul(milliseconds) / 1000
}

/// Forgets up to two buckets that have run empty and that nobody asked for; with `force` the oldest of all
/// first (`ngx_http_limit_req_expire`).
fn forget(table: &mut Table<Bucket>, rate: i64, now: i64, force: bool) {
    for is_forced in [true, false, false].into_iter().skip(usize::from(!force)) {
        let Some(at) = table.oldest() else { return };
        let bucket = table.get(at);
        if bucket.held > 0 {
            return;
        }
        let idle = now.saturating_sub(bucket.last).saturating_abs();
        if !is_forced && (idle < KEPT || bucket.excess > leaked(rate, idle)) {
            return;
        }
        table.remove(at);
    }
}

impl Rates {
    /// A zone of so many bytes; nginx keeps its name in it.
    pub fn new(name: &[u8], size: u64) -> Rates {
        let log_context = b" in limit_req zone \"\"\0".len() + name.len();
        Rates { table: Mutex::new(Table::new(size, &[OWN, log_context], OVERHEAD)) }
    }

    fn lock(&self) -> MutexGuard<'_, Table<Bucket>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Rates {
    /// How many buckets there are, how many requests are held in all of them, and the bytes they take.
    pub(super) fn account(&self) -> (usize, u32, usize) {
        let mut table = self.lock();
        let (buckets, memory) = (table.len(), table.memory());
        let held = (0..buckets as u32).map(|at| table.get(at).held).sum();
        (buckets, held, memory)
    }
}
