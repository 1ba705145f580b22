//! The approval file: one person's permission for one plan id, `approvals/<environment>/<plan-id>/<approver>.yaml`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::commit::RepoPath;
use crate::domain::name::ApproverName;
use crate::domain::name::EnvironmentName;
use crate::domain::name::InvalidName;
use crate::domain::name::OwnerId;
use crate::plan::Plan;
use crate::plan::document::ChangeDigest;
use crate::plan::document::PlanId;
use crate::plan::document::change_digest;
use crate::plan::document::key_text;
use crate::plan::document::loosening_digest;

/// One person's permission for one plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalFile {
    /// Always `privlink.dev/v1alpha1`.
    pub api_version: ApiVersion,
    /// Always `Approval`.
    pub kind: Kind,
    /// The full plan id: 64 hex digits. A prefix never approves.
    #[schemars(with = "String", regex(pattern = "^[0-9a-f]{64}$"))]
    pub plan: PlanId,
    /// The environment of the plan.
    #[schemars(with = "String")]
    pub environment: EnvironmentName,
    /// The owner of the config repository.
    #[schemars(with = "String")]
    pub owner: OwnerId,
    /// Who approves: a key of `[approvers]`.
    #[schemars(with = "String")]
    pub approver: ApproverName,
    /// When.
    #[schemars(with = "String")]
    pub approved_at: Timestamp,
    /// From when on it is void.
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
    /// Why, in the approver's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Every approved change, so that the rest of an interrupted plan is still approved.
    #[serde(default)]
    pub changes: Vec<ApprovedChange>,
}

/// The one version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The first.
    #[serde(rename = "privlink.dev/v1alpha1")]
    V1Alpha1,
}

/// The kind of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// An approval.
    Approval,
}

/// One approved change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovedChange {
    /// Which resource, for people.
    pub resource: String,
    /// What happens to it, for people.
    pub action: String,
    /// The digest of key, action, field differences and consequences: 64 hex digits.
    #[schemars(with = "String", regex(pattern = "^[0-9a-f]{64}$"))]
    pub digest: ChangeDigest,
}

/// Who approves, when, for how long, and why.
#[derive(Clone, Debug)]
pub struct Signing {
    /// Who.
    pub approver: ApproverName,
    /// When.
    pub at: Timestamp,
    /// From when on it is void.
    pub expires_at: Timestamp,
    /// Why.
    pub reason: Option<String>,
}

impl ApprovalFile {
    /// The approval of a whole plan.
    pub fn of(plan: &Plan, signing: Signing) -> Self {
        let Signing { approver, at, expires_at, reason } = signing;
        let change = |step: &crate::plan::Step| ApprovedChange {
            resource: key_text(&step.change.key),
            action: step.change.action.to_string(),
            digest: change_digest(&step.change),
        };
        let rules = plan.loosening().iter().map(|rule| ApprovedChange {
            resource: "rules".to_owned(),
            action: format!("loosen: {rule}"),
            digest: loosening_digest(rule),
        });
        Self {
            api_version: ApiVersion::V1Alpha1,
            kind: Kind::Approval,
            plan: plan.id.clone(),
            environment: plan.policy.mark.environment.clone(),
            owner: plan.policy.mark.owner,
            approver,
            approved_at: at,
            expires_at,
            reason,
            changes: rules.chain(plan.steps.iter().map(change)).collect(),
        }
    }

    /// Where the file belongs in the config repository.
    ///
    /// # Errors
    /// Never for valid names; the type of a path demands it.
    pub fn path(&self) -> Result<RepoPath, InvalidName> {
        format!("approvals/{}/{}/{}.yaml", self.environment, self.plan, self.approver).parse()
    }
}
