//! Who has moved from an old Private Link Service to the one that replaces it.
//!
//! A consumer needs an endpoint of its own for the new one, so nobody is moved by us: a consumer has moved when an approved
//! connection from the same virtual network is on the new one. Networks of other subscriptions are mostly not seen; there it
//! takes as many connections on the new one as the subscription has on the old, because nobody can tell which of them moved.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::desired::Desired;
use crate::desired::Replacement;
use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::mark::DOCUMENT_TAG;
use crate::domain::resource::Provisioning;
use crate::domain::resource::connection::ConnectionStatus;
use crate::domain::resource::connection::LiveConnection;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::observed::Observed;

/// How far a migration has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Migration {
    /// The Private Link Service that goes.
    pub old: ResourceId,
    /// The one that stays, once it is there and serves.
    pub new: Option<ResourceId>,
    /// The connections on the old one whose consumers lose nothing with it, by id.
    pub moved: BTreeSet<ResourceId>,
    /// The connections on the old one whose consumers are cut with it.
    pub missing: Vec<LiveConnection>,
    /// How many consumers are on the new one.
    pub arrived: usize,
    /// How many consumers the two have together.
    pub consumers: usize,
}

impl Migration {
    /// `1 of 2 consumers moved`.
    pub fn summary(&self) -> String {
        let noun = if self.consumers == 1 { "consumer" } else { "consumers" };
        format!("{} of {} {noun} moved", self.arrived, self.consumers)
    }

    /// True if the old one serves nobody whom the new one does not serve.
    pub fn is_complete(&self) -> bool {
        self.new.is_some() && self.missing.is_empty()
    }
}

/// How far the consumers have moved to `new`; `None` if it replaces nothing that is still there.
pub fn migration(desired: &Desired, observed: &Observed, new: &PublisherKey) -> Option<Migration> {
    let replacement = desired.replacements.get(new)?;
    let old = old(desired, observed, replacement)?;
    let new = observed.publisher(new).filter(|live| live.service.id != old.service.id);
    let serves = |live: &&LivePrivateLinkService| live.alias.is_some() && live.provisioning == Provisioning::Succeeded;
    let new = new.filter(serves);
    let loses =
        |it: &&LiveConnection| !matches!(it.status, ConnectionStatus::Disconnected | ConnectionStatus::Rejected);
    let served: Vec<&LiveConnection> = old.connections.iter().filter(loses).collect();
    let arrived = new.map(|new| new.connections.as_slice()).unwrap_or_default();
    let arrived: Vec<&LiveConnection> = arrived.iter().filter(|it| it.status == ConnectionStatus::Approved).collect();
    let Matched { moved, doubtful } = matched(observed, &served, &arrived);
    let missing: Vec<LiveConnection> =
        served.iter().filter(|it| !moved.contains(&it.id)).map(|it| (*it).clone()).collect();
    Some(Migration {
        old: old.service.id.clone(),
        new: new.map(|new| new.service.id.clone()),
        consumers: arrived.len() + missing.len() - doubtful,
        arrived: arrived.len(),
        moved,
        missing,
    })
}

/// Every migration whose old Private Link Service is still there, by the id of that one.
pub(super) fn migrations(desired: &Desired, observed: &Observed) -> BTreeMap<ResourceId, Migration> {
    let all = desired.replacements.keys().filter_map(|new| migration(desired, observed, new));
    all.map(|migration| (migration.old.clone(), migration)).collect()
}

struct Matched {
    moved: BTreeSet<ResourceId>,
    /// How many have moved of whom nobody can tell who they are.
    doubtful: usize,
}

fn matched(observed: &Observed, served: &[&LiveConnection], arrived: &[&LiveConnection]) -> Matched {
    let mut moved = BTreeSet::new();
    let mut free: Vec<&LiveConnection> = arrived.to_vec();
    let mut rest: BTreeMap<String, Vec<&LiveConnection>> = BTreeMap::new();
    for old in served {
        let network = network(observed, old);
        let same = |new: &&LiveConnection| network.is_some() && self::network(observed, new) == network;
        match free.iter().position(same) {
            Some(at) => {
                free.remove(at);
                moved.insert(old.id.clone());
            }
            None => rest.entry(subscription(old)).or_default().push(old),
        }
    }
    let mut doubtful = 0;
    for (from, old) in rest {
        let may_be = |new: &&&LiveConnection| {
            let unseen = network(observed, new).is_none() || old.iter().any(|old| network(observed, old).is_none());
            subscription(new) == from && unseen
        };
        let count = free.iter().filter(may_be).count();
        if count >= old.len() {
            moved.extend(old.iter().map(|old| old.id.clone()));
        } else {
            doubtful += count;
        }
    }
    Matched { moved, doubtful }
}

fn endpoint(connection: &LiveConnection) -> &ResourceId {
    connection.endpoint.as_ref().unwrap_or(&connection.id)
}

fn subscription(connection: &LiveConnection) -> String {
    endpoint(connection).subscription().to_string()
}

/// The virtual network of a consumer, where its endpoint was seen.
fn network(observed: &Observed, connection: &LiveConnection) -> Option<ResourceId> {
    observed.private_endpoints.get(endpoint(connection))?.endpoint.subnet.parent()
}

/// The Private Link Service that a replacement takes over.
///
/// Once its document is gone it is the one with that document's mark; what the cloud provider built has no mark, and is the
/// one that is ours, that nothing asks for, and behind which are the same pods and ports.
fn old<'a>(desired: &Desired, observed: &'a Observed, replacement: &Replacement) -> Option<&'a LivePrivateLinkService> {
    if let Some(publisher) = &replacement.publisher {
        return observed.publisher(publisher);
    }
    let is_old = |live: &&LivePrivateLinkService| {
        let marked = live.mark.as_ref() == Some(&desired.policy.mark)
            && live.service.tags.get(DOCUMENT_TAG) == Some(&format!("privatelinkservice/{}", replacement.old));
        marked || live.cluster_owner().is_some_and(|owner| is_retired(desired, observed, &owner, &replacement.service))
    };
    let mut found = observed.private_link_services.values().filter(is_old);
    let only = found.next()?;
    found.next().is_none().then_some(only)
}

/// True for a Service of ours that is not published any more, in front of the same pods as the new one.
fn is_retired(desired: &Desired, observed: &Observed, owner: &ObjectKey, new: &ObjectKey) -> bool {
    let (Some(old), Some(live)) = (observed.services.get(owner), observed.services.get(new)) else { return false };
    let mark = Some(&desired.policy.mark);
    let is_ours = old.mark.as_ref() == mark || old.published_by.as_ref() == mark;
    let key = ResourceKey::PrivateLinkService(PublisherKey::Cluster(owner.clone()));
    let selector = |manifest: &Json| manifest.pointer("/spec/selector").filter(|it| it.is_object()).cloned();
    let same_pods = selector(&old.manifest).is_some() && selector(&old.manifest) == selector(&live.manifest);
    is_ours
        && !desired.intents.contains_key(&key)
        && owner.namespace == new.namespace
        && same_pods
        && ports(&old.manifest).is_subset(&ports(&live.manifest))
}

fn ports(manifest: &Json) -> BTreeSet<String> {
    let list = manifest.pointer("/spec/ports").and_then(Json::as_array).into_iter().flatten();
    list.map(|port| format!("{}/{}", port["port"], port["protocol"].as_str().unwrap_or("TCP"))).collect()
}
