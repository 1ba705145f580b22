//! Which rules a commit loosens, and which rules are in force until somebody has agreed to that.
//!
//! A loosening of rules is a severing change of its own: otherwise whoever may push could first put themselves among the
//! approvers, and then approve. Until it is approved, in force is the stricter of the rules that were accepted last and those
//! of the config branch's tip. `max-deletes` is told too, but in force at once: the deletes that it makes room for are in the
//! same plan, and wait for the same people.

use std::fmt::Display;

use crate::desired::policy::ApprovalRules;
use crate::desired::policy::Approver;
use crate::desired::policy::Consent;
use crate::desired::policy::DriftRules;
use crate::desired::policy::Floor;
use crate::desired::policy::Keys;
use crate::desired::policy::Policy;
use crate::domain::commit::CommitId;
use crate::domain::window::Calendar;

/// The rules of the tip, made as strict as those that were accepted last, with what is loosened in `loosening`.
pub fn in_force(tip: Policy, accepted: Option<&Policy>) -> Policy {
    let Some(accepted) = accepted else { return tip };
    let loosening = loosening(&tip, accepted);
    // Keys that nothing was checked against say nothing about who somebody is.
    let knew_keys = accepted.approval.signatures_required;
    let is_kept = |before: Option<&Keys>, now: &Keys| before.is_some_and(|before| !knew_keys || before == now);
    let mut policy = Policy { loosening, ..tip };
    policy.approval = stricter(&policy.approval, &accepted.approval);
    keep_to(&mut policy.windows, &accepted.windows);
    policy.break_glass &= accepted.break_glass;
    policy.agreed_deletes = policy.max_deletes.min(accepted.max_deletes);
    policy.drift = stricter_on_drift(&policy.drift, &accepted.drift);
    let (kept, newcomers): (Vec<_>, Vec<_>) = std::mem::take(&mut policy.approvers)
        .into_iter()
        .partition(|(name, it)| is_kept(accepted.approvers.get(name).map(|before| &before.keys), &it.keys));
    policy.approvers = kept.into_iter().collect();
    policy.newcomers = newcomers.into_iter().map(|(name, _)| name).collect();
    for (name, approver) in &mut policy.approvers {
        let before = accepted.approvers.get(name);
        approver.emails.extend(before.into_iter().flat_map(|before| before.emails.clone()));
        approver.github_id = approver.github_id.filter(|id| before.is_some_and(|before| before.github_id == Some(*id)));
    }
    if knew_keys {
        policy.committers.retain(|name, keys| accepted.committers.get(name) == Some(keys));
    }
    policy
}

/// The rules of the tip where nobody can tell what they loosen: the commit with those that were accepted last is gone. They are
/// in force as far as they are not looser than the usual ones, and somebody has to agree to them.
pub fn unknown(tip: Policy, accepted: &CommitId) -> Policy {
    let mut policy = tip;
    // Two people without signatures would be more than anybody can give.
    let one = Consent::People(1);
    let usual = ApprovalRules { disruptive: one, severing: one, ..ApprovalRules::default() };
    policy.approval = stricter(&policy.approval, &usual);
    policy.break_glass = false;
    let short = accepted.short();
    policy
        .loosening
        .push(format!("those of {short}, which were accepted last, are gone with the history of the branch"));
    policy
}

/// The rules, made as strict as a runner demands. That is no loosening, and nobody is asked to agree to it.
pub fn raised(mut policy: Policy, floor: &Floor) -> Policy {
    policy.approval = stricter(&policy.approval, &floor.approval);
    keep_to(&mut policy.windows, floor.windows.as_slice());
    policy.break_glass &= !floor.keeps_glass;
    policy
}

/// Adds the calendars that allow less than these do so far.
fn keep_to(calendars: &mut Vec<Calendar>, stricter: &[Calendar]) {
    let more = stricter.iter().filter(|calendar| !windows(calendars, calendar).is_empty());
    let more: Vec<Calendar> = more.cloned().collect();
    calendars.extend(more);
}

fn stricter(one: &ApprovalRules, other: &ApprovalRules) -> ApprovalRules {
    ApprovalRules {
        safe: one.safe.max(other.safe),
        notable: one.notable.max(other.notable),
        disruptive: one.disruptive.max(other.disruptive),
        severing: one.severing.max(other.severing),
        signatures_required: one.signatures_required || other.signatures_required,
    }
}

fn stricter_on_drift(one: &DriftRules, other: &DriftRules) -> DriftRules {
    DriftRules {
        safe: one.safe.max(other.safe),
        notable: one.notable.max(other.notable),
        disruptive: one.disruptive.max(other.disruptive),
        severing: one.severing.max(other.severing),
    }
}

/// What the rules of `now` allow that those of `before` did not, each as half a sentence.
pub fn loosening(now: &Policy, before: &Policy) -> Vec<String> {
    let mut told = consents(&now.approval, &before.approval);
    told.extend(on_drift(now, before));
    if before.approval.signatures_required && !now.approval.signatures_required {
        told.push("signatures are not required any more".to_owned());
    }
    if now.max_deletes > before.max_deletes {
        told.push(format!("one plan may hold {} deletes instead of {}", now.max_deletes, before.max_deletes));
    }
    told.extend(before.windows.iter().flat_map(|before| windows(&now.windows, before)));
    if now.break_glass && !before.break_glass {
        told.push("the glass may be broken".to_owned());
    }
    let known = before.approval.signatures_required;
    for (name, approver) in &now.approvers {
        told.extend(approver_of(name.as_str(), approver, before.approvers.get(name), known));
        told.extend(account_of(name.as_str(), approver, before.approvers.get(name)));
    }
    if known {
        for (name, keys) in &now.committers {
            match before.committers.get(name) {
                Some(was) if was == keys => {}
                Some(_) => told.push(format!("{name} signs changes with another key")),
                None => told.push(format!("{name} may sign changes")),
            }
        }
    }
    told
}

fn consents(now: &ApprovalRules, before: &ApprovalRules) -> Vec<String> {
    let all = [
        ("safe", now.safe, before.safe),
        ("notable", now.notable, before.notable),
        ("disruptive", now.disruptive, before.disruptive),
        ("severing", now.severing, before.severing),
    ];
    looser("changes need", all)
}

/// Of each risk, what is less now than it was.
fn looser<T: Ord + Display, const N: usize>(what: &str, all: [(&str, T, T); N]) -> Vec<String> {
    let looser = all.into_iter().filter(|(_, now, before)| now < before);
    looser.map(|(risk, now, before)| format!("{risk} {what} {now} instead of {before}")).collect()
}

/// What the one among all calendars that is nearest to another allows that the other does not.
fn windows(now: &[Calendar], before: &Calendar) -> Vec<String> {
    let none = || Calendar { zone: before.zone.clone(), ..Calendar::default() }.loosens(before);
    now.iter().map(|calendar| calendar.loosens(before)).min_by_key(Vec::len).unwrap_or_else(none)
}

/// What follows from a smaller consent is told there.
fn on_drift(now: &Policy, before: &Policy) -> Vec<String> {
    let usual = (DriftRules::of(&now.approval), DriftRules::of(&before.approval));
    if (&now.drift, &before.drift) == (&usual.0, &usual.1) {
        return Vec::new();
    }
    let (now, before) = (&now.drift, &before.drift);
    let all = [
        ("safe", now.safe, before.safe),
        ("notable", now.notable, before.notable),
        ("disruptive", now.disruptive, before.disruptive),
        ("severing", now.severing, before.severing),
    ];
    looser("drift is", all)
}

fn approver_of(name: &str, now: &Approver, before: Option<&Approver>, keys_count: bool) -> Vec<String> {
    let Some(before) = before else { return vec![format!("{name} may approve")] };
    let mut told = Vec::new();
    if keys_count && before.keys != now.keys {
        told.push(format!("{name} approves with another key"));
    }
    let gone = before.emails.difference(&now.emails);
    told.extend(gone.map(|email| format!("a change by {email} does not count as {name}'s any more")));
    told
}

/// A review by another account than before says nothing until somebody has agreed that it is the same person's.
fn account_of(name: &str, now: &Approver, before: Option<&Approver>) -> Option<String> {
    let id = now.github_id.filter(|id| before.is_some_and(|before| before.github_id != Some(*id)))?;
    Some(format!("{name} approves by reviews of the GitHub account {id}"))
}
