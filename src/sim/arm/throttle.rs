//! Azure's limits on the rate of requests: token buckets per principal, subscription and class of operation.
//!
//! A bucket refills on the simulator's clock. Beside the bucket of a principal there is one of the whole subscription, 15
//! times as large. A world decides whether an empty bucket refuses, or is only told in the headers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::sim::arm::error::ArmError;
use crate::sim::arm::request::{Caller, Request};
use crate::sim::clock::Clock;

/// What the limits on the rate of requests do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Throttling {
    /// The headers count down and an empty bucket answers 429 with `Retry-After`.
    Enforce,
    /// The headers count down and nothing is refused.
    #[default]
    Report,
    /// No headers, no refusals.
    Off,
}

/// How much larger the bucket is that all principals share.
const GLOBAL: f64 = 15.0;

/// A class of operations: its word in headers, the size of its bucket, and its refill per second.
type Class = (&'static str, f64, f64);

const READS: Class = ("reads", 250.0, 25.0);
const WRITES: Class = ("writes", 200.0, 10.0);
const DELETES: Class = ("deletes", 200.0, 10.0);

fn class_of(method: &str) -> Class {
    match method {
        "GET" | "HEAD" => READS,
        "DELETE" => DELETES,
        _ => WRITES,
    }
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Duration,
}

/// What a request costs.
#[derive(Debug, Default)]
pub(crate) struct Charge {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) refusal: Option<ArmError>,
}

/// All buckets; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Throttle {
    rule: Throttling,
    clock: Clock,
    buckets: Arc<Mutex<BTreeMap<String, Bucket>>>,
}

impl Throttle {
    pub(crate) fn new(rule: Throttling, clock: Clock) -> Self {
        Self { rule, clock, buckets: Arc::default() }
    }

    /// Takes a token for a request of an identity; the platform itself is not limited.
    pub(crate) fn charge(&self, request: &Request) -> Charge {
        let Caller::Identity(principal) = &request.caller else { return Charge::default() };
        if self.rule == Throttling::Off {
            return Charge::default();
        }
        let mut parts = request.path.split('/').filter(|part| !part.is_empty());
        let subscription = match (parts.next(), parts.next()) {
            (Some(word), Some(id)) if word.eq_ignore_ascii_case("subscriptions") => Some(id.to_ascii_lowercase()),
            _ => None,
        };
        let (word, size, refill) = class_of(&request.method);
        let Some(subscription) = subscription else {
            let left = self.take(format!("tenant/{}/{word}", principal.object_id), (size, refill));
            return self.judge(vec![(format!("tenant-{word}"), left)], "the tenant", refill);
        };
        let own = self.take(format!("{subscription}/{}/{word}", principal.object_id), (size, refill));
        let all = self.take(format!("{subscription}//{word}"), (size * GLOBAL, refill * GLOBAL));
        let left = vec![(format!("subscription-{word}"), own), (format!("subscription-global-{word}"), all)];
        self.judge(left, &format!("subscription '{subscription}'"), refill)
    }

    /// The tokens left after this one; below zero if there was none.
    fn take(&self, name: String, (size, refill): (f64, f64)) -> f64 {
        let now = self.clock.elapsed();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(name).or_insert(Bucket { tokens: size, at: now });
        bucket.tokens = (bucket.tokens + refill * now.saturating_sub(bucket.at).as_secs_f64()).min(size);
        bucket.at = now;
        let left = bucket.tokens - 1.0;
        bucket.tokens = left.max(0.0);
        left
    }

    fn judge(&self, left: Vec<(String, f64)>, scope: &str, refill: f64) -> Charge {
        let lacking = left.iter().map(|(_, tokens)| -tokens).fold(0.0, f64::max);
        let shown = |(name, tokens): &(String, f64)| {
            (format!("x-ms-ratelimit-remaining-{name}"), format!("{:.0}", tokens.max(0.0).floor()))
        };
        let headers = left.iter().map(shown).collect();
        let refusal = (lacking > 0.0 && self.rule == Throttling::Enforce).then(|| {
            let wait = format!("{:.0}", (lacking / refill).ceil());
            let message =
                format!("The rate of requests on {scope} exceeds its limit. Please try again after '{wait}' seconds.");
            let mut refusal = ArmError::new(429, "SubscriptionRequestsThrottled", message);
            refusal.headers.push(("Retry-After".to_owned(), wait));
            refusal
        });
        Charge { headers, refusal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::arm::request::Principal;

    const PATH: &str = "/subscriptions/S/resourceGroups/rg";

    fn request(method: &str, path: &str, who: &str) -> Request {
        let principal =
            Principal { name: who.to_owned(), object_id: who.to_owned(), tenant: String::new(), is_internal: false };
        Request { caller: Caller::Identity(principal), ..Request::internal(method, path, &[], None) }
    }

    fn left(charge: &Charge) -> Vec<&str> {
        charge.headers.iter().map(|(_, value)| value.as_str()).collect()
    }

    #[test]
    fn headers_count_down_per_principal_and_for_the_whole_subscription() {
        let throttle = Throttle::new(Throttling::Report, Clock::start());
        assert_eq!(left(&throttle.charge(&request("GET", PATH, "a"))), ["249", "3749"]);
        assert_eq!(left(&throttle.charge(&request("GET", PATH, "b"))), ["249", "3748"]);
        let writes = throttle.charge(&request("PUT", PATH, "a"));
        assert_eq!(writes.headers[0], ("x-ms-ratelimit-remaining-subscription-writes".to_owned(), "199".to_owned()));
        let tenant = throttle.charge(&request("GET", "/subscriptions", "a"));
        assert_eq!(tenant.headers[0].0, "x-ms-ratelimit-remaining-tenant-reads");
        assert!(throttle.charge(&Request::internal("GET", PATH, &[], None)).headers.is_empty(), "the platform itself");
    }

    #[test]
    fn an_empty_bucket_refuses_where_that_is_enforced_and_refills_with_the_clock() {
        let clock = Clock::start();
        let throttle = Throttle::new(Throttling::Enforce, clock.clone());
        let write = || throttle.charge(&request("DELETE", PATH, "a")).refusal;
        // A real second may go by in here, which refills ten.
        let refusal = (0..400).find_map(|_| write()).unwrap();
        assert_eq!((refusal.status, refusal.code.as_str()), (429, "SubscriptionRequestsThrottled"));
        assert_eq!(refusal.headers[0], ("Retry-After".to_owned(), "1".to_owned()));
        clock.advance(Duration::from_secs(2));
        assert!(write().is_none());
        let lenient = Throttle::new(Throttling::Report, clock);
        (0..400).for_each(|_| drop(lenient.charge(&request("DELETE", PATH, "a"))));
        let last = lenient.charge(&request("DELETE", PATH, "a"));
        assert!(last.refusal.is_none() && last.headers[0].1.parse::<u32>().unwrap() < 100);
    }
}
