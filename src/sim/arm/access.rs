//! Whether a request may go on: the caller's rights first, then what its subscription allows.
//!
//! A subscription in which the caller has no role at all does not exist for it. The platform may do everything, in
//! disabled subscriptions too: a world has to come into being somehow.

use crate::sim::arm::authorization::action::{Needed, needed};
use crate::sim::arm::authorization::{Grants, linked};
use crate::sim::arm::error::ArmError;
use crate::sim::arm::request::{Caller, Principal, Request};
use crate::sim::arm::route::Route;
use crate::sim::arm::state::State;
use crate::sim::arm::{provider, subscription};

/// Refuses what the caller may not do.
pub(crate) fn check(state: &mut State, request: &Request, route: &Route, grants: &Grants) -> Result<(), ArmError> {
    if let Some(subscription) = route.subscription() {
        let exists = state.subscriptions.contains_key(&subscription.to_ascii_lowercase());
        if !exists || !grants.reaches(subscription) {
            return Err(subscription::not_found(subscription));
        }
    }
    let Caller::Identity(principal) = &request.caller else { return Ok(()) };
    let needed = needed(request, route);
    if let Some(needed) = needed.filter(|needed| !grants.allows(&needed.action, &needed.scope)) {
        return Err(denied(principal, &needed));
    }
    some_of_a_list(principal, route, grants)?;
    if let (Route::Resource(path), "PUT" | "PATCH", Some(body)) = (route, request.method.as_str(), &request.body) {
        linked::check((grants, principal), path, body)?;
    }
    provider::accepts(state, request, route)
}

/// A list shows what the caller may read; in a group in which that can be nothing, Azure refuses to list.
fn some_of_a_list(principal: &Principal, route: &Route, grants: &Grants) -> Result<(), ArmError> {
    let Route::List { subscription, group: Some(group), parent: None, resource_type } = route else { return Ok(()) };
    let action = format!("{resource_type}/read");
    let group = format!("/subscriptions/{subscription}/resourceGroups/{group}");
    if grants.places(&action).touch(subscription, &group) {
        return Ok(());
    }
    let namespace = resource_type.split('/').next().unwrap_or_default();
    Err(denied(principal, &Needed { action, scope: format!("{group}/providers/{namespace}") }))
}

fn denied(principal: &Principal, needed: &Needed) -> ArmError {
    let Principal { name, object_id, .. } = principal;
    let Needed { action, scope } = needed;
    let message = format!(
        "The client '{name}' with object id '{object_id}' does not have authorization to perform action '{action}' over \
         scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials."
    );
    ArmError::new(403, "AuthorizationFailed", message)
}
