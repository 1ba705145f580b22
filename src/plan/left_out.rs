//! What a plan leaves out: changes that are bound to fail or wait for a yes, and everything that needs them.
//!
//! The rest is a plan of its own: no step of it waits for one that is left out, so it may be approved and applied alone.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::resource::Resource;
use crate::plan::Step;
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::change::LeftOut;
use crate::plan::change::Refusal;
use crate::plan::suspend;

/// Why changes are not made, by resource.
pub(super) type Refusals = BTreeMap<ResourceKey, Vec<Refusal>>;

/// Takes the refused changes, and those that need them, out of the ordered steps.
pub(super) fn divide(refused: Refusals, steps: Vec<Step>) -> (Vec<Step>, Vec<LeftOut>) {
    let mut out: BTreeMap<ResourceKey, LeftOut> = refused
        .into_iter()
        .map(|(key, mut refusals)| {
            // As long as nothing is tried, nothing fails.
            let suspended = refusals.iter().any(suspend::is_suspension);
            refusals.retain(|refusal| !suspended || suspend::is_suspension(refusal));
            refusals.sort();
            (key.clone(), LeftOut { key, change: None, refusals, needs: BTreeSet::new(), suspended })
        })
        .collect();
    let useless = useless_namespaces(&steps, &out);
    let mut kept: Vec<Step> = Vec::new();
    // By the old place of a step: its new one, or the resource that is left out.
    let mut places: Vec<Result<usize, ResourceKey>> = Vec::new();
    for Step { change, after } in steps {
        let key = change.key.clone();
        let waited = after.iter().filter_map(|index| places[*index].clone().err());
        // A namespace that goes because this one does is no reason of its own.
        let waited = waited.filter(|waited| !useless.contains_key(waited));
        let needs: BTreeSet<ResourceKey> = waited
            .chain(refers_to(&change).into_iter().filter(|key| out.contains_key(key)))
            .chain(useless.get(&key).into_iter().flatten().cloned())
            .collect();
        if needs.is_empty() && !out.contains_key(&key) {
            let after = after.iter().filter_map(|index| places[*index].clone().ok()).collect();
            places.push(Ok(kept.len()));
            kept.push(Step { change, after });
            continue;
        }
        places.push(Err(key.clone()));
        let waits = needs.iter().all(|needed| out.get(needed).is_none_or(|left| left.suspended));
        let refused = out.remove(&key);
        let suspended = refused.as_ref().map_or(waits, |left| left.suspended);
        let refusals = refused.map(|left| left.refusals).unwrap_or_default();
        out.insert(key.clone(), LeftOut { key, change: Some(change), refusals, needs, suspended });
    }
    (kept, out.into_values().collect())
}

/// The namespaces that are made for Services of which none is: each with these Services.
fn useless_namespaces(
    steps: &[Step],
    out: &BTreeMap<ResourceKey, LeftOut>,
) -> BTreeMap<ResourceKey, BTreeSet<ResourceKey>> {
    let mut homes: BTreeMap<ResourceKey, BTreeSet<ResourceKey>> = BTreeMap::new();
    for key in steps.iter().map(|step| &step.change.key) {
        if let ResourceKey::Service(service) = key {
            homes.entry(ResourceKey::Namespace(service.namespace.clone())).or_default().insert(key.clone());
        }
    }
    homes.retain(|_, services| services.iter().all(|key| out.contains_key(key)));
    homes
}

/// The resources that a write is of no use without, whether the plan changes them or not.
fn refers_to(change: &Change) -> Vec<ResourceKey> {
    if change.action == Action::Delete {
        return Vec::new();
    }
    let mut keys: Vec<ResourceKey> = change.inputs.iter().map(|input| input.producer.clone()).collect();
    match &change.key {
        ResourceKey::PrivateLinkService(PublisherKey::Cluster(service)) => {
            keys.push(ResourceKey::Service(service.clone()));
        }
        ResourceKey::Connection { publisher, endpoint } => {
            keys.push(ResourceKey::PrivateLinkService(publisher.clone()));
            keys.push(ResourceKey::PrivateEndpoint(endpoint.clone()));
        }
        _ => {}
    }
    if let Some(Resource::PrivateLinkService(service)) = &change.resource {
        keys.extend(service.exposure.nat.subnet.clone().map(ResourceKey::Subnet));
    }
    keys
}
