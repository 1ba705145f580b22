//! Puts changes in an order in which each follows everything it waits for.
//!
//! Namespace → Service → Private Link Service → endpoint → connection → DNS; deletes the other way round.

mod takes_over;

pub(super) use takes_over::leaving;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::resource::Resource;
use crate::domain::resource::dns::Addresses;
use crate::domain::resource::private_endpoint::Target;
use crate::plan::Step;
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::draft::Draft;

pub(super) fn order(draft: &mut Draft<'_>) -> Vec<Step> {
    let mut edges: BTreeMap<&ResourceKey, BTreeSet<&ResourceKey>> = BTreeMap::new();
    let moving: BTreeSet<&ResourceKey> = draft
        .changes
        .values()
        .filter(|change| takes_over::is_moving(draft, change))
        .map(|change| &change.key)
        .collect();
    for change in draft.changes.values() {
        let others =
            draft.changes.values().filter(|other| other.key != change.key && may_matter(&moving, change, other));
        let waits = others.filter(|other| waits_for(draft, change, other));
        edges.insert(&change.key, waits.map(|other| &other.key).collect());
    }
    let sorted = sort(&edges);
    let missing: Vec<String> =
        draft.changes.keys().filter(|key| !sorted.contains(key)).map(ToString::to_string).collect();
    let index: BTreeMap<&ResourceKey, usize> = sorted.iter().enumerate().map(|(at, key)| (key, at)).collect();
    let steps = sorted
        .iter()
        .map(|key| Step {
            change: draft.changes[key].clone(),
            after: edges[key].iter().map(|waited| index[waited]).collect(),
        })
        .collect();
    if !missing.is_empty() {
        draft.block("order", format!("{} wait for each other", missing.join(", ")), "split the change in two commits");
    }
    steps
}

/// The Services that the plan changes, in the order in which it does.
pub(super) fn of_services(draft: &Draft<'_>) -> Vec<ObjectKey> {
    let changes = || draft.changes.values().filter(|change| matches!(change.key, ResourceKey::Service(_)));
    let moving: BTreeSet<&ResourceKey> =
        changes().filter(|change| takes_over::is_moving(draft, change)).map(|change| &change.key).collect();
    let mut edges: BTreeMap<&ResourceKey, BTreeSet<&ResourceKey>> = BTreeMap::new();
    for change in changes() {
        let others = changes().filter(|other| other.key != change.key && may_matter(&moving, change, other));
        edges.insert(&change.key, others.filter(|it| waits_for(draft, change, it)).map(|it| &it.key).collect());
    }
    let keys = sort(&edges).into_iter().filter_map(|key| match key {
        ResourceKey::Service(service) => Some(service),
        _ => None,
    });
    keys.collect()
}

/// False for two Services of which neither goes nor moves: most pairs of most plans are such.
fn may_matter(moving: &BTreeSet<&ResourceKey>, change: &Change, other: &Change) -> bool {
    match (&change.key, &other.key) {
        (ResourceKey::Service(_), ResourceKey::Service(_)) => {
            other.action == Action::Delete || moving.contains(&other.key)
        }
        _ => true,
    }
}

/// Kahn's algorithm; what is free at the same time keeps the order of the keys, so that the result is always the same.
fn sort(edges: &BTreeMap<&ResourceKey, BTreeSet<&ResourceKey>>) -> Vec<ResourceKey> {
    let mut done: BTreeSet<&ResourceKey> = BTreeSet::new();
    let mut sorted = Vec::new();
    let mut open: BTreeSet<&ResourceKey> = edges.keys().copied().collect();
    while let Some(next) = open.iter().find(|key| edges[*key].is_subset(&done)).copied() {
        open.remove(next);
        done.insert(next);
        sorted.push(next.clone());
    }
    sorted
}

fn waits_for(draft: &Draft<'_>, change: &Change, other: &Change) -> bool {
    match (change.action, other.action) {
        (Action::Delete, Action::Delete) => delete_follows(draft, change, other),
        (Action::Delete, _) => unpublish_follows(change, other) || takes_over::follows_leaving(draft, change, other),
        (_, Action::Delete) => takes_over::follows_removal(draft, change, other),
        _ => {
            needs(draft, change, other)
                || takes_over::follows_move(draft, change, other)
                || takes_over::follows_leaving(draft, change, other)
        }
    }
}

/// A write needs what it refers to.
fn needs(draft: &Draft<'_>, change: &Change, other: &Change) -> bool {
    match (&change.key, &other.key) {
        (ResourceKey::Service(service), ResourceKey::Namespace(name)) => service.namespace == *name,
        (ResourceKey::PrivateLinkService(PublisherKey::Cluster(service)), ResourceKey::Service(key)) => service == key,
        (ResourceKey::PrivateLinkService(PublisherKey::Own(_)), _) => own_link_needs(change, other),
        (ResourceKey::PrivateEndpoint(_), ResourceKey::PrivateLinkService(publisher)) => targets(change, publisher),
        // What a Service does to its Private Link Service is over before somebody new connects to it.
        (ResourceKey::PrivateEndpoint(_), ResourceKey::Service(_)) => {
            target_of(change).is_some_and(|publisher| is_behind(draft, publisher, other))
        }
        (ResourceKey::Connection { publisher, .. }, ResourceKey::Service(_)) => is_behind(draft, publisher, other),
        (ResourceKey::Connection { publisher, .. }, ResourceKey::PrivateLinkService(key)) => publisher == key,
        (ResourceKey::Connection { endpoint, .. }, ResourceKey::PrivateEndpoint(id)) => endpoint == id,
        (ResourceKey::DnsRecord(_), ResourceKey::PrivateEndpoint(id)) => resolves_to(change, id),
        (ResourceKey::DnsRecord(_), ResourceKey::Connection { endpoint, .. }) => resolves_to(change, endpoint),
        _ => false,
    }
}

fn is_behind(draft: &Draft<'_>, publisher: &PublisherKey, service: &Change) -> bool {
    // A change of the Private Link Service itself waits for its Service: to wait for that one is enough.
    let is_waited_for = draft.changes.contains_key(&ResourceKey::PrivateLinkService(publisher.clone()));
    !is_waited_for && draft.service_behind(publisher).is_some_and(|behind| service.key == ResourceKey::Service(behind))
}

fn target_of(change: &Change) -> Option<&PublisherKey> {
    match &change.resource {
        Some(Resource::PrivateEndpoint(endpoint)) => match &endpoint.target {
            Target::Produced { publisher, .. } => Some(publisher),
            Target::Id(_) | Target::Alias(_) => None,
        },
        _ => None,
    }
}

fn own_link_needs(change: &Change, other: &Change) -> bool {
    let Some(Resource::PrivateLinkService(service)) = &change.resource else { return false };
    match &other.key {
        ResourceKey::Service(_) => {
            change.removed_by.as_ref() == Some(&other.key)
                || change.inputs.iter().any(|input| input.producer == other.key)
        }
        ResourceKey::Subnet(id) => service.exposure.nat.subnet.as_ref() == Some(id),
        _ => false,
    }
}

fn targets(change: &Change, publisher: &PublisherKey) -> bool {
    target_of(change) == Some(publisher)
}

fn resolves_to(change: &Change, endpoint: &ResourceId) -> bool {
    let Some(Resource::DnsRecord(record)) = &change.resource else { return false };
    matches!(&record.addresses, Addresses::OfEndpoint { endpoint: of, .. } if of == endpoint)
}

/// Deletes run against the order of creation: records, then endpoints, then connections, services and Services.
fn delete_follows(draft: &Draft<'_>, change: &Change, other: &Change) -> bool {
    match (&change.key, &other.key) {
        (ResourceKey::PrivateEndpoint(endpoint), ResourceKey::DnsRecord(record)) => {
            let address = draft.observed.private_endpoints.get(endpoint).and_then(|live| live.private_address);
            let live = draft.observed.dns_records.get(record);
            let (Some(IpAddr::V4(address)), Some(live)) = (address, live) else { return false };
            matches!(&live.record.addresses, Addresses::Known(known) if known.contains(&address))
        }
        (ResourceKey::Connection { endpoint, .. }, ResourceKey::PrivateEndpoint(id)) => endpoint == id,
        (ResourceKey::PrivateLinkService(key), ResourceKey::Connection { publisher, .. }) => key == publisher,
        (ResourceKey::PrivateLinkService(key), ResourceKey::PrivateEndpoint(id)) => reaches(draft, id, key),
        (ResourceKey::Service(key), ResourceKey::PrivateEndpoint(id)) => {
            reaches(draft, id, &PublisherKey::Cluster(key.clone()))
        }
        (ResourceKey::Service(_), ResourceKey::PrivateLinkService(PublisherKey::Own(id))) => {
            // The frontend cannot go while a Private Link Service of ours stands on it.
            let frontend = draft.observed.private_link_services.get(id).and_then(|live| live.frontend());
            let ResourceKey::Service(service) = &change.key else { return false };
            frontend.is_some() && draft.observed.frontend_of(service).map(|found| &found.id) == frontend
        }
        _ => false,
    }
}

fn reaches(draft: &Draft<'_>, endpoint: &ResourceId, publisher: &PublisherKey) -> bool {
    let target = draft.observed.private_endpoints.get(endpoint).map(|live| &live.endpoint.target);
    let id = draft.observed.publisher(publisher).map(|live| &live.service.id);
    matches!((target, id), (Some(Target::Id(target)), Some(id)) if target == id)
}

/// A Private Link Service of the cloud provider is deleted after its annotations are gone, or it would be built again.
fn unpublish_follows(change: &Change, other: &Change) -> bool {
    match (&change.key, &other.key) {
        (
            ResourceKey::PrivateLinkService(PublisherKey::Cluster(service))
            | ResourceKey::Connection { publisher: PublisherKey::Cluster(service), .. },
            ResourceKey::Service(key),
        ) => service == key,
        _ => false,
    }
}
