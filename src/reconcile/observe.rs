//! Reads what an environment's scope holds: lists by subscription, in parallel, never one call a resource.
//!
//! What could not be read becomes a gap with its reason; the rest is still worth planning with.

use std::collections::BTreeSet;
use std::fmt::Display;

use futures_util::future::join_all;

use crate::azure::Azure;
use crate::azure::error::AzureError;
use crate::desired::policy::Policy;
use crate::domain::azure::ResourceId;
use crate::domain::azure::SubscriptionId;
use crate::domain::cluster::HeldAddress;
use crate::domain::cluster::LoadBalancerFrontend;
use crate::domain::cluster::ManagedCluster;
use crate::domain::failure::ErrorClass;
use crate::kubernetes::Cluster;
use crate::kubernetes::error::ClusterError;
use crate::observed::Area;
use crate::observed::Gap;
use crate::observed::Observed;
use crate::reconcile::error_chain;
use crate::reconcile::sight;
use crate::reconcile::world::World;

/// Azure or the cluster does not answer at all: a plan would only say the same thing for every list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing of {whom} could be read: {reason}")]
pub struct Blind {
    whom: &'static str,
    reason: String,
}

impl Blind {
    /// Who does not answer: `Azure`, or `the cluster`.
    pub fn whom(&self) -> &'static str {
        self.whom
    }

    fn to(whom: &'static str, reason: impl Into<String>) -> Self {
        Self { whom, reason: reason.into() }
    }
}

/// Reads the managed cluster, which says where everything else is. Answers a gap if Azure refuses just that.
///
/// # Errors
/// If there is no answer, or no token.
pub async fn managed_cluster(world: &World, policy: &Policy) -> Result<(Option<ManagedCluster>, Option<Gap>), Blind> {
    let Some(reference) = &policy.cluster else { return Ok((None, None)) };
    match world.azure.managed_cluster(&reference.aks).await {
        Ok(cluster) => Ok((Some(cluster), None)),
        Err(
            error @ (AzureError::SignIn { .. }
            | AzureError::Nobody { .. }
            | AzureError::Unreachable { .. }
            | AzureError::Configuration { .. }),
        ) => Err(Blind::to("Azure", error_chain(&error))),
        Err(error) => Ok((None, Some(Gap { area: Area::ManagedCluster, reason: error_chain(&error) }))),
    }
}

/// Reads everything in scope. The subscriptions of `wanted` are listed whether the index of Azure knows them or not.
///
/// # Errors
/// If nothing of Azure can be read, or the cluster does not answer.
#[tracing::instrument(target = "otel", skip_all)]
pub async fn observe(
    world: &World,
    policy: &Policy,
    (cluster, gap): (Option<&ManagedCluster>, Option<Gap>),
    wanted: &BTreeSet<SubscriptionId>,
) -> Result<Observed, Blind> {
    let azure = &world.azure;
    let home = cluster.map(|cluster| cluster.id.subscription());
    let subscriptions: BTreeSet<SubscriptionId> =
        policy.scope.subscriptions.iter().cloned().chain(home.clone()).collect();
    let listed = if policy.asks_graph {
        let certain = wanted.iter().chain(&home).filter(|id| subscriptions.contains(*id)).cloned().collect();
        worth_listing(azure, &subscriptions, certain).await
    } else {
        subscriptions.clone()
    };
    let (services, per_subscription, frontends, networks, doubts) = tokio::join!(
        services(world.cluster.as_deref(), policy),
        join_all(listed.iter().map(|id| subscription(azure, policy, id))),
        self::frontends(azure, cluster),
        join_all(listed.iter().map(|id| subnets(azure, id, home.as_ref() == Some(id)))),
        sight::look(azure, policy, (&subscriptions, cluster)),
    );
    let mut observed = Observed { cluster: cluster.cloned(), ..Observed::default() };
    for part in per_subscription.into_iter().chain(networks).chain([services?, frontends]) {
        merge(&mut observed, part);
    }
    // A list that was refused says so itself.
    let is_told = |gap: &Gap| observed.gaps.iter().any(|told| told.area == gap.area);
    let (gaps, unchecked) = (doubts.gaps.into_iter().filter(|gap| !is_told(gap)).collect::<Vec<_>>(), doubts.unchecked);
    observed.gaps.extend(gaps.into_iter().chain(gap));
    observed.unchecked.extend(unchecked);
    match observed.gaps.iter().find(|gap| gap.area != Area::Services) {
        Some(first) if is_blind_to_azure(&observed, &listed) => Err(Blind::to("Azure", first.reason.clone())),
        _ => Ok(observed),
    }
}

/// Those that are wanted, and those of the others in which the index of Azure knows anything. Without an answer, all of them:
/// the question saves calls and decides nothing.
async fn worth_listing(
    azure: &Azure,
    subscriptions: &BTreeSet<SubscriptionId>,
    certain: BTreeSet<SubscriptionId>,
) -> BTreeSet<SubscriptionId> {
    let others: BTreeSet<SubscriptionId> = subscriptions.difference(&certain).cloned().collect();
    if others.is_empty() {
        return certain;
    }
    match azure.holders(&others).await {
        // Whatever else the answer holds was not asked about.
        Ok(holders) => certain.into_iter().chain(holders.intersection(&others).cloned()).collect(),
        Err(error) => {
            tracing::warn!(
                error = error_chain(&error),
                "Resource Graph does not say where to look: every subscription is listed"
            );
            subscriptions.clone()
        }
    }
}

fn is_blind_to_azure(observed: &Observed, subscriptions: &BTreeSet<SubscriptionId>) -> bool {
    let is_gap = |area: Area| observed.gaps.iter().any(|gap| gap.area == area);
    let is_dark = |id: &SubscriptionId| {
        is_gap(Area::PrivateLinkServices(id.clone()))
            && is_gap(Area::PrivateEndpoints(id.clone()))
            && is_gap(Area::Dns(id.clone()))
    };
    observed.cluster.is_none() && subscriptions.iter().all(is_dark)
}

fn merge(observed: &mut Observed, part: Observed) {
    let Observed {
        cluster: _,
        services,
        subnets,
        frontends,
        private_link_services,
        private_endpoints,
        held,
        dns_zones,
        dns_records,
        dns_links,
        // They are asked about only once it is clear what a plan needs.
        offered: _,
        absent_groups: _,
        absent_namespaces: _,
        leaving_namespaces: _,
        trials: _,
        warnings: _,
        rights: _,
        cluster_rights: _,
        user_rights: _,
        gaps,
        unchecked,
    } = part;
    observed.services.extend(services);
    observed.subnets.extend(subnets);
    observed.frontends.extend(frontends);
    observed.private_link_services.extend(private_link_services);
    observed.private_endpoints.extend(private_endpoints);
    observed.held.extend(held);
    observed.dns_zones.extend(dns_zones);
    observed.dns_records.extend(dns_records);
    observed.dns_links.extend(dns_links);
    observed.gaps.extend(gaps);
    observed.unchecked.extend(unchecked);
}

/// Notes a gap, or gives back what was read.
fn read<T, E: std::error::Error + 'static>(observed: &mut Observed, area: Area, result: Result<Vec<T>, E>) -> Vec<T> {
    match result {
        Ok(items) => items,
        Err(error) => {
            note(observed, area, &error_chain(&error));
            Vec::new()
        }
    }
}

fn note(observed: &mut Observed, area: Area, reason: &dyn Display) {
    observed.gaps.insert(Gap { area, reason: reason.to_string() });
}

async fn services(cluster: Option<&Cluster>, policy: &Policy) -> Result<Observed, Blind> {
    let mut observed = Observed::default();
    let Some(cluster) = cluster else { return Ok(observed) };
    let result = cluster.services(None).await;
    if let Err(error @ (ClusterError::Unreachable { .. } | ClusterError::Credentials { .. })) = &result {
        return Err(Blind::to("the cluster", error_chain(error)));
    }
    let services = read(&mut observed, Area::Services, result);
    let in_scope = services.into_iter().filter(|live| policy.scope.has_namespace(&live.key.namespace));
    observed.services = in_scope.map(|live| (live.key.clone(), live)).collect();
    Ok(observed)
}

/// The frontends of the cluster's load balancers, and the addresses that those of others hold.
///
/// One list tells both. Whoever may not read it for the whole subscription is told of the cluster's alone.
async fn frontends(azure: &Azure, cluster: Option<&ManagedCluster>) -> Observed {
    let mut observed = Observed::default();
    let Some(cluster) = cluster else { return observed };
    let (subscription, group) = (cluster.id.subscription(), &cluster.node_resource_group);
    let mut result = azure.load_balancer_frontends(&subscription, None).await;
    if result.as_ref().is_err_and(|error| error.class() == ErrorClass::Denied) {
        result = azure.load_balancer_frontends(&subscription, Some(group)).await;
    }
    let frontends = read(&mut observed, Area::Frontends(subscription), result);
    let (own, foreign): (Vec<_>, Vec<_>) =
        frontends.into_iter().partition(|frontend| frontend.id.resource_group() == *group);
    observed.frontends = own.into_iter().map(|frontend| (frontend.id.clone(), frontend)).collect();
    observed.held = foreign.into_iter().filter_map(held).collect();
    observed
}

fn held(frontend: LoadBalancerFrontend) -> Option<HeldAddress> {
    let holder = frontend.id.parent()?;
    Some(HeldAddress { subnet: frontend.subnet?, address: frontend.address?, holder })
}

/// The networks of a subscription. Plans need those of the cluster's; where others cannot be read, preflight does not look.
async fn subnets(azure: &Azure, subscription: &SubscriptionId, is_needed: bool) -> Observed {
    let mut observed = Observed::default();
    let area = Area::Networks(subscription.clone());
    let result = azure.subnets(subscription).await;
    if let (Err(error), false) = (&result, is_needed) {
        observed.unchecked.insert(Gap { area, reason: error_chain(error) });
        return observed;
    }
    let subnets = read(&mut observed, area, result);
    observed.subnets = subnets.into_iter().map(|subnet| (subnet.id.clone(), subnet)).collect();
    observed
}

async fn subscription(azure: &Azure, policy: &Policy, id: &SubscriptionId) -> Observed {
    let mut observed = Observed::default();
    let (links, endpoints, zones) =
        tokio::join!(azure.private_link_services(id), azure.private_endpoints(id), azure.dns_zones(id));
    let links = read(&mut observed, Area::PrivateLinkServices(id.clone()), links);
    observed.private_link_services = links.into_iter().map(|live| (live.service.id.clone(), live)).collect();
    let listed = endpoints.map(|list| vec![list]);
    for list in read(&mut observed, Area::PrivateEndpoints(id.clone()), listed) {
        observed.private_endpoints = list.endpoints.into_iter().map(|live| (live.endpoint.id.clone(), live)).collect();
        observed.held = list.held.into_iter().collect();
    }
    let zones = read(&mut observed, Area::Dns(id.clone()), zones);
    observed.dns_zones = zones.into_iter().collect();
    let in_scope: BTreeSet<ResourceId> =
        observed.dns_zones.iter().filter(|zone| policy.scope.has_zone(zone.name())).cloned().collect();
    for part in join_all(in_scope.iter().map(|zone| self::zone(azure, zone))).await {
        merge(&mut observed, part);
    }
    observed
}

async fn zone(azure: &Azure, zone: &ResourceId) -> Observed {
    let mut observed = Observed::default();
    let area = || Area::Dns(zone.subscription());
    let (records, links) = tokio::join!(azure.dns_records(zone), azure.dns_links(zone));
    let records = read(&mut observed, area(), records);
    observed.dns_records = records.into_iter().map(|live| (live.record.id.clone(), live)).collect();
    let links = read(&mut observed, area(), links);
    observed.dns_links = links.into_iter().map(|live| (live.link.id.clone(), live)).collect();
    observed
}
