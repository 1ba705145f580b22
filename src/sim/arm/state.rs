//! Everything the simulated resource manager knows, behind one lock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::sim::arm::authorization::Authorization;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::operation::Operations;
use crate::sim::arm::pace::Pace;
use crate::sim::arm::resource_graph::Quota;
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::store::{Resource, Store};
use crate::sim::chance::Chance;
use crate::sim::clock::Clock;
use crate::sim::fault::Faults;

/// A subscription.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) tenant: String,
    /// A disabled one can be read, but not written.
    pub(crate) is_disabled: bool,
    /// Resource providers, in lower case, that have to be registered before anything of theirs is made.
    pub(crate) unregistered: BTreeSet<String>,
    /// Those whose registration was asked for; the next look at them finds it done.
    pub(crate) registering: BTreeSet<String>,
}

/// How to reach the simulated API server of a managed cluster.
#[derive(Clone)]
pub(crate) struct ClusterAccess {
    pub(crate) server: String,
    pub(crate) ca_pem: String,
    pub(crate) token: String,
}

impl fmt::Debug for ClusterAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterAccess({})", self.server)
    }
}

/// The state.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) operations: Operations,
    pub(crate) chance: Chance,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) pace: Pace,
    /// Items per page of a list; 0 means no paging.
    pub(crate) page_size: usize,
    pub(crate) location: String,
    pub(crate) subscriptions: BTreeMap<String, Subscription>,
    /// Roles and who has them where.
    pub(crate) authorization: Authorization,
    /// Queries that each principal has left.
    pub(crate) quota: Quota,
    /// Access to clusters, by the folded id of the managed cluster.
    pub(crate) clusters: BTreeMap<String, ClusterAccess>,
    /// While the seed runs, the GUID that the next alias is to have.
    pub(crate) alias_guid: Option<String>,
}

impl State {
    /// A fresh etag in the form the resource's provider uses.
    pub(crate) fn next_etag(&mut self, path: &ResourcePath) -> String {
        let guid = self.chance.guid("etag");
        if path.kind.is_private_dns() { guid.to_string() } else { format!("W/\"{guid}\"") }
    }

    pub(crate) fn next_etag_for_key(&mut self, key: &str) -> String {
        match self.store.by_key(key).map(|resource| resource.path.clone()) {
            Some(path) => self.next_etag(&path),
            None => String::new(),
        }
    }

    /// Gives a resource a new etag because something was attached to it or taken off it.
    pub(crate) fn touch(&mut self, path: &ResourcePath) {
        let holder = Store::holder_path(path);
        let etag = self.next_etag(&holder);
        self.store.stamp(&holder.key(), etag, None);
    }

    /// [`State::touch`] for an id in any spelling.
    pub(crate) fn touch_id(&mut self, id: &str) {
        if let Some(path) = ResourcePath::parse(id) {
            self.touch(&path);
        }
    }

    /// The resource that another one refers to, if it exists and is not being written.
    ///
    /// A refusal counts as a look at the operation that is in the way, so a client that only retries gets through.
    pub(crate) fn referenced(&mut self, id: &str, by: &ResourcePath) -> Result<ResourcePath, ArmError> {
        let dangling = || ArmError::dangling(id, &by.id());
        let path = ResourcePath::parse(id).ok_or_else(dangling)?;
        if !self.store.exists(&path) {
            return Err(dangling());
        }
        let path = self.store.canonical(&path);
        let holder = Store::holder_path(&path).key();
        if holder != Store::holder_path(by).key() && self.operations.running_id(&holder).is_some() {
            self.tick(&holder);
            return Err(ArmError::referenced_not_provisioned(&path.id()));
        }
        Ok(path)
    }

    /// The holder of a path: the resource with an etag and a state of its own.
    pub(crate) fn holder(&self, path: &ResourcePath) -> Option<&Resource> {
        self.store.get(&Store::holder_path(path))
    }
}
