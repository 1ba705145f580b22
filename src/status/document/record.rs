//! The record of one apply, version 1.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::domain::commit::CommitId;
use crate::domain::name::EnvironmentName;
use crate::plan::document::API_VERSION;
use crate::plan::document::ChangeDigest;
use crate::plan::document::PlanId;

/// The record of one apply: `applied/<plan-id>.yaml`. It says which approvals are used up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppliedRecord {
    /// `privlink.dev/v1alpha1`.
    pub api_version: String,
    /// `AppliedRecord`.
    pub kind: String,
    /// The environment.
    pub environment: String,
    /// The plan.
    #[schemars(with = "String")]
    pub plan: PlanId,
    /// The commit it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub commit: Option<CommitId>,
    /// Who said yes, by name.
    pub approvers: Vec<String>,
    /// That it was applied in spite of the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BreakGlassRecord>,
    /// When it ended.
    #[schemars(with = "String")]
    pub applied_at: jiff::Timestamp,
    /// How it ended as a whole.
    pub outcome: ApplyOutcome,
    /// How each step ended.
    pub steps: Vec<AppliedStep>,
}

/// That the glass was broken for an apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BreakGlassRecord {
    /// Who, as their machine said.
    pub by: String,
    /// Why.
    pub reason: String,
    /// What was not waited for.
    pub skipped: Vec<String>,
}

/// How an apply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApplyOutcome {
    /// Every step is done, or waits for another party.
    Done,
    /// Some steps are done and some are not.
    Partial,
    /// No step is done.
    Failed,
}

/// How a step of an apply ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppliedStep {
    /// The full identity of the resource.
    pub key: String,
    /// What was to happen to it.
    pub action: String,
    /// The digest under which the change was approved: once done, no older approval permits it again.
    #[schemars(with = "String")]
    pub digest: ChangeDigest,
    /// The fields that had drifted and were put back without asking.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub healed: Vec<String>,
    /// How it ended.
    pub outcome: StepOutcome,
    /// Why, where it is not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How one step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StepOutcome {
    /// Done, and ready.
    Done,
    /// Written; another party has to act.
    Waiting,
    /// Failed.
    Failed,
    /// Not begun, because a step before it failed.
    Blocked,
    /// Not begun, because a person asked to stop.
    Cancelled,
    /// Begun, and not waited for, because a person asked to stop.
    Interrupted,
}

impl AppliedRecord {
    /// A record with its version and kind.
    pub fn new(environment: &EnvironmentName, plan: PlanId, applied_at: jiff::Timestamp) -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: "AppliedRecord".to_owned(),
            environment: environment.to_string(),
            plan,
            commit: None,
            approvers: Vec::new(),
            break_glass: None,
            applied_at,
            outcome: ApplyOutcome::Done,
            steps: Vec::new(),
        }
    }
}
