//! Role definitions over HTTP. They can be read; custom ones come with the world.

use serde_json::{Value, json};

use crate::sim::arm::Reply;
use crate::sim::arm::authorization::filter::{Condition, conditions};
use crate::sim::arm::authorization::role::RoleDefinition;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::read;
use crate::sim::arm::request::Request;
use crate::sim::arm::state::State;

pub(crate) fn answer(state: &State, request: &Request, scope: &str, id: Option<&str>) -> Result<Reply, ArmError> {
    match (request.method.as_str(), id) {
        ("GET", Some(id)) => match state.authorization.role(id) {
            Some(role) => Ok(Reply::ok(show(role, scope))),
            None => Err(missing(404, id)),
        },
        ("GET", None) => list(state, request, scope),
        _ => Err(ArmError::new(405, "MethodNotAllowed", "Role definitions of the simulator come with its world.")),
    }
}

fn list(state: &State, request: &Request, scope: &str) -> Result<Reply, ArmError> {
    let conditions = conditions(request)?;
    let fits = |role: &RoleDefinition| {
        conditions.iter().all(|condition| match condition {
            Condition::RoleName(name) => role.name.eq_ignore_ascii_case(name),
            Condition::RoleType(kind) => kind_of(role).eq_ignore_ascii_case(kind),
            Condition::AtScope | Condition::AtScopeAndBelow | Condition::Principal(_) => true,
        })
    };
    let roles = state.authorization.roles.values().filter(|role| fits(role));
    let items: Vec<Value> = roles.map(|role| show(role, scope)).collect();
    Ok(read::page(state, request, items, |own| own))
}

/// The refusal of a role that does not exist. Reading one is a 404; what an assignment that names one gets, was never
/// recorded.
pub(super) fn missing(status: u16, id: &str) -> ArmError {
    let message = format!("The specified role definition with ID '{id}' does not exist.");
    ArmError::new(status, "RoleDefinitionDoesNotExist", message)
}

fn kind_of(role: &RoleDefinition) -> &'static str {
    if role.is_built_in { "BuiltInRole" } else { "CustomRole" }
}

/// The id of a role as a subscription sees it; above subscriptions it has none in front.
pub(super) fn id(role: &str, scope: &str) -> String {
    let subscription: String =
        scope.split('/').filter(|part| !part.is_empty()).take(2).map(|own| format!("/{own}")).collect();
    format!("{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}")
}

fn show(role: &RoleDefinition, scope: &str) -> Value {
    json!({
        "id": id(&role.id, scope),
        "name": role.id,
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": role.name,
            "type": kind_of(role),
            "description": role.description,
            "assignableScopes": ["/"],
            "permissions": [{
                "actions": role.actions,
                "notActions": role.not_actions,
                "dataActions": [],
                "notDataActions": [],
            }],
            "createdOn": "2015-02-02T00:00:00Z",
            "updatedOn": "2015-02-02T00:00:00Z",
            "createdBy": null,
            "updatedBy": null,
        },
    })
}
