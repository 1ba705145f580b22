//! Resource groups.

use serde_json::{Value, json};

use crate::sim::arm::Reply;
use crate::sim::arm::authorization::Grants;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::operation::Verb;
use crate::sim::arm::read;
use crate::sim::arm::request::Request;
use crate::sim::arm::state::State;
use crate::sim::arm::store::{Group, group_key};
use crate::sim::arm::write::normal_location;

fn show(group: &Group) -> Value {
    let provisioning = if group.is_deleting { "Deleting" } else { "Succeeded" };
    let mut out = json!({
        "id": group.id(),
        "name": group.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": group.location,
        "properties": { "provisioningState": provisioning },
    });
    if !group.tags.is_null() {
        out["tags"] = group.tags.clone();
    }
    out
}

/// The groups of a subscription that the caller may read.
pub(crate) fn list(state: &State, subscription: &str, grants: &Grants) -> Vec<Value> {
    let readable = grants.places("Microsoft.Resources/subscriptions/resourceGroups/read");
    let groups = state.store.groups().filter(|own| own.subscription.eq_ignore_ascii_case(subscription));
    groups.filter(|own| readable.cover(&own.subscription.to_ascii_lowercase(), || own.id())).map(show).collect()
}

pub(crate) fn get(state: &mut State, request: &Request, subscription: &str, name: &str) -> Result<Reply, ArmError> {
    state.tick(&group_key(subscription, name));
    match state.store.group(subscription, name) {
        Some(_) if request.method == "HEAD" => Ok(Reply::empty(204)),
        Some(group) => Ok(Reply::ok(show(group))),
        None if request.method == "HEAD" => Ok(Reply::empty(404)),
        None => read::group_exists(state, subscription, name).map(|()| Reply::empty(404)),
    }
}

pub(crate) fn write(state: &mut State, request: &Request, subscription: &str, name: &str) -> Result<Reply, ArmError> {
    match request.method.as_str() {
        "PUT" => put(state, request, subscription, name),
        "PATCH" => patch(state, request, subscription, name),
        _ => delete(state, request, subscription, name),
    }
}

fn put(state: &mut State, request: &Request, subscription: &str, name: &str) -> Result<Reply, ArmError> {
    let body = request.body.clone().unwrap_or_default();
    let Some(location) = body["location"].as_str().map(normal_location) else {
        let message = format!("The location property is required for resource group '{name}'.");
        return Err(ArmError::invalid("LocationRequired", message));
    };
    let held = state.store.group(subscription, name).cloned();
    if let Some(held) = held.as_ref().filter(|held| held.location != location) {
        let message = format!(
            "Invalid resource group location '{location}'. The resource group '{name}' already exists in location '{}'.",
            held.location
        );
        return Err(ArmError::new(409, "InvalidResourceGroupLocation", message));
    }
    let status = if held.is_some() { 200 } else { 201 };
    let name = held.map_or_else(|| name.to_owned(), |held| held.name);
    let group =
        Group { subscription: subscription.to_owned(), name, location, tags: body["tags"].clone(), is_deleting: false };
    let body = show(&group);
    state.store.put_group(group);
    Ok(Reply { status, headers: Vec::new(), body })
}

fn patch(state: &mut State, request: &Request, subscription: &str, name: &str) -> Result<Reply, ArmError> {
    read::group_exists(state, subscription, name)?;
    let tags = request.body.as_ref().map(|body| body["tags"].clone()).unwrap_or_default();
    let Some(group) = state.store.group_mut(subscription, name) else { return Ok(Reply::empty(404)) };
    group.tags = tags;
    Ok(Reply::ok(show(group)))
}

/// Deletes the group and all that is in it, when the operation ends.
fn delete(state: &mut State, request: &Request, subscription: &str, name: &str) -> Result<Reply, ArmError> {
    read::group_exists(state, subscription, name)?;
    if let Some(group) = state.store.group_mut(subscription, name) {
        group.is_deleting = true;
    }
    let verb = Verb::DeleteGroup { subscription: subscription.to_owned(), group: name.to_owned() };
    let failure = state.faults.take_for_operation("DELETE", &request.path, &request.client());
    let Some(id) = state.begin_keyed(group_key(subscription, name), verb, failure) else {
        return Ok(Reply::empty(200));
    };
    let version = request.query.get("api-version").map_or("2021-04-01", String::as_str);
    let url = format!("{}/subscriptions/{subscription}/operationresults/{id}?api-version={version}", request.origin);
    let headers = vec![("Location".to_owned(), url), ("x-ms-request-id".to_owned(), id), state.retry_after()];
    Ok(Reply { status: 202, headers, body: Value::Null })
}
