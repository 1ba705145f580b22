//! Who may do what: subscriptions an identity does not see do not exist for it, readers do not write.

use crate::sim::arm::error::ArmError;
use crate::sim::arm::request::{Caller, Principal, Request, Role};
use crate::sim::arm::route::Route;
use crate::sim::arm::state::State;

/// Refuses what the caller may not do.
pub(crate) fn check(state: &State, request: &Request, route: &Route) -> Result<(), ArmError> {
    if let Some(subscription) = route.subscription() {
        let is_visible = match &request.caller {
            Caller::Platform => true,
            Caller::Identity(principal) => principal.subscriptions.contains(&subscription.to_ascii_lowercase()),
        };
        if !is_visible || !state.subscriptions.contains_key(&subscription.to_ascii_lowercase()) {
            let message = format!("The subscription '{subscription}' could not be found.");
            return Err(ArmError::new(404, "SubscriptionNotFound", message));
        }
    }
    let Caller::Identity(principal) = &request.caller else { return Ok(()) };
    if principal.role == Role::Reader && needs_write(request, route) {
        return Err(denied(principal, request, route));
    }
    Ok(())
}

/// Asking for visibility, for a query, or for the user credential of a cluster is a POST that readers may send.
fn needs_write(request: &Request, route: &Route) -> bool {
    let is_read = matches!(request.method.as_str(), "GET" | "HEAD");
    let is_allowed_post = match route {
        Route::Action { action, .. } => action == "listclusterusercredential",
        Route::LocationAction { action, .. } => action == "checkprivatelinkservicevisibility",
        Route::ResourceGraph => true,
        _ => false,
    };
    !is_read && !is_allowed_post
}

fn denied(principal: &Principal, request: &Request, route: &Route) -> ArmError {
    let (resource_type, scope) = match route {
        Route::Resource(path) | Route::Action { path, .. } => (path.resource_type.to_owned(), path.id()),
        Route::Group { .. } => ("Microsoft.Resources/subscriptions/resourceGroups".to_owned(), request.path.clone()),
        _ => ("Microsoft.Resources/subscriptions".to_owned(), request.path.clone()),
    };
    let action = match (request.method.as_str(), route) {
        ("DELETE", _) => format!("{resource_type}/delete"),
        ("POST", Route::Action { action, .. }) => format!("{resource_type}/{action}/action"),
        _ => format!("{resource_type}/write"),
    };
    ArmError::new(
        403,
        "AuthorizationFailed",
        format!(
            "The client '{}' with object id '{}' does not have authorization to perform action '{action}' over scope \
             '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
            principal.name, principal.object_id
        ),
    )
}
