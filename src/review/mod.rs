//! What a pull request is told: one comment, two statuses and remarks at lines for each environment that it touches.
//!
//! These are values. `render` writes the comment, `reconcile` makes the plans and posts what came out; whose review in the forge
//! counts is decided here, too.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod foot;
pub mod overlap;
pub mod reviewers;
pub mod status;
pub mod sticky;

use crate::domain::name::EnvironmentName;
use crate::domain::pull_request::Annotation;
use crate::domain::pull_request::CommitStatus;

/// The remarks of all environments; what several say, as of a file outside all of them, is said once.
pub fn annotations<'a>(told: impl IntoIterator<Item = &'a Told>) -> Vec<Annotation> {
    annotations_by_environment(told).into_iter().flat_map(|(_, own)| own).collect()
}

/// The same, of each environment apart: what several say is said by the first of them.
pub fn annotations_by_environment<'a>(
    told: impl IntoIterator<Item = &'a Told>,
) -> Vec<(&'a EnvironmentName, Vec<Annotation>)> {
    let mut said: Vec<&Annotation> = Vec::new();
    let mut all = Vec::new();
    for own in told {
        let before = said.len();
        for annotation in &own.annotations {
            if !said.contains(&annotation) {
                said.push(annotation);
            }
        }
        all.push((&own.environment, said[before..].iter().copied().cloned().collect()));
    }
    all
}

/// What a pull request is told about one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The environment.
    pub environment: EnvironmentName,
    /// What tells two of these apart: the plan id, or a digest of why there is no plan, with a digest of what is said of other pull requests.
    pub key: String,
    /// One inert line of Markdown that says it all; what the history of the comment keeps.
    pub headline: String,
    /// The comment, Markdown; its first line is the marker `<!-- privlink:v1 environment=<env> key=<key> -->`. Empty where there
    /// is nothing to tell: then no comment is made, and one from before shows the headline.
    pub body: String,
    /// `privlink/plan/<env>` and `privlink/approved/<env>`.
    pub statuses: Vec<CommitStatus>,
    /// Remarks at lines.
    pub annotations: Vec<Annotation>,
}
