//! Whose review in the forge counts as an approval of which plan, and why that of others does not.
//!
//! A forge's review is of a commit. It is not signed, and it knows no plan id: the same commit can have another plan an hour
//! later. So it counts for less than an approval file:
//!
//! - It counts only if it is of the head, as the forge itself says (`Review::commit`). GitLab and Azure DevOps do not say it, so
//!   there none counts.
//! - It counts only for the plan that our own status on the head named when it was given. A forge lets nobody edit a status, as
//!   it lets whoever may write edit a comment, and says who set it and when.
//! - It counts only if its account is, by its number, that of an approver of the authority. A bot, whoever opened the pull
//!   request, and whoever wrote or committed something of it never count; the forge tells them by account and by address.
//! - It counts as one person at most, as every approval without a signature does (design of `approval`), and nothing where
//!   signatures are required.
//! - As long as an approver asks for changes, no review counts: that is the plain sense of it.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use jiff::Timestamp;

use crate::approval::Evidence;
use crate::approval::Refused;
use crate::approval::file::ApprovalFile;
use crate::approval::signature::Unverified;
use crate::desired::policy::Approver;
use crate::desired::policy::Policy;
use crate::domain::name::ApproverName;
use crate::domain::pull_request::Review;
use crate::domain::pull_request::Verdict;
use crate::domain::testimony::PostedStatus;
use crate::domain::testimony::Testimony;
use crate::plan::document::PlanId;
use crate::review::status;

/// How long a review is good for: as long as an approval file is if nobody says otherwise.
pub const GOOD_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Reviews, as approvals.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// Those that count, if the plan that was looked at is the one that is decided about. Rules for every approval, such as that
    /// it has not expired, are not looked at here.
    pub evidence: Vec<Evidence>,
    /// Those of approvers that do not.
    pub refused: Vec<Refused>,
}

/// True if any review can count.
pub fn count(policy: &Policy) -> bool {
    !policy.approval.signatures_required && policy.approvers.values().any(|approver| approver.github_id.is_some())
}

/// Judges the reviews of one pull request, by the policy of one environment.
pub fn judge(testimony: &Testimony, policy: &Policy) -> Judged {
    let mut judged = Judged::default();
    if !count(policy) {
        return judged;
    }
    let mut against = BTreeSet::new();
    for review in &testimony.reviews {
        let Some((name, approver)) = approver(review, policy) else { continue };
        if review.verdict == Verdict::ChangesRequested {
            against.insert(name.as_str());
            continue;
        }
        match approved(review, approver, (testimony, policy)) {
            Ok((plan, at)) => judged.evidence.push(evidence(testimony, policy, (name, plan, at))),
            Err(reason) => judged.refused.push(Refused { approver: name.clone(), reason: reason.to_owned() }),
        }
    }
    if !against.is_empty() {
        let who = against.into_iter().collect::<Vec<_>>().join(", ");
        let silenced = std::mem::take(&mut judged.evidence).into_iter().map(|evidence| Refused {
            approver: evidence.file.approver,
            reason: format!("is a review, and none counts while {who} asks for changes"),
        });
        judged.refused.extend(silenced);
    }
    judged
}

fn approver<'a>(review: &Review, policy: &'a Policy) -> Option<(&'a ApproverName, &'a Approver)> {
    // The account of somebody who left has no number, and is nobody's.
    let id: u64 = review.reviewer.id.parse().ok()?;
    policy.approvers.iter().find(|(_, own)| own.github_id == Some(id))
}

/// The plan that a review approves, and when it was given.
///
/// # Errors
/// Why it approves none, as half a sentence after "it".
fn approved(
    review: &Review,
    approver: &Approver,
    (testimony, policy): (&Testimony, &Policy),
) -> Result<(PlanId, Timestamp), &'static str> {
    if review.reviewer.is_bot {
        return Err("is a bot's review");
    }
    if review.reviewer.id == testimony.pull.author.id {
        return Err("is a review by who opened the pull request");
    }
    let Some(contributors) = &testimony.contributors else {
        return Err("is a review of more commits than the forge tells: nobody knows who made them");
    };
    if contributors.accounts.contains(&review.reviewer.id)
        || approver.emails.iter().any(|email| contributors.emails.contains(email))
    {
        return Err("is a review by an author or committer of the change");
    }
    if review.commit.as_ref() != Some(&testimony.pull.head) {
        return Err("is a review of another commit than the head");
    }
    let at = review.at.ok_or("is a review without a time")?;
    let plan = told_before(testimony, policy, at);
    plan.map(|plan| (plan, at)).ok_or("is a review that is older than any plan in the pull request")
}

/// The plan that our status named just before a time.
fn told_before(testimony: &Testimony, policy: &Policy, at: Timestamp) -> Option<PlanId> {
    let context = status::approved_context(&policy.mark.environment);
    let is_ours = |own: &&PostedStatus| own.by.id == testimony.me.id && own.context == context && own.at < at;
    // The newest are listed first, so of two within one second the newer one is kept.
    let last = testimony.statuses.iter().filter(is_ours).reduce(|one, own| if own.at > one.at { own } else { one })?;
    status::named(&last.description)
}

fn evidence(
    testimony: &Testimony,
    policy: &Policy,
    (approver, plan, at): (&ApproverName, PlanId, Timestamp),
) -> Evidence {
    let file = ApprovalFile {
        plan,
        environment: policy.mark.environment.clone(),
        owner: policy.mark.owner,
        approver: approver.clone(),
        approved_at: at,
        expires_at: at.saturating_add(GOOD_FOR).unwrap_or(at),
        reason: Some(format!("review of {}", testimony.pull.url)),
        // The review is of the whole plan; what is left of it is told by the plan itself.
        changes: Vec::new(),
        api_version: crate::approval::file::ApiVersion::V1Alpha1,
        kind: crate::approval::file::Kind::Approval,
    };
    Evidence { file, brought_by: Vec::new(), signed_by: Err(Unverified::Unsigned) }
}

#[cfg(test)]
mod tests;
