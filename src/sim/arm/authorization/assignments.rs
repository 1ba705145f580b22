//! Role assignments over HTTP: they count as soon as they are written.
//!
//! Azure's names are GUIDs of the client's choice. The same name with the same content is accepted again; the same
//! content under another name is a conflict, and what an assignment says can never change.

use serde_json::{Value, json};

use crate::sim::arm::Reply;
use crate::sim::arm::authorization::filter::{Condition, conditions};
use crate::sim::arm::authorization::{Assignment, definitions, fold, is_at_or_above};
use crate::sim::arm::error::ArmError;
use crate::sim::arm::read;
use crate::sim::arm::request::{Caller, Request};
use crate::sim::arm::route::{Route, route};
use crate::sim::arm::state::State;

pub(crate) fn answer(state: &mut State, request: &Request, scope: &str, id: Option<&str>) -> Result<Reply, ArmError> {
    match (request.method.as_str(), id) {
        ("GET", None) => list(state, request, scope),
        ("GET", Some(id)) => match held(state, scope, id) {
            Some(own) => Ok(Reply::ok(show(own))),
            None => {
                Err(ArmError::new(404, "RoleAssignmentNotFound", format!("The role assignment '{id}' is not found.")))
            }
        },
        ("PUT", Some(id)) => put(state, request, scope, id),
        ("DELETE", Some(id)) => Ok(delete(state, scope, id)),
        (method, _) => {
            let message = format!("The method {method} is not allowed on {}.", request.path);
            Err(ArmError::new(405, "MethodNotAllowed", message))
        }
    }
}

/// The assignment of this name, if it is at this scope.
fn held<'a>(state: &'a State, scope: &str, id: &str) -> Option<&'a Assignment> {
    let own = state.authorization.assignments.get(&id.to_ascii_lowercase())?;
    (fold(&own.scope) == fold(scope)).then_some(own)
}

/// Without a filter everything at the scope, above it and below it.
fn list(state: &State, request: &Request, scope: &str) -> Result<Reply, ArmError> {
    let conditions = conditions(request)?;
    let scope = fold(scope);
    let fits = |own: &Assignment| {
        let place = fold(&own.scope);
        let is_related = is_at_or_above(&place, &scope) || is_at_or_above(&scope, &place);
        is_related
            && conditions.iter().all(|condition| match condition {
                Condition::AtScope => is_at_or_above(&place, &scope),
                Condition::Principal(id) => own.principal.eq_ignore_ascii_case(id),
                Condition::AtScopeAndBelow | Condition::RoleName(_) | Condition::RoleType(_) => true,
            })
    };
    let items: Vec<Value> = state.authorization.assignments.values().filter(|own| fits(own)).map(show).collect();
    Ok(read::page(state, request, items, |own| own))
}

fn put(state: &mut State, request: &Request, scope: &str, id: &str) -> Result<Reply, ArmError> {
    if uuid::Uuid::try_parse(id).is_err() {
        let message = format!("The role assignment ID '{id}' is not valid. The role assignment ID must be a GUID.");
        return Err(ArmError::invalid("InvalidRoleAssignmentId", message));
    }
    let wanted = read_body(state, request, canonical(state, scope)?, id)?;
    let same = |own: &Assignment| {
        fold(&own.scope) == fold(&wanted.scope)
            && own.role == wanted.role
            && own.principal.eq_ignore_ascii_case(&wanted.principal)
    };
    if let Some(own) = state.authorization.assignments.get(&wanted.id) {
        if same(own) {
            return Ok(Reply::ok(show(own)));
        }
        let message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.";
        return Err(ArmError::invalid("RoleAssignmentUpdateNotPermitted", message));
    }
    if let Some(twin) = state.authorization.assignments.values().find(|own| same(own)) {
        let id = twin.id.replace('-', "");
        let message = format!("The role assignment already exists. The ID of the existing role assignment is {id}.");
        return Err(ArmError::new(409, "RoleAssignmentExists", message));
    }
    let body = show(&wanted);
    state.authorization.assign(wanted);
    Ok(Reply { status: 201, headers: Vec::new(), body })
}

fn read_body(state: &State, request: &Request, scope: String, id: &str) -> Result<Assignment, ArmError> {
    let body = request.body.as_ref().filter(|body| body.is_object()).ok_or_else(ArmError::body_is_not_an_object)?;
    let field = |name: &str| body["properties"][name].as_str();
    let (Some(role), Some(principal)) = (field("roleDefinitionId"), field("principalId")) else {
        return Err(ArmError::invalid("BadRequestFormat", "The request was incorrectly formatted."));
    };
    // An id without its `/…/roleDefinitions/` is what Azure calls incorrectly formatted.
    let Some((_, role)) = role.rsplit_once('/') else {
        return Err(ArmError::invalid("BadRequestFormat", "The request was incorrectly formatted."));
    };
    let role = state.authorization.role(role).ok_or_else(|| definitions::missing(400, role))?.id.clone();
    if uuid::Uuid::try_parse(principal).is_err() {
        let message = format!("The Principal ID '{principal}' is not valid. Principal ID must be a GUID.");
        return Err(ArmError::invalid("InvalidPrincipalId", message));
    }
    let kind = field("principalType");
    // Whoever says what the principal is, need not wait until the directory knows it everywhere.
    if kind.is_none() && !state.authorization.knows(principal) {
        let message = format!("Principal {} does not exist in the directory.", principal.replace('-', ""));
        return Err(ArmError::invalid("PrincipalNotFound", message));
    }
    let created_by = match &request.caller {
        Caller::Platform => String::new(),
        Caller::Identity(own) => own.object_id.clone(),
    };
    Ok(Assignment {
        id: id.to_ascii_lowercase(),
        scope,
        role,
        principal: principal.to_ascii_lowercase(),
        principal_type: kind.unwrap_or("ServicePrincipal").to_owned(),
        description: field("description").map(str::to_owned),
        created_at: state.clock.unix_seconds(),
        created_by,
    })
}

/// The scope in Azure's spelling; it has to be there.
fn canonical(state: &State, scope: &str) -> Result<String, ArmError> {
    match route(scope) {
        Route::Subscription { subscription } => Ok(format!("/subscriptions/{subscription}")),
        Route::Group { subscription, group } => {
            read::group_exists(state, &subscription, &group)?;
            Ok(state.store.group(&subscription, &group).map(|own| own.id()).unwrap_or_default())
        }
        Route::Resource(path) => {
            let path = state.store.canonical(&path);
            read::group_exists(state, &path.subscription, &path.group)?;
            if state.store.exists(&path) { Ok(path.id()) } else { Err(ArmError::not_found(&path.id())) }
        }
        _ => Err(ArmError::not_found(scope)),
    }
}

fn delete(state: &mut State, scope: &str, id: &str) -> Reply {
    match held(state, scope, id).map(show) {
        None => Reply::empty(204),
        Some(body) => {
            state.authorization.assignments.remove(&id.to_ascii_lowercase());
            Reply::ok(body)
        }
    }
}

fn show(own: &Assignment) -> Value {
    let made = jiff::Timestamp::from_second(own.created_at).map(|at| at.to_string()).unwrap_or_default();
    json!({
        "id": format!("{}/providers/Microsoft.Authorization/roleAssignments/{}", own.scope, own.id),
        "name": own.id,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId": definitions::id(&own.role, &own.scope),
            "principalId": own.principal,
            "principalType": own.principal_type,
            "scope": own.scope,
            "condition": null,
            "conditionVersion": null,
            "createdOn": made,
            "updatedOn": made,
            "createdBy": own.created_by,
            "updatedBy": own.created_by,
            "delegatedManagedIdentityResourceId": null,
            "description": own.description,
        },
    })
}
