//! Why an approval does not count, whatever the plan's changes need.

use jiff::Timestamp;

use crate::approval::Circumstances;
use crate::approval::Evidence;
use crate::approval::file::ApprovalFile;
use crate::approval::signature::Signer;
use crate::desired::policy::Policy;
use crate::domain::commit::Identity;
use crate::plan::Plan;

/// Why an approval does not count, as half a sentence after "it"; `None` if it does.
pub(super) fn objection(plan: &Plan, evidence: &Evidence, circumstances: &Circumstances) -> Option<String> {
    let policy = &plan.policy;
    foreign(&evidence.file, policy)
        .or_else(|| unproved(evidence, policy))
        .or_else(|| untimely(&evidence.file, circumstances.now, circumstances.first_seen))
        .or_else(|| own(evidence, policy, circumstances))
}

/// It is for something else, or by nobody who could give one.
fn foreign(file: &ApprovalFile, policy: &Policy) -> Option<String> {
    if file.owner != policy.mark.owner || file.environment != policy.mark.environment {
        return Some(format!("is for {}/{}", file.owner, file.environment));
    }
    if policy.newcomers.contains(&file.approver) {
        return Some("is by somebody whom the change itself puts into [approvers], or gives another key".to_owned());
    }
    let is_known = policy.approvers.contains_key(&file.approver);
    (!is_known).then(|| "is by somebody who is not in [approvers]".to_owned())
}

/// Nothing proves that the person wrote it, or something proves that another one did.
fn unproved(evidence: &Evidence, policy: &Policy) -> Option<String> {
    match &evidence.signed_by {
        Ok(Signer::Approver(name)) if *name == evidence.file.approver => None,
        Ok(other) => Some(format!("is signed by {other}")),
        Err(reason) if policy.approval.signatures_required => Some(format!("is not proved: its commit {reason}")),
        Err(_) => None,
    }
}

fn untimely(file: &ApprovalFile, now: Timestamp, first_seen: Option<Timestamp>) -> Option<String> {
    if file.expires_at <= now {
        return Some(format!("expired at {}", file.expires_at));
    }
    if file.approved_at > now {
        return Some(format!("is dated {}, which is in the future", file.approved_at));
    }
    let is_older = first_seen.is_some_and(|seen| file.approved_at < seen);
    is_older.then(|| "is older than the agent's first sight of this repository".to_owned())
}

/// It is by somebody who made the change, or may have.
fn own(evidence: &Evidence, policy: &Policy, circumstances: &Circumstances) -> Option<String> {
    let authors = &circumstances.authors;
    let approver = &evidence.file.approver;
    if authors.signers.contains(&Signer::Approver(approver.clone())) {
        return Some(format!("is by {approver}, who signed the change itself"));
    }
    let emails = policy.approvers.get(approver).map(|approver| &approver.emails);
    if let Some(email) = emails.into_iter().flatten().find(|email| authors.addresses.contains(*email)) {
        return Some(format!("is by {approver}, who wrote or committed the change itself as {email}"));
    }
    let is_author = |identity: &&Identity| authors.addresses.contains(&identity.email.to_ascii_lowercase());
    if let Some(identity) = evidence.brought_by.iter().find(is_author) {
        return Some(format!("was committed by {identity}, who wrote or committed the change itself"));
    }
    // Whoever wrote a commit that nobody signed may be the one who approves it now.
    let unsigned = authors.unsigned.first()?;
    Some(format!("cannot be told from an approval by the author: {unsigned}"))
}
