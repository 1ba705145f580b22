//! The objects of one cluster and the history that watches read.
//!
//! One counter numbers every change, as etcd does. The history is bounded: a watch that starts before its oldest entry is
//! told `410 Gone` and lists again.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use serde_json::{Value, json};

use super::kind::Kind;
use super::service::Claims;

/// Where an object is kept: plural with group, namespace (empty if none), name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(kind: &Kind, namespace: Option<&str>, name: &str) -> Self {
        let namespace = if kind.is_namespaced { namespace.unwrap_or("default") } else { "" };
        Self { kind: kind.stored_name(), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    fn is_service(&self) -> bool {
        self.kind == "services"
    }
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

/// One entry of the history.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) key: Key,
    pub(crate) what: ChangeKind,
    pub(crate) object: Value,
    pub(crate) previous: Option<Value>,
}

/// How many changes a watch can look back.
const HISTORY: usize = 2048;

/// The objects and their history.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    objects: BTreeMap<Key, Value>,
    /// What the Services among them hold.
    claims: Claims,
    version: u64,
    history: VecDeque<Change>,
    /// The version of the newest change that the history has forgotten.
    forgotten: u64,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self { objects: BTreeMap::new(), claims: Claims::default(), version: 1, history: VecDeque::new(), forgotten: 0 }
    }

    /// Goes on with objects as they were at a version, without a history.
    pub(crate) fn resume(version: u64, objects: BTreeMap<Key, Value>) -> Self {
        let mut claims = Claims::default();
        objects.iter().filter(|(key, _)| key.is_service()).for_each(|(_, service)| claims.add(service));
        Self { objects, claims, version, history: VecDeque::new(), forgotten: version }
    }

    /// Every object.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.objects.iter()
    }

    /// The addresses and node ports that Services hold.
    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The version of the newest change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key)
    }

    /// Objects of a kind in one namespace or in all, sorted by namespace and name.
    pub(crate) fn list<'a>(
        &'a self,
        kind: &Kind,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Value)> {
        let plural = kind.stored_name();
        let start = Key { kind: plural.clone(), namespace: String::new(), name: String::new() };
        self.objects
            .range((Bound::Included(start), Bound::Unbounded))
            .take_while(move |(key, _)| key.kind == plural)
            .filter(move |(key, _)| namespace.is_none_or(|namespace| key.namespace == namespace))
    }

    /// Writes an object under a new version and returns it as stored.
    pub(crate) fn put(&mut self, key: &Key, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let previous = self.objects.insert(key.clone(), object.clone());
        if key.is_service() {
            previous.iter().for_each(|service| self.claims.remove(service));
            self.claims.add(&object);
        }
        let what = if previous.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
        self.remember(Change { version: self.version, key: key.clone(), what, object: object.clone(), previous });
        object
    }

    /// Removes an object; watches see its last state under a new version.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Value> {
        let mut object = self.objects.remove(key)?;
        if key.is_service() {
            self.claims.remove(&object);
        }
        self.version += 1;
        let previous = Some(object.clone());
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let change = Change { version: self.version, key: key.clone(), what: ChangeKind::Deleted, object, previous };
        self.remember(change);
        self.history.back().map(|change| change.object.clone())
    }

    fn remember(&mut self, change: Change) {
        self.history.push_back(change);
        while self.history.len() > HISTORY {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(change) = self.history.pop_front() {
            self.forgotten = change.version;
        }
    }

    /// Drops the whole history, as etcd's compaction does: older watches must list again.
    pub(crate) fn compact(&mut self) {
        while !self.history.is_empty() {
            self.forget_oldest();
        }
    }

    /// Changes after a version; `None` if some of them are forgotten.
    pub(crate) fn since(&self, version: u64) -> Option<impl Iterator<Item = &Change>> {
        (version >= self.forgotten).then(|| self.history.iter().filter(move |change| change.version > version))
    }

    /// The oldest version that a watch may still start from.
    pub(crate) fn oldest(&self) -> u64 {
        self.forgotten
    }
}
