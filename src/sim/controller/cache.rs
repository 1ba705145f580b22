//! What the cloud provider remembers of Azure, and for how long.
//!
//! Forgetting is as telling as remembering: an endpoint connection that came after the last look is unknown to a deletion,
//! a Private Link Service that somebody deleted is missed only later, and most writes are followed by a read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::sim::clock::Clock;

/// Scale sets and machines are remembered for ten minutes where the rest is for two.
const MACHINE_FACTOR: u32 = 5;

/// Things by key, each with the moment until which it counts.
type Entries<T> = BTreeMap<String, (Duration, T)>;

/// One cache; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Cache<T> {
    clock: Clock,
    lifetime: Duration,
    entries: Arc<Mutex<Entries<T>>>,
}

impl<T: Clone> Cache<T> {
    fn new(clock: &Clock, lifetime: Duration) -> Self {
        Self { clock: clock.clone(), lifetime, entries: Arc::default() }
    }

    fn entries(&self) -> MutexGuard<'_, Entries<T>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered, if it is not too old.
    pub(crate) fn get(&self, key: &str) -> Option<T> {
        let now = self.clock.elapsed();
        self.entries().get(key).filter(|(until, _)| now < *until).map(|(_, value)| value.clone())
    }

    pub(crate) fn put(&self, key: &str, value: T) {
        let until = self.clock.elapsed() + self.lifetime;
        self.entries().insert(key.to_owned(), (until, value));
    }

    pub(crate) fn forget(&self, key: &str) {
        self.entries().remove(key);
    }
}

/// All caches of one cloud provider.
#[derive(Clone, Debug)]
pub(crate) struct Caches {
    /// By group and frontend; that there is none is remembered too.
    pub(crate) link_services: Cache<Option<Value>>,
    /// By path.
    pub(crate) balancers: Cache<Value>,
    /// By path of the list.
    pub(crate) public_addresses: Cache<Vec<Value>>,
    /// By path.
    pub(crate) security_groups: Cache<Value>,
    /// By path of the list.
    pub(crate) scale_sets: Cache<Vec<Value>>,
    /// By path of the list.
    pub(crate) machines: Cache<Vec<Value>>,
}

impl Caches {
    pub(crate) fn new(clock: Clock, lifetime: Duration) -> Self {
        let long = lifetime * MACHINE_FACTOR;
        Self {
            link_services: Cache::new(&clock, lifetime),
            balancers: Cache::new(&clock, lifetime),
            public_addresses: Cache::new(&clock, lifetime),
            security_groups: Cache::new(&clock, lifetime),
            scale_sets: Cache::new(&clock, long),
            machines: Cache::new(&clock, long),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_ends_with_its_time() {
        let clock = Clock::start();
        let cache = Cache::new(&clock, Duration::from_secs(120));
        cache.put("a", 1);
        clock.advance(Duration::from_secs(119));
        assert_eq!(cache.get("a"), Some(1));
        clock.advance(Duration::from_secs(2));
        assert_eq!(cache.get("a"), None);
    }

    #[test]
    fn without_a_lifetime_nothing_is_remembered() {
        let cache = Cache::new(&Clock::start(), Duration::ZERO);
        cache.put("a", 1);
        assert_eq!(cache.get("a"), None);
    }
}
