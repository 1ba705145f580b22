//! What a plan refuses to do: leave its scope, delete too much, or write what it cannot know.

use crate::domain::key::ResourceKey;
use crate::plan::Step;
use crate::plan::action::Action;
use crate::plan::action::Actor;
use crate::plan::change::Change;
use crate::plan::change::Input;
use crate::plan::draft::Draft;

/// Refuses what may not or cannot be written.
pub(super) fn check(draft: &mut Draft<'_>) {
    one_link_a_frontend(draft);
    stay_in_scope(draft);
}

/// Takes out what needs a value that nobody in this plan yields, and says what it waits for.
pub(super) fn wait_for_unknown(draft: &mut Draft<'_>) {
    loop {
        let is_stuck = |change: &&Change| unyielded(draft, change).is_some();
        let Some(stuck) = draft.changes.values().find(is_stuck).cloned() else { break };
        let input = unyielded(draft, &stuck).expect("that is why it is stuck");
        draft.changes.remove(&stuck.key);
        draft.note(&stuck.key, format!("waits for the {} of {}", input.output, input.producer));
        draft.postpone(&stuck.key, &input.producer);
    }
    // The answer to an endpoint that is not made has nobody to answer to.
    let is_unasked = |change: &Change| match &change.key {
        ResourceKey::Connection { endpoint, .. } => {
            !change.reads.exists && !draft.changes.contains_key(&ResourceKey::PrivateEndpoint(endpoint.clone()))
        }
        _ => false,
    };
    let unasked: Vec<ResourceKey> =
        draft.changes.values().filter(|change| is_unasked(change)).map(|change| change.key.clone()).collect();
    for key in unasked {
        draft.changes.remove(&key);
    }
}

/// The input of a change that is neither known nor made by another change.
fn unyielded(draft: &Draft<'_>, change: &Change) -> Option<Input> {
    let is_made =
        |input: &Input| draft.changes.get(&input.producer).is_some_and(|producer| producer.action != Action::Delete);
    change.inputs.iter().find(|input| input.known.is_none() && !is_made(input)).cloned()
}

/// A frontend carries one Private Link Service: a second one is refused, by Azure or by the cloud provider.
fn one_link_a_frontend(draft: &mut Draft<'_>) {
    let is_new = |change: &&Change| change.action == Action::Create;
    let mut taken = Vec::new();
    for change in draft.changes.values().filter(is_new) {
        let ResourceKey::PrivateLinkService(publisher) = &change.key else { continue };
        let Some(service) = draft.service_behind(publisher) else { continue };
        let Some(standing) = draft.observed.link_on_frontend_of(&service) else { continue };
        let goes =
            |other: &Change| other.action == Action::Delete && other.existing.as_ref() == Some(&standing.service.id);
        // The cloud provider may take it away with the frontend, before its place is needed.
        if !draft.changes.values().any(goes) && !draft.lost.contains(&standing.service.id) {
            taken.push((change.key.clone(), service, standing.service.id.clone()));
        }
    }
    for (key, service, id) in taken {
        draft.refuse(
            &key,
            format!("{id} stands on the frontend of {service} already, and a frontend carries one"),
            "delete that one first (with prune on, the plan deletes what is ours)",
        );
    }
}

fn stay_in_scope(draft: &mut Draft<'_>) {
    let scope = &draft.desired.policy.scope;
    let writes = draft.changes.values().filter(|change| change.actor == Actor::Privlink);
    let outside: Vec<(ResourceKey, String)> =
        writes.filter_map(|change| Some((change.key.clone(), scope.problem_with(&change.key)?))).collect();
    for (key, problem) in outside {
        draft.refuse(&key, problem, "widen the environment's scope in privlink.toml, or move the resource");
    }
}

/// Keeps a plan from being applied that deletes more than the settings permit; what is left out deletes nothing.
pub(super) fn limit_deletes(draft: &mut Draft<'_>, steps: &[Step]) {
    let limit = draft.desired.policy.max_deletes;
    let deletes = deletes(steps);
    if deletes > limit {
        draft.block(
            "deletes",
            format!("the plan deletes {deletes} resources and max-deletes is {limit}"),
            "delete in smaller steps, or raise max-deletes in privlink.toml",
        );
    }
}

/// How many resources are deleted. A connection goes with its service: it is named in the plan and not counted twice.
pub(super) fn deletes(steps: &[Step]) -> u32 {
    let counts =
        |change: &&Change| change.action == Action::Delete && !matches!(change.key, ResourceKey::Connection { .. });
    u32::try_from(steps.iter().map(|step| &step.change).filter(counts).count()).unwrap_or(u32::MAX)
}
