//! Resource groups that are not there: Azure makes nothing in one, and the cloud provider finds nothing in one.
//!
//! Only the word of Azure that a group is not there counts. One that is missing in a list may be one that is not shown.

use std::collections::BTreeSet;

use crate::desired::Desired;
use crate::domain::annotation;
use crate::domain::azure::ResourceGroup;
use crate::domain::azure::ResourceId;
use crate::domain::azure::SubscriptionId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::observed::Observed;
use crate::plan::Plan;
use crate::plan::action::Action;
use crate::plan::draft::Draft;
use crate::plan::preflight::Finding;
use crate::plan::preflight::cluster;
use crate::plan::preflight::right;
use crate::plan::preflight::rule;

/// A resource group, which has its name within a subscription.
pub type Group = (SubscriptionId, ResourceGroup);

/// The groups that a plan needs and in which nothing was seen, so that nobody knows yet whether they are there.
pub fn open(plan: &Plan, desired: &Desired, observed: &Observed) -> BTreeSet<Group> {
    let steps = plan.steps.iter().filter(|step| step.change.action != Action::Delete).map(|step| &step.change.key);
    let keys = steps.chain(plan.left_out.iter().map(|left| &left.key));
    let needed: BTreeSet<Group> = keys.filter_map(|key| of(key, desired, observed)).collect();
    if needed.is_empty() {
        return needed;
    }
    let seen = seen(observed);
    needed.into_iter().filter(|group| !seen.contains(group)).collect()
}

/// The group that has to be there for a resource: its own, or that in which the cloud provider looks.
fn of(key: &ResourceKey, desired: &Desired, observed: &Observed) -> Option<Group> {
    match key {
        ResourceKey::PrivateLinkService(PublisherKey::Own(id))
        | ResourceKey::PrivateEndpoint(id)
        | ResourceKey::DnsRecord(id)
        | ResourceKey::DnsLink(id) => Some(group_of(id)),
        ResourceKey::Service(service) | ResourceKey::PrivateLinkService(PublisherKey::Cluster(service)) => {
            searched(service, desired, observed)
        }
        ResourceKey::Namespace(_) | ResourceKey::Subnet(_) | ResourceKey::Connection { .. } => None,
    }
}

fn group_of(id: &ResourceId) -> Group {
    (id.subscription(), id.resource_group())
}

fn searched(service: &ObjectKey, desired: &Desired, observed: &Observed) -> Option<Group> {
    let wanted = right::annotations_of(service, desired, observed);
    let named = annotation::private_link_group(&wanted)?;
    let cluster = observed.cluster.as_ref().filter(|_| annotation::wants_private_link(&wanted))?;
    Some((cluster.id.subscription(), named.parse().ok()?))
}

/// The groups in which something was seen.
fn seen(observed: &Observed) -> BTreeSet<Group> {
    let cluster = observed.cluster.iter();
    let of_cluster = cluster.flat_map(|it| [group_of(&it.id), (it.id.subscription(), it.node_resource_group.clone())]);
    let ids = observed
        .subnets
        .keys()
        .chain(observed.private_link_services.keys())
        .chain(observed.private_endpoints.keys())
        .chain(&observed.dns_zones);
    ids.map(group_of).chain(of_cluster).collect()
}

/// Why a resource cannot be made, if its group is not there.
pub(in crate::plan) fn problem(observed: &Observed, id: &ResourceId) -> Option<String> {
    let (subscription, group) = group_of(id);
    let is_absent = observed.absent_groups.contains(&(subscription.clone(), group.clone()));
    is_absent.then(|| format!("the resource group {group} of subscription {subscription} does not exist"))
}

pub(super) fn look(draft: &Draft<'_>) -> Vec<Finding> {
    if draft.observed.absent_groups.is_empty() {
        return Vec::new();
    }
    let written = draft.changes.values().filter(|change| change.action != Action::Delete);
    let finding = |key: &ResourceKey| match key {
        ResourceKey::Service(service) | ResourceKey::PrivateLinkService(PublisherKey::Cluster(service)) => {
            let group = searched(service, draft.desired, draft.observed)?;
            let problem = format!(
                "the resource group {} in which {service} looks for its Private Link Service does not exist: every sync fails",
                group.1
            );
            let is_absent = draft.observed.absent_groups.contains(&group);
            is_absent.then(|| Finding::new(cluster::syncing(draft, key), &rule::GROUP_MISSING, problem))
        }
        ResourceKey::PrivateLinkService(PublisherKey::Own(id)) | ResourceKey::PrivateEndpoint(id) => {
            let problem = problem(draft.observed, id)?;
            Some(Finding::new(key.clone(), &rule::GROUP_MISSING, problem))
        }
        // A record or a link is refused with its zone, which is not there either.
        ResourceKey::DnsRecord(_)
        | ResourceKey::DnsLink(_)
        | ResourceKey::Namespace(_)
        | ResourceKey::Subnet(_)
        | ResourceKey::Connection { .. } => None,
    };
    let mut told = BTreeSet::new();
    let found = written.filter_map(|change| finding(&change.key));
    // A Service and its Private Link Service are told of once.
    found.filter(|finding| told.insert(finding.key.clone())).collect()
}
