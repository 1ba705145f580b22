//! Asks Azure and the cluster what a plan would be refused for: rights where it writes, addresses that it newly wants.
//!
//! Nothing is asked for a plan that changes nothing. Rights are asked about group by group; about a single resource only
//! where its group does not give what a write to it takes. What could not be asked is told, and keeps nobody from applying.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use futures_util::stream;
use futures_util::stream::Buffered;
use futures_util::stream::Collect;

use crate::azure::Azure;
use crate::azure::ask::Availability;
use crate::azure::error::AzureError;
use crate::azure::error::ServiceError;
use crate::config::Config;
use crate::desired::Desired;
use crate::desired::policy::Policy;
use crate::domain::azure::PrincipalId;
use crate::domain::azure::ResourceId;
use crate::domain::azure::SubscriptionId;
use crate::domain::failure::ErrorClass;
use crate::domain::right::Grantee;
use crate::domain::right::RightScope;
use crate::observed::Area;
use crate::observed::Gap;
use crate::observed::Observed;
use crate::observed::rights::Rights;
use crate::observed::rights::Standing;
use crate::plan::Plan;
use crate::plan::change::Change;
use crate::plan::preflight;
use crate::plan::preflight::group;
use crate::plan::preflight::group::Group;
use crate::plan::preflight::question;
use crate::plan::preflight::question::Question;
use crate::plan::preflight::right;
use crate::plan::preflight::right::Needed;
use crate::reconcile::access;
use crate::reconcile::error_chain;
use crate::reconcile::trial;
use crate::reconcile::world::Applier;
use crate::reconcile::world::World;

/// How many questions are open at a time: Azure counts reads, and a first plan may have many.
const AT_ONCE: usize = 8;

/// How many addresses are asked about for one plan. Beyond that the writes themselves are the quicker question.
const MOST_ADDRESSES: usize = 64;

/// Asks what a plan needs to know; true if there was anything to ask, so that it has to be made again.
pub(super) async fn ask(
    world: &World,
    config: &Config,
    (desired, plan): (&Desired, &Plan),
    observed: &mut Observed,
) -> bool {
    let groups = group::open(plan, desired, observed);
    let (absent, group_gaps) = self::absent_groups(&world.azure, &groups).await;
    observed.absent_groups = absent;
    let left_out = plan.left_out.iter().filter_map(|left| left.change.as_ref());
    let changes: Vec<&Change> = plan.steps.iter().map(|step| &step.change).chain(left_out).collect();
    let mut needed = self::needed(changes.iter().copied(), (desired, observed));
    // Where there is no group, nobody has rights, and that is not what is wrong.
    for own in &mut needed {
        own.retain(|needed| !needed.scopes.first().is_some_and(|scope| is_absent(scope, observed)));
    }
    let questions: BTreeSet<Question> = changes.iter().flat_map(|change| question::of(change, observed)).collect();
    let (questions, unasked) = within_reason(questions);
    let namespaces = preflight::namespace::open(changes.iter().copied(), observed);
    let homes = access::homes(world, &namespaces).await;
    (observed.absent_namespaces, observed.leaving_namespaces) = (homes.absent, homes.leaving);
    let mut accesses: BTreeSet<_> =
        changes.iter().flat_map(|change| preflight::access::needed(change, observed)).collect();
    accesses.extend(preflight::access::for_namespaces(&desired.policy, observed));
    let ([(rights, gaps), (cluster_rights, cluster_gaps)], (user_rights, user_gaps), answers) = tokio::join!(
        self::rights_of_both((world, config), (desired, observed), &needed),
        access::rights((world, config), &desired.policy, &accesses),
        all(questions.iter().map(|question| self::address(world, question))),
    );
    for (question, answer) in questions.iter().zip(answers) {
        match answer {
            Ok(answer) => question::answered(observed, question, (answer.is_free, &answer.offered)),
            Err(gap) => drop(observed.unchecked.insert(gap)),
        }
    }
    observed.unchecked.extend(homes.gaps);
    (observed.rights, observed.cluster_rights, observed.user_rights) = (rights, cluster_rights, user_rights);
    trial::ask(world, plan, observed).await;
    observed.unchecked.extend(gaps.into_iter().chain(cluster_gaps).chain(user_gaps).chain(group_gaps).chain(unasked));
    let has_writes = needed.iter().any(|own| !own.is_empty()) || !accesses.is_empty();
    has_writes || !questions.is_empty() || !groups.is_empty()
}

fn is_absent(scope: &RightScope, observed: &Observed) -> bool {
    match scope {
        RightScope::Group(subscription, group) => {
            observed.absent_groups.contains(&(subscription.clone(), group.clone()))
        }
        RightScope::Subscription(_) | RightScope::Resource(_) => false,
    }
}

/// The groups that Azure says are not there: one list for each subscription, and a question about what is not in it,
/// because a list shows only what the caller may see.
async fn absent_groups(azure: &Azure, groups: &BTreeSet<Group>) -> (BTreeSet<Group>, BTreeSet<Gap>) {
    let subscriptions: BTreeSet<&SubscriptionId> = groups.iter().map(|(subscription, _)| subscription).collect();
    let lists = all(subscriptions.iter().map(|subscription| azure.resource_groups(subscription))).await;
    let listed: BTreeMap<&SubscriptionId, _> = subscriptions.into_iter().zip(lists).collect();
    // A list that could not be read shows nothing, and the question then says why.
    let is_listed = |(subscription, group): &&Group| matches!(&listed[subscription], Ok(seen) if seen.contains(group));
    let suspects: Vec<&Group> = groups.iter().filter(|group| !is_listed(group)).collect();
    let answers = all(suspects.iter().map(|(subscription, group)| azure.has_resource_group(subscription, group))).await;
    let (mut absent, mut gaps) = (BTreeSet::new(), BTreeSet::new());
    for (suspect, answer) in suspects.into_iter().zip(answers) {
        match answer {
            Ok(true) => {}
            Ok(false) => drop(absent.insert(suspect.clone())),
            Err(error) => {
                let area = Area::ResourceGroups(suspect.0.clone());
                gaps.insert(Gap { area, reason: told(&error) });
            }
        }
    }
    (absent, gaps)
}

/// The questions that are asked, and what is told of the others.
fn within_reason(questions: BTreeSet<Question>) -> (Vec<Question>, Vec<Gap>) {
    if questions.len() <= MOST_ADDRESSES {
        return (questions.into_iter().collect(), Vec::new());
    }
    let reason = format!("the plan asks for {} addresses, and only {MOST_ADDRESSES} are asked about", questions.len());
    let mut questions = questions.into_iter();
    let asked = questions.by_ref().take(MOST_ADDRESSES).collect();
    let networks: BTreeSet<ResourceId> = questions.filter_map(|question| question.subnet.parent()).collect();
    let gap = |network| Gap { area: Area::Addresses(network), reason: reason.clone() };
    (asked, networks.into_iter().map(gap).collect())
}

/// Answers to some questions.
type Answers<F> = Collect<Buffered<stream::Iter<std::vec::IntoIter<F>>>, Vec<<F as Future>::Output>>;

/// All answers, in the order of the questions, a few questions at a time.
///
/// The questions are listed first: what waits for an iterator with a closure cannot be moved to another thread, as the
/// agent's passes are.
pub(super) fn all<F: Future>(questions: impl IntoIterator<Item = F>) -> Answers<F> {
    let questions: Vec<F> = questions.into_iter().collect();
    stream::iter(questions).buffered(AT_ONCE).collect()
}

async fn address(world: &World, question: &Question) -> Result<Availability, Gap> {
    let network = question.subnet.parent().expect("a subnet is a part of a network");
    let answer = world.azure.address(&network, question.asked).await;
    answer.map_err(|error| Gap { area: Area::Addresses(network), reason: told(&error) })
}

/// What changes take: of the identity that applies, and of the cluster's.
pub(super) fn needed<'c>(
    changes: impl Iterator<Item = &'c Change> + Clone,
    (desired, observed): (&Desired, &Observed),
) -> [BTreeSet<Needed>; 2] {
    [
        changes.clone().flat_map(|change| right::needed(change, desired, observed)).collect(),
        changes.flat_map(|change| right::needed_by_cluster(change, desired, observed)).collect(),
    ]
}

/// The rights of an identity, and what remains unknown of them.
type Answer = (Option<Rights>, BTreeSet<Gap>);

/// The rights of the identity that applies, and those of the cluster's, as far as they decide about what each needs.
pub(super) async fn rights_of_both(
    (world, config): (&World, &Config),
    (desired, observed): (&Desired, &Observed),
    [own, by_cluster]: &[BTreeSet<Needed>; 2],
) -> [Answer; 2] {
    let principal = observed.cluster.as_ref().and_then(|cluster| cluster.principal.clone());
    let (own, by_cluster) = tokio::join!(
        self::rights((world, config), &desired.policy, own),
        self::rights_of_cluster(&world.azure, principal, by_cluster),
    );
    [own, by_cluster]
}

/// The rights of the identity that applies, as far as they decide about what is needed, and what remains unknown.
async fn rights((world, config): (&World, &Config), policy: &Policy, needed: &BTreeSet<Needed>) -> Answer {
    if needed.is_empty() {
        return (None, BTreeSet::new());
    }
    let applier = match world.applier(config, policy).await {
        Ok(applier) => applier,
        Err(reason) => return (None, [Gap { area: Area::Rights(None), reason }].into()),
    };
    let Applier { azure: _, identity, is_named } = &applier;
    let mut rights = Rights { identity: identity.clone(), is_named: *is_named, at: BTreeMap::new() };
    let mut failed = BTreeMap::new();
    let groups: BTreeSet<&RightScope> = needed.iter().filter_map(|needed| needed.scopes.first()).collect();
    read(&applier, groups, (&mut rights, &mut failed)).await;
    let is_open = |needed: &&Needed| rights.standing(needed.action, &needed.scopes) != Standing::Held;
    let open: Vec<&Needed> = needed.iter().filter(is_open).collect();
    let single: BTreeSet<&RightScope> = open.iter().filter_map(|needed| needed.scopes.get(1)).collect();
    read(&applier, single, (&mut rights, &mut failed)).await;
    let unknown = open.iter().filter(|it| rights.standing(it.action, &it.scopes) == Standing::Unknown);
    let gaps = unknown.filter_map(|needed| {
        let scope = needed.scopes.last()?;
        Some(Gap { area: Area::Rights(Some(scope.clone())), reason: failed.get(scope)?.clone() })
    });
    let gaps = gaps.collect();
    (Some(rights), gaps)
}

async fn read(
    applier: &Applier,
    scopes: BTreeSet<&RightScope>,
    (rights, failed): (&mut Rights, &mut BTreeMap<RightScope, String>),
) {
    let answers = all(scopes.iter().map(|scope| applier.azure.permissions(scope))).await;
    for (scope, answer) in scopes.into_iter().zip(answers) {
        match answer {
            Ok(roles) => drop(rights.at.insert(scope.clone(), roles)),
            Err(error) => drop(failed.insert(scope.clone(), told(&error))),
        }
    }
}

/// The rights of the cluster's identity, put together from the roles that it has: Azure tells them to nobody else whole.
async fn rights_of_cluster(azure: &Azure, principal: Option<PrincipalId>, needed: &BTreeSet<Needed>) -> Answer {
    let Some(principal) = principal.filter(|_| !needed.is_empty()) else { return (None, BTreeSet::new()) };
    let scopes: BTreeSet<&RightScope> = needed.iter().filter_map(|needed| needed.scopes.last()).collect();
    let held = all(scopes.iter().map(|scope| azure.roles_of(&principal, scope))).await;
    let ids: BTreeSet<&String> = held.iter().flatten().flatten().collect();
    let roles = all(ids.iter().map(|id| azure.role(id))).await;
    let roles: BTreeMap<&String, _> = ids.iter().copied().zip(roles).collect();
    let mut rights = Rights { identity: Grantee::Cluster(principal), is_named: true, at: BTreeMap::new() };
    let mut gaps = BTreeSet::new();
    for (scope, held) in scopes.into_iter().zip(&held) {
        let gives = held.as_ref().map_err(told).and_then(|held| {
            let each = held.iter().map(|id| roles[id].as_ref().map_err(told));
            each.collect::<Result<Vec<_>, String>>()
        });
        match gives {
            Ok(gives) => drop(rights.at.insert(scope.clone(), gives.into_iter().flatten().cloned().collect())),
            Err(reason) => drop(gaps.insert(Gap { area: Area::ClusterRights(scope.clone()), reason })),
        }
    }
    (Some(rights), gaps)
}

/// Why there is no answer. A refusal is told by the action that is lacking and without its request id: the same plan reads
/// the same every time.
pub(super) fn told(error: &AzureError) -> String {
    match error.class() {
        ErrorClass::Denied if !matches!(error, AzureError::SignIn { .. } | AzureError::Nobody { .. }) => {
            let action = error.service_error().and_then(ServiceError::lacking_action);
            let lack = action.map(|action| format!(": whoever asks lacks {action}"));
            format!("Azure denies the question{}", lack.unwrap_or_default())
        }
        _ => error_chain(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_of_very_many_addresses_asks_about_some_and_says_so() {
        let subnet: ResourceId = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/\
                                  Microsoft.Network/virtualNetworks/v/subnets/s"
            .parse()
            .unwrap();
        let address =
            |last: u8| Question { subnet: subnet.clone(), asked: std::net::Ipv4Addr::new(10, 0, 0, last).into() };
        let (asked, unasked) = within_reason((0..64).map(address).collect());
        assert_eq!((asked.len(), unasked), (64, Vec::new()));
        let (asked, unasked) = within_reason((0..65).map(address).collect());
        assert_eq!((asked.len(), unasked.len()), (64, 1));
        assert_eq!(unasked[0].reason, "the plan asks for 65 addresses, and only 64 are asked about");
    }
}
