//! After a 429 the client asks nothing more until the time is over that the answer named; reads and writes apart.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::error::CloudError;
use crate::sim::arm::Reply;

/// Until when reads and writes are stopped, in the simulator's time.
#[derive(Debug, Default)]
struct Stops {
    reads: Duration,
    writes: Duration,
}

impl Stops {
    fn of(&mut self, method: &str) -> &mut Duration {
        if method == "GET" { &mut self.reads } else { &mut self.writes }
    }
}

/// The client's memory of being throttled; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Throttle(Arc<Mutex<Stops>>);

impl Throttle {
    /// Refuses a request while its kind is stopped.
    ///
    /// # Errors
    /// If an answer of before asked for more patience.
    pub(super) fn check(&self, method: &str, now: Duration) -> Result<(), CloudError> {
        let mut stops = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= *stops.of(method) {
            return Ok(());
        }
        Err(CloudError::local("azure cloud provider throttled: client throttled, TooManyRequest"))
    }

    /// Learns from an answer.
    pub(super) fn note(&self, method: &str, reply: &Reply, now: Duration) {
        let wait = reply.header("Retry-After").and_then(|text| text.trim().parse::<u64>().ok());
        if let (429, Some(seconds)) = (reply.status, wait) {
            let mut stops = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *stops.of(method) = now.saturating_add(Duration::from_secs(seconds));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_throttled_read_stops_reads_and_lets_writes_through() {
        let (throttle, now) = (Throttle::default(), Duration::from_secs(100));
        let headers = vec![("Retry-After".to_owned(), "7".to_owned())];
        throttle.note("GET", &Reply { status: 429, headers, body: Value::Null }, now);
        assert!(throttle.check("GET", now + Duration::from_secs(6)).is_err());
        assert!(throttle.check("PUT", now).is_ok());
        assert!(throttle.check("GET", now + Duration::from_secs(7)).is_ok());
    }

    #[test]
    fn without_a_time_nothing_is_stopped() {
        let throttle = Throttle::default();
        throttle.note("PUT", &Reply { status: 429, headers: Vec::new(), body: Value::Null }, Duration::ZERO);
        assert!(throttle.check("PUT", Duration::ZERO).is_ok());
    }
}
