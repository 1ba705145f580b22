//! What a plan refuses to do: leave its scope, delete too much, or write what it cannot know.

use crate::domain::key::ResourceKey;
use crate::plan::action::Action;
use crate::plan::action::Actor;
use crate::plan::change::Change;
use crate::plan::draft::Draft;

pub(super) fn check(draft: &mut Draft<'_>) {
    wait_for_unknown(draft);
    stay_in_scope(draft);
    limit_deletes(draft);
}

/// Takes out what needs a value that nobody in this plan yields, and says what it waits for.
fn wait_for_unknown(draft: &mut Draft<'_>) {
    loop {
        let is_stuck = |change: &&Change| {
            let unknown = change.inputs.iter().find(|input| input.known.is_none());
            unknown.is_some_and(|input| !draft.changes.contains_key(&input.producer))
        };
        let Some(stuck) = draft.changes.values().find(is_stuck).cloned() else { return };
        let input = stuck.inputs.iter().find(|input| input.known.is_none()).expect("that is why it is stuck");
        let text = format!("waits for the {} of {}", input.output, input.producer);
        draft.changes.remove(&stuck.key);
        draft.note(&stuck.key, text);
    }
}

fn stay_in_scope(draft: &mut Draft<'_>) {
    let scope = &draft.desired.policy.scope;
    let writes = draft.changes.values().filter(|change| change.actor == Actor::Privlink);
    let outside: Vec<(ResourceKey, String)> =
        writes.filter_map(|change| Some((change.key.clone(), scope.problem_with(&change.key)?))).collect();
    for (key, problem) in outside {
        draft.block(&key, problem, "widen the environment's scope in privlink.toml, or move the resource");
    }
}

fn limit_deletes(draft: &mut Draft<'_>) {
    let limit = draft.desired.policy.max_deletes;
    // A connection goes with its service: it is named in the plan and not counted twice.
    let counts =
        |change: &&Change| change.action == Action::Delete && !matches!(change.key, ResourceKey::Connection { .. });
    let deletes = draft.changes.values().filter(counts).count();
    if u32::try_from(deletes).unwrap_or(u32::MAX) > limit {
        draft.block(
            "deletes",
            format!("the plan deletes {deletes} resources and max-deletes is {limit}"),
            "delete in smaller steps, or raise max-deletes in privlink.toml",
        );
    }
}
