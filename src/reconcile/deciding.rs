//! May the plan of this pass run? The approvals on file, and what was used up of them.

use crate::approval;
use crate::approval::Approval;
use crate::approval::Circumstances;
use crate::approval::Decision;
use crate::approval::Evidence;
use crate::approval::LocalConsent;
use crate::approval::Missing;
use crate::approval::News;
use crate::approval::used::CarriedOut;
use crate::approval::used::Used;
use crate::domain::commit::CommitId;
use crate::plan::compare;
use crate::plan::document::PlanId;
use crate::reconcile::approvals;
use crate::reconcile::approvals::Approvals;
use crate::reconcile::approvals::Question;
use crate::reconcile::pass::PassError;
use crate::reconcile::planning::Planned;
use crate::reconcile::source::Loaded;
use crate::reconcile::status_branch::StatusFiles;
use crate::render::saved_plan::read_saved_plan;
use crate::status::document::AppliedStep;
use crate::status::document::StepOutcome;
use crate::status::path;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The approvals on file; none without a remote.
///
/// # Errors
/// If the mirror cannot be read.
#[tracing::instrument(target = "otel", name = "approve", skip_all, fields(plan_id = %planned.plan.id))]
pub async fn approvals(loaded: &Loaded, planned: &Planned) -> Result<Approvals, PassError> {
    on_file(loaded, planned, None).await
}

/// The approvals that there would be with a change merged whose last commit is `head`.
///
/// # Errors
/// As [`approvals`].
pub async fn approvals_of_change(loaded: &Loaded, planned: &Planned, head: &CommitId) -> Result<Approvals, PassError> {
    on_file(loaded, planned, Some(head)).await
}

async fn on_file(loaded: &Loaded, planned: &Planned, head: Option<&CommitId>) -> Result<Approvals, PassError> {
    let Some(upstream) = &loaded.source.upstream else { return Ok(Approvals::default()) };
    if !planned.plan.has_changes() {
        return Ok(Approvals::default());
    }
    let applied = planned.status.environment().and_then(|status| status.applied_commit.as_ref());
    let environments = loaded.settings.environments.keys().cloned().collect();
    let policy = &planned.plan.policy;
    let seen = planned.status.environment().map(|status| status.approvals.as_slice()).unwrap_or_default();
    let withdrawn = seen.iter().filter(|seen| seen.withdrawn).map(|seen| seen.commit.clone()).collect();
    let now = Timestamp::now();
    let question = Question { policy, environments: &environments, applied, withdrawn: &withdrawn, now };
    Ok(match head {
        None => approvals::read(upstream, question).await?,
        Some(head) => approvals::read_proposed(upstream, head, question).await?,
    })
}

/// Decides whether the plan may run.
pub fn decide(
    planned: &Planned,
    approvals: &Approvals,
    consent: LocalConsent,
    first_seen: Option<Timestamp>,
) -> Decision {
    decide_in(planned, approvals, &circumstances(planned, approvals, consent, first_seen))
}

/// Decides what may run where nobody can be asked: the plan; or the part of it that was in another plan which was approved; or
/// nothing.
///
/// # Errors
/// What the plan still needs.
pub fn unattended(
    planned: &Arc<Planned>,
    approvals: &Approvals,
    first_seen: Timestamp,
) -> Result<(Arc<Planned>, Approval), Box<Missing>> {
    let circumstances = circumstances(planned, approvals, LocalConsent::None, Some(first_seen));
    let missing = match decide_in(planned, approvals, &circumstances) {
        Decision::Approved(approval) => return Ok((Arc::clone(planned), approval)),
        Decision::Missing(missing) => missing,
    };
    let part = approval::in_part(&planned.plan, &approvals.evidence, &circumstances);
    let (plan, approval) = part.ok_or_else(|| Box::new(missing))?;
    Ok((Arc::new(Planned { plan, ..Planned::clone(planned) }), approval))
}

fn decide_in(planned: &Planned, approvals: &Approvals, circumstances: &Circumstances) -> Decision {
    match approval::decide(&planned.plan, &approvals.evidence, circumstances) {
        Decision::Approved(approval) => Decision::Approved(approval),
        Decision::Missing(missing) => {
            let news = missing.news.into_iter().map(|news| in_detail(news, planned)).collect();
            let refused = missing.refused.into_iter().chain(approvals.refused.iter().cloned()).collect();
            Decision::Missing(Missing { news, refused, ..missing })
        }
    }
}

fn circumstances(
    planned: &Planned,
    approvals: &Approvals,
    local: LocalConsent,
    first_seen: Option<Timestamp>,
) -> Circumstances {
    Circumstances {
        now: Timestamp::now(),
        first_seen,
        authors: approvals.authors.clone(),
        used: used(&planned.status, &approvals.evidence),
        bodies: bodies(planned, approvals),
        local,
    }
}

/// The bodies of the approved plans that the status branch still has.
fn bodies(planned: &Planned, approvals: &Approvals) -> BTreeMap<PlanId, String> {
    approvals.plans().into_iter().filter_map(|plan| body(planned, &plan).map(|body| (plan, body))).collect()
}

/// The body of a plan that was published, if it is the one that its id names.
fn body(planned: &Planned, plan: &PlanId) -> Option<String> {
    let path = path::plan(&planned.plan.policy.mark.environment, plan);
    let saved = planned.status.files.get(&path).and_then(|text| read_saved_plan(text).ok());
    saved.filter(|saved| saved.id == *plan).map(|saved| saved.body)
}

/// The same news, told by the approved plan itself where the status branch still has it.
fn in_detail(news: News, planned: &Planned) -> News {
    match body(planned, &news.plan) {
        Some(body) => News { differences: compare::differences(&body, &planned.plan.body), ..news },
        None => news,
    }
}

/// What was carried out, as far as the records of applies say. A step that was begun and not waited for is not done: what is
/// left of it is still approved.
fn used(status: &StatusFiles, evidence: &[Evidence]) -> Used {
    let applies = status.applied().map(|record| {
        let done = |step: &&AppliedStep| matches!(step.outcome, StepOutcome::Done | StepOutcome::Waiting);
        let steps = record.steps.iter().filter(done).map(|step| (step.key.as_str(), &step.digest)).collect();
        CarriedOut { at: record.applied_at, approvers: &record.approvers, steps }
    });
    Used::of(applies, evidence.iter().map(|evidence| &evidence.file))
}
