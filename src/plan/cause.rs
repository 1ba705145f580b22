//! Why a change is done: a commit asks for it, a rule permits it, or the world moved away.
//!
//! `merge` as consent covers what follows from a commit. So a change counts as a commit's only if its own document says
//! something new, or if all it does is take up what another change of the commit yields.

use std::collections::BTreeMap;

use crate::desired::Desired;
use crate::domain::key::ResourceKey;
use crate::plan::action::Action;
use crate::plan::change::Cause;
use crate::plan::change::Change;
use crate::plan::document::fields_of;
use crate::plan::draft::Draft;
use crate::plan::drift::leader;

/// Attributes every change, by what the last applied commit asked for.
pub(super) fn attribute(draft: &mut Draft<'_>, baseline: Option<&Desired>) {
    let Some(baseline) = baseline else { return };
    let desired = draft.desired;
    for change in draft.changes.values_mut() {
        if asked(baseline, change) == asked(desired, change) {
            change.cause = match &change.key {
                ResourceKey::Connection { publisher, .. } if baseline.connections.contains_key(publisher) => {
                    Cause::Rule
                }
                _ => Cause::Drift,
            };
        }
    }
    follow(draft);
    inherit(draft);
}

/// What a change of a Service makes the cloud provider do, or undo, happens for the same reason.
fn follow(draft: &mut Draft<'_>) {
    let causes: BTreeMap<ResourceKey, Cause> =
        draft.changes.iter().map(|(key, change)| (key.clone(), change.cause)).collect();
    for change in draft.changes.values_mut() {
        if let Some(cause) = leader(change).and_then(|leader| causes.get(&leader)) {
            change.cause = *cause;
        }
    }
}

/// Passes the cause on to what only takes up the new outputs of a commit's change.
fn inherit(draft: &mut Draft<'_>) {
    loop {
        let inherits = |change: &&Change| {
            change.cause == Cause::Drift
                && !change.inputs.is_empty()
                && change.fields.iter().all(|field| field.after.as_ref().is_some_and(crate::value::Value::is_unknown))
                && change.inputs.iter().all(|input| {
                    draft.changes.get(&input.producer).is_some_and(|producer| producer.cause == Cause::Commit)
                })
        };
        let Some(key) = draft.changes.values().find(inherits).map(|change| change.key.clone()) else { return };
        draft.changes.get_mut(&key).expect("it was just found").cause = Cause::Commit;
    }
}

/// What a repository asks of the resource of a change, in comparable form.
fn asked(desired: &Desired, change: &Change) -> Option<String> {
    let key = match &change.key {
        // A connection that is cut goes with its service.
        ResourceKey::Connection { publisher, .. } if change.action == Action::Delete => {
            &ResourceKey::PrivateLinkService(publisher.clone())
        }
        ResourceKey::Connection { publisher, .. } => {
            let rules = desired.connections.get(publisher)?;
            return Some(format!("{:?} {:?} {}", rules.approve, rules.reject, rules.reject_others));
        }
        key => key,
    };
    desired.intents.get(key).map(|intent| format!("{:?}", fields_of(&intent.resource)))
}
