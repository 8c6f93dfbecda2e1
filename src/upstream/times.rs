//! How long a peer takes to answer, as `least_time` counts it (`ngx_http_upstream_least_time_module`).

use super::peer::Now;
use super::spec::TimeTo;

/// The means of one peer, in milliseconds; 0 is none yet.
#[derive(Clone, Debug, Default)]
pub struct Times {
    header: u32,
    last_byte: u32,
    /// None until something was counted `inflight`: most groups never do.
    flights: Option<Box<Flights>>,
}

/// Tries that go on.
#[derive(Clone, Debug, Default)]
struct Flights {
    count: u32,
    /// The millisecond at which one was last added or taken out.
    changed: i64,
    /// How long all of them together had gone on by then.
    spent: u64,
    /// The mean of what choosing found them to have taken.
    mean: u32,
}

/// One try of a peer, for as long as it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Trip {
    began: Now,
    /// How long its header took, once that has come.
    pub header: Option<u32>,
    /// It is counted among those that go on.
    pub flies: bool,
}

/// What is learnt of a try, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    pub header: Option<u32>,
    pub last_byte: Option<u32>,
    /// It does not go on any more, and took so long.
    pub landed: Option<u32>,
}

impl Trip {
    pub fn begin(now: Now, flies: bool) -> Trip {
        Trip { began: now, header: None, flies }
    }

    /// How long it has taken so far.
    pub fn took(&self, now: Now) -> u32 {
        since(self.began.0, now)
    }
}

impl Times {
    pub fn mean(&self, to: TimeTo) -> u32 {
        match to {
            TimeTo::Header => self.header,
            TimeTo::LastByte => self.last_byte,
        }
    }

    /// What those that go on are estimated to take; 0 where there are none.
    pub fn of_flights(&self) -> u32 {
        self.flights.as_ref().filter(|flights| flights.count > 0).map_or(0, |flights| flights.mean)
    }

    /// Has those that go on count for as long as they have by now. Asked by each choice, as in nginx, so that the
    /// mean follows faster where choices are frequent.
    pub fn watch_flights(&mut self, now: Now) {
        if let Some(flights) = self.flights.as_mut().filter(|flights| flights.count > 0) {
            let each = flights.spent / u64::from(flights.count) + u64::from(since(flights.changed, now));
            flights.mean = average(flights.mean, u32::try_from(each).unwrap_or(u32::MAX));
        }
    }

    /// One more goes on.
    pub fn take_off(&mut self, now: Now) {
        let flights = self.flights.get_or_insert_default();
        flights.add_up(now);
        flights.count += 1;
    }

    pub fn learn(&mut self, told: &Told, now: Now) {
        for (mean, took) in [(&mut self.header, told.header), (&mut self.last_byte, told.last_byte)] {
            if let Some(took) = took {
                *mean = average(*mean, took);
            }
        }
        if let (Some(flights), Some(took)) = (&mut self.flights, told.landed) {
            flights.land(took, now);
        }
    }
}

impl Flights {
    fn add_up(&mut self, now: Now) {
        self.spent += u64::from(since(self.changed, now)) * u64::from(self.count);
        self.changed = now.0;
    }

    /// `took` is the time of the one that is taken out. nginx forgets to take out that of one that failed
    /// (`response_time` is not set when `ngx_http_upstream_next` frees its peer).
    fn land(&mut self, took: u32, now: Now) {
        self.add_up(now);
        self.count = self.count.saturating_sub(1);
        self.spent = if self.count == 0 { 0 } else { self.spent.saturating_sub(u64::from(took)) };
    }
}

/// A twentieth of the new and the rest of the old, rounded (`ngx_http_upstream_response_time_avg`).
fn average(mean: u32, took: u32) -> u32 {
    match mean {
        0 => took,
        mean => (0.5 + (f64::from(took) * 0.05 + f64::from(mean) * 0.95)) as u32,
    }
}

/// Milliseconds; none for a worker whose clock is a moment behind another's.
fn since(moment: i64, now: Now) -> u32 {
    u32::try_from(now.0.saturating_sub(moment).max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(header: &[u32]) -> u32 {
        let mut times = Times::default();
        for took in header {
            times.learn(&Told { header: Some(*took), ..Told::default() }, Now(0));
        }
        times.mean(TimeTo::Header)
    }

    #[test]
    fn a_mean_follows_by_a_twentieth() {
        assert_eq!(learnt(&[100]), 100);
        // 0.05 × 200 + 0.95 × 100 = 105; then 0.05 × 0 + 0.95 × 105 = 99.75, rounded up.
        assert_eq!(learnt(&[100, 200]), 105);
        assert_eq!(learnt(&[100, 200, 0]), 100);
        // 0.05 × 0 + 0.95 × 9 = 8.55 is 9 for ever; a mean of 0 is none.
        assert_eq!(learnt(&[9, 0, 0]), 9);
        assert_eq!(learnt(&[0, 40]), 40);
    }

    #[test]
    fn what_goes_on_counts_for_as_long_as_it_has() {
        let mut times = Times::default();
        times.take_off(Now(1_000));
        times.take_off(Now(1_100));
        // 100 and 0 ms by then, and 60 since: (100 + 0) / 2 + 60 = 110 each.
        times.watch_flights(Now(1_160));
        assert_eq!(times.of_flights(), 110);
        // The first is back after 300 ms: (100 + 2 × 200) − 300 = 200 stay for the other.
        times.learn(&Told { landed: Some(300), ..Told::default() }, Now(1_300));
        // 200 / 1 + 700 = 900, and 0.05 × 900 + 0.95 × 110 = 149.5, rounded up.
        times.watch_flights(Now(2_000));
        assert_eq!(times.of_flights(), 150);
        times.learn(&Told { landed: Some(1_000), ..Told::default() }, Now(2_100));
        assert_eq!(times.of_flights(), 0, "nothing goes on");
        // The mean stays for the next: 0.05 × 10 + 0.95 × 150 = 143.
        times.take_off(Now(3_000));
        times.watch_flights(Now(3_010));
        assert_eq!(times.of_flights(), 143);
    }
}
