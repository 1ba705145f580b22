//! Has the API server try what a plan writes to it: every Service of a step once, and nothing is stored.
//!
//! It is asked as the user that plans, on every runner alike. Whoever may not patch in a namespace may not try there either:
//! the first Service of each namespace finds that out.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::domain::kubernetes::Namespace;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::resource::service::Service;
use crate::domain::resource::service::Trial;
use crate::kubernetes::Cluster;
use crate::kubernetes::error::ClusterError;
use crate::observed::Area;
use crate::observed::Gap;
use crate::observed::Observed;
use crate::plan::Plan;
use crate::plan::preflight::trial;
use crate::reconcile::ask::all;
use crate::reconcile::error_chain;
use crate::reconcile::world::World;

/// Why nothing was tried.
const NO_RIGHT: &str =
    "the user that plans may not patch Services there, and the API server wants the same right for a trial";

/// Tries every Service that a plan writes, and keeps what the server said.
pub(super) async fn ask(world: &World, plan: &Plan, observed: &mut Observed) {
    let Some(cluster) = &world.cluster else { return };
    let mut open = trial::open(plan);
    open.retain(|(service, _)| !observed.absent_namespaces.contains(&service.key.namespace));
    let mut seen: BTreeSet<&Namespace> = BTreeSet::new();
    let (first, rest): (Vec<_>, Vec<_>) = open.into_iter().partition(|(own, _)| seen.insert(&own.key.namespace));
    let mut answers = tried(cluster, first, observed).await;
    let closed: BTreeSet<&Namespace> = answers
        .iter()
        .filter(|(_, answer)| answer.as_ref().is_err_and(ClusterError::is_lack_of_rights))
        .map(|(key, _)| &key.namespace)
        .collect();
    let rest: Vec<_> = rest.into_iter().filter(|(service, _)| !closed.contains(&service.key.namespace)).collect();
    answers.extend(tried(cluster, rest, observed).await);
    for (key, answer) in answers {
        match answer {
            Ok(Trial::NoNamespace { is_leaving }) => {
                observed.leaving_namespaces.extend(is_leaving.then(|| key.namespace.clone()));
                observed.absent_namespaces.insert(key.namespace);
            }
            Ok(trial) => drop(observed.trials.insert(key, trial)),
            Err(error) => drop(observed.unchecked.insert(Gap { area: Area::Trials, reason: told(&error) })),
        }
    }
}

async fn tried(
    cluster: &Cluster,
    services: Vec<(&Service, bool)>,
    observed: &Observed,
) -> BTreeMap<ObjectKey, Result<Trial, ClusterError>> {
    let ask = |(service, force): &(&Service, bool)| {
        let (service, force) = ((*service).clone(), *force);
        let live = observed.services.get(&service.key);
        let expected = live.map(|live| (live.uid.clone(), live.resource_version.clone()));
        async move { (service.key.clone(), cluster.dry_run(&service, expected.as_ref(), force).await) }
    };
    all(services.iter().map(ask)).await.into_iter().collect()
}

/// Why there is no answer: in the same words for every Service where the reason is the same, so that it is told once.
fn told(error: &ClusterError) -> String {
    match error {
        _ if error.is_lack_of_rights() => NO_RIGHT.to_owned(),
        ClusterError::Refused { refusal, .. } if !refusal.message.is_empty() => refusal.message.clone(),
        _ => error_chain(error),
    }
}
