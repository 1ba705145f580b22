//! The faults in force: which one hits a request, and how often each has.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Failure, Fault};
use crate::sim::clock::Clock;

/// A fault in force, and what it has done so far.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Rule {
    /// What it is cleared by.
    pub(crate) id: u64,
    pub(crate) fault: Fault,
    /// Requests that it fits.
    pub(crate) seen: u32,
    /// Requests that it hit.
    pub(crate) hits: u32,
    /// When it began, on the simulator's clock.
    pub(crate) began: Duration,
}

impl Rule {
    fn is_over(&self, now: Duration) -> bool {
        let length = self.fault.for_milliseconds.map(Duration::from_millis);
        length.is_some_and(|length| now >= self.began + length)
    }

    /// Counts a request that it fits, and says whether this one is hit.
    fn hits(&mut self, seed: u64) -> bool {
        self.seen += 1;
        let is_spent = self.fault.times.is_some_and(|times| self.hits >= times);
        let name = || format!("privlink-sim/{seed}/fault/{}/{}", self.id, self.seen);
        let is_drawn = || self.fault.probability.is_none_or(|share| share.hits(&name()));
        let is_hit = self.seen > self.fault.after && !is_spent && is_drawn();
        self.hits += u32::from(is_hit);
        is_hit
    }
}

/// A fault that hits a request.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    pub(crate) fault: Fault,
    pub(crate) rule: u64,
}

#[derive(Debug, Default)]
struct Rules {
    list: Vec<Rule>,
    added: u64,
}

/// The faults in force; clones share them.
#[derive(Clone, Debug)]
pub struct Faults {
    rules: Arc<Mutex<Rules>>,
    seed: u64,
    clock: Clock,
}

impl Default for Faults {
    fn default() -> Self {
        Self::new(0, Clock::start())
    }
}

impl Faults {
    /// No faults. The seed decides about those that come by chance.
    pub fn new(seed: u64, clock: Clock) -> Self {
        Self { rules: Arc::default(), seed, clock }
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a fault behind the others and returns its id.
    pub(crate) fn add(&self, fault: Fault) -> u64 {
        let mut rules = self.rules();
        rules.added += 1;
        let id = rules.added;
        rules.list.push(Rule { id, fault, seen: 0, hits: 0, began: self.clock.elapsed() });
        id
    }

    /// Puts faults into force as they were when they were saved.
    pub(crate) fn restore(&self, list: Vec<Rule>) {
        let added = list.iter().map(|rule| rule.id).max().unwrap_or(0);
        *self.rules() = Rules { list, added };
    }

    /// Ends all faults.
    pub fn clear(&self) {
        self.rules().list.clear();
    }

    /// Ends one fault. Returns false if there is none with this id.
    pub(crate) fn end(&self, id: u64) -> bool {
        let mut rules = self.rules();
        let count = rules.list.len();
        rules.list.retain(|rule| rule.id != id);
        rules.list.len() < count
    }

    /// The faults in force, with what they have done.
    pub(crate) fn list(&self) -> Vec<Rule> {
        self.rules().list.clone()
    }

    /// The first fault that one of these may be and that hits the request.
    fn take(&self, may_be: impl Fn(&Fault) -> bool, request: (&str, &str, &str)) -> Option<Hit> {
        let (method, path, client) = request;
        let now = self.clock.elapsed();
        let mut rules = self.rules();
        rules.list.retain(|rule| !rule.is_over(now));
        let fits = |fault: &Fault| may_be(fault) && fault.matches(method, path, client);
        let hit = rules.list.iter_mut().find_map(|rule| (fits(&rule.fault) && rule.hits(self.seed)).then_some(rule))?;
        Some(Hit { fault: hit.fault.clone(), rule: hit.id })
    }

    /// The fault that hits this request over HTTP, if one does.
    pub(crate) fn take_for_request(&self, method: &str, path: &str, client: &str) -> Option<Hit> {
        self.take(|fault| !fault.in_operation, (method, path, client))
    }

    /// The fault that refuses this request from inside, if one does.
    pub(crate) fn take_for_call(&self, method: &str, path: &str, client: &str) -> Option<Fault> {
        self.take(|fault| !fault.in_operation && fault.refuses(), (method, path, client)).map(|hit| hit.fault)
    }

    /// How the operation that this request starts is to fail, if it is.
    pub(crate) fn take_for_operation(&self, method: &str, path: &str, client: &str) -> Option<Failure> {
        self.take(|fault| fault.in_operation, (method, path, client)).map(|hit| hit.fault.failure())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::fault::Probability;

    fn hits(faults: &Faults, count: usize) -> Vec<bool> {
        (0..count).map(|_| faults.take_for_request("GET", "/a", "").is_some()).collect()
    }

    #[test]
    fn a_fault_lets_some_requests_through_and_ends_after_its_count() {
        let faults = Faults::default();
        faults.add(Fault { path: "/a".into(), after: 1, times: Some(1), status: 503, ..Fault::default() });
        assert_eq!(hits(&faults, 4), [false, true, false, false]);
        assert_eq!((faults.list()[0].seen, faults.list()[0].hits), (4, 1));
    }

    #[test]
    fn a_fault_ends_with_its_time() {
        let clock = Clock::start();
        let faults = Faults::new(0, clock.clone());
        faults.add(Fault { for_milliseconds: Some(60_000), status: 503, ..Fault::default() });
        assert_eq!(hits(&faults, 1), [true]);
        clock.advance(Duration::from_secs(61));
        assert_eq!(hits(&faults, 1), [false]);
        assert!(faults.list().is_empty());
    }

    #[test]
    fn chance_follows_from_the_seed() {
        let of_seed = |seed: u64| {
            let faults = Faults::new(seed, Clock::start());
            faults.add(Fault { probability: Probability::of(0.3), status: 500, ..Fault::default() });
            hits(&faults, 200)
        };
        assert_eq!(of_seed(1), of_seed(1));
        assert_ne!(of_seed(1), of_seed(2));
        let share = of_seed(1).into_iter().filter(|hit| *hit).count();
        assert!((40..80).contains(&share), "{share}");
    }

    #[test]
    fn one_fault_can_be_ended() {
        let faults = Faults::default();
        let (first, second) = (faults.add(Fault::default()), faults.add(Fault::default()));
        assert!(faults.end(first) && !faults.end(first));
        assert_eq!(faults.list()[0].id, second);
    }

    #[test]
    fn what_needs_a_connection_does_not_hit_a_call_from_inside() {
        let faults = Faults::default();
        faults.add(Fault { drop_request: true, times: Some(1), ..Fault::default() });
        assert!(faults.take_for_call("GET", "/a", "").is_none());
        assert_eq!(hits(&faults, 2), [true, false], "and was not used up by one");
    }
}
