//! What a write has for itself: Azure cancels or refuses a second one on the same network, load balancer or service.

use std::collections::BTreeSet;

use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::resource::Resource;
use crate::domain::resource::private_endpoint::Target;
use crate::domain::resource::private_link_service::Frontend;
use crate::plan::change::Change;
use crate::value::Value;

/// The locks of a change whose resource is resolved as far as it can be.
pub(super) fn of(change: &Change) -> BTreeSet<String> {
    let mut locks = BTreeSet::new();
    match &change.resource {
        Some(Resource::PrivateEndpoint(endpoint)) => {
            locks.insert(network(&endpoint.subnet));
            match &endpoint.target {
                Target::Id(id) => locks.extend([id.folded()]),
                Target::Alias(alias) => locks.extend([alias.folded()]),
                Target::Produced { publisher, known } => {
                    locks.insert(service(publisher));
                    locks.extend(known.as_ref().map(ResourceId::folded));
                }
            }
        }
        Some(Resource::PrivateLinkService(service)) => {
            locks.extend(service.exposure.nat.subnet.as_ref().map(network));
            let frontend = match &service.frontend {
                Frontend::Id(id) => Some(id),
                Frontend::OfService { known, .. } => known.as_ref(),
            };
            locks.extend(frontend.and_then(ResourceId::parent).map(|balancer| balancer.folded()));
        }
        Some(Resource::Subnet(subnet)) => locks.extend([network(&subnet.id)]),
        Some(
            Resource::Service(_)
            | Resource::Publication(_)
            | Resource::Connection(_)
            | Resource::DnsRecord(_)
            | Resource::DnsLink(_),
        )
        | None => {}
    }
    if let ResourceKey::Connection { publisher, .. } | ResourceKey::PrivateLinkService(publisher) = &change.key {
        locks.insert(service(publisher));
        // A connection that exists says which service it is a child of.
        let existing = change.existing.as_ref();
        locks.extend(existing.map(|id| id.parent().unwrap_or_else(|| id.clone()).folded()));
    }
    // What is taken away is known by what the plan read of it.
    for (name, value) in &change.reads.fields {
        match (name.as_str(), value) {
            ("subnet", Value::Id(id)) => locks.extend([network(id)]),
            ("target", Value::Id(id)) => locks.extend([id.folded()]),
            _ => {}
        }
    }
    locks
}

fn network(subnet: &ResourceId) -> String {
    subnet.parent().unwrap_or_else(|| subnet.clone()).folded()
}

fn service(publisher: &PublisherKey) -> String {
    match publisher {
        PublisherKey::Own(id) => id.folded(),
        PublisherKey::Cluster(service) => service.to_string(),
    }
}
