//! When the world moved after an approval: what was in the approved plan goes on, and what is new waits.

use std::collections::BTreeSet;

use crate::approval::Approval;
use crate::approval::Circumstances;
use crate::approval::Decision;
use crate::approval::Evidence;
use crate::approval::Item;
use crate::approval::LocalConsent;
use crate::approval::counted;
use crate::approval::coverage::Coverage;
use crate::approval::coverage::Covered;
use crate::approval::decide;
use crate::approval::file::ApprovalFile;
use crate::approval::is_met;
use crate::approval::items;
use crate::approval::of_risk;
use crate::approval::people;
use crate::approval::signatories;
use crate::approval::valid;
use crate::domain::key::ResourceKey;
use crate::plan::Plan;
use crate::plan::change::Change;
use crate::plan::change::Refusal;
use crate::plan::document::PlanId;
use crate::plan::document::key_text;

/// The part of a plan that lacks an approval which may run all the same: its changes were in another plan that everybody who
/// was needed approved, and nothing about them is new. `None` if there is no such part.
///
/// A plan that waits for a second person was not approved: no part of it runs.
pub fn in_part(plan: &Plan, evidence: &[Evidence], circumstances: &Circumstances) -> Option<(Plan, Approval)> {
    let (valid, _) = valid(plan, evidence, circumstances);
    let coverage = Coverage::of(plan, circumstances);
    let earlier: Vec<&ApprovalFile> = valid
        .iter()
        .copied()
        .filter(|file| file.plan != plan.id && was_approved(&file.plan, plan, (&coverage, circumstances), &valid))
        .collect();
    let goes_on = |item: &Item<'_>| {
        let is_known = earlier.iter().any(|file| coverage.of_item(file, item) == Covered::Yes);
        let have = counted(&people(plan, &coverage, item, &earlier), circumstances.local);
        is_known && is_met(item.consent, item.is_merged, have, circumstances)
    };
    let steps: Vec<Item<'_>> = items(plan).into_iter().filter(|item| item.change.is_some()).collect();
    let waits = steps.iter().filter(|item| !goes_on(item)).filter_map(|item| item.change);
    let waiting: BTreeSet<ResourceKey> = waits.map(|change| change.key.clone()).collect();
    if waiting.len() == steps.len() {
        return None;
    }
    let was_known = |change: &Change| {
        let key = key_text(&change.key);
        earlier.iter().flat_map(|file| &file.changes).any(|approved| approved.resource == key)
    };
    let part = plan.without(&waiting, |change| {
        let problem = match (waiting.contains(&change.key), was_known(change)) {
            (true, true) => "it is not what was approved any more: another change, or more follows from it",
            (true, false) => "it was not in the plan that was approved",
            (false, _) => "it goes together with a change that nobody has approved yet",
        };
        let help = "approve the plan that is left".to_owned();
        Refusal { rule: None, problem: problem.to_owned(), help, right: None, access: None }
    });
    if part.steps.is_empty() {
        return None;
    }
    match decide(&part, evidence, circumstances) {
        Decision::Approved(approval) => Some((part, approval)),
        Decision::Missing(_) => None,
    }
}

/// True if everybody said yes to another plan whom its changes needed, by the rules of now.
fn was_approved(
    id: &PlanId,
    plan: &Plan,
    (coverage, circumstances): (&Coverage<'_>, &Circumstances),
    valid: &[&ApprovalFile],
) -> bool {
    let people = signatories(plan, valid.iter().copied().filter(|file| file.plan == *id));
    let have = counted(&people, LocalConsent::None);
    // What it asked for is only known of a plan that was kept.
    let Some(risks) = coverage.risks(id) else { return false };
    have > 0 && risks.into_iter().all(|risk| is_met(of_risk(plan, risk), false, have, circumstances))
}
