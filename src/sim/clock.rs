//! The simulator's clock: real time plus what a test added to it, so that nobody has to sleep.
//!
//! Whoever waits for a moment of this clock is woken when it is moved forward, not only when real time has passed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

/// A clock that can be moved forward; clones share their time.
#[derive(Clone, Debug)]
pub struct Clock {
    started: Instant,
    epoch: Timestamp,
    added: Arc<watch::Sender<Duration>>,
}

impl Clock {
    /// Starts at the present.
    pub fn start() -> Self {
        let added = Arc::new(watch::Sender::new(Duration::ZERO));
        Self { started: Instant::now(), epoch: Timestamp::now(), added }
    }

    /// Time since the start, including what was added.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed() + *self.added.borrow()
    }

    /// The time of day as the simulator sees it, in seconds since 1970.
    pub fn unix_seconds(&self) -> i64 {
        self.epoch.as_second() + i64::try_from(self.elapsed().as_secs()).unwrap_or(0)
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

    #[tokio::test]
    async fn moving_the_clock_wakes_those_who_wait() {
        let clock = Clock::start();
        let other = clock.clone();
        let waiting = tokio::spawn(async move { other.sleep(Duration::from_secs(3600)).await });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(1800));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "half of it is not all of it");
        clock.advance(Duration::from_secs(1801));
        waiting.await.unwrap();
        assert!(clock.elapsed() >= Duration::from_secs(3601));
    }
}
