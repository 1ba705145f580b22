//! What happens to drift: put back without asking, proposed to a person, or only told.
//!
//! The settings say it by the risk of putting it back. What one resource brings about at another is one repair: if a part of
//! it is only told, all of it is, because half of a repair is something that nobody ever asked for.

use std::collections::BTreeSet;

use crate::desired::policy::DriftRules;
use crate::desired::policy::OnDrift;
use crate::desired::policy::Policy;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::plan::action::Actor;
use crate::plan::change::Change;
use crate::plan::change::Refusal;
use crate::plan::document::key_text;
use crate::plan::draft::Draft;
use crate::plan::preflight::rule;
use crate::plan::risk::Risk;
use crate::plan::suspend;

/// What happens to a change, as far as it is drift; `None` if it is not.
pub fn on_drift(policy: &Policy, change: &Change) -> Option<OnDrift> {
    // Whoever heals in the teeth of somebody else does so for ever, and the world flips between the two.
    let usual = || contest(policy, change).map_or_else(|| of_risk(&policy.drift, change.risk), |_| OnDrift::Report);
    change.is_drift().then(usual)
}

/// What is known about somebody else's changing back what would be healed.
fn contest<'a>(policy: &'a Policy, change: &Change) -> Option<&'a str> {
    let is_healed = of_risk(&policy.drift, change.risk) == OnDrift::Heal;
    policy.contested.get(&key_text(&change.key)).filter(|_| is_healed).map(String::as_str)
}

fn of_risk(rules: &DriftRules, risk: Risk) -> OnDrift {
    match risk {
        Risk::Safe => rules.safe,
        Risk::Notable => rules.notable,
        Risk::Disruptive => rules.disruptive,
        Risk::Severing | Risk::Exposing => rules.severing,
    }
}

/// The change that brings this one about.
pub(super) fn leader(change: &Change) -> Option<ResourceKey> {
    match &change.key {
        ResourceKey::PrivateLinkService(PublisherKey::Cluster(service)) if change.actor == Actor::CloudProvider => {
            Some(ResourceKey::Service(service.clone()))
        }
        _ => change.removed_by.clone(),
    }
}

/// Leaves out what is only told.
pub(super) fn withhold(draft: &mut Draft<'_>) {
    let policy = &draft.desired.policy;
    let is_told = |change: &&Change| on_drift(policy, change) == Some(OnDrift::Report);
    let told: BTreeSet<ResourceKey> = draft.changes.values().filter(is_told).map(|it| it.key.clone()).collect();
    let withheld: Vec<(ResourceKey, Refusal)> = draft
        .changes
        .values()
        .filter(|change| change.is_drift() && !is_suspended(draft, &change.key))
        .filter_map(|change| {
            let refusal = if !told.contains(&change.key) {
                let led = led(draft, change, &told)?;
                let reason = format!("drift of what it brings about at {led} is only reported here");
                Refusal::by(&rule::DRIFT_REPORTED, reason)
            } else if let Some(contest) = contest(policy, change) {
                Refusal::by(&rule::DRIFT_CONTESTED, contest.to_owned())
            } else {
                let reason = format!("drift of {} risk is only reported here", change.risk);
                Refusal::by(&rule::DRIFT_REPORTED, reason)
            };
            Some((change.key.clone(), refusal))
        })
        .collect();
    for (key, refusal) in withheld {
        draft.refuse_by(&key, refusal);
    }
}

/// True for what is left alone in any case.
fn is_suspended(draft: &Draft<'_>, key: &ResourceKey) -> bool {
    draft.refusals.get(key).is_some_and(|refusals| refusals.iter().any(suspend::is_suspension))
}

/// What this change brings about and is only told.
fn led(draft: &Draft<'_>, change: &Change, told: &BTreeSet<ResourceKey>) -> Option<ResourceKey> {
    let is_led = |other: &&Change| told.contains(&other.key) && leader(other).as_ref() == Some(&change.key);
    draft.changes.values().find(is_led).map(|other| other.key.clone())
}
