//! The simulator's clock: real time plus what a test added to it, so that nobody has to sleep.
//!
//! Whoever waits for a moment of this clock is woken when it is moved forward, not only when real time has passed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// A clock that can be moved forward; clones share their time.
#[derive(Clone, Debug)]
pub struct Clock {
    started: Instant,
    epoch: Timestamp,
    /// What earlier runs of the same world have seen.
    before: Reading,
    added: Arc<watch::Sender<Duration>>,
}

/// Where a clock stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// Time since the first start.
    elapsed: Duration,
    /// What was added to real time.
    ahead: Duration,
}

impl Clock {
    /// Starts at the present.
    pub fn start() -> Self {
        Self::resume(Reading::default())
    }

    /// Goes on where a clock stood; the time of day is the present plus what was added.
    pub(crate) fn resume(before: Reading) -> Self {
        Self { started: Instant::now(), epoch: Timestamp::now(), before, added: Arc::new(watch::Sender::default()) }
    }

    /// Where it stands.
    pub(crate) fn reading(&self) -> Reading {
        Reading { elapsed: self.elapsed(), ahead: self.ahead() }
    }

    /// Time since the start, including what was added.
    pub fn elapsed(&self) -> Duration {
        self.before.elapsed + self.started.elapsed() + *self.added.borrow()
    }

    /// What was added to real time.
    pub(crate) fn ahead(&self) -> Duration {
        self.before.ahead + *self.added.borrow()
    }

    /// The time of day as the simulator sees it, in seconds since 1970.
    pub fn unix_seconds(&self) -> i64 {
        let since = self.started.elapsed() + self.ahead();
        self.epoch.as_second() + i64::try_from(since.as_secs()).unwrap_or(0)
    }

    /// Moves the clock forward and wakes everybody who waits for a moment that has come thereby.
    pub fn advance(&self, by: Duration) {
        self.added.send_modify(|added| *added = added.saturating_add(by));
    }

    /// Waits until [`Clock::elapsed`] has reached a moment.
    pub(crate) async fn reached(&self, moment: Duration) {
        // Subscribed before looking, so an advance in between is not missed.
        let mut moved = self.added.subscribe();
        loop {
            let left = moment.saturating_sub(self.elapsed());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                // The sender lives as long as `self`, so this cannot fail.
                _ = moved.changed() => {}
            }
        }
    }

    /// Waits for a time to pass.
    pub(crate) async fn sleep(&self, time: Duration) {
        self.reached(self.elapsed().saturating_add(time)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn moving_the_clock_ends_a_wait() {
        let clock = Clock::start();
        let waits = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(HOUR).await }
        });
        tokio::task::yield_now().await;
        clock.advance(2 * HOUR);
        waits.await.unwrap();
    }

    #[test]
    fn a_clock_goes_on_where_it_stood() {
        let clock = Clock::start();
        clock.advance(HOUR);
        let resumed = Clock::resume(clock.reading());
        assert!(resumed.elapsed() >= HOUR && resumed.elapsed() < 2 * HOUR);
        assert!(resumed.unix_seconds() >= Timestamp::now().as_second() + 3599);
    }
}
