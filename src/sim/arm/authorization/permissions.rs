//! `…/providers/Microsoft.Authorization/permissions`: what the caller may do at a scope.

use serde_json::{Value, json};

use crate::sim::arm::Reply;
use crate::sim::arm::authorization::Grants;
use crate::sim::arm::error::ArmError;

/// One entry per assignment in force; an action is allowed if one entry allows it.
pub(crate) fn answer(method: &str, scope: &str, grants: &Grants) -> Result<Reply, ArmError> {
    if method != "GET" {
        return Err(ArmError::new(405, "MethodNotAllowed", "Permissions can only be read."));
    }
    let entry = |actions: &[String], not_actions: &[String]| {
        json!({
            "actions": actions,
            "notActions": not_actions,
            "dataActions": [],
            "notDataActions": [],
        })
    };
    let value: Vec<Value> = match grants {
        Grants::Everything => vec![entry(&["*".to_owned()], &[])],
        Grants::Held(_) => grants.at(scope).into_iter().map(|role| entry(&role.actions, &role.not_actions)).collect(),
    };
    Ok(Reply::ok(json!({ "value": value })))
}
