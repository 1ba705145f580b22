//! Makes an approved plan real: a graph of steps, each with a write, a wait for its operation, and a wait until ready.
//!
//! [`apply`] takes the plan, its approval and the lease: the signature is the safety rule. What to do next is decided by
//! [`engine`], which is pure; [`driver`] is the only async file here and knows nothing but how to wait.

pub mod driver;
pub mod engine;
pub mod lease;
pub mod report;
pub mod retry;

use std::time::Duration;

use async_trait::async_trait;

use crate::approval::Approval;
use crate::domain::azure::Alias;
use crate::domain::azure::ResourceId;
use crate::domain::failure::ErrorClass;
use crate::plan::Plan;
use crate::plan::change::Change;
use engine::Settings;
use lease::WriterLease;
use report::Progress;
use report::Report;

/// Carries out one piece of work on the world. The one seam between deciding and doing.
#[async_trait]
pub trait Execute: Send + Sync {
    /// Does the work; never retries, never waits for more than one answer.
    async fn execute(&self, work: Work) -> Result<Done, Failure>;
}

/// One piece of work, complete in itself.
#[derive(Clone, Debug)]
pub struct Work {
    /// The index of the step it belongs to.
    pub step: usize,
    /// The change, its resource resolved: nothing is `known after` any more.
    pub change: Change,
    /// What to do about it.
    pub task: Task,
}

/// What to do about a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Check that what the plan read is still true, then delete.
    Remove,
    /// Check that what the plan read is still true, then write. After a removal there is nothing left to check.
    Write {
        /// True in the second half of a replace.
        replaced: bool,
    },
    /// Ask how a long-running operation goes.
    Poll {
        /// The operation, as [`Done::Operation`] named it.
        operation: String,
    },
    /// Look whether it is gone.
    CheckGone,
    /// Look whether it is ready.
    CheckReady,
}

impl Task {
    /// What it does, in one word of a bounded set.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Remove => "remove",
            Self::Write { .. } => "write",
            Self::Poll { .. } => "poll",
            Self::CheckGone => "check-gone",
            Self::CheckReady => "check-ready",
        }
    }
}

/// What a piece of work came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It is finished.
    Finished,
    /// A long-running operation was started, or still runs.
    Operation {
        /// How to ask for it again.
        operation: String,
        /// How long the server wants us to wait.
        retry_after: Duration,
    },
    /// The resource is ready.
    Ready(Outputs),
    /// It is not ready yet.
    NotYet {
        /// What it waits for, as half a sentence: "the cloud provider to give it an address".
        reason: String,
    },
    /// It is as far as we can bring it: somebody else has to act.
    WaitsForOthers {
        /// Who has to do what.
        reason: String,
        /// What it yields all the same.
        outputs: Outputs,
    },
}

/// What a ready resource yields for the steps that wait for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Its Azure id.
    pub id: Option<ResourceId>,
    /// Its private address.
    pub address: Option<std::net::IpAddr>,
    /// The frontend of its address.
    pub frontend: Option<ResourceId>,
    /// Its alias.
    pub alias: Option<Alias>,
}

/// Why a piece of work failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What decides on a retry.
    pub class: ErrorClass,
    /// The whole story, as sentences.
    pub message: String,
    /// True if the world is not what the plan read: no retry can help, a new plan can.
    pub stale: bool,
}

/// Applies an approved plan and reports how every step ended.
///
/// # Panics
/// If the approval is for another plan: that is a mistake of the program.
pub async fn apply(run: Run<'_>, execute: &dyn Execute, progress: &mut (dyn FnMut(Progress) + Send)) -> Report {
    assert_eq!(run.approval.plan(), &run.plan.id, "an approval runs the plan it was given for");
    driver::drive(run, execute, progress).await
}

/// What an apply is made of.
pub struct Run<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// That it may be done.
    pub approval: &'a Approval,
    /// That we alone do it.
    pub lease: &'a WriterLease,
    /// How patient to be.
    pub settings: Settings,
    /// Set when a person asked to stop: writes in flight are finished, nothing new is begun.
    pub cancel: tokio::sync::watch::Receiver<bool>,
}
