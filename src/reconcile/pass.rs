//! The flow for one environment, one function a stage: plan, decide, apply, report.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::apply;
use crate::apply::Run;
use crate::apply::engine::Settings as ApplySettings;
use crate::apply::lease;
use crate::apply::lease::LeaseError;
use crate::apply::lease::LeaseRecord;
use crate::apply::lease::LeaseRequest;
use crate::apply::lease::LeaseStore;
use crate::apply::report::Outcome;
use crate::apply::report::Progress;
use crate::apply::report::Report;
use crate::approval;
use crate::approval::Approval;
use crate::approval::Circumstances;
use crate::approval::Decision;
use crate::approval::Evidence;
use crate::approval::LocalConsent;
use crate::config::Config;
use crate::desired::Desired;
use crate::desired::authority;
use crate::desired::policy::Policy;
use crate::desired::resolve;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Place;
use crate::domain::cluster::ManagedCluster;
use crate::domain::commit::CommitId;
use crate::domain::key::ResourceKey;
use crate::domain::name::EnvironmentName;
use crate::git::GitError;
use crate::git::Limits;
use crate::observed::Observed;
use crate::plan::Plan;
use crate::plan::document::ChangeDigest;
use crate::plan::document::PlanId;
use crate::plan::document::change_digest;
use crate::plan::document::key_text;
use crate::reconcile::approvals;
use crate::reconcile::approvals::Approvals;
use crate::reconcile::backends::Backends;
use crate::reconcile::error_chain;
use crate::reconcile::keep::either;
use crate::reconcile::keep::under_lease;
use crate::reconcile::lease_store::FileLease;
use crate::reconcile::lease_store::GitLease;
use crate::reconcile::observe;
use crate::reconcile::presence::Presence;
use crate::reconcile::source::Loaded;
use crate::reconcile::status_branch::StatusBranch;
use crate::reconcile::status_branch::StatusError;
use crate::reconcile::status_branch::StatusFiles;
use crate::reconcile::world::Purpose;
use crate::reconcile::world::World;
use crate::reconcile::world::WorldError;
use crate::render::saved_plan::Provenance;
use crate::render::shown::Details;
use crate::render::status_files;
use crate::render::status_files::Pending;
use crate::repo;
use crate::status;
use crate::status::Applied;
use crate::status::Composition;
use crate::status::document::AppliedRecord;
use crate::status::document::AppliedStep;
use crate::status::document::ApplyOutcome;
use crate::status::document::StepOutcome;

/// A plan, and everything it was made from.
#[derive(Debug)]
pub struct Planned {
    /// What is asked for.
    pub desired: Desired,
    /// What was seen.
    pub observed: Observed,
    /// The decisions.
    pub plan: Plan,
    /// The status branch as it was.
    pub status: StatusFiles,
    /// What there is to say about the files, warnings included.
    pub diagnostics: Diagnostics,
    cluster: Option<ManagedCluster>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The files have errors.
    #[error("the files have errors")]
    Files(Box<Diagnostics>),
    /// The environment is not in privlink.toml.
    #[error("there is no environment {name} in privlink.toml; it has {known}")]
    NoEnvironment {
        /// The environment asked for.
        name: EnvironmentName,
        /// Those that are there.
        known: String,
    },
    /// There is no way to the world.
    #[error(transparent)]
    World(#[from] WorldError),
    /// Nothing of the world could be read.
    #[error("nothing could be read: {reason}")]
    Blind {
        /// The first reason.
        reason: String,
    },
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// There is no lease.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The status was not written.
    #[error(transparent)]
    Status(#[from] StatusError),
}

/// The rules of an environment.
///
/// # Errors
/// If there is none of this name.
pub fn policy(loaded: &Loaded, environment: &EnvironmentName) -> Result<Policy, PassError> {
    authority::policy(&loaded.settings, environment).ok_or_else(|| PassError::NoEnvironment {
        name: environment.clone(),
        known: loaded.settings.environments.keys().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    })
}

/// Resolves the documents as far as files go; `cluster` where it was read.
pub fn resolve_files(loaded: &Loaded, policy: &Policy, cluster: Option<&ManagedCluster>) -> (Desired, Diagnostics) {
    let unseen = policy.cluster.as_ref().map(|reference| resolve::unseen_cluster(&reference.aks));
    let path_exists = loaded.source.snapshot.files.keys().any(|path| path.is_under(&policy.path));
    resolve::resolve(resolve::Source {
        documents: &loaded.reading.documents,
        policy,
        cluster: cluster.or(unseen.as_ref()),
        path_exists,
    })
}

/// Observes the world and decides what has to happen.
///
/// # Errors
/// Errors in the files, no way to the world, or nothing of it readable.
pub async fn plan(loaded: &Loaded, environment: &EnvironmentName, config: &Config) -> Result<Planned, PassError> {
    let policy = policy(loaded, environment)?;
    let (_, offline) = resolve_files(loaded, &policy, None);
    let diagnostics = merged(&loaded.reading.diagnostics, offline);
    if diagnostics.has_errors() {
        return Err(PassError::Files(Box::new(diagnostics)));
    }
    let world = World::connect(config, &policy, Purpose::Plan).await?;
    let status = match &loaded.source.upstream {
        Some(upstream) => StatusBranch::new(upstream.remote.clone(), &policy).read().await?,
        None => StatusFiles::default(),
    };
    let baseline = baseline(loaded, &policy, &status).await;
    replan(loaded, &policy, &world, Memory { status, baseline, diagnostics }).await
}

/// What a plan takes from before: it does not change within a pass.
struct Memory {
    status: StatusFiles,
    baseline: Option<(Desired, CommitId)>,
    diagnostics: Diagnostics,
}

async fn replan(loaded: &Loaded, policy: &Policy, world: &World, memory: Memory) -> Result<Planned, PassError> {
    let Memory { status, baseline, mut diagnostics } = memory;
    let (cluster, gap) = match observe::managed_cluster(world, policy).await {
        Ok(cluster) => (cluster, None),
        Err(gap) => (None, Some(gap)),
    };
    let (desired, online) = resolve_files(loaded, policy, cluster.as_ref());
    diagnostics = merged(&diagnostics, online);
    if diagnostics.has_errors() {
        return Err(PassError::Files(Box::new(diagnostics)));
    }
    let mut observed = observe::observe(world, policy, cluster.as_ref()).await;
    observed.gaps.extend(gap);
    if let Some(first) = observed.gaps.first().filter(|_| is_blind(&observed)) {
        return Err(PassError::Blind { reason: first.reason.clone() });
    }
    let plan = crate::plan::plan(&desired, &observed, baseline.as_ref().map(|(desired, _)| desired));
    Ok(Planned { desired, observed, plan, status, diagnostics, cluster })
}

fn is_blind(observed: &Observed) -> bool {
    let Observed {
        cluster,
        services,
        subnets,
        frontends,
        private_link_services,
        private_endpoints,
        dns_zones,
        dns_records,
        dns_links,
        gaps,
    } = observed;
    let nothing = services.is_empty()
        && subnets.is_empty()
        && frontends.is_empty()
        && private_link_services.is_empty()
        && private_endpoints.is_empty()
        && dns_zones.is_empty()
        && dns_records.is_empty()
        && dns_links.is_empty();
    // Networks, links, endpoints and zones are read in every pass: fewer gaps mean that something answered.
    nothing && cluster.is_none() && gaps.len() >= 3
}

fn merged(first: &Diagnostics, second: Diagnostics) -> Diagnostics {
    let mut all = first.clone();
    all.extend(second);
    all.sorted()
}

/// What the last applied commit asked for. The status branch only says which commit that was: a hint, and a wrong one
/// makes drift out of a change at worst.
async fn baseline(loaded: &Loaded, policy: &Policy, status: &StatusFiles) -> Option<(Desired, CommitId)> {
    let upstream = loaded.source.upstream.as_ref()?;
    let commit = status.environment()?.applied_commit.clone()?;
    if !upstream.remote.is_ancestor(&commit, &upstream.tip).await.ok()? {
        return None;
    }
    let snapshot = upstream.remote.snapshot(&commit, Limits::default()).await.ok()?;
    let reading = repo::read(&snapshot, &loaded.settings);
    let unseen = policy.cluster.as_ref().map(|reference| resolve::unseen_cluster(&reference.aks));
    let source = resolve::Source { documents: &reading.documents, policy, cluster: unseen.as_ref(), path_exists: true };
    let (desired, diagnostics) = resolve::resolve(source);
    (!diagnostics.has_errors()).then_some((desired, commit))
}

/// The approvals of the config branch; none without a remote.
///
/// # Errors
/// If the mirror cannot be read.
pub async fn approvals(loaded: &Loaded, planned: &Planned) -> Result<Approvals, PassError> {
    let Some(upstream) = &loaded.source.upstream else { return Ok(Approvals::default()) };
    if !planned.plan.has_changes() {
        return Ok(Approvals::default());
    }
    let applied = planned.status.environment().and_then(|status| status.applied_commit.as_ref());
    Ok(approvals::read(upstream, &planned.plan.policy, applied).await?)
}

/// Decides whether the plan may run.
pub fn decide(
    planned: &Planned,
    approvals: &Approvals,
    consent: LocalConsent,
    first_seen: Option<Timestamp>,
) -> Decision {
    let circumstances = Circumstances {
        now: Timestamp::now(),
        first_seen,
        authors: approvals.authors.clone(),
        used: used(&planned.status, &approvals.evidence),
        local: consent,
    };
    approval::decide(&planned.plan, &approvals.evidence, &circumstances)
}

/// What was carried out after an approval was given is not carried out under it again.
fn used(status: &StatusFiles, evidence: &[Evidence]) -> BTreeSet<(PlanId, ChangeDigest)> {
    let mut used = BTreeSet::new();
    for record in status.applied() {
        let done = record.steps.iter().filter(|step| matches!(step.outcome, StepOutcome::Done | StepOutcome::Waiting));
        for step in done {
            let older = evidence.iter().filter(|evidence| evidence.file.approved_at <= record.applied_at);
            used.extend(older.map(|evidence| (evidence.file.plan.clone(), step.digest.clone())));
        }
    }
    used
}

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

/// Applies an approved plan under the lease of its environment.
///
/// # Errors
/// If somebody else holds the lease, or there is no way to the world.
pub async fn apply(
    (loaded, planned): (&Loaded, &Planned),
    approval: &Approval,
    applying: Applying<'_>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Ended, PassError> {
    let Applying { config, settings, cancel } = applying;
    let policy = &planned.plan.policy;
    let world = World::connect(config, policy, Purpose::Apply).await?;
    let store = lease_store(loaded, config, policy);
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
        Err(error) => {
            presence.end();
            return Err(error.into());
        }
    };
    let backends = Backends::new(&world, &planned.plan, planned.cluster.clone());
    let report = under_lease(store.as_ref(), &mut lease, |lease, stop| {
        let run = Run { plan: &planned.plan, approval, lease, settings, cancel: either(cancel, stop) };
        apply::apply(run, &backends, progress)
    })
    .await;
    match lease.release(store.as_ref(), Timestamp::now()).await {
        Ok(()) => presence.end(),
        // What stays behind tells later runs on this machine that nobody holds it any more.
        Err(error) => tracing::warn!(error = error_chain(&error), "the lease runs out by itself"),
    }
    let record = record(planned, approval, loaded.source.commit.clone(), &report);
    Ok(Ended { report, record })
}

fn lease_store(loaded: &Loaded, config: &Config, policy: &Policy) -> Box<dyn LeaseStore> {
    match &loaded.source.upstream {
        Some(upstream) => Box::new(GitLease::new(upstream.remote.clone(), &policy.mark, policy.status.author.clone())),
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
        };
        let change = &step.change;
        let (key, action) = (key_text(&change.key), change.action.to_string());
        AppliedStep { key, action, digest: change_digest(change), outcome, message }
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
    record.steps = plan.steps.iter().zip(&report.steps).map(step).collect();
    record
}

/// What a pass did, as far as the status says it.
#[derive(Debug, Default)]
pub struct Done<'a> {
    /// The apply, if there was one.
    pub ended: Option<&'a Ended>,
    /// True if the world now is as the commit asks.
    pub converged: bool,
}

/// Commits the status: what is there now, and what is still to do. Answers the commit, or `None` if nothing changed.
///
/// # Errors
/// If the branch cannot be read or written.
pub async fn publish(loaded: &Loaded, planned: &Planned, done: Done<'_>) -> Result<Option<CommitId>, PassError> {
    let Some(upstream) = &loaded.source.upstream else { return Ok(None) };
    let Some(commit) = loaded.source.commit.clone() else { return Ok(None) };
    let branch = StatusBranch::new(upstream.remote.clone(), &planned.plan.policy);
    let now = Timestamp::now();
    let failures = failures(done.ended);
    let record = done.ended.map(|ended| ended.record.clone());
    let applied = (done.converged || record.is_some())
        .then(|| Applied { commit: done.converged.then(|| commit.clone()), record });
    let provenance = Provenance {
        commit: Some(commit.clone()),
        source: loaded.source.planned_note.clone(),
        created_at: now,
        build: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let locate = |place: &Place| locate(loaded, place);
    let compose = |previous: &StatusFiles| {
        let documents = status::compose(&Composition {
            desired: &planned.desired,
            observed: &planned.observed,
            plan: &planned.plan,
            previous: &previous.documents,
            applied: applied.as_ref(),
            failures: &failures,
            now,
        });
        let pending =
            Pending { plan: &planned.plan, details: Details { locate: &locate }, provenance: provenance.clone() };
        status_files::files(&documents, &pending, &previous.files)
    };
    let environment = &planned.plan.policy.mark.environment;
    let message = match done.ended {
        Some(ended) => format!(
            "{environment}: applied {} of {} steps\n\nPrivlink-Plan: {}\nPrivlink-Applied-Commit: {commit}",
            ended.report.steps.iter().filter(|step| step.outcome.is_success()).count(),
            ended.report.steps.len(),
            ended.record.plan,
        ),
        None if planned.plan.has_changes() => {
            format!("{environment}: a plan waits for approval\n\nPrivlink-Plan: {}", planned.plan.id)
        }
        None => format!("{environment}: status of commit {}", commit.short()),
    };
    Ok(branch.write(&message, &compose).await?)
}

fn failures(ended: Option<&Ended>) -> BTreeMap<ResourceKey, String> {
    let steps = ended.into_iter().flat_map(|ended| &ended.report.steps);
    let failed = steps.filter_map(|step| match &step.outcome {
        Outcome::Failed { message, .. } => Some((step.key.clone(), message.clone())),
        _ => None,
    });
    failed.collect()
}

/// A place as `file:line`.
pub fn locate(loaded: &Loaded, place: &Place) -> Option<String> {
    let (line, _) = loaded.reading.sources.line_column(place)?;
    Some(format!("{}:{line}", place.file))
}

/// Observes once more after an apply, and plans what is left.
///
/// # Errors
/// As [`plan`].
pub async fn look_again(loaded: &Loaded, planned: &Planned, config: &Config) -> Result<Planned, PassError> {
    let policy = &planned.plan.policy;
    let world = World::connect(config, policy, Purpose::Plan).await?;
    let memory = Memory {
        status: planned.status.clone(),
        baseline: baseline(loaded, policy, &planned.status).await,
        diagnostics: planned.diagnostics.clone(),
    };
    replan(loaded, policy, &world, memory).await
}
