//! What is asked for and not done, and why.

use schemars::JsonSchema;
use serde::Serialize;

use crate::plan::change::LeftOut;
use crate::plan::change::MissingAccess;
use crate::plan::change::MissingRight;
use crate::plan::change::Refusal;
use crate::plan::document;
use crate::render::json::cause;
use crate::render::json::consequence::ConsequenceV1;
use crate::render::json::consequence::consequence;
use crate::render::shown::Details;

/// A change that is not made.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "LeftOut")]
pub struct LeftOutV1 {
    /// The full identity of the resource.
    pub key: String,
    /// Its short name.
    pub name: String,
    /// `create`, `update`, `replace`, `delete` or `adopt`; null where nothing could be decided.
    pub action: Option<String>,
    /// How bad it would be; null where nothing could be decided.
    pub risk: Option<String>,
    /// Why it would be made: `commit`, `rule` or `drift`; null where nothing could be decided.
    pub cause: Option<&'static str>,
    /// True for drift that is only reported: nothing but the settings keeps it from being put back.
    pub reported: bool,
    /// True if its document is suspended, or if it only waits for what is.
    pub suspended: bool,
    /// Why it would fail; empty if it only needs what is left out.
    pub refusals: Vec<RefusalV1>,
    /// The keys of what it needs that is left out too.
    pub needs: Vec<String>,
    /// What others would do or suffer if it were made all the same.
    pub consequences: Vec<ConsequenceV1>,
    /// `file:line` where it was asked for.
    pub source: Option<String>,
}

/// Why a change would fail.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Refusal")]
pub struct RefusalV1 {
    /// The rule, which `privlink explain` explains; null where privlink itself refuses.
    pub rule: Option<&'static str>,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub help: String,
    /// The rights whose lack is the reason; null where something else is.
    pub right: Option<RightV1>,
    /// The verbs whose lack is the reason; null where something else is.
    pub access: Option<AccessV1>,
}

/// Rights that an identity lacks.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "MissingRight")]
pub struct RightV1 {
    /// The application id of the identity that applies, or the object id of the cluster's.
    pub identity: String,
    /// The actions.
    pub actions: Vec<&'static str>,
    /// The scope: a resource, or its group.
    pub scope: String,
    /// A role of Azure's that has them.
    pub role: &'static str,
}

/// Verbs that the user of a cluster lacks.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "MissingAccess")]
pub struct AccessV1 {
    /// The user, as the API server knows it.
    pub user: String,
    /// The verbs.
    pub verbs: Vec<&'static str>,
    /// The resource, of the core group.
    pub resource: &'static str,
    /// The namespace; null for all of them.
    pub namespace: Option<String>,
}

pub(super) fn left_out(left: &LeftOut, details: Details<'_>) -> LeftOutV1 {
    let LeftOut { key, change, refusals, needs, suspended } = left;
    let change = change.as_ref();
    let refusal = |refusal: &Refusal| RefusalV1 {
        rule: refusal.rule,
        problem: refusal.problem.clone(),
        help: refusal.help.clone(),
        right: refusal.right.as_ref().map(right),
        access: refusal.access.as_ref().map(access),
    };
    LeftOutV1 {
        key: document::key_text(key),
        name: key.short_name(),
        action: change.map(|change| change.action.to_string()),
        risk: change.map(|change| change.risk.to_string()),
        cause: change.map(cause),
        reported: left.is_reported(),
        suspended: *suspended,
        refusals: refusals.iter().map(refusal).collect(),
        needs: needs.iter().map(document::key_text).collect(),
        consequences: change
            .iter()
            .flat_map(|change| &change.consequences)
            .map(|it| consequence(it, details))
            .collect(),
        source: change.and_then(|change| change.place.as_ref()).and_then(details.locate),
    }
}

fn right(right: &MissingRight) -> RightV1 {
    let MissingRight { identity, actions, scope, role } = right;
    RightV1 { identity: identity.id().to_owned(), actions: actions.clone(), scope: scope.to_string(), role }
}

fn access(access: &MissingAccess) -> AccessV1 {
    let MissingAccess { user, verbs, resource, namespace } = access.clone();
    AccessV1 { user, verbs, resource, namespace: namespace.map(|name| name.to_string()) }
}
