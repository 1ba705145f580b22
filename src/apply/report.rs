//! What happened: live, and when it is over.

use std::time::Duration;

use crate::domain::key::ResourceKey;
use crate::plan::action::Action;

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As planned.
    Done,
    /// As far as we can bring it; somebody else has to act.
    Waiting {
        /// Who has to do what.
        reason: String,
    },
    /// It failed.
    Failed {
        /// Why.
        message: String,
        /// True if the world is not what the plan read.
        stale: bool,
    },
    /// It was not begun, because these steps did not end well.
    Blocked {
        /// Their keys.
        by: Vec<ResourceKey>,
    },
    /// It was not begun, because a person asked to stop.
    Cancelled,
    /// It was begun, and nobody waited for its end, because a person asked to stop.
    Interrupted {
        /// How far it came, as a sentence without its end: "it was written".
        reason: String,
    },
}

impl Outcome {
    /// True if what waits for this step may go on.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Done | Self::Waiting { .. })
    }

    /// Why it ended as it did, where there is more to say than how.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Waiting { reason } | Self::Interrupted { reason } => Some(reason),
            Self::Failed { message, .. } => Some(message),
            Self::Done | Self::Blocked { .. } | Self::Cancelled => None,
        }
    }

    /// The end in one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Waiting { .. } => "waiting",
            Self::Failed { .. } => "failed",
            Self::Blocked { .. } => "blocked",
            Self::Cancelled => "cancelled",
            Self::Interrupted { .. } => "interrupted",
        }
    }
}

/// The end of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// Which resource.
    pub key: ResourceKey,
    /// What was to happen to it.
    pub action: Action,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took, from its first work to its end.
    pub took: Duration,
}

/// The end of an apply: one entry a step, in plan order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The steps.
    pub steps: Vec<StepReport>,
}

impl Report {
    /// True if every step ended well.
    pub fn is_success(&self) -> bool {
        self.steps.iter().all(|step| step.outcome.is_success())
    }

    /// True if some step ended well, or at least left something behind.
    pub fn did_something(&self) -> bool {
        let did = |outcome: &Outcome| outcome.is_success() || matches!(outcome, Outcome::Interrupted { .. });
        self.steps.iter().any(|step| did(&step.outcome))
    }
}

/// News of a running apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The step.
    pub step: usize,
    /// Which resource.
    pub key: ResourceKey,
    /// What is to happen to it.
    pub action: Action,
    /// How long the step has been running.
    pub elapsed: Duration,
    /// What is new.
    pub news: News,
}

/// What is new about a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It began.
    Started,
    /// It waits.
    Waits {
        /// For what, as half a sentence.
        reason: String,
    },
    /// A failure will be tried again.
    Retries {
        /// What failed.
        message: String,
        /// When the next try is.
        after: Duration,
    },
    /// It ended.
    Ended(Outcome),
}
