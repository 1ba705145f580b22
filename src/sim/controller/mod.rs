//! The cloud provider's service controller: watches Services and makes load balancers and Private Link Services of them.
//!
//! ```text
//!  Services ─▶ queue ─▶ sync: finalizer ─▶ load balancer ─▶ Private Link Service ─▶ other side ─▶ status
//!                 ▲        │ failed
//!                 └─ retry ┘
//! ```
//! It does what cloud-provider-azure does, the harmful parts included, in the order in which that does it; the order
//! decides what is lost when a step fails. One Service at a time. A Service that did not change is not looked at again.
//! Azure is reached over HTTP, with an identity of the cluster's own; the Kubernetes API is called in process, so that
//! everybody can tell when there is nothing left to do. Left out: Basic and multiple load balancers, machines outside of
//! scale sets, and the lease that keeps other controllers of AKS away.

mod access;
mod annotation;
mod azure;
mod cache;
mod cleanup;
mod cloud;
mod event;
mod frontend;
mod load_balancer;
mod machine;
mod name;
mod nat;
mod node;
mod pool;
mod private_link;
mod public_ip;
mod rule;
mod security_group;
mod service;
mod sync;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinHandle};

pub use self::azure::AzureAccess;
pub use self::cloud::CloudConfig;

use self::azure::Azure;
use self::cloud::Cloud;
use self::event::Recorder;
use self::service::{Service, needs_update};
use self::sync::Syncer;
use crate::sim::clock::Clock;
use crate::sim::kube::{Change, ChangeKind, Cluster, Progress};
use crate::sim::server::stopped;

/// Namespace and name.
type Key = (String, String);

/// What is done with one Service.
#[derive(Clone, Copy)]
enum Step {
    Sync,
    UpdateNodes,
}

/// How much longer than the first wait the longest one is (5 s and 300 s in the real controller).
const LONGEST_WAIT: u32 = 60;

/// A running controller.
#[derive(Clone, Debug)]
pub struct Controller {
    cluster: Cluster,
    resync: Arc<Notify>,
}

struct Loop {
    syncer: Arc<Syncer>,
    clock: Clock,
    shutdown: watch::Receiver<bool>,
    seen: u64,
    /// How many demands for retries it has taken notice of.
    answered: u64,
    ready: BTreeSet<Key>,
    /// Services to look at because the nodes changed; after those that changed themselves.
    moved: BTreeSet<Key>,
    /// Services that failed, and when each is tried again, in the simulator's time.
    waiting: BTreeMap<Key, Duration>,
    failures: BTreeMap<Key, u32>,
}

impl Controller {
    /// Starts the controller of a cluster. It stops when `shutdown` turns true or its sender goes away.
    pub fn start(cluster: Cluster, access: AzureAccess, config: CloudConfig, shutdown: watch::Receiver<bool>) -> Self {
        let (resync, clock) = (Arc::new(Notify::new()), cluster.clock().clone());
        cluster.report(Progress { is_running: true, is_working: true, ..Progress::default() });
        let recorder = Recorder::new(cluster.clone());
        let cloud = Cloud::new(Azure::new(access, clock.clone()), config, (recorder, clock.clone()));
        let state = Loop {
            syncer: Arc::new(Syncer { cluster: cluster.clone(), cloud }),
            clock,
            shutdown,
            seen: 0,
            answered: 0,
            ready: BTreeSet::new(),
            moved: BTreeSet::new(),
            waiting: BTreeMap::new(),
            failures: BTreeMap::new(),
        };
        tokio::spawn(state.run(Arc::clone(&resync)));
        Self { cluster, resync }
    }

    /// Tries everything that failed again, now.
    pub fn resync(&self) {
        self.cluster.ask_for_retries();
        self.resync.notify_one();
    }
}

impl Loop {
    async fn run(mut self, resync: Arc<Notify>) {
        let mut changes = self.syncer.cluster.changes();
        let mut shutdown = self.shutdown.clone();
        // Asked for once at the start; if that fails, the first Service that needs them asks again.
        let syncer = Arc::clone(&self.syncer);
        let zones = tokio::spawn(async move { syncer.cloud.zones().await.map(drop) });
        if let Some(Ok(Err(error))) = self.unless_stopped(zones).await {
            tracing::debug!(%error, "the zones of the region are not known yet");
        }
        self.list();
        while !*shutdown.borrow() {
            // Marked as seen before reading, so a change in between wakes us again.
            changes.borrow_and_update();
            self.look();
            self.answer();
            if let Some(key) = self.ready.pop_first() {
                self.work(key, Step::Sync).await;
                continue;
            }
            if let Some(key) = self.moved.pop_first() {
                self.work(key, Step::UpdateNodes).await;
                continue;
            }
            self.report(false);
            let retry = self.waiting.values().min().copied();
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { break },
                () = resync.notified() => {}
                () = wait_until(&self.clock, retry) => self.retry_due(),
                stopped = shutdown.changed() => if stopped.is_err() { break },
            }
        }
        self.syncer.cluster.report(Progress::default());
    }

    fn report(&self, is_working: bool) {
        let due = self.waiting.values().min().copied();
        let Self { seen, answered, .. } = *self;
        self.syncer.cluster.report(Progress { is_running: true, is_working, seen, due, asked: 0, answered });
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

    fn answer(&mut self) {
        let asked = self.syncer.cluster.asked_for_retries();
        if asked > self.answered {
            self.answered = asked;
            self.retry_all();
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
        let CloudConfig { delay, retry, .. } = self.syncer.cloud.config;
        self.clock.sleep(delay).await;
        let syncer = Arc::clone(&self.syncer);
        let (namespace, name) = key.clone();
        let task = tokio::spawn(async move {
            match step {
                Step::Sync => syncer.sync(&namespace, &name).await,
                Step::UpdateNodes => syncer.update_nodes(&namespace, &name).await,
            }
        });
        match self.unless_stopped(task).await {
            Some(Ok(Ok(()))) => self.forget_failures(&key),
            // A panic is our own mistake; the next try shows it again rather than ending the loop.
            Some(Ok(Err(_)) | Err(_)) => self.wait(key, retry),
            None => {}
        }
    }

    /// Waits for a task, or ends it if everything is to stop; `None` then.
    async fn unless_stopped<T>(&mut self, mut task: JoinHandle<T>) -> Option<Result<T, JoinError>> {
        tokio::select! {
            joined = &mut task => Some(joined),
            () = stopped(&mut self.shutdown) => {
                task.abort();
                None
            }
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
        self.waiting.insert(key, self.clock.elapsed() + retry * factor);
    }

    fn retry_all(&mut self) {
        self.ready.extend(std::mem::take(&mut self.waiting).into_keys());
    }

    fn retry_due(&mut self) {
        let now = self.clock.elapsed();
        let due: Vec<Key> =
            self.waiting.iter().filter(|(_, until)| **until <= now).map(|(key, _)| key.clone()).collect();
        for key in due {
            self.waiting.remove(&key);
            self.ready.insert(key);
        }
    }
}

async fn wait_until(clock: &Clock, moment: Option<Duration>) {
    match moment {
        Some(moment) => clock.reached(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
