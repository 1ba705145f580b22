//! The approval file: one person's permission for one plan id, as it lies in Git.
//!
//! Beside the id it lists the digest of every approved change, so that the rest of an interrupted plan is still approved.
//! The struct is frozen: a change of it is a new version.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::domain::name::ApproverName;
use crate::plan::Plan;
use crate::plan::document;

/// The version of every document that privlink writes.
pub const API_VERSION: &str = "privlink.dev/v1alpha1";

/// One person's permission for one plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalDocument {
    /// `privlink.dev/v1alpha1`.
    pub api_version: String,
    /// `Approval`.
    pub kind: String,
    /// The full plan id: 64 lower-case hex digits. A prefix never approves.
    pub plan: String,
    /// The environment.
    pub environment: String,
    /// The owner of the config repository.
    pub owner: String,
    /// Who says yes: a key of `[approvers]`.
    pub approver: String,
    /// When, in RFC 3339.
    #[schemars(with = "String")]
    pub approved_at: jiff::Timestamp,
    /// Until when, in RFC 3339.
    #[schemars(with = "String")]
    pub expires_at: jiff::Timestamp,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Every approved change.
    #[serde(default)]
    pub changes: Vec<ApprovedChange>,
}

/// One approved change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovedChange {
    /// The identity of the resource.
    pub key: String,
    /// What happens to it.
    pub action: String,
    /// SHA-256 over key, action, field differences and consequences: 64 lower-case hex digits.
    pub digest: String,
}

/// Who says yes, when, for how long and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consenting {
    /// Who.
    pub approver: ApproverName,
    /// When.
    pub approved_at: jiff::Timestamp,
    /// Until when.
    pub expires_at: jiff::Timestamp,
    /// Why.
    pub reason: Option<String>,
}

impl ApprovalDocument {
    /// The approval of a whole plan by one person.
    pub fn of(plan: &Plan, by: Consenting) -> Self {
        let Consenting { approver, approved_at, expires_at, reason } = by;
        let change = |step: &crate::plan::Step| ApprovedChange {
            key: document::key_text(&step.change.key),
            action: step.change.action.to_string(),
            digest: document::change_digest(&step.change).to_string(),
        };
        Self {
            api_version: API_VERSION.to_owned(),
            kind: "Approval".to_owned(),
            plan: plan.id.to_string(),
            environment: plan.policy.mark.environment.to_string(),
            owner: plan.policy.mark.owner.to_string(),
            approver: approver.to_string(),
            approved_at,
            expires_at,
            reason,
            changes: plan.steps.iter().map(change).collect(),
        }
    }
}
