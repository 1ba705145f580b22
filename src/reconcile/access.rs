//! Asks a cluster's API server what the user that applies may do, as far as a plan needs it, and which namespaces there are.
//!
//! What several namespaces need is asked about for all of them first, which settles it for whoever has a ClusterRole; only
//! where that is denied, each is asked about.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::Config;
use crate::desired::policy::Policy;
use crate::domain::failure::ErrorClass;
use crate::domain::kubernetes::Namespace;
use crate::domain::right::Access;
use crate::kubernetes::Cluster;
use crate::kubernetes::error::ClusterError;
use crate::observed::Area;
use crate::observed::Gap;
use crate::observed::rights::Standing;
use crate::observed::rights::UserRights;
use crate::reconcile::ask::all;
use crate::reconcile::error_chain;
use crate::reconcile::world::World;

/// The rights of the user that applies, as far as they decide about what is needed, and what remains unknown.
pub(super) async fn rights(
    (world, config): (&World, &Config),
    policy: &Policy,
    needed: &BTreeSet<Access>,
) -> (Option<UserRights>, BTreeSet<Gap>) {
    if needed.is_empty() {
        return (None, BTreeSet::new());
    }
    let unknown = |reason: String| (None, BTreeSet::from([Gap { area: Area::UserRights, reason }]));
    let (cluster, is_named) = match world.cluster_applier(config, policy).await {
        Ok(Some(applier)) => applier,
        Ok(None) => return (None, BTreeSet::new()),
        Err(reason) => return unknown(reason),
    };
    let mut rights = UserRights { user: String::new(), is_named, answers: BTreeMap::new() };
    let mut failed = BTreeSet::new();
    ask(&cluster, wide(needed), (&mut rights, &mut failed)).await;
    let is_open = |access: &&Access| rights.standing(access) == Standing::Unknown;
    // A server that answers no question about all namespaces answers none about one.
    let open = if failed.is_empty() { needed.iter().filter(is_open).cloned().collect() } else { BTreeSet::new() };
    ask(&cluster, open, (&mut rights, &mut failed)).await;
    if needed.iter().any(|access| rights.standing(access) == Standing::Lacking) {
        rights.user = user(&cluster).await;
    }
    let gaps = failed.into_iter().map(|reason| Gap { area: Area::UserRights, reason }).collect();
    (Some(rights), gaps)
}

/// The namespaces that are not there to stay, those of them that are being deleted, and what remains unknown.
#[derive(Default)]
pub(super) struct Homes {
    pub(super) absent: BTreeSet<Namespace>,
    pub(super) leaving: BTreeSet<Namespace>,
    pub(super) gaps: BTreeSet<Gap>,
}

/// Asks which namespaces are there.
pub(super) async fn homes(world: &World, namespaces: &BTreeSet<Namespace>) -> Homes {
    let mut homes = Homes::default();
    let Some(cluster) = &world.cluster else { return homes };
    let answers = all(namespaces.iter().map(|namespace| cluster.namespace(namespace))).await;
    for (namespace, answer) in namespaces.iter().zip(answers) {
        match answer {
            Ok(Some(live)) if !live.deleting => {}
            Ok(live) => {
                homes.leaving.extend(live.map(|live| live.name));
                homes.absent.insert(namespace.clone());
            }
            Err(error) => drop(homes.gaps.insert(Gap { area: Area::Namespaces, reason: told(&error) })),
        }
    }
    homes
}

/// What is needed in several namespaces, as one question about all of them.
fn wide(needed: &BTreeSet<Access>) -> BTreeSet<Access> {
    let everywhere = |access: &Access| Access { namespace: None, ..access.clone() };
    let count = |wide: &Access| needed.iter().filter(|access| everywhere(access) == *wide).count();
    needed.iter().map(everywhere).filter(|wide| count(wide) > 1).collect()
}

async fn ask(
    cluster: &Cluster,
    questions: BTreeSet<Access>,
    (rights, failed): (&mut UserRights, &mut BTreeSet<String>),
) {
    let answers = all(questions.iter().map(|access| cluster.may(access))).await;
    for (access, answer) in questions.into_iter().zip(answers) {
        match answer {
            Ok(is_allowed) => drop(rights.answers.insert(access, is_allowed)),
            Err(error) => drop(failed.insert(told(&error))),
        }
    }
}

/// The name of the user, or the words for it where the server does not tell.
pub(super) async fn user(cluster: &Arc<Cluster>) -> String {
    match cluster.user().await {
        Ok(name) => name,
        Err(error) => {
            tracing::debug!(error = error_chain(&error), "the API server does not say who is signed in");
            "NAME".to_owned()
        }
    }
}

/// Why there is no answer. The API server's own words name the user, the verb and the resource.
pub(super) fn told(error: &ClusterError) -> String {
    match error {
        ClusterError::Refused { refusal, .. } if error.class() == ErrorClass::Denied => {
            format!("the API server denies the question: {}", refusal.message.trim_end_matches('.'))
        }
        _ => error_chain(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_several_namespaces_need_is_asked_about_for_all_of_them() {
        let access = |verb: &'static str, namespace: Option<&str>| Access {
            resource: "services",
            verb,
            namespace: namespace.map(|name| name.parse().unwrap()),
        };
        let needed = [access("get", Some("a")), access("get", Some("b")), access("create", Some("b"))].into();
        assert_eq!(wide(&needed), [access("get", None)].into());
    }
}
