//! One trip through the flow for one environment, one line a stage.

use std::sync::Arc;

use jiff::Timestamp;

use crate::apply::lease::LeaseError;
use crate::apply::report::Progress;
use crate::approval::Approval;
use crate::approval::Missing;
use crate::diagnostic::Diagnostics;
use crate::domain::commit::CommitId;
use crate::domain::key::ResourceKey;
use crate::domain::name::EnvironmentName;
use crate::git::GitError;
use crate::reconcile::applying;
use crate::reconcile::applying::Applying;
use crate::reconcile::applying::Ended;
use crate::reconcile::applying::Event;
use crate::reconcile::approvals::Approvals;
use crate::reconcile::attending::Attendant;
use crate::reconcile::deciding;
use crate::reconcile::error_chain;
use crate::reconcile::observe::Blind;
use crate::reconcile::planning;
use crate::reconcile::planning::Planned;
use crate::reconcile::publishing;
use crate::reconcile::publishing::Concluded;
use crate::reconcile::publishing::Done;
use crate::reconcile::publishing::publish;
use crate::reconcile::source::Loaded;
use crate::reconcile::status_branch::StatusError;
use crate::reconcile::world::WorldError;
use crate::repo::source::Sources;

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
    /// The runner demands something of environments, and nothing of this one: it may be the wrong runner, or a slip.
    #[error(
        "the approval floor does not name environment {0}: an empty table [environments.{0}] demands nothing of it"
    )]
    NoFloor(EnvironmentName),
    /// There is no way to the world.
    #[error(transparent)]
    World(#[from] WorldError),
    /// Nothing of Azure, or nothing of the cluster, could be read.
    #[error(transparent)]
    Blind(#[from] Blind),
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

impl PassError {
    /// True if somebody else applies a plan to the environment just then.
    pub fn is_occupied(&self) -> bool {
        matches!(self, Self::Lease(LeaseError::Held { .. }))
    }
}

/// What became of the status of a pass. That it cannot be pushed is no reason to leave the world as it is.
#[derive(Debug)]
pub enum Published {
    /// There was nothing to say that was not said already.
    Unchanged,
    /// It is this commit.
    Commit(CommitId),
    /// It could not be pushed; the next pass tries again.
    Failed(Box<PassError>),
}

impl From<Result<Option<CommitId>, PassError>> for Published {
    fn from(result: Result<Option<CommitId>, PassError>) -> Self {
        match result {
            Ok(None) => Self::Unchanged,
            Ok(Some(commit)) => Self::Commit(commit),
            Err(error) => Self::Failed(Box::new(error)),
        }
    }
}

/// How a pass over one environment ended.
#[derive(Debug)]
pub enum PassEnd {
    /// Nothing had to be done.
    Converged {
        /// What was planned: nothing, and what it was seen from.
        planned: Arc<Planned>,
        /// What a later pass can do, once others are done with what it needs.
        postponed: Vec<ResourceKey>,
        /// What became of the status.
        status: Published,
    },
    /// A plan waits for approval.
    Waits {
        /// What was planned.
        planned: Arc<Planned>,
        /// What it still needs.
        missing: Box<Missing>,
        /// What is wrong with approval files.
        diagnostics: (Diagnostics, Sources),
        /// What became of the status.
        status: Published,
    },
    /// The plan is incomplete, or nothing of it is applicable.
    Stuck {
        /// What was planned.
        planned: Arc<Planned>,
        /// What became of the status.
        status: Published,
    },
    /// A plan was applied.
    Applied {
        /// What was planned.
        planned: Arc<Planned>,
        /// How it ended.
        ended: Box<Ended>,
        /// True if all that the commit asks for is there now.
        converged: bool,
        /// What was planned when the world was looked at once more; `None` if it could not be read.
        after: Option<Arc<Planned>>,
        /// What became of the status.
        status: Published,
    },
}

/// Hears what a pass does.
pub trait Listener {
    /// A pass is about to ask for the lease: from now on it is not given up half way.
    fn asks(&mut self);
    /// The lease is ours, and a plan is about to be applied.
    fn applies(&mut self, planned: &Arc<Planned>);
    /// News of a running apply.
    fn progress(&mut self, progress: Progress);
}

/// What a pass needs beside the files.
pub struct Passing<'a> {
    /// How an apply is carried out.
    pub applying: Applying<'a>,
    /// When this repository was first seen: approvals that are older were not made for it.
    pub first_seen: Timestamp,
    /// Whom to ask for reviews in the forge that count as approvals; nobody where only files count.
    pub attendant: Option<&'a Attendant>,
}

/// Decides once more, with the reviews in the forge. A plan that they approve is published before it is applied: if the apply is
/// interrupted, what is left of it is still approved, and nobody can tell that without the plan.
async fn with_reviews(
    (loaded, planned): (&Loaded, &Arc<Planned>),
    attendant: &Attendant,
    (approvals, first_seen): (&mut Approvals, Timestamp),
) -> Result<(Arc<Planned>, Approval), Box<Missing>> {
    if let Err(error) = attendant.add_reviews(loaded, planned, approvals).await {
        tracing::warn!(error = error_chain(&error), "reviews cannot be read: approval files alone count in this pass");
    }
    let decided = deciding::unattended(planned, approvals, first_seen);
    if decided.is_ok() {
        let done = Done { approvals: Some(approvals), ..Done::default() };
        if let Err(error) = publish(loaded, planned, done).await {
            tracing::warn!(error = error_chain(&error), "the plan that reviews approve cannot be published");
        }
    }
    decided
}

/// Makes one unattended pass over one environment: what is approved on file is applied.
///
/// A status that cannot be pushed is no error of the pass: its end says so.
///
/// # Errors
/// Errors in the files, no way to the world, somebody else's lease.
pub async fn pass(
    loaded: &Loaded,
    environment: &EnvironmentName,
    passing: Passing<'_>,
    listener: &mut (dyn Listener + Send),
) -> Result<PassEnd, PassError> {
    let Passing { applying, first_seen, attendant } = passing;
    let config = applying.config;
    let planned = Arc::new(planning::plan(loaded, environment, config).await?);
    if !planned.plan.may_run() {
        let status = publish(loaded, &planned, Done::default()).await.into();
        return Ok(PassEnd::Stuck { planned, status });
    }
    if !planned.plan.has_changes() {
        let converged = planned.plan.is_carried_out();
        let status = publish(loaded, &planned, Done { converged, ..Done::default() }).await.into();
        let postponed = planned.plan.postponed.iter().cloned().collect();
        return Ok(PassEnd::Converged { planned, postponed, status });
    }
    let mut approvals = deciding::approvals(loaded, &planned).await?;
    let mut decided = deciding::unattended(&planned, &approvals, first_seen);
    if let (Err(_), Some(attendant)) = (&decided, attendant) {
        decided = with_reviews((loaded, &planned), attendant, (&mut approvals, first_seen)).await;
    }
    let (planned, approval) = match decided {
        Ok(approved) => approved,
        Err(missing) => {
            let done = Done { approvals: Some(&approvals), missing: Some(&missing), ..Done::default() };
            let status = publish(loaded, &planned, done).await.into();
            let diagnostics = (approvals.diagnostics, approvals.sources);
            return Ok(PassEnd::Waits { planned, missing, diagnostics, status });
        }
    };
    listener.asks();
    let mut hear = |event| match event {
        Event::Begins => listener.applies(&planned),
        Event::Progress(progress) => listener.progress(progress),
    };
    let ended = applying::apply((loaded, &planned), &approval, applying, &mut hear).await?;
    let (status, converged, after) = match publishing::conclude((loaded, &planned), &ended, &approvals, config).await {
        Ok(Concluded { status, converged, after }) => {
            let (after, unseen) = match after {
                Ok(after) => (Some(Arc::new(after)), None),
                Err(error) => (None, Some(error)),
            };
            if let Some(error) = unseen {
                tracing::error!(%environment, error = error_chain(&error), "the world could not be read after an apply");
            }
            (Ok(status), converged, after)
        }
        Err(error) => (Err(error), false, None),
    };
    let status = status.into();
    Ok(PassEnd::Applied { planned, ended: Box::new(ended), converged, after, status })
}
