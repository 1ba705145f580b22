//! Breaking the glass: one person applies what approvals, change windows or a freeze hold up, and it is written down.

use std::collections::BTreeSet;

use crate::approval::Approval;
use crate::approval::Missing;
use crate::plan::Plan;

/// Who breaks the glass, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emergency {
    /// Who, as this machine knows it: nothing proves it.
    pub by: String,
    /// Why, in their words.
    pub reason: String,
    /// What is not waited for, each as half a sentence.
    pub skipped: Vec<String>,
}

/// Why the glass stays whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unbreakable {
    /// The rules in force do not allow it.
    #[error("the rules in force do not let anybody break the glass")]
    Forbidden,
    /// Rules are loosened by approval only.
    #[error("nothing but rules waits, and breaking the glass accepts no rules")]
    OnlyRules,
    /// So many deletes need the rule that nobody has approved yet.
    #[error("the plan deletes more than max-deletes allowed before this commit raised it")]
    Deletes,
}

/// Permission for a plan that lacks something, by breaking the glass. What it loosens of the rules stays unapproved.
///
/// # Errors
/// If the rules in force do not allow it, or there is nothing that it could help with.
pub fn break_glass(plan: &Plan, missing: &Missing, (by, reason): (String, String)) -> Result<Approval, Unbreakable> {
    if !plan.policy.break_glass {
        return Err(Unbreakable::Forbidden);
    }
    if plan.steps.is_empty() {
        return Err(Unbreakable::OnlyRules);
    }
    if plan.deletes() > plan.policy.agreed_deletes {
        return Err(Unbreakable::Deletes);
    }
    let approvers = BTreeSet::from([format!("{by} (break-glass)")]);
    let emergency = Emergency { by, reason, skipped: skipped(missing) };
    Ok(Approval { plan: plan.id.clone(), approvers, emergency: Some(emergency) })
}

fn skipped(missing: &Missing) -> Vec<String> {
    let needs = missing.needs.iter().map(|(risk, need)| format!("{risk} changes need {}", need.consent));
    let frozen = missing.frozen.iter().map(|freeze| format!("frozen until {}", freeze.until));
    let closed = missing.closed.iter().map(|closed| {
        let grades = closed.grades.iter().map(|grade| grade.as_str()).collect::<Vec<_>>().join(", ");
        format!("outside the change windows of {grades} changes")
    });
    needs.chain(frozen).chain(closed).collect()
}
