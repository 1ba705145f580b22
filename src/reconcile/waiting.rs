//! Reads why Services wait: the last Warning event of each that has no address yet.
//!
//! A converged environment has none such, so nothing is asked for it. Whoever may not read events is told less and that it
//! is so, and no plan changes for it.

use crate::desired::Desired;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::resource::Resource;
use crate::domain::resource::service::LiveService;
use crate::observed::Area;
use crate::observed::Gap;
use crate::observed::Observed;
use crate::reconcile::access;
use crate::reconcile::ask::all;
use crate::reconcile::world::World;

/// Keeps the last warning of every Service that is asked for and has no address yet.
pub(super) async fn look(world: &World, desired: &Desired, observed: &mut Observed) {
    let Some(cluster) = &world.cluster else { return };
    let asked = desired.intents.values().filter_map(|intent| match &intent.resource {
        Resource::Service(service) => Some(&service.key),
        _ => None,
    });
    let waits = |key: &&ObjectKey| observed.services.get(*key).is_some_and(is_waiting);
    let waiting: Vec<ObjectKey> = asked.filter(waits).cloned().collect();
    let answers = all(waiting.iter().map(|key| cluster.warnings(key))).await;
    for (key, answer) in waiting.into_iter().zip(answers) {
        match answer {
            Ok(events) => observed.warnings.extend(events.into_iter().next().map(|event| (key, event))),
            Err(error) => drop(observed.unchecked.insert(Gap { area: Area::Events, reason: access::told(&error) })),
        }
    }
}

fn is_waiting(live: &LiveService) -> bool {
    let is_balanced = live.manifest.pointer("/spec/type").is_some_and(|kind| kind == "LoadBalancer");
    is_balanced && live.addresses.is_empty() && !live.deleting
}
