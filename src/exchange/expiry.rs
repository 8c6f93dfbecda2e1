//! A socket's life is that of the token that let it in.

use std::time::Duration;

use crate::net::wall_clock;

use super::life::Exchange;

/// Clients whose tokens expire in the same moment would all come back in the same moment: where there is grace,
/// their sockets end one after the other, within the last part of it that is no longer than this.
const SPREAD: Duration = Duration::from_secs(5);

/// How long an echo goes without a look at the clock on the wall, which somebody may set.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(60);

impl Exchange<'_> {
    /// When the socket that comes of this request has to end, since 1970 (`websocket_token_expiry`).
    pub fn expires(&self) -> Option<Duration> {
        let expires = self.request.token_expires?;
        let grace = self.settings.websocket.token_expiry.as_ref()?.after;
        let mut chance = [0; 2];
        if !grace.is_zero() {
            // Where the system has no randomness, they end together.
            let _ = getrandom::fill(&mut chance);
        }
        Some(end(expires, grace, u16::from_ne_bytes(chance)))
    }
}

/// Not before the token has expired, and not after the grace is over.
fn end(expires: Duration, grace: Duration, chance: u16) -> Duration {
    let early = grace.min(SPREAD).as_millis() as u64 * u64::from(chance) / u64::from(u16::MAX);
    expires.saturating_add(grace).saturating_sub(Duration::from_millis(early))
}

/// Ready once the clock on the wall shows `moment`; never if there is none.
pub async fn reached(moment: Option<Duration>) {
    let Some(moment) = moment else { return std::future::pending().await };
    loop {
        let left = moment.saturating_sub(wall_clock());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LOOK_AT_CLOCK)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_spread_within_the_last_part_of_the_grace() {
        let second = Duration::from_secs;
        assert_eq!(end(second(1000), second(0), 0), second(1000));
        assert_eq!(end(second(1000), second(0), u16::MAX), second(1000));
        assert_eq!(end(second(1000), second(2), 0), second(1002));
        assert_eq!(end(second(1000), second(2), u16::MAX), second(1000));
        assert_eq!(end(second(1000), second(60), u16::MAX), second(1055));
        assert_eq!(end(Duration::MAX, second(60), 0), Duration::MAX);
        let ends: Vec<Duration> = (0..100).map(|share| end(second(1000), second(60), share * 655)).collect();
        assert!(ends.is_sorted_by(|earlier, later| earlier >= later));
        assert!(ends.iter().all(|end| (second(1055)..=second(1060)).contains(end)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_moment_is_waited_for_and_none_never_comes() {
        reached(Some(Duration::ZERO)).await;
        let never = tokio::time::timeout(Duration::from_secs(86400), reached(None));
        assert!(never.await.is_err());
    }
}
