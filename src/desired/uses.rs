//! What of an environment takes rights, as its documents say it.

use std::collections::BTreeSet;

use crate::desired::Desired;
use crate::desired::policy::ClusterAccess;
use crate::domain::annotation;
use crate::domain::operation::Use;
use crate::domain::resource::Resource;
use crate::domain::resource::service::Service;

/// What the documents use; whatever they could, where there are none.
pub fn uses(desired: &Desired) -> BTreeSet<Use> {
    if desired.intents.is_empty() {
        return possible(desired);
    }
    let of = |resource: &Resource| match resource {
        Resource::Service(service) => is_elsewhere(service).then_some(Use::ClusterLinkElsewhere),
        Resource::Namespace(_) | Resource::Subnet(_) => None,
        Resource::Publication(_) => Some(Use::ClusterLink),
        Resource::PrivateLinkService(_) => Some(Use::OwnLink),
        Resource::PrivateEndpoint(_) => Some(Use::Endpoint),
        Resource::Connection(_) => Some(Use::ConnectionRule),
        Resource::DnsRecord(_) => Some(Use::Record),
        Resource::DnsLink(_) => Some(Use::ZoneLink),
    };
    let found = desired.intents.values().filter_map(|intent| of(&intent.resource));
    let rules = (!desired.connections.is_empty()).then_some(Use::ConnectionRule);
    let cluster = desired.policy.cluster.as_ref().map(|_| Use::Cluster);
    found.chain(rules).chain(cluster).chain(credentials(desired)).collect()
}

/// True if the cloud provider is told a group for the Private Link Service.
fn is_elsewhere(service: &Service) -> bool {
    let annotations = service.annotations();
    annotation::wants_private_link(&annotations) && annotation::private_link_group(&annotations).is_some()
}

fn credentials(desired: &Desired) -> Option<Use> {
    let is_azure = desired.policy.cluster.as_ref().is_some_and(|own| own.access == ClusterAccess::Azure);
    is_azure.then_some(Use::ClusterCredentials)
}

/// Everything that documents of the environment may use.
pub fn possible(desired: &Desired) -> BTreeSet<Use> {
    let of_cluster = [Use::Cluster, Use::ClusterLink, Use::ClusterLinkElsewhere, Use::OwnLink, Use::ConnectionRule];
    let has_cluster = desired.policy.cluster.is_some();
    let is_possible = |own: &Use| match own {
        Use::ClusterCredentials => credentials(desired).is_some(),
        other => has_cluster || !of_cluster.contains(other),
    };
    Use::ALL.into_iter().filter(is_possible).collect()
}
