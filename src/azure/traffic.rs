//! The calls of this process to Azure: how many may be sent, and how many were.
//!
//! Azure counts for each principal, subscription and class of operation. All tasks share one of these, so that a refusal
//! that one of them meets holds all that would meet it.

pub mod bucket;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use http::HeaderMap;
use http::Method;

use crate::azure::traffic::bucket::Bucket;
use crate::azure::traffic::bucket::DELETES;
use crate::azure::traffic::bucket::Limit;
use crate::azure::traffic::bucket::READS;
use crate::azure::traffic::bucket::WRITES;

/// The calls of this process to Azure; clones share it.
#[derive(Clone, Debug)]
pub struct Traffic {
    buckets: Arc<Mutex<BTreeMap<Lane, Bucket>>>,
    began: Instant,
}

/// Calls that Azure counts together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lane {
    /// The host and who signs in to it.
    principal: String,
    /// The subscription, or none for what is asked of the tenant.
    subscription: Option<String>,
    class: Class,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Reads,
    Writes,
    Deletes,
}

impl Class {
    fn of(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD => Self::Reads,
            Method::DELETE => Self::Deletes,
            _ => Self::Writes,
        }
    }

    fn limit(self) -> Limit {
        match self {
            Self::Reads => READS,
            Self::Writes => WRITES,
            Self::Deletes => DELETES,
        }
    }

    /// Its word in Azure's headers.
    fn word(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Deletes => "deletes",
        }
    }
}

impl Lane {
    /// The lane of a request to a path.
    pub(crate) fn of(principal: &str, method: &Method, path: &str) -> Self {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let subscription = match (parts.next(), parts.next()) {
            (Some(word), Some(id)) if word.eq_ignore_ascii_case("subscriptions") => Some(id.to_ascii_lowercase()),
            _ => None,
        };
        Self { principal: principal.to_owned(), subscription, class: Class::of(method) }
    }

    /// What Azure says is left of the lane.
    fn remaining(&self, headers: &HeaderMap) -> Option<f64> {
        let number = |scope: &str| {
            let name = format!("x-ms-ratelimit-remaining-{scope}-{}", self.class.word());
            headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok().filter(|left| left.is_finite())
        };
        let scopes: &[&str] = match self.subscription {
            Some(_) => &["subscription", "subscription-global"],
            None => &["tenant"],
        };
        scopes.iter().filter_map(|scope| number(scope)).reduce(f64::min)
    }
}

impl Default for Traffic {
    fn default() -> Self {
        Self { buckets: Arc::default(), began: Instant::now() }
    }
}

impl Traffic {
    fn buckets(&self) -> MutexGuard<'_, BTreeMap<Lane, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, lane: &Lane, act: impl FnOnce(&mut Bucket, Duration) -> T) -> T {
        let now = self.began.elapsed();
        let mut buckets = self.buckets();
        let bucket = buckets.entry(lane.clone()).or_insert_with(|| Bucket::new(lane.class.limit()));
        act(bucket, now)
    }

    /// Waits until a call may be sent; the turn that it answers is ended with what came of it.
    pub(crate) async fn admit(&self, lane: Lane) -> Turn<'_> {
        let mut wait = self.with(&lane, Bucket::take);
        let turn = Turn { traffic: self, lane, is_ended: false };
        // What one task is refused meanwhile holds those that already wait.
        while !wait.is_zero() {
            tracing::debug!(?wait, class = turn.lane.class.word(), "held back, so that Azure need not refuse");
            tokio::time::sleep(wait).await;
            wait = self.with(&turn.lane, |bucket, now| bucket.blocked(now));
        }
        turn
    }
}

/// A call that may be sent. Dropped, it counts as one of which nothing is known.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    traffic: &'a Traffic,
    lane: Lane,
    is_ended: bool,
}

impl Turn<'_> {
    /// Notes what Azure answered; `too_soon` is how long it wants nothing more.
    pub(crate) fn end(mut self, headers: &HeaderMap, too_soon: Option<Duration>) {
        self.is_ended = true;
        let remaining = self.lane.remaining(headers);
        self.traffic.with(&self.lane, |bucket, now| match too_soon {
            Some(wait) => bucket.refused(wait, now),
            None => bucket.learn(remaining, now),
        });
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.is_ended {
            self.traffic.with(&self.lane, |bucket, now| bucket.learn(None, now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>()
    }

    #[test]
    fn lanes_are_by_principal_subscription_and_class() {
        let lane = |method: Method, path: &str| Lane::of("a", &method, path);
        assert_eq!(lane(Method::GET, "/subscriptions/AB/x"), lane(Method::HEAD, "/Subscriptions/ab"));
        assert_ne!(lane(Method::GET, "/subscriptions/ab"), lane(Method::PUT, "/subscriptions/ab"));
        assert_ne!(lane(Method::PUT, "/subscriptions/ab"), lane(Method::DELETE, "/subscriptions/ab"));
        assert_ne!(lane(Method::GET, "/subscriptions/ab"), Lane::of("b", &Method::GET, "/subscriptions/ab"));
        let tenant = lane(Method::GET, "/providers/x");
        let said = headers(&[
            ("x-ms-ratelimit-remaining-subscription-reads", "249"),
            ("x-ms-ratelimit-remaining-subscription-global-reads", "12"),
            ("x-ms-ratelimit-remaining-tenant-reads", "7"),
        ]);
        assert_eq!(lane(Method::GET, "/subscriptions/ab").remaining(&said), Some(12.0));
        assert_eq!(tenant.remaining(&said), Some(7.0));
        assert_eq!(lane(Method::PUT, "/subscriptions/ab").remaining(&said), None);
    }

    #[tokio::test]
    async fn what_one_task_is_refused_holds_the_others_of_its_lane_and_nobody_else() {
        let traffic = Traffic::default();
        let lane = Lane::of("p", &Method::PUT, "/subscriptions/a");
        let other = Lane::of("p", &Method::PUT, "/subscriptions/b");
        traffic.admit(lane.clone()).await.end(&HeaderMap::new(), Some(Duration::from_secs(3600)));
        drop(traffic.admit(other).await);
        let held = tokio::time::timeout(Duration::from_millis(20), traffic.admit(lane)).await;
        assert!(held.is_err(), "it was let through");
    }
}
