//! The simulator's clock: real time plus what a test added to it, so that nobody has to sleep.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// A clock that can be moved forward; clones share their time.
#[derive(Clone, Debug)]
pub struct Clock {
    started: Instant,
    epoch: Timestamp,
    added: Arc<AtomicU64>,
}

impl Clock {
    /// Starts at the present.
    pub fn start() -> Self {
        Self { started: Instant::now(), epoch: Timestamp::now(), added: Arc::new(AtomicU64::new(0)) }
    }

    /// Time since the start, including what was added.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed() + Duration::from_millis(self.added.load(Ordering::Relaxed))
    }

    /// The time of day as the simulator sees it, in seconds since 1970.
    pub fn unix_seconds(&self) -> i64 {
        self.epoch.as_second() + i64::try_from(self.elapsed().as_secs()).unwrap_or(0)
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.added.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
