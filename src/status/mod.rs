//! What an environment is like, as files to commit: one per document, one for the environment, a table for people.
//!
//! Composing is pure: what was seen, what is still to do and the files of last time go in, structs by path come out
//! (`render::status_files` makes bytes of them). A time changes only when something changed, so that a world that stands
//! still gives the same files for ever. What could not be read keeps what was seen last, and says so.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod compose;
mod condition;
mod contest;
pub mod document;
mod endpoint;
mod environment;
mod first_seen;
mod link_service;
pub mod path;
pub mod reason;
mod service;
mod view;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::desired::Desired;
use crate::domain::commit::CommitId;
use crate::domain::commit::RepoPath;
use crate::domain::key::ResourceKey;
use crate::observed::Observed;
use crate::plan::Plan;
use crate::plan::document::PlanId;
pub use compose::compose;
pub use contest::contested;
use document::AppliedRecord;
use document::EnvironmentStatus;
use document::Head;
use document::Overview;
use document::PrivateEndpointStatus;
use document::PrivateLinkServiceStatus;
use document::ServiceStatus;
use document::SinceApproved;
pub use first_seen::first_seen;

/// Everything a status is composed from.
#[derive(Clone, Copy, Debug)]
pub struct Composition<'a> {
    /// What is asked for.
    pub desired: &'a Desired,
    /// What is there, seen after the apply if there was one.
    pub observed: &'a Observed,
    /// What is still to do: made from the two above.
    pub plan: &'a Plan,
    /// The status files of last time. A hint: nothing is decided from it.
    pub previous: &'a BTreeMap<RepoPath, StatusDocument>,
    /// What was applied in this pass, if anything was.
    pub applied: Option<&'a Applied>,
    /// The error of each step that failed in this pass.
    pub failures: &'a BTreeMap<ResourceKey, String>,
    /// The approvals on file; `None` if nobody looked.
    pub approved: Option<&'a OnFile>,
    /// What is new about the plan since people approved another one of the same changes.
    pub news: &'a [SinceApproved],
    /// The time.
    pub now: jiff::Timestamp,
}

/// The approvals on file.
#[derive(Clone, Debug, Default)]
pub struct OnFile {
    /// The plans that they are for.
    pub plans: BTreeSet<PlanId>,
    /// When the oldest of them was given that has not expired.
    pub since: Option<jiff::Timestamp>,
}

/// What a pass applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The commit; `None` for a plain folder.
    pub commit: Option<CommitId>,
    /// The commit whose rules were accepted, because what it loosens was approved or it loosens nothing.
    pub rules: Option<CommitId>,
    /// The record of the apply; `None` if there was nothing to do for this commit.
    pub record: Option<AppliedRecord>,
}

/// One file of the status branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusDocument {
    /// Of a Service.
    Service(ServiceStatus),
    /// Of a `PrivateLinkService` document.
    PrivateLinkService(PrivateLinkServiceStatus),
    /// Of a `PrivateEndpoint` document.
    PrivateEndpoint(PrivateEndpointStatus),
    /// Of the environment.
    Environment(EnvironmentStatus),
    /// The record of an apply.
    Applied(AppliedRecord),
    /// The table for people.
    Overview(Overview),
    /// A plan as it is saved: the pending one, or one that was approved and is not done yet.
    SavedPlan(PlanId),
    /// The pending plan, for people.
    PendingPlanText(PlanId),
}

impl StatusDocument {
    /// What the status of a document of the repository has in common; `None` for the other files.
    pub fn head(&self) -> Option<&Head> {
        match self {
            Self::Service(status) => Some(&status.head),
            Self::PrivateLinkService(status) => Some(&status.head),
            Self::PrivateEndpoint(status) => Some(&status.head),
            Self::Environment(_)
            | Self::Applied(_)
            | Self::Overview(_)
            | Self::SavedPlan(_)
            | Self::PendingPlanText(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
