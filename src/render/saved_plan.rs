//! The saved plan (`plan --out`, `plans/<plan-id>.json`): the canonical text that is approved, in an envelope.
//!
//! The body is kept as a string, byte for byte, so that anybody can take its SHA-256 and get the id. What surrounds it
//! (commit, time, build) is not approved and proves nothing.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::domain::commit::CommitId;
use crate::plan::Plan;
use crate::plan::document::API_VERSION;
use crate::plan::document::PlanId;

const KIND: &str = "SavedPlan";

/// A plan on paper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedPlan {
    /// `privlink.dev/v1alpha1`.
    pub api_version: String,
    /// `SavedPlan`.
    pub kind: String,
    /// The full plan id: the SHA-256 of `body`, as 64 lower-case hex digits.
    #[schemars(with = "String")]
    pub id: PlanId,
    /// The environment.
    pub environment: String,
    /// The commit it was made from; absent for a plain folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub commit: Option<CommitId>,
    /// Where the files came from: a folder, or a URL and ref.
    pub source: String,
    /// When it was made, in RFC 3339.
    #[schemars(with = "String")]
    pub created_at: jiff::Timestamp,
    /// The version of privlink that made it.
    pub build: String,
    /// The canonical text whose digest is the id.
    pub body: String,
}

/// Where a plan comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The commit; `None` for a plain folder.
    pub commit: Option<CommitId>,
    /// A folder, or a URL and ref.
    pub source: String,
    /// When it was made.
    pub created_at: jiff::Timestamp,
    /// The version of privlink.
    pub build: String,
}

/// A file that is not a saved plan, or not the one it says it is.
#[derive(Debug, thiserror::Error)]
pub enum SavedPlanError {
    /// Not JSON of the right shape.
    #[error("this is not a saved plan: write one with `privlink plan --out FILE`")]
    Unreadable(#[source] serde_json::Error),
    /// Another version or kind.
    #[error(
        "this is {kind} of {api_version}, and a {KIND} of {API_VERSION} is needed: write one with `privlink plan --out FILE`"
    )]
    OtherKind {
        /// Its kind.
        kind: String,
        /// Its version.
        api_version: String,
    },
    /// The body was changed after the id was taken.
    #[error("the saved plan was changed after it was written: it says it is {said}, and its body is {is}; plan again")]
    Tampered {
        /// The id it claims.
        said: PlanId,
        /// The id of its body.
        is: PlanId,
    },
    /// The envelope names another environment than the body.
    #[error("the saved plan says it is for {said}, and its body is for {is}; plan again")]
    OtherEnvironment {
        /// The environment of the envelope.
        said: String,
        /// The environment of the body.
        is: String,
    },
}

/// Writes a plan to keep, with a line break at its end.
pub fn saved_plan(plan: &Plan, provenance: Provenance) -> String {
    let Provenance { commit, source, created_at, build } = provenance;
    let saved = SavedPlan {
        api_version: API_VERSION.to_owned(),
        kind: KIND.to_owned(),
        id: plan.id.clone(),
        environment: plan.policy.mark.environment.to_string(),
        commit,
        source,
        created_at: jiff::Timestamp::from_second(created_at.as_second()).expect("cutting a time stays in its range"),
        build,
        body: plan.body.clone(),
    };
    let mut text = serde_json::to_string_pretty(&saved).expect("a saved plan has only text keys");
    text.push('\n');
    text
}

/// Reads a saved plan and checks that its body has its id.
///
/// # Errors
/// If it is something else, or was changed.
pub fn read_saved_plan(text: &str) -> Result<SavedPlan, SavedPlanError> {
    /// What every document says of itself.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Head {
        #[serde(default)]
        api_version: String,
        #[serde(default)]
        kind: String,
    }
    let Head { api_version, kind } = serde_json::from_str(text).map_err(SavedPlanError::Unreadable)?;
    if kind != KIND || api_version != API_VERSION {
        let named = |text: String| if text.is_empty() { "something without a name".to_owned() } else { text };
        return Err(SavedPlanError::OtherKind { kind: named(kind), api_version: named(api_version) });
    }
    let saved: SavedPlan = serde_json::from_str(text).map_err(SavedPlanError::Unreadable)?;
    let is = PlanId::of_body(&saved.body);
    if is != saved.id {
        return Err(SavedPlanError::Tampered { said: saved.id, is });
    }
    let body: serde_json::Value = serde_json::from_str(&saved.body).map_err(SavedPlanError::Unreadable)?;
    let environment = body["environment"].as_str().unwrap_or_default();
    if environment != saved.environment {
        return Err(SavedPlanError::OtherEnvironment { said: saved.environment, is: environment.to_owned() });
    }
    Ok(saved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::World;

    fn written() -> String {
        let provenance = Provenance {
            commit: Some("0123456789012345678901234567890123456789".parse().unwrap()),
            source: "https://git.example/config main".to_owned(),
            created_at: "2026-11-20T10:00:00Z".parse().unwrap(),
            build: "0.1.0".to_owned(),
        };
        saved_plan(&World::empty().plan(), provenance)
    }

    #[test]
    fn a_saved_plan_reads_back_with_its_id() {
        let plan = World::empty().plan();
        let saved = read_saved_plan(&written()).unwrap();
        assert_eq!((saved.id, saved.body), (plan.id, plan.body));
    }

    #[test]
    fn a_changed_body_is_refused() {
        let error = read_saved_plan(&written().replace("10.224.10.224", "10.224.10.99")).unwrap_err();
        assert!(matches!(error, SavedPlanError::Tampered { .. }), "{error}");
        let error = read_saved_plan(&written().replace("\"environment\": \"prod\"", "\"environment\": \"dev\""));
        assert!(matches!(error, Err(SavedPlanError::OtherEnvironment { .. })));
        assert!(matches!(read_saved_plan("{}"), Err(SavedPlanError::OtherKind { .. })));
        assert!(matches!(read_saved_plan("x"), Err(SavedPlanError::Unreadable(_))));
    }
}
