//! From an approved plan to a report, under the lease of its environment.

use crate::apply;
use crate::apply::Run;
pub use crate::apply::engine::Settings as ApplySettings;
use crate::apply::lease;
use crate::apply::lease::LeaseError;
use crate::apply::lease::LeaseRecord;
use crate::apply::lease::LeaseRequest;
use crate::apply::lease::LeaseStore;
pub use crate::apply::report::News as StepNews;
use crate::apply::report::Outcome;
pub use crate::apply::report::Progress;
use crate::apply::report::Report;
use crate::approval::Approval;
use crate::config::Config;
use crate::desired::policy::OnDrift;
use crate::desired::policy::Policy;
use crate::domain::commit::CommitId;
use crate::plan::Plan;
use crate::plan::change::Change;
use crate::plan::document::change_digest;
use crate::plan::document::key_text;
use crate::plan::document::loosening_digest;
use crate::reconcile::backends::Backends;
use crate::reconcile::error_chain;
use crate::reconcile::keep::either;
use crate::reconcile::keep::under_lease;
use crate::reconcile::lease_store::FileLease;
use crate::reconcile::lease_store::GitLease;
use crate::reconcile::lease_store::Records;
use crate::reconcile::pass::PassError;
use crate::reconcile::planning::Planned;
use crate::reconcile::presence::Presence;
use crate::reconcile::source::Loaded;
use crate::reconcile::world::Purpose;
use crate::reconcile::world::World;
use crate::render::status_files;
use crate::status::document::AppliedRecord;
use crate::status::document::AppliedStep;
use crate::status::document::ApplyOutcome;
use crate::status::document::BreakGlassRecord;
use crate::status::document::StepOutcome;
use jiff::Timestamp;
use tokio::sync::watch;

/// How an apply is carried out.
pub struct Applying<'a> {
    /// The runner.
    pub config: &'a Config,
    /// How patient to be.
    pub settings: ApplySettings,
    /// Set when a person asked to stop.
    pub cancel: watch::Receiver<bool>,
}

/// What an apply came to.
#[derive(Debug)]
pub struct Ended {
    /// How every step ended.
    pub report: Report,
    /// What to keep of it.
    pub record: AppliedRecord,
}

/// What happens during an apply.
#[derive(Debug)]
pub enum Event {
    /// The lease is ours: the plan is carried out from now on.
    Begins,
    /// A step went on.
    Progress(Progress),
}

/// Applies an approved plan under the lease of its environment.
///
/// # Errors
/// If somebody else holds the lease, or there is no way to the world.
#[tracing::instrument(target = "otel", skip_all, fields(plan_id = %planned.plan.id))]
pub async fn apply(
    (loaded, planned): (&Loaded, &Planned),
    approval: &Approval,
    applying: Applying<'_>,
    hear: &mut (dyn FnMut(Event) + Send),
) -> Result<Ended, PassError> {
    let Applying { config, settings, cancel } = applying;
    let policy = &planned.plan.policy;
    let world = World::connect(config, policy, Purpose::Apply).await?;
    let records = Records::new(planned.status.published.clone());
    let store = lease_store(loaded, config, (policy, records.clone()));
    let presence = Presence::begin(&config.state_dir);
    let request = LeaseRequest {
        writer: config.writer.clone(),
        host: config.host.clone(),
        holder: presence.id(),
        plan: planned.plan.id.clone(),
        approvals: approval.approvers().iter().cloned().collect(),
        now: Timestamp::now(),
    };
    let is_gone = |record: &LeaseRecord| record.host == config.host && presence.tells_gone(record.holder);
    let mut lease = match lease::acquire(store.as_ref(), request, &is_gone).await {
        Ok(lease) => lease,
        // What stays behind tells later runs on this machine that a lease that may be ours is nobody's.
        Err(error @ LeaseError::Store(_)) => return Err(error.into()),
        Err(error) => {
            presence.end();
            return Err(error.into());
        }
    };
    hear(Event::Begins);
    let mut progress = |progress| hear(Event::Progress(progress));
    let backends = Backends::new(&world, &planned.plan, planned.cluster.clone());
    let report = under_lease(store.as_ref(), &mut lease, |lease, stop| {
        let run = Run { plan: &planned.plan, approval, lease, settings, cancel: either(cancel, stop) };
        apply::apply(run, &backends, &mut progress)
    })
    .await;
    let record = record(planned, approval, loaded.source.commit.clone(), &report);
    // With the lease itself: if nothing after this succeeds, or is even begun, it is known all the same what was used up.
    records.leave(status_files::applied(&policy.mark.environment, &record));
    match lease.release(store.as_ref(), Timestamp::now()).await {
        Ok(()) => presence.end(),
        // What stays behind tells later runs on this machine that nobody holds it any more.
        Err(error) => tracing::warn!(error = error_chain(&error), "the lease runs out by itself"),
    }
    Ok(Ended { report, record })
}

fn lease_store(loaded: &Loaded, config: &Config, (policy, records): (&Policy, Records)) -> Box<dyn LeaseStore> {
    match &loaded.source.upstream {
        Some(upstream) => {
            let author = policy.status.author.clone();
            Box::new(GitLease::new(upstream.remote.clone(), &policy.mark, (author, records)))
        }
        None => Box::new(FileLease::new(&config.state_dir, &policy.mark)),
    }
}

fn record(planned: &Planned, approval: &Approval, commit: Option<CommitId>, report: &Report) -> AppliedRecord {
    let step = |(step, ended): (&crate::plan::Step, &apply::report::StepReport)| {
        let (outcome, message) = match &ended.outcome {
            Outcome::Done => (StepOutcome::Done, None),
            Outcome::Waiting { reason } => (StepOutcome::Waiting, Some(reason.clone())),
            Outcome::Failed { message, .. } => (StepOutcome::Failed, Some(message.clone())),
            Outcome::Blocked { by } => {
                let by = by.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                (StepOutcome::Blocked, Some(format!("waits for {by}")))
            }
            Outcome::Cancelled => (StepOutcome::Cancelled, None),
            Outcome::Interrupted { reason } => (StepOutcome::Interrupted, Some(reason.clone())),
        };
        let change = &step.change;
        let (key, action) = (key_text(&change.key), change.action.to_string());
        let healed = healed(&planned.plan, change);
        AppliedStep { key, action, digest: change_digest(change), healed, outcome, message }
    };
    let plan = &planned.plan;
    let mut record = AppliedRecord::new(&plan.policy.mark.environment, plan.id.clone(), Timestamp::now());
    record.commit = commit;
    record.approvers = approval.approvers().iter().cloned().collect();
    record.outcome = match (report.is_success(), report.did_something()) {
        (true, _) => ApplyOutcome::Done,
        (false, true) => ApplyOutcome::Partial,
        (false, false) => ApplyOutcome::Failed,
    };
    record.break_glass = approval.emergency().map(|emergency| BreakGlassRecord {
        by: emergency.by.clone(),
        reason: emergency.reason.clone(),
        skipped: emergency.skipped.clone(),
    });
    // Whoever breaks the glass accepts no rules.
    let accepted = plan.loosening().iter().filter(|_| approval.emergency().is_none());
    let rules = accepted.map(|rule| AppliedStep {
        key: "rules".to_owned(),
        action: format!("loosen: {rule}"),
        digest: loosening_digest(rule),
        healed: Vec::new(),
        outcome: StepOutcome::Done,
        message: None,
    });
    record.steps = rules.chain(plan.steps.iter().zip(&report.steps).map(step)).collect();
    record
}

/// The fields that a change puts back without asking.
fn healed(plan: &Plan, change: &Change) -> Vec<String> {
    let is_healed = plan.on_drift(change) == Some(OnDrift::Heal);
    change.fields.iter().filter(|_| is_healed).map(|field| field.name.clone()).collect()
}
