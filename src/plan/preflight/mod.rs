//! What Azure will refuse as far as observed state tells, beside what the model of the cloud provider says.
//!
//! Only what is surely refused dooms a change. What was not read is no reason: nobody is kept from applying by sight that is
//! partial, because Azure itself has the last word.

pub mod access;
mod address;
mod cluster;
mod endpoint;
pub mod group;
pub mod lack;
mod link;
pub mod namespace;
pub mod question;
pub mod right;
pub mod rule;
#[cfg(test)]
mod tests;
pub mod trial;

use crate::cloud_provider::rule::Rule;
use crate::domain::key::ResourceKey;
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::change::Refusal;
use crate::plan::draft::Draft;

/// Something that will be refused.
struct Finding {
    key: ResourceKey,
    rule: &'static Rule,
    problem: String,
    help: String,
}

impl Finding {
    /// With the cure of the rule.
    fn new(key: ResourceKey, rule: &'static Rule, problem: String) -> Self {
        Self { key, rule, problem, help: rule.avoid.to_owned() }
    }
}

/// Refuses the changes that Azure will refuse.
pub(super) fn check(draft: &mut Draft<'_>) {
    for gap in &draft.observed.unchecked {
        draft.note(&gap.area, format!("not looked at beforehand: {}", gap.reason));
    }
    let doubts = endpoint::doubts(draft);
    draft.notes.extend(doubts);
    let looks = [cluster::look, endpoint::look, link::look, group::look, namespace::look];
    let found: Vec<Finding> = looks.into_iter().flat_map(|look| look(draft)).collect();
    for Finding { key, rule, problem, help } in found {
        draft.refuse_by(&key, Refusal { help, ..Refusal::by(rule, problem) });
    }
}

/// Refuses what the identity that applies, its user in the cluster, or the cluster's identity may not do.
pub(super) fn check_rights(draft: &mut Draft<'_>) {
    lack::check(draft);
    lack::check_cluster(draft);
    access::check(draft);
}

/// True if Azure is asked to make something, so that its checks of a new resource apply.
fn is_made(change: &Change) -> bool {
    matches!(change.action, Action::Create | Action::Replace)
}
