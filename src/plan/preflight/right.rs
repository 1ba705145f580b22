//! The rights that a plan's writes need.
//!
//! ```text
//!  change ─ needed ─▶ action over a resource ─ scopes ─▶ its group, and itself if it is there already
//! ```
//! A write needs rights on what it refers to, too: Azure checks every reference of a body, changed or not.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::desired::Desired;
use crate::domain::annotation;
use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::operation::APPROVE;
use crate::domain::operation::DELETE_CONNECTION;
use crate::domain::operation::DELETE_ENDPOINT;
use crate::domain::operation::DELETE_LINK;
use crate::domain::operation::DELETE_RECORD;
use crate::domain::operation::DELETE_ZONE_LINK;
use crate::domain::operation::JOIN_FRONTEND;
use crate::domain::operation::JOIN_NAT_GATEWAY;
use crate::domain::operation::JOIN_NETWORK;
use crate::domain::operation::JOIN_ROUTE_TABLE;
use crate::domain::operation::JOIN_SECURITY_GROUP;
use crate::domain::operation::JOIN_SUBNET;
use crate::domain::operation::READ_LINK;
use crate::domain::operation::READ_SUBNET;
use crate::domain::operation::WRITE_CONNECTION;
use crate::domain::operation::WRITE_ENDPOINT;
use crate::domain::operation::WRITE_LINK;
use crate::domain::operation::WRITE_RECORD;
use crate::domain::operation::WRITE_SUBNET;
use crate::domain::operation::WRITE_ZONE_LINK;
use crate::domain::resource::Resource;
use crate::domain::resource::private_endpoint::PrivateEndpoint;
use crate::domain::resource::private_endpoint::Request;
use crate::domain::resource::private_endpoint::Target;
use crate::domain::resource::private_link_service::Exposure;
use crate::domain::resource::private_link_service::Frontend;
use crate::domain::resource::private_link_service::PrivateLinkService;
use crate::domain::resource::service::LiveService;
use crate::domain::right::RightScope;
use crate::observed::Observed;
use crate::plan::action::Action;
use crate::plan::action::Actor;
use crate::plan::change::Change;
use crate::plan::edit;
use crate::plan::preflight::question;

/// An action that a write takes, and where roles may give it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needed {
    /// The action, in Azure's spelling.
    pub action: &'static str,
    /// From the group to the narrowest scope that is there before the write.
    pub scopes: Vec<RightScope>,
}

/// On something that is there.
fn on(action: &'static str, id: &ResourceId) -> Needed {
    Needed { action, scopes: vec![RightScope::group_of(id), RightScope::Resource(id.clone())] }
}

/// On something that the write makes: nobody can have a role on it yet.
fn on_new(action: &'static str, id: &ResourceId) -> Needed {
    Needed { action, scopes: vec![RightScope::group_of(id)] }
}

/// What a change needs the rights for. The cloud provider's work is not among them: it has an identity of its own.
pub fn needed(change: &Change, desired: &Desired, observed: &Observed) -> BTreeSet<Needed> {
    if change.actor != Actor::Privlink {
        return BTreeSet::new();
    }
    let writes = change.action != Action::Delete;
    let is_new = change.action == Action::Create;
    let write = |action, id: &ResourceId| if is_new { on_new(action, id) } else { on(action, id) };
    let mut needed = BTreeSet::new();
    match &change.resource {
        Some(Resource::Subnet(subnet)) => needed.extend(of_subnet(&subnet.id, observed)),
        Some(Resource::PrivateLinkService(service)) if writes => {
            needed.insert(write(WRITE_LINK, &service.id));
            needed.extend(of_link(service));
        }
        Some(Resource::PrivateEndpoint(endpoint)) if writes => {
            needed.insert(write(WRITE_ENDPOINT, &endpoint.id));
            needed.insert(on(JOIN_SUBNET, &endpoint.subnet));
            needed.extend(approval(endpoint, desired, observed));
        }
        Some(Resource::DnsRecord(record)) if writes => needed.extend(in_zone(WRITE_RECORD, &record.id)),
        Some(Resource::DnsLink(link)) if writes => {
            needed.extend(in_zone(WRITE_ZONE_LINK, &link.id));
            needed.insert(on(JOIN_NETWORK, &link.virtual_network));
        }
        Some(Resource::Connection(connection)) if writes => {
            let link = observed.publisher(&connection.publisher);
            needed.extend(link.map(|link| on(WRITE_CONNECTION, &link.service.id)));
        }
        _ => {}
    }
    if change.action.is_destructive() && change.removed_by.is_none() {
        needed.extend(of_deletion(change, observed));
    }
    needed
}

/// A subnet is written whole, with everything that it refers to.
fn of_subnet(id: &ResourceId, observed: &Observed) -> Vec<Needed> {
    let links = [
        ("/properties/networkSecurityGroup/id", JOIN_SECURITY_GROUP),
        ("/properties/routeTable/id", JOIN_ROUTE_TABLE),
        ("/properties/natGateway/id", JOIN_NAT_GATEWAY),
    ];
    let body = observed.subnets.get(id).map(|live| &live.seen.body);
    let link = |(place, action): (&str, &'static str)| {
        let linked = body?.pointer(place)?.as_str()?.parse::<ResourceId>().ok()?;
        Some(on(action, &linked))
    };
    links.into_iter().filter_map(link).chain([on(WRITE_SUBNET, id)]).collect()
}

fn of_link(service: &PrivateLinkService) -> Vec<Needed> {
    let frontend = match &service.frontend {
        Frontend::OfService { known, .. } => known.as_ref(),
        Frontend::Id(id) => Some(id),
    };
    // A part of a load balancer has no roles of its own.
    let frontend = frontend.and_then(ResourceId::parent).map(|balancer| on(JOIN_FRONTEND, &balancer));
    let subnet = service.exposure.nat.subnet.as_ref().map(|subnet| on(JOIN_SUBNET, subnet));
    frontend.into_iter().chain(subnet).collect()
}

/// Who asks for a connection that is approved at once needs the right to approve it, unless the service approves it itself.
///
/// Whom a service approves that was not seen nobody knows: then the right may not be needed.
fn approval(endpoint: &PrivateEndpoint, desired: &Desired, observed: &Observed) -> Option<Needed> {
    if endpoint.request != Request::Automatic {
        return None;
    }
    let approves = |exposure: &Exposure| exposure.auto_approval.names(&endpoint.id.subscription());
    let seen = |id: &ResourceId| observed.private_link_services.get(id).map(|live| &live.service.exposure);
    match &endpoint.target {
        Target::Alias(_) => None,
        Target::Id(id) => seen(id).filter(|exposure| !approves(exposure)).map(|_| on(APPROVE, id)),
        Target::Produced { publisher, known } => {
            let wanted = exposure_of(publisher, desired).or_else(|| seen(known.as_ref()?));
            let needed = || match (known, publisher) {
                (Some(id), _) => Some(on(APPROVE, id)),
                (None, PublisherKey::Own(id)) => Some(on_new(APPROVE, id)),
                (None, PublisherKey::Cluster(service)) => {
                    Some(Needed { action: APPROVE, scopes: vec![group_of_links(service, desired, observed)?] })
                }
            };
            wanted.filter(|exposure| !approves(exposure)).and_then(|_| needed())
        }
    }
}

fn exposure_of<'a>(publisher: &PublisherKey, desired: &'a Desired) -> Option<&'a Exposure> {
    let key = ResourceKey::PrivateLinkService(publisher.clone());
    match &desired.intents.get(&key)?.resource {
        Resource::Publication(publication) => Some(&publication.exposure),
        Resource::PrivateLinkService(service) => Some(&service.exposure),
        _ => None,
    }
}

/// The group in which the cloud provider makes the Private Link Service of a Service.
fn group_of_links(service: &ObjectKey, desired: &Desired, observed: &Observed) -> Option<RightScope> {
    let cluster = observed.cluster.as_ref()?;
    let wanted = annotations_of(service, desired, observed);
    let named = annotation::private_link_group(&wanted);
    let group = named.map_or_else(|| Some(cluster.node_resource_group.clone()), |name| name.parse().ok())?;
    Some(RightScope::Group(cluster.id.subscription(), group))
}

/// The annotations of a Service as it shall be, or else as it is.
pub(super) fn annotations_of(service: &ObjectKey, desired: &Desired, observed: &Observed) -> BTreeMap<String, String> {
    match desired.intents.get(&ResourceKey::Service(service.clone())).map(|intent| &intent.resource) {
        Some(Resource::Service(service)) => service.annotations(),
        _ => observed.services.get(service).map(LiveService::annotations).unwrap_or_default(),
    }
}

fn in_zone(action: &'static str, id: &ResourceId) -> Option<Needed> {
    id.parent().map(|zone| on(action, &zone))
}

fn of_deletion(change: &Change, observed: &Observed) -> Vec<Needed> {
    let link = |publisher: &PublisherKey| {
        let seen = observed.publisher(publisher).map(|live| live.service.id.clone());
        change.existing.clone().or(seen)
    };
    match &change.key {
        ResourceKey::PrivateEndpoint(id) => vec![on(DELETE_ENDPOINT, id)],
        ResourceKey::DnsRecord(id) => in_zone(DELETE_RECORD, id).into_iter().collect(),
        ResourceKey::DnsLink(id) => in_zone(DELETE_ZONE_LINK, id).into_iter().collect(),
        ResourceKey::PrivateLinkService(publisher) => {
            link(publisher).map(|id| on(DELETE_LINK, &id)).into_iter().collect()
        }
        ResourceKey::Connection { publisher, .. } => {
            let live = observed.publisher(publisher);
            live.map(|live| on(DELETE_CONNECTION, &live.service.id)).into_iter().collect()
        }
        ResourceKey::Namespace(_) | ResourceKey::Service(_) | ResourceKey::Subnet(_) => Vec::new(),
    }
}

/// What the cloud provider needs the rights for, outside the group of the nodes: there AKS itself gives it what it takes.
pub fn needed_by_cluster(change: &Change, desired: &Desired, observed: &Observed) -> BTreeSet<Needed> {
    let Some(cluster) = &observed.cluster else { return BTreeSet::new() };
    let own = RightScope::Group(cluster.id.subscription(), cluster.node_resource_group.clone());
    let mut needed = Vec::new();
    match &change.resource {
        Some(Resource::Service(service)) if edit::is_synced(observed, change) => {
            let subnet = question::subnet_of(service, observed);
            needed.extend(subnet.iter().flat_map(|subnet| [JOIN_SUBNET, READ_SUBNET].map(|action| on(action, subnet))));
        }
        Some(Resource::Publication(publication)) if change.action != Action::Delete => {
            let subnet = publication.exposure.nat.subnet.clone();
            let nat = subnet.and_then(|subnet| observed.subnets.get(&subnet));
            needed.extend(nat.map(|live| on(JOIN_SUBNET, &live.id)));
            let is_switched = nat.filter(|live| live.policy_enabled);
            needed.extend(is_switched.into_iter().flat_map(|live| of_subnet(&live.id, observed)));
            let group = group_of_links(&publication.service, desired, observed);
            let in_group = |group: RightScope| {
                [READ_LINK, WRITE_LINK].map(|action| Needed { action, scopes: vec![group.clone()] })
            };
            needed.extend(group.into_iter().flat_map(in_group));
        }
        _ => {}
    }
    // A Private Link Service that goes with its Service, or with the Service's frontend.
    let lost = change.reads.publisher.as_ref().filter(|_| matches!(change.key, ResourceKey::Service(_)));
    if let Some(live) = lost.and_then(|id| observed.private_link_services.get(id)) {
        let cuts = (!live.connections.is_empty()).then_some(DELETE_CONNECTION);
        needed.extend(cuts.into_iter().chain([DELETE_LINK]).map(|action| on(action, &live.service.id)));
    }
    needed.into_iter().filter(|needed| needed.scopes.first() != Some(&own)).collect()
}
