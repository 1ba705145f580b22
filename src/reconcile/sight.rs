//! Whether lists can be believed: Azure leaves out of a list what its reader may not read, and does not say so.
//!
//! Whoever plans is therefore asked about: one question a subscription, and one a group where the subscription gives too
//! little. What may be left out is a gap like a list that was refused.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::azure::Azure;
use crate::desired::policy::Policy;
use crate::domain::azure::ResourceGroup;
use crate::domain::azure::SubscriptionId;
use crate::domain::cluster::ManagedCluster;
use crate::domain::right::Permission;
use crate::domain::right::RightScope;
use crate::observed::Area;
use crate::observed::Gap;
use crate::observed::Observed;
use crate::reconcile::ask;

/// An area, the actions that its lists take, and the groups that are enough if the subscription does not give them.
struct List {
    area: Area,
    actions: &'static [&'static str],
    groups: Vec<RightScope>,
    /// False for what plans can do without.
    is_needed: bool,
}

const FRONTENDS: &[&str] = &["Microsoft.Network/loadBalancers/read"];
const LINKS: &[&str] = &["Microsoft.Network/privateLinkServices/read"];
const ENDPOINTS: &[&str] = &["Microsoft.Network/privateEndpoints/read", "Microsoft.Network/networkInterfaces/read"];
const NETWORKS: &[&str] = &["Microsoft.Network/virtualNetworks/read"];
const ZONES: &[&str] = &[
    "Microsoft.Network/privateDnsZones/read",
    "Microsoft.Network/privateDnsZones/A/read",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks/read",
];

/// What is in force where.
type Roles = BTreeMap<RightScope, Vec<Permission>>;

/// Notes what the lists of these subscriptions may leave out.
pub(super) async fn look(
    azure: &Azure,
    policy: &Policy,
    (subscriptions, cluster): (&BTreeSet<SubscriptionId>, Option<&ManagedCluster>),
) -> Observed {
    let mut observed = Observed::default();
    let mut roles = Roles::new();
    let whole = subscriptions.iter().cloned().map(RightScope::Subscription).collect();
    read(azure, whole, (&mut roles, &mut observed)).await;
    let lists: Vec<(RightScope, List)> = subscriptions
        .iter()
        .flat_map(|id| lists(policy, id, cluster).map(|list| (RightScope::Subscription(id.clone()), list)))
        .filter(|(whole, list)| roles.get(whole).is_none_or(|given| !lacking(list.actions, given).is_empty()))
        .collect();
    let groups = lists.iter().flat_map(|(_, list)| list.groups.iter().cloned()).collect();
    read(azure, groups, (&mut roles, &mut observed)).await;
    for (whole, list) in lists {
        let scopes = if list.groups.is_empty() { vec![whole] } else { with_roles(list.groups, &roles) };
        let lacks = scopes.iter().filter_map(|scope| {
            let lacking = lacking(list.actions, roles.get(scope)?);
            (!lacking.is_empty()).then(|| format!("{} on {scope}", lacking.join(" and ")))
        });
        let lacks: Vec<String> = lacks.collect();
        if !lacks.is_empty() {
            let reason = format!(
                "whoever plans lacks {}, and Azure leaves out of a list what its reader may not read",
                lacks.join(", ")
            );
            let gaps = if list.is_needed { &mut observed.gaps } else { &mut observed.unchecked };
            gaps.insert(Gap { area: list.area, reason });
        }
    }
    observed
}

/// The lists that are read of a subscription.
fn lists(policy: &Policy, id: &SubscriptionId, cluster: Option<&ManagedCluster>) -> impl Iterator<Item = List> {
    let home = cluster.filter(|cluster| cluster.id.subscription() == *id);
    let named: Vec<RightScope> =
        named_groups(policy).into_iter().map(|group| RightScope::Group(id.clone(), group)).collect();
    let nodes = home.map(|cluster| RightScope::Group(id.clone(), cluster.node_resource_group.clone()));
    let network = home.and_then(|cluster| cluster.node_subnet.as_ref()).map(RightScope::group_of);
    let of_links = if named.is_empty() { Vec::new() } else { named.iter().cloned().chain(nodes.clone()).collect() };
    let frontends = nodes.map(|nodes| (Area::Frontends(id.clone()), FRONTENDS, vec![nodes], true));
    let lists = [
        (Area::PrivateLinkServices(id.clone()), LINKS, of_links, true),
        (Area::PrivateEndpoints(id.clone()), ENDPOINTS, named.clone(), true),
        (Area::Dns(id.clone()), ZONES, named, true),
        (Area::Networks(id.clone()), NETWORKS, network.into_iter().collect(), home.is_some()),
    ];
    let list = |(area, actions, groups, is_needed)| List { area, actions, groups, is_needed };
    lists.into_iter().chain(frontends).map(list)
}

/// Those groups where whoever plans has a role, or all if that is none: a scope names groups without their subscriptions, and a
/// group that is not there looks like one without roles.
fn with_roles(groups: Vec<RightScope>, roles: &Roles) -> Vec<RightScope> {
    let has_role = |scope: &&RightScope| roles.get(scope).is_some_and(|given| !given.is_empty());
    let some: Vec<RightScope> = groups.iter().filter(has_role).cloned().collect();
    if some.is_empty() { groups } else { some }
}

/// The groups in scope, where the scope names every one of them.
fn named_groups(policy: &Policy) -> Vec<ResourceGroup> {
    let groups = policy.scope.resource_groups.iter().map(|pattern| pattern.as_str().parse().ok());
    groups.collect::<Option<Vec<_>>>().unwrap_or_default()
}

fn lacking(actions: &'static [&'static str], roles: &[Permission]) -> Vec<&'static str> {
    actions.iter().copied().filter(|action| !roles.iter().any(|role| role.gives(action))).collect()
}

async fn read(azure: &Azure, scopes: BTreeSet<RightScope>, (roles, observed): (&mut Roles, &mut Observed)) {
    let answers = ask::all(scopes.iter().map(|scope| azure.permissions(scope))).await;
    for (scope, answer) in scopes.into_iter().zip(answers) {
        let subscription = match &scope {
            RightScope::Subscription(id) | RightScope::Group(id, _) => id.clone(),
            RightScope::Resource(id) => id.subscription(),
        };
        match answer {
            Ok(given) => drop(roles.insert(scope, given)),
            Err(error) => {
                let area = Area::Sight(subscription);
                observed.unchecked.insert(Gap { area, reason: ask::told(&error) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::operation;
    use crate::domain::operation::Party;
    use crate::domain::operation::Use;

    #[test]
    fn every_list_takes_what_the_role_that_is_printed_gives() {
        let printed = operation::of(Party::Plan, &Use::ALL.into());
        let printed: BTreeSet<&str> = printed.into_iter().map(|own| own.action).collect();
        for action in [FRONTENDS, LINKS, ENDPOINTS, NETWORKS, ZONES].concat() {
            assert!(printed.contains(action), "{action}");
        }
    }
}
