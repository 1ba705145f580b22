//! What a pull request is told about an environment. Pure: what is said is decided here, and written by others.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod reviewers;
pub mod sticky;

use crate::domain::name::EnvironmentName;
use crate::domain::pull_request::Annotation;
use crate::domain::pull_request::CommitStatus;

/// What a pull request is told about one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The environment.
    pub environment: EnvironmentName,
    /// What tells two of these apart: the plan id, or a digest of why there is no plan, with a digest of what is said of other pull requests.
    pub key: String,
    /// One inert line of Markdown that says it all; what the history of the comment keeps.
    pub headline: String,
    /// The comment, Markdown; its first line is the marker `<!-- privlink:v1 environment=<env> key=<key> -->`.
    pub body: String,
    /// `privlink/plan/<env>` and `privlink/approved/<env>`.
    pub statuses: Vec<CommitStatus>,
    /// Remarks at lines.
    pub annotations: Vec<Annotation>,
}
