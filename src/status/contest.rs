//! Fights: somebody else changes back what is healed, every time.
//!
//! What was healed is written down with its times. Three times within an hour are a fight, and what is fought over is not
//! healed any more until it is as the repository asks, or the repository asks for something else.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jiff::SignedDuration;
use jiff::Timestamp;

use crate::desired::Desired;
use crate::plan::Plan;
use crate::plan::change::LeftOut;
use crate::plan::document::key_text;
use crate::plan::document::wish_digest;
use crate::plan::preflight::rule::DRIFT_CONTESTED;
use crate::status::document::AppliedRecord;
use crate::status::document::ContestRecord;
use crate::status::document::EnvironmentStatus;
use crate::status::document::HealRecord;
use crate::status::document::StepOutcome;

/// So many repairs of one field are a fight, if its drift is there once more.
const REPAIRS: usize = 3;
/// Within so long.
const WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// The resources that are fought over, by their full identity: what is known about it, as half a sentence.
pub fn contested(previous: &EnvironmentStatus, desired: &Desired, now: Timestamp) -> BTreeMap<String, String> {
    let still = previous.contested.iter().filter(|it| wish(desired, &it.resource).as_ref() == Some(&it.wish));
    let still = still.map(|contest| (contest.resource.clone(), contest.told.clone()));
    let is_fight = |heal: &&HealRecord| {
        heal.times.len() >= REPAIRS && heal.times.last().is_some_and(|last| now.duration_since(*last) <= WITHIN)
    };
    let new = previous.healed.iter().filter(is_fight).map(|heal| (heal.resource.clone(), told(heal)));
    // What is known already keeps its words.
    new.chain(still).collect()
}

fn told(heal: &HealRecord) -> String {
    let HealRecord { resource: _, field, times } = heal;
    let since = times.first().map(|first| format!(" since {first}")).unwrap_or_default();
    format!("{field} was put back {} times{since} and changed again each time", times.len())
}

/// What is asked for of a resource, as a digest. Fights are few: most passes ask for none.
fn wish(desired: &Desired, resource: &str) -> Option<String> {
    let (_, intent) = desired.intents.iter().find(|(key, _)| key_text(key) == resource)?;
    Some(wish_digest(&intent.resource))
}

/// The fights that go on: their drift is there, and left as it is.
pub(super) fn records(plan: &Plan, desired: &Desired) -> Vec<ContestRecord> {
    let is_contested = |left: &&LeftOut| left.refusals.iter().any(|refusal| refusal.rule == Some(DRIFT_CONTESTED.id));
    let keys: BTreeSet<String> = plan.left_out.iter().filter(is_contested).map(|left| key_text(&left.key)).collect();
    let record = |(resource, told): (&String, &String)| {
        let wish = wish(desired, resource)?;
        Some(ContestRecord { resource: resource.clone(), told: told.clone(), wish })
    };
    plan.policy.contested.iter().filter(|(key, _)| keys.contains(*key)).filter_map(record).collect()
}

/// What was healed: with an apply that healed something, what is too long ago goes.
pub(super) fn healed(record: Option<&AppliedRecord>, previous: Option<&EnvironmentStatus>) -> Vec<HealRecord> {
    let before = previous.map(|previous| previous.healed.clone()).unwrap_or_default();
    let steps = record.into_iter().flat_map(|record| &record.steps);
    let done = steps.filter(|step| matches!(step.outcome, StepOutcome::Done | StepOutcome::Waiting));
    let fields: BTreeSet<(&str, &str)> =
        done.flat_map(|step| step.healed.iter().map(|field| (step.key.as_str(), field.as_str()))).collect();
    let Some(at) = record.map(|record| record.applied_at).filter(|_| !fields.is_empty()) else { return before };
    let mut all: BTreeMap<(String, String), Vec<Timestamp>> =
        before.into_iter().map(|heal| ((heal.resource, heal.field), heal.times)).collect();
    for (resource, field) in fields {
        all.entry((resource.to_owned(), field.to_owned())).or_default().push(at);
    }
    all.values_mut().for_each(|times| times.retain(|time| at.duration_since(*time) <= WITHIN));
    let kept = all.into_iter().filter(|(_, times)| !times.is_empty());
    kept.map(|((resource, field), times)| HealRecord { resource, field, times }).collect()
}
