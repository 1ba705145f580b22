//! The two statuses of an environment: can the change be planned, and may what it asks for be applied?
//!
//! A plan with changes is a success: whether it may run is for the other status to say, which alone need be required.

use std::collections::BTreeSet;

use crate::approval::Decision;
use crate::approval::Missing;
use crate::desired::policy::Consent;
use crate::domain::azure::ResourceId;
use crate::domain::name::EnvironmentName;
use crate::domain::pull_request::CommitStatus;
use crate::domain::pull_request::LONGEST_DESCRIPTION;
use crate::domain::pull_request::StatusState;
use crate::domain::pull_request::shortened;
use crate::plan::Plan;
use crate::plan::action::Action;
use crate::plan::document::PlanId;
use crate::plan::risk::Risk;

/// What stands before the id of the plan, at the end of a description.
const NAMES: &str = "; plan ";

/// Whether the change can be planned, with the verdict of the plan.
pub fn planned(plan: &Plan) -> CommitStatus {
    let environment = &plan.policy.mark.environment;
    let state = if plan.is_sound() { StatusState::Success } else { StatusState::Failure };
    status("plan", environment, state, verdict(plan))
}

/// That there is no plan, and why.
pub fn unplanned(environment: &EnvironmentName, why: &str) -> [CommitStatus; 2] {
    [
        status("plan", environment, StatusState::Failure, why.to_owned()),
        status("approved", environment, StatusState::Pending, "there is no plan to approve".to_owned()),
    ]
}

/// That the change does not concern an environment.
pub fn untouched(environment: &EnvironmentName) -> [CommitStatus; 2] {
    ["plan", "approved"].map(|kind| status(kind, environment, StatusState::Success, "nothing to do".to_owned()))
}

/// Whether what the plan needs is there: by the rules in force and the approvals on file, once the change is merged.
pub fn approved(plan: &Plan, decision: &Decision) -> CommitStatus {
    let environment = &plan.policy.mark.environment;
    let (state, words) = match decision {
        _ if !plan.has_changes() => (StatusState::Success, "nothing to approve".to_owned()),
        _ if !plan.may_run() => (StatusState::Pending, "this plan cannot be applied, and so not approved".to_owned()),
        Decision::Approved(approval) if approval.approvers().is_empty() => {
            (StatusState::Success, "the rules ask for nobody: merging is enough".to_owned())
        }
        Decision::Approved(approval) => {
            let people: Vec<&str> = approval.approvers().iter().map(String::as_str).collect();
            (StatusState::Success, format!("approved by {}", people.join(", ")))
        }
        Decision::Missing(missing) => lacking(missing),
    };
    status("approved", environment, state, words)
}

/// The same, with the plan that it is about: whoever approves by a review approves what the status said then.
pub fn naming(status: CommitStatus, plan: &PlanId) -> CommitStatus {
    let id = format!("{NAMES}{plan}");
    let room = LONGEST_DESCRIPTION - id.chars().count();
    let mut words = status.description;
    if words.chars().count() > room {
        words = words.chars().take(room - 1).chain(['…']).collect();
    }
    CommitStatus { description: format!("{words}{id}"), ..status }
}

/// The plan that the description of a status names.
pub fn named(description: &str) -> Option<PlanId> {
    description.rsplit_once(NAMES)?.1.parse().ok()
}

/// The context of the status that says whether a change may be applied.
pub fn approved_context(environment: &EnvironmentName) -> String {
    context("approved", environment)
}

/// That nobody looked for approvals, because there is no remote to look at.
pub fn not_looked_at(plan: &Plan) -> CommitStatus {
    let environment = &plan.policy.mark.environment;
    if !plan.has_changes() {
        return status("approved", environment, StatusState::Success, "nothing to approve".to_owned());
    }
    let words = "approvals lie in the remote, and a folder was reviewed: review with --repo".to_owned();
    status("approved", environment, StatusState::Pending, words)
}

/// What lacks, worst first. A window or a freeze only delays: it is no reason not to merge.
fn lacking(missing: &Missing) -> (StatusState, String) {
    if let Some(applied) = &missing.lost {
        let words = format!("the history of the config branch lacks commit {}, applied last", applied.short());
        return (StatusState::Pending, words);
    }
    if let Some((risk, need)) = missing.needs.iter().next_back() {
        let words = match need.consent {
            Consent::People(number) => format!("{risk}: {} of {number} approvals", need.have),
            Consent::Merge if !missing.unsigned.is_empty() => format!("{risk}: a commit of the change is not signed"),
            Consent::Merge | Consent::Automatic => format!("{risk}: an approval is missing"),
        };
        return (StatusState::Pending, words);
    }
    if let Some(freeze) = &missing.frozen {
        return (StatusState::Success, format!("approved; nothing is applied before {}: frozen", freeze.until));
    }
    let opens = missing.closed.as_ref().and_then(|closed| closed.opens.as_ref());
    match opens {
        Some(opening) => (StatusState::Success, format!("approved; applied in the next window, {}", opening.shown)),
        None => (StatusState::Pending, "no change window opens for this plan any more".to_owned()),
    }
}

/// One line: `2 replace, 2 update: 3 connections cut, SEVERING`.
pub fn verdict(plan: &Plan) -> String {
    if !plan.has_changes() && plan.is_sound() {
        return "nothing to do".to_owned();
    }
    let of = |action: Action| plan.steps.iter().filter(|step| step.change.action == action).count();
    let actions = [Action::Delete, Action::Replace, Action::Update, Action::Create, Action::Adopt];
    let counts = actions.map(|action| (action, of(action)));
    let counts = counts.into_iter().filter(|(_, number)| *number > 0);
    let mut words: Vec<String> = counts.map(|(action, number)| format!("{number} {action}")).collect();
    if !plan.loosening().is_empty() {
        words.push(format!("{} loosened", count(plan.loosening().len(), "rule")));
    }
    let what = if words.is_empty() { "no changes".to_owned() } else { words.join(", ") };
    let risk = match plan.risk() {
        risk @ (Risk::Severing | Risk::Exposing) => risk.to_string().to_uppercase(),
        risk => risk.to_string(),
    };
    let hit = hit(plan).map(|hit| format!("{hit}, ")).unwrap_or_default();
    let mut troubles = String::new();
    if !plan.is_complete() {
        troubles.push_str(", something could not be read");
    }
    if !plan.is_applicable() {
        troubles.push_str(", cannot be applied");
    }
    if !plan.is_whole() {
        troubles.push_str(&format!(", {} bound to fail", count(plan.unmet().count(), "change")));
    }
    format!("{what}: {hit}{risk}{troubles}")
}

fn hit(plan: &Plan) -> Option<String> {
    let parties = |is_cut: bool| -> BTreeSet<&ResourceId> {
        let steps = plan.steps.iter().filter(|step| !is_cut || step.change.risk == Risk::Severing);
        let parties = steps.flat_map(|step| &step.change.consequences).flat_map(|it| &it.parties);
        parties.map(|party| &party.endpoint).collect()
    };
    let (cut, all) = (parties(true).len(), parties(false).len());
    match (cut, all) {
        (0, 0) => None,
        (0, all) => Some(format!("{} affected", count(all, "connection"))),
        (cut, _) => Some(format!("{} cut", count(cut, "connection"))),
    }
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn context(kind: &str, environment: &EnvironmentName) -> String {
    format!("privlink/{kind}/{environment}")
}

fn status(kind: &str, environment: &EnvironmentName, state: StatusState, words: String) -> CommitStatus {
    let is_plain = |c: &char| !c.is_control();
    let words: String = words.chars().filter(is_plain).collect();
    CommitStatus { context: context(kind, environment), state, description: shortened(&words), target_url: None }
}

#[cfg(test)]
mod tests;
