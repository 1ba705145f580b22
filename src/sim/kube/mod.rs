//! A cluster's Kubernetes API, as far as clients of Services need it.
//!
//! Objects are JSON values checked against a small schema. What the real API server does to a Service is done here too:
//! defaults, allocation, validation, optimistic concurrency, server-side apply with managed fields, watches, tables for
//! kubectl. A cluster can be called over HTTP ([`Cluster::router`]) or in process ([`Cluster::call`] and the shorter forms
//! below); both take the same way through the code.

pub mod call;
pub mod status_error;

mod access;
mod admission;
mod apply;
mod by_hand;
mod delete;
mod discovery;
mod event;
mod field_path;
mod http;
mod kind;
mod list;
mod managed_fields;
mod openapi;
mod patch;
mod protobuf;
mod review;
mod row;
mod saved;
mod schema;
mod service;
mod store;
mod table;
mod validate;
mod watch;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch as channel;

use crate::sim::clock::Clock;
use crate::sim::fault::Faults;
use crate::sim::log::RequestLog;
use crate::sim::world::{AdmissionRule, ClusterUser, IpFamily};

use access::Caller;
use call::Call;
use kind::Kind;
pub(crate) use saved::SavedObjects;
use status_error::ApiError;
use store::Key;
pub(crate) use store::{Change, ChangeKind};
use write::State;

/// A bearer token; its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Wraps a token.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// True if this is what a client sent.
    pub fn is(&self, given: &str) -> bool {
        self.0 == given
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Whose a token of Entra is: the object id.
type Users = dyn Fn(&str) -> Option<String> + Send + Sync;

/// The directory whose tokens a cluster takes.
#[derive(Clone)]
pub struct Directory(Arc<Users>);

impl Directory {
    /// A directory that knows whose a token is.
    pub(crate) fn new(user: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(user))
    }

    /// Whose token this is.
    pub(crate) fn user(&self, token: &str) -> Option<String> {
        (self.0)(token)
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Directory(…)")
    }
}

/// How a cluster is made.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// The name, as in `kubectl config get-contexts`.
    pub name: String,
    /// The bearer token of somebody who may do everything.
    pub token: Token,
    /// Whoever else has a token, and may do what its roles say.
    pub users: Vec<(Token, Arc<ClusterUser>)>,
    /// Who else signs in, if the cluster takes tokens of Entra.
    pub directory: Option<Directory>,
    /// What uids follow from.
    pub seed: String,
    /// The Kubernetes version, such as `1.36.2`.
    pub version: String,
    /// The address families that Services can have, the first one for who asks for none.
    pub ip_families: Vec<IpFamily>,
    /// What looks at Services before they are stored.
    pub admission: Vec<AdmissionRule>,
    /// The simulator's clock.
    pub clock: Clock,
    /// Where requests over HTTP are logged.
    pub log: RequestLog,
    /// The faults that requests over HTTP meet.
    pub faults: Faults,
}

/// How far the service controller is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// True once a controller runs.
    pub(crate) is_running: bool,
    /// True while a Service is being reconciled or waits for its turn.
    pub(crate) is_working: bool,
    /// The newest version that the controller has looked at.
    pub(crate) seen: u64,
    /// When it tries again what failed, in the simulator's time.
    pub(crate) due: Option<Duration>,
    /// How often it was asked to try everything again, and how many of these it has taken notice of.
    pub(crate) asked: u64,
    pub(crate) answered: u64,
}

impl Progress {
    /// True if there is nothing left to do up to a version.
    fn is_idle(&self, target: u64, now: Duration) -> bool {
        // A retry that is due by now is work, though the controller may not have woken up for it yet.
        let is_due = self.due.is_some_and(|due| due <= now);
        let is_asked = self.asked > self.answered;
        !self.is_running || (!self.is_working && self.seen >= target && !is_due && !is_asked)
    }
}

#[derive(Debug)]
struct Inner {
    options: ClusterOptions,
    state: Mutex<State>,
    changed: channel::Sender<u64>,
    progress: channel::Sender<Progress>,
    is_closed: channel::Sender<bool>,
    /// What was there when each fault of stale reads began.
    pasts: Mutex<BTreeMap<u64, Cluster>>,
}

/// A simulated cluster; clones are the same cluster.
#[derive(Clone, Debug)]
pub struct Cluster(Arc<Inner>);

impl Cluster {
    /// Makes a cluster with the namespaces and the `kubernetes` Service that every cluster has.
    pub fn new(options: ClusterOptions) -> Self {
        let state = State::new(options.seed.clone(), options.ip_families.clone());
        let cluster = Self::holding(options, state);
        for namespace in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            cluster.create_raw(&manifest).expect("the built-in namespaces are valid");
        }
        let kubernetes = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"}},
            "spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
                "ports": [{"name": "https", "port": 443, "targetPort": 443}]},
        });
        cluster.create_raw(&kubernetes).expect("the built-in Service is valid");
        // Controllers read here how to authenticate their own callers; without authorities nobody is one.
        let authentication = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system"},
            "data": {
                "requestheader-allowed-names": "[]",
                "requestheader-extra-headers-prefix": "[\"X-Remote-Extra-\"]",
                "requestheader-group-headers": "[\"X-Remote-Group\"]",
                "requestheader-username-headers": "[\"X-Remote-User\"]",
            },
        });
        cluster.create_raw(&authentication).expect("the built-in ConfigMap is valid");
        cluster.state().admit_by(cluster.0.options.admission.clone());
        cluster
    }

    fn holding(options: ClusterOptions, state: State) -> Self {
        Self(Arc::new(Inner {
            options,
            state: Mutex::new(state),
            changed: channel::Sender::new(0),
            progress: channel::Sender::new(Progress::default()),
            is_closed: channel::Sender::new(false),
            pasts: Mutex::default(),
        }))
    }

    /// Keeps what is there now for a fault that makes reads stale.
    pub(crate) fn keep_for(&self, fault: u64) {
        let live: Vec<u64> = self.faults().list().iter().map(|rule| rule.id).collect();
        let now = Self::holding(self.0.options.clone(), self.state().clone());
        let mut pasts = self.0.pasts.lock().unwrap_or_else(PoisonError::into_inner);
        pasts.retain(|past, _| live.contains(past));
        pasts.insert(fault, now);
    }

    /// What was there when a fault began.
    pub(crate) fn past(&self, fault: u64) -> Option<Self> {
        self.0.pasts.lock().unwrap_or_else(PoisonError::into_inner).get(&fault).cloned()
    }

    /// The name of the cluster.
    pub fn name(&self) -> &str {
        &self.0.options.name
    }

    /// The Kubernetes version, without a leading `v`.
    pub fn version(&self) -> &str {
        &self.0.options.version
    }

    /// Whose token this is; `None` if nobody's. Whom the directory knows may do everything, unless the world says what.
    pub(crate) fn caller(&self, given: &str) -> Option<Caller> {
        let ClusterOptions { token, users, directory, .. } = &self.0.options;
        if token.is(given) {
            return Some(Caller::default());
        }
        if let Some((_, user)) = users.iter().find(|(token, _)| token.is(given)) {
            return Some(Caller::User(user.clone()));
        }
        let name = directory.as_ref()?.user(given)?;
        let user = users.iter().find(|(_, user)| user.name == name);
        Some(user.map_or(Caller::Everything(name), |(_, user)| Caller::User(user.clone())))
    }

    /// Reads an object; `kind` may be a kind, a plural or a short name.
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let kind = Kind::find(kind)?;
        self.state().store.get(&Key::new(kind, Some(namespace), name)).cloned()
    }

    /// Reads all objects of a kind, in one namespace or in all.
    pub fn list(&self, kind: &str, namespace: Option<&str>) -> Vec<Value> {
        let Some(kind) = Kind::find(kind) else { return Vec::new() };
        self.state().store.list(kind, namespace).map(|(_, object)| object.clone()).collect()
    }

    /// The events about a Service, oldest first.
    pub fn events(&self, namespace: &str, service: &str) -> Vec<Value> {
        let mut events = self.list("events", Some(namespace));
        events.retain(|event| event["involvedObject"]["name"] == service);
        let version =
            |event: &Value| event["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse::<u64>().ok());
        events.sort_by_key(version);
        events
    }

    /// Creates an object, with its status where the kind allows that (nodes).
    ///
    /// # Errors
    /// What the API server refuses.
    pub fn create_raw(&self, manifest: &Value) -> Result<Value, ApiError> {
        let path = collection_path(manifest).ok_or_else(ApiError::unknown_path)?;
        self.call(&Call::new("POST", &path).agent("kube-apiserver").body(manifest.clone())).into_result()
    }

    /// Applies a manifest as `kubectl apply --server-side --force-conflicts` would.
    ///
    /// # Errors
    /// What the API server refuses.
    pub fn apply_raw(&self, manifest: &Value) -> Result<Value, ApiError> {
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
        let path = collection_path(manifest).ok_or_else(ApiError::unknown_path)?;
        let path = format!("{path}/{name}?fieldManager=kubectl&force=true&fieldValidation=Strict");
        let call = Call::new("PATCH", &path).content_type("application/apply-patch+yaml").body(manifest.clone());
        self.call(&call.agent("kubectl/v1.36.0")).into_result()
    }

    /// Sets or removes annotations as `kubectl annotate --overwrite` would.
    ///
    /// # Errors
    /// What the API server refuses.
    pub fn annotate(&self, namespace: &str, service: &str, edits: &[(&str, Option<&str>)]) -> Result<Value, ApiError> {
        let edits: serde_json::Map<String, Value> =
            edits.iter().map(|(key, value)| ((*key).to_owned(), value.map_or(Value::Null, Value::from))).collect();
        let patch = json!({"metadata": {"annotations": edits}});
        self.patch_service(namespace, service, (&patch, "kubectl-annotate"))
    }

    /// Merges a patch into a Service on behalf of a field manager.
    ///
    /// # Errors
    /// What the API server refuses.
    pub fn patch_service(
        &self,
        namespace: &str,
        service: &str,
        (patch, manager): (&Value, &str),
    ) -> Result<Value, ApiError> {
        let path = format!("/api/v1/namespaces/{namespace}/services/{service}?fieldManager={manager}");
        let call = Call::new("PATCH", &path).content_type("application/merge-patch+json").body(patch.clone());
        self.call(&call.agent("kubectl/v1.36.0")).into_result()
    }

    /// Deletes an object; one with finalizers is only marked.
    ///
    /// # Errors
    /// What the API server refuses.
    pub fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<Value, ApiError> {
        let kind = Kind::find(kind).ok_or_else(ApiError::unknown_path)?;
        let path = format!("{}/{name}", path_of(kind, Some(namespace)));
        self.call(&Call::new("DELETE", &path).agent("kubectl/v1.36.0")).into_result()
    }

    /// Forgets the history, so that watches in progress from an older version get `410 Gone`.
    pub fn compact(&self) {
        self.state().store.compact();
    }

    /// Resolves when the service controller has looked at every change so far and has nothing to do but to wait for the
    /// next retry of what failed. Resolves at once if no controller runs.
    pub async fn idle(&self) {
        let target = self.state().store.version();
        let mut progress = self.0.progress.subscribe();
        let done = |progress: &Progress| progress.is_idle(target, self.clock().elapsed());
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = progress.wait_for(done).await;
    }

    /// Ends all watches, so that the server can stop.
    pub fn close(&self) {
        self.0.is_closed.send_replace(true);
    }

    pub(crate) fn closed(&self) -> channel::Receiver<bool> {
        self.0.is_closed.subscribe()
    }

    /// Signals every change with the version it made.
    pub(crate) fn changes(&self) -> channel::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Says how far the controller is; what it was asked for meanwhile stays.
    pub(crate) fn report(&self, progress: Progress) {
        self.0.progress.send_modify(|now| *now = Progress { asked: now.asked, ..progress });
    }

    /// Asks the controller to try everything that failed again.
    pub(crate) fn ask_for_retries(&self) {
        self.0.progress.send_modify(|now| now.asked += 1);
    }

    /// How often it was asked to.
    pub(crate) fn asked_for_retries(&self) -> u64 {
        self.0.progress.borrow().asked
    }

    /// The newest version, and what changed after a version; `None` if the history does not reach back that far.
    pub(crate) fn changes_since(&self, version: u64) -> (u64, Option<Vec<Change>>) {
        let state = self.state();
        (state.store.version(), state.store.since(version).map(|changes| changes.cloned().collect()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.options.clock
    }

    fn faults(&self) -> &Faults {
        &self.0.options.faults
    }

    fn log(&self) -> &RequestLog {
        &self.0.options.log
    }

    fn announce(&self, version: u64) {
        self.0.changed.send_if_modified(|newest| {
            let is_newer = version > *newest;
            *newest = version.max(*newest);
            is_newer
        });
    }
}

/// The path of the collection that a manifest belongs to.
fn collection_path(manifest: &Value) -> Option<String> {
    let kind = Kind::find(manifest["kind"].as_str()?)?;
    Some(path_of(kind, manifest["metadata"]["namespace"].as_str()))
}

fn path_of(kind: &Kind, namespace: Option<&str>) -> String {
    let root = if kind.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.group) };
    let home =
        if kind.is_namespaced { format!("/namespaces/{}", namespace.unwrap_or("default")) } else { String::new() };
    format!("{root}/{}{home}/{}", kind.version, kind.plural)
}

#[cfg(test)]
mod tests;
