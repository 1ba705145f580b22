//! The cluster's settings: what keeps every Private Link Service off its load balancers.

use crate::cloud_provider::rule::Rule;
use crate::cloud_provider::version;
use crate::domain::azure::ResourceId;
use crate::domain::cluster::ManagedCluster;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::resource::Resource;
use crate::domain::resource::private_link_service::Frontend;
use crate::plan::change::Change;
use crate::plan::draft::Draft;
use crate::plan::preflight::Finding;
use crate::plan::preflight::is_made;
use crate::plan::preflight::rule;

/// The first version whose cloud provider knows the annotations. Source: the article of AKS on Private Link Services.
const FIRST_WITH_LINKS: [u32; 2] = [1, 22];

pub(super) fn look(draft: &Draft<'_>) -> Vec<Finding> {
    let Some(cluster) = &draft.observed.cluster else { return Vec::new() };
    let made = draft.changes.values().filter(|change| is_made(change));
    let findings = made.filter_map(|change| match &change.key {
        ResourceKey::PrivateLinkService(publisher) if is_on(cluster, change) => {
            let (rule, problem) = refusal(cluster, publisher)?;
            Some(Finding::new(blamed(draft, change, publisher, rule), rule, problem))
        }
        _ => None,
    });
    findings.collect()
}

/// True if the service stands on a load balancer of this cluster.
fn is_on(cluster: &ManagedCluster, change: &Change) -> bool {
    let in_group = |frontend: &ResourceId| frontend.resource_group() == cluster.node_resource_group;
    match &change.resource {
        Some(Resource::PrivateLinkService(service)) => match &service.frontend {
            Frontend::OfService { .. } => true,
            Frontend::Id(frontend) => in_group(frontend),
        },
        _ => true,
    }
}

fn refusal(cluster: &ManagedCluster, publisher: &PublisherKey) -> Option<(&'static Rule, String)> {
    let name = cluster.id.name();
    let numbers = cluster.version.as_deref().and_then(version::numbers);
    let is_old = numbers.is_some_and(|[major, minor, _]| [major, minor] < FIRST_WITH_LINKS);
    if is_old && matches!(publisher, PublisherKey::Cluster(_)) {
        let version = cluster.version.as_deref().unwrap_or_default();
        let problem = format!("the cluster {name} runs Kubernetes {version}, which builds no Private Link Service");
        return Some((&rule::CLUSTER_VERSION, problem));
    }
    if cluster.balancing.is_basic {
        let problem = format!("the load balancers of the cluster {name} are of SKU Basic");
        return Some((&rule::BASIC_BALANCER, problem));
    }
    if cluster.balancing.by_address {
        let problem = format!("the load balancers of the cluster {name} know its nodes by address");
        return Some((&rule::POOL_BY_ADDRESS, problem));
    }
    None
}

/// The Service whose sync makes a Private Link Service, where the plan changes it; else what it is that changes.
pub(super) fn syncing(draft: &Draft<'_>, key: &ResourceKey) -> ResourceKey {
    let service = match key {
        ResourceKey::PrivateLinkService(PublisherKey::Cluster(service)) => ResourceKey::Service(service.clone()),
        _ => return key.clone(),
    };
    if draft.changes.contains_key(&service) { service } else { key.clone() }
}

/// The Service, where its sync would fail for ever; the Private Link Service alone, where nothing else suffers.
fn blamed(draft: &Draft<'_>, change: &Change, publisher: &PublisherKey, rule: &'static Rule) -> ResourceKey {
    let fails = rule.id != rule::CLUSTER_VERSION.id && matches!(publisher, PublisherKey::Cluster(_));
    if fails { syncing(draft, &change.key) } else { change.key.clone() }
}
