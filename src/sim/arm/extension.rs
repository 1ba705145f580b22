//! Resources on top of other resources: the caller's permissions, role assignments, tags.

use serde_json::{Map, Value, json};

use crate::sim::arm::Reply;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::request::{Caller, Request, Role};
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::state::State;
use crate::sim::arm::store::object_mut;

pub(crate) fn answer(state: &mut State, request: &Request, scope: &str, name: &str) -> Result<Reply, ArmError> {
    match (request.method.as_str(), name) {
        ("GET", "permissions") => Ok(permissions(request)),
        ("GET", "roleassignments" | "roledefinitions") => Ok(Reply::ok(json!({ "value": [] }))),
        ("GET" | "PUT" | "PATCH" | "DELETE", "tags/default") => tags(state, request, scope),
        _ => Err(ArmError::not_found(&request.path)),
    }
}

/// What the caller may do: its role is the same in all of its subscriptions.
fn permissions(request: &Request) -> Reply {
    let role = match &request.caller {
        Caller::Platform => Role::Contributor,
        Caller::Identity(principal) => principal.role,
    };
    let (actions, not_actions): (&[&str], &[&str]) = match role {
        Role::Reader => {
            (&["*/read", "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action"], &[])
        }
        Role::Contributor => (&["*"], &["Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write"]),
    };
    Reply::ok(json!({
        "value": [{ "actions": actions, "notActions": not_actions, "dataActions": [], "notDataActions": [] }],
    }))
}

/// `tags/default` of a resource: the way to change tags of types that have no PATCH.
fn tags(state: &mut State, request: &Request, scope: &str) -> Result<Reply, ArmError> {
    let path = ResourcePath::parse(scope).ok_or_else(|| ArmError::not_found(scope))?;
    let path = state.store.canonical(&path);
    let Some(resource) = state.store.get(&path) else { return Err(ArmError::not_found(&path.id())) };
    let held = resource.body["tags"].as_object().cloned().unwrap_or_default();
    let sent =
        request.body.as_ref().and_then(|body| body["properties"]["tags"].as_object().cloned()).unwrap_or_default();
    let operation = request.body.as_ref().and_then(|body| body["operation"].as_str()).unwrap_or_default();
    let tags: Map<String, Value> = match (request.method.as_str(), operation) {
        ("GET", _) => held,
        ("DELETE", _) => Map::new(),
        ("PATCH", "Merge") => held.into_iter().chain(sent).collect(),
        ("PATCH", "Delete") => held.into_iter().filter(|(key, _)| !sent.contains_key(key)).collect(),
        _ => sent,
    };
    if request.method != "GET" {
        let tags = tags.clone();
        state.store.update(&path, |own| object_mut(&mut own.body).insert("tags".to_owned(), tags.into()));
        state.touch(&path);
    }
    Ok(Reply::ok(json!({
        "id": format!("{}/providers/Microsoft.Resources/tags/default", path.id()),
        "name": "default",
        "type": "Microsoft.Resources/tags",
        "properties": { "tags": tags },
    })))
}
