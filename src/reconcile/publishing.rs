//! What a pass leaves in Git: one commit on the status branch, or none.

use crate::apply::report::Outcome;
use crate::approval::Missing;
use crate::approval::News;
use crate::config::Config;
use crate::diagnostic::Place;
use crate::domain::commit::CommitId;
use crate::domain::commit::RepoPath;
use crate::domain::key::ResourceKey;
use crate::reconcile::applying::Ended;
use crate::reconcile::approvals::Approvals;
use crate::reconcile::pass::PassError;
use crate::reconcile::planning;
use crate::reconcile::planning::Planned;
use crate::reconcile::planning::locate;
use crate::reconcile::source::Loaded;
use crate::reconcile::status_branch::StatusBranch;
use crate::reconcile::status_branch::StatusFiles;
use crate::render;
use crate::render::saved_plan::Provenance;
use crate::render::shown::Details;
use crate::render::shown::one_line;
use crate::render::status_files;
use crate::render::status_files::Pending;
use crate::review::reviewers;
use crate::status;
use crate::status::Applied;
use crate::status::Composition;
use crate::status::StatusDocument;
use crate::status::document::BreakGlassRecord;
use crate::status::document::SinceApproved;
use crate::status::document::remember;
use jiff::Timestamp;
use std::collections::BTreeMap;

type Documents = BTreeMap<RepoPath, StatusDocument>;

/// What a pass did, as far as the status says it.
#[derive(Debug, Default)]
pub struct Done<'a> {
    /// The apply, if there was one.
    pub ended: Option<&'a Ended>,
    /// True if the world now is as the commit asks.
    pub converged: bool,
    /// What approvals were found; `None` if nobody looked.
    pub approvals: Option<&'a Approvals>,
    /// What the plan still needs, if it waits.
    pub missing: Option<&'a Missing>,
}

/// Commits the status: what is there now, and what is still to do. Answers the commit, or `None` if nothing changed.
///
/// # Errors
/// If the branch cannot be read or written.
#[tracing::instrument(target = "otel", skip_all)]
pub async fn publish(loaded: &Loaded, planned: &Planned, done: Done<'_>) -> Result<Option<CommitId>, PassError> {
    let Some(upstream) = &loaded.source.upstream else { return Ok(None) };
    let Some(commit) = loaded.source.commit.clone() else { return Ok(None) };
    let branch = StatusBranch::new(upstream.remote.clone(), &planned.plan.policy);
    let now = Timestamp::now();
    let provenance = Provenance {
        commit: Some(commit.clone()),
        source: loaded.source.planned_note.clone(),
        created_at: now,
        build: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let locate = |place: &Place| locate(loaded, place);
    let compose = |previous: &StatusFiles| {
        let documents = composed((loaded, planned), &done, &previous.documents, now);
        // Of the documents that are written, not of those that were there: a second look must not tell anything else.
        let first_seen = status::first_seen(&documents);
        let details = Details { locate: &locate, first_seen: Some(&first_seen) };
        let pending = Pending { plan: &planned.plan, details, provenance: provenance.clone() };
        status_files::files(&documents, &pending, &previous.files)
    };
    let environment = &planned.plan.policy.mark.environment;
    let message = match done.ended {
        Some(ended) => format!(
            "{environment}: {}\n\nPrivlink-Plan: {}\nPrivlink-Applied-Commit: {commit}{}",
            render::apply::in_a_line(&ended.report.steps),
            ended.record.plan,
            ended.record.break_glass.as_ref().map(trailer).unwrap_or_default(),
        ),
        None if planned.plan.has_changes() && done.approvals.is_some() && done.missing.is_none() => {
            format!("{environment}: a plan is approved, and applied next\n\nPrivlink-Plan: {}", planned.plan.id)
        }
        None if planned.plan.has_changes() => {
            format!("{environment}: a plan waits for approval\n\nPrivlink-Plan: {}", planned.plan.id)
        }
        None => format!("{environment}: status of commit {}", commit.short()),
    };
    Ok(branch.write(&message, &compose).await?)
}

fn trailer(glass: &BreakGlassRecord) -> String {
    format!("\nPrivlink-Break-Glass: {}: {}", one_line(&glass.by), one_line(&glass.reason))
}

/// The status documents after a pass; `previous` are those of last time.
pub fn composed(
    (loaded, planned): (&Loaded, &Planned),
    done: &Done<'_>,
    previous: &Documents,
    now: Timestamp,
) -> Documents {
    let commit = loaded.source.commit.clone();
    let record = done.ended.map(|ended| ended.record.clone());
    let is_emergency = record.as_ref().is_some_and(|record| record.break_glass.is_some());
    let applied = (done.converged || record.is_some()).then(|| Applied {
        commit: commit.clone().filter(|_| done.converged),
        rules: commit.filter(|_| !is_emergency),
        record,
    });
    let news: Vec<SinceApproved> = done.missing.into_iter().flat_map(|missing| &missing.news).map(since).collect();
    let mut approved = done.approvals.map(Approvals::on_file);
    if let Some(on_file) = approved.as_mut().filter(|_| reviewers::count(&planned.plan.policy)) {
        // Nobody may have asked for reviews in this pass: what one was used up by stays on record as long as it is good.
        let since = now.saturating_sub(reviewers::GOOD_FOR).unwrap_or(now);
        on_file.since = Some(on_file.since.map_or(since, |oldest| oldest.min(since)));
    }
    let mut documents = status::compose(&Composition {
        desired: &planned.desired,
        observed: &planned.observed,
        plan: &planned.plan,
        previous,
        applied: applied.as_ref(),
        failures: &failures(done.ended),
        approved: approved.as_ref(),
        news: &news,
        now,
    });
    let present = done.approvals.and_then(|approvals| approvals.present.as_deref());
    for document in documents.values_mut() {
        if let (StatusDocument::Environment(status), Some(present)) = (document, present) {
            status.approvals = remember(&status.approvals, present, now);
        }
    }
    documents
}

fn since(news: &News) -> SinceApproved {
    let News { approver, plan, differences } = news;
    SinceApproved { approver: approver.to_string(), plan: plan.clone(), differences: differences.clone() }
}

/// The error of each step that failed in an apply.
fn failures(ended: Option<&Ended>) -> BTreeMap<ResourceKey, String> {
    let steps = ended.into_iter().flat_map(|ended| &ended.report.steps);
    let failed = steps.filter_map(|step| match &step.outcome {
        Outcome::Failed { message, .. } => Some((step.key.clone(), message.clone())),
        _ => None,
    });
    failed.collect()
}

/// What was left of an apply when the world was looked at once more.
#[derive(Debug)]
pub struct Concluded {
    /// The status commit, if the status changed.
    pub status: Option<CommitId>,
    /// True if all that the commit asks for is there.
    pub converged: bool,
    /// What was planned then; or why the world could not be read: the status still says what was applied and what was not.
    pub after: Result<Planned, PassError>,
}

/// Ends an apply: looks at the world once more, and commits the status.
///
/// # Errors
/// If the branch cannot be read or written.
#[tracing::instrument(target = "otel", skip_all)]
pub async fn conclude(
    (loaded, planned): (&Loaded, &Planned),
    ended: &Ended,
    approvals: &Approvals,
    config: &Config,
) -> Result<Concluded, PassError> {
    let loosening = match ended.record.break_glass {
        Some(_) => planned.plan.loosening().to_vec(),
        // What was to be agreed to about the rules was, or nothing would have been applied.
        None => Vec::new(),
    };
    match planning::look_again(loaded, planned, (config, loosening)).await {
        Ok(after) => {
            let is_whole = planned.plan.is_whole() && after.plan.is_whole();
            let converged = ended.report.is_success() && after.plan.is_carried_out() && is_whole;
            let done = Done { ended: Some(ended), converged, approvals: Some(approvals), missing: None };
            Ok(Concluded { status: publish(loaded, &after, done).await?, converged, after: Ok(after) })
        }
        Err(error) => {
            let done = Done { ended: Some(ended), converged: false, approvals: Some(approvals), missing: None };
            Ok(Concluded { status: publish(loaded, planned, done).await?, converged: false, after: Err(error) })
        }
    }
}
