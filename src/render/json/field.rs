//! The fields of a change, for programs.

use schemars::JsonSchema;
use serde::Serialize;

use crate::plan::change::FieldChange;
use crate::plan::change::StoredOtherwise;
use crate::render::json::value::value;

/// One field that the API server would store otherwise.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "StoredOtherwise")]
pub struct StoredOtherwiseV1 {
    /// Its name.
    pub name: String,
    /// What is asked for; null if nothing.
    pub asked: Option<serde_json::Value>,
    /// What would be stored; null if nothing.
    pub stored: Option<serde_json::Value>,
}

/// One field that differs.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "FieldChange")]
pub struct FieldV1 {
    /// Its name.
    pub name: String,
    /// What is there; null if nothing.
    pub before: Option<serde_json::Value>,
    /// What shall be there; null if nothing; `{"knownAfter": key, "output": name}` if it is known only after a step.
    pub after: Option<serde_json::Value>,
    /// True if the difference cannot be made in place.
    pub forces_replacement: bool,
    /// The other field manager that holds it now.
    pub manager: Option<String>,
}

pub(super) fn field(field: &FieldChange) -> FieldV1 {
    let FieldChange { name, before, after, forces_replacement, manager } = field;
    FieldV1 {
        name: name.clone(),
        before: before.as_ref().map(value),
        after: after.as_ref().map(value),
        forces_replacement: *forces_replacement,
        manager: manager.clone(),
    }
}

pub(super) fn stored_otherwise(other: &StoredOtherwise) -> StoredOtherwiseV1 {
    let StoredOtherwise { name, asked, stored } = other;
    StoredOtherwiseV1 { name: name.clone(), asked: asked.as_ref().map(value), stored: stored.as_ref().map(value) }
}
