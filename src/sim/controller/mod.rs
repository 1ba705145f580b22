//! The cloud provider's service controller: watches Services and makes load balancers and Private Link Services of them.
//!
//! ```text
//!  Services ─▶ queue ─▶ sync: finalizer ─▶ load balancer ─▶ Private Link Service ─▶ other side ─▶ status
//!                 ▲        │ failed
//!                 └─ retry ┘
//! ```
//! It does what cloud-provider-azure does, the harmful parts included, in the order in which that does it; the order
//! decides what is lost when a step fails. One Service at a time. A Service that did not change is not looked at again.
//! Left out: caches of the real one (up to 120 s), node membership of backend pools, and security groups.

mod annotation;
mod azure;
mod cleanup;
mod cloud;
mod event;
mod frontend;
mod load_balancer;
mod name;
mod nat;
mod private_link;
mod public_ip;
mod rule;
mod service;
mod sync;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

pub use self::cloud::CloudConfig;

use self::azure::{Azure, CloudError};
use self::cloud::Cloud;
use self::event::Recorder;
use self::service::{Service, needs_update};
use self::sync::Syncer;
use crate::sim::arm::Arm;
use crate::sim::kube::{Change, ChangeKind, Cluster, Progress};

/// Namespace and name.
type Key = (String, String);

/// What is done with one Service.
type Step = fn(&Syncer, &str, &str) -> Result<(), CloudError>;

/// How much longer than the first wait the longest one is (5 s and 300 s in the real controller).
const LONGEST_WAIT: u32 = 60;

/// A running controller.
#[derive(Clone, Debug)]
pub struct Controller {
    resync: Arc<Notify>,
}

struct Loop {
    syncer: Syncer,
    seen: u64,
    ready: BTreeSet<Key>,
    /// Services to look at because the nodes changed; after those that changed themselves.
    moved: BTreeSet<Key>,
    /// Services that failed, and when each is tried again.
    waiting: BTreeMap<Key, Instant>,
    failures: BTreeMap<Key, u32>,
}

impl Controller {
    /// Starts the controller of a cluster. It stops when `shutdown` turns true or its sender goes away.
    pub fn start(cluster: Cluster, arm: Arm, config: CloudConfig, shutdown: watch::Receiver<bool>) -> Self {
        let resync = Arc::new(Notify::new());
        cluster.report(Progress { is_running: true, is_working: true, seen: 0 });
        let recorder = Recorder::new(cluster.clone());
        let cloud = Cloud::new(Azure::new(arm), config, recorder);
        let syncer = Syncer { cluster, cloud };
        let state = Loop {
            syncer,
            seen: 0,
            ready: BTreeSet::new(),
            moved: BTreeSet::new(),
            waiting: BTreeMap::new(),
            failures: BTreeMap::new(),
        };
        tokio::spawn(state.run(Arc::clone(&resync), shutdown));
        Self { resync }
    }

    /// Tries everything that failed again, now.
    pub fn resync(&self) {
        self.resync.notify_one();
    }
}

impl Loop {
    async fn run(mut self, resync: Arc<Notify>, mut shutdown: watch::Receiver<bool>) {
        let mut changes = self.syncer.cluster.changes();
        self.list();
        while !*shutdown.borrow() {
            // Marked as seen before reading, so a change in between wakes us again.
            changes.borrow_and_update();
            self.look();
            if let Some(key) = self.ready.pop_first() {
                self.work(key, Syncer::sync).await;
                continue;
            }
            if let Some(key) = self.moved.pop_first() {
                self.work(key, Syncer::update_nodes).await;
                continue;
            }
            self.report(false);
            let retry = self.waiting.values().min().copied();
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { break },
                () = resync.notified() => self.retry_all(),
                () = wait_until(retry) => self.retry_due(),
                stopped = shutdown.changed() => if stopped.is_err() { break },
            }
        }
        self.syncer.cluster.report(Progress::default());
    }

    fn report(&self, is_working: bool) {
        self.syncer.cluster.report(Progress { is_running: true, is_working, seen: self.seen });
    }

    /// At its start, and when it has fallen behind the history, the controller looks at every Service.
    fn list(&mut self) {
        for object in self.syncer.cluster.list("services", None) {
            let service = Service::of(&object);
            if service.wants_load_balancer || service.needs_cleanup() {
                self.enqueue((service.namespace, service.name));
            }
        }
        (self.seen, _) = self.syncer.cluster.changes_since(u64::MAX);
    }

    fn look(&mut self) {
        let (newest, changes) = self.syncer.cluster.changes_since(self.seen);
        let Some(changes) = changes else { return self.list() };
        self.seen = newest;
        for change in changes {
            match (change.key.kind.as_str(), change.what) {
                ("services", _) => self.look_at(change),
                ("nodes", ChangeKind::Added | ChangeKind::Deleted) => self.look_at_nodes(),
                _ => {}
            }
        }
    }

    fn look_at_nodes(&mut self) {
        let services = self.syncer.cluster.list("services", None);
        let services = services.iter().map(Service::of).filter(|service| service.wants_load_balancer);
        self.moved.extend(services.map(|service| (service.namespace, service.name)));
    }

    fn look_at(&mut self, change: Change) {
        let Change { key, what, object, previous, .. } = change;
        let key = (key.namespace, key.name);
        let service = Service::of(&object);
        let is_due = match (what, previous) {
            (ChangeKind::Deleted, _) => {
                self.forget(&key);
                false
            }
            (ChangeKind::Added, _) | (ChangeKind::Modified, None) => {
                service.wants_load_balancer || service.needs_cleanup()
            }
            (ChangeKind::Modified, Some(previous)) => needs_update(&previous, &object) || service.needs_cleanup(),
        };
        if is_due {
            // Whatever failed may work now that something changed: an address or a name may be free.
            self.retry_all();
            self.enqueue(key);
        }
    }

    fn enqueue(&mut self, key: Key) {
        self.waiting.remove(&key);
        self.failures.remove(&key);
        self.ready.insert(key);
    }

    fn forget(&mut self, key: &Key) {
        self.ready.remove(key);
        self.waiting.remove(key);
        self.failures.remove(key);
    }

    async fn work(&mut self, key: Key, step: Step) {
        self.report(true);
        let config = &self.syncer.cloud.config;
        let (delay, retry) = (config.delay, config.retry);
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let syncer = self.syncer.clone();
        let (namespace, name) = key.clone();
        // In-process calls to the resource manager block for a moment.
        let synced = tokio::task::spawn_blocking(move || step(&syncer, &namespace, &name)).await;
        match synced {
            Ok(Ok(())) => self.forget_failures(&key),
            // A panic is our own mistake; the next try shows it again rather than ending the loop.
            Ok(Err(_)) | Err(_) => self.wait(key, retry),
        }
    }

    fn forget_failures(&mut self, key: &Key) {
        self.failures.remove(key);
        self.waiting.remove(key);
    }

    fn wait(&mut self, key: Key, retry: Duration) {
        let failures = self.failures.entry(key.clone()).or_default();
        let factor = 2_u32.saturating_pow(*failures).min(LONGEST_WAIT);
        *failures += 1;
        self.waiting.insert(key, Instant::now() + retry * factor);
    }

    fn retry_all(&mut self) {
        self.ready.extend(std::mem::take(&mut self.waiting).into_keys());
    }

    fn retry_due(&mut self) {
        let now = Instant::now();
        let due: Vec<Key> =
            self.waiting.iter().filter(|(_, until)| **until <= now).map(|(key, _)| key.clone()).collect();
        for key in due {
            self.waiting.remove(&key);
            self.ready.insert(key);
        }
    }
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
