//! Resources on top of other resources: permissions, roles and their assignments, tags.

use serde_json::{Map, Value, json};

use crate::sim::arm::Reply;
use crate::sim::arm::authorization::{Grants, assignments, definitions, permissions};
use crate::sim::arm::error::ArmError;
use crate::sim::arm::read;
use crate::sim::arm::request::Request;
use crate::sim::arm::route::{ResourcePath, Route, route};
use crate::sim::arm::state::State;
use crate::sim::arm::store::object_mut;

pub(crate) fn answer(
    state: &mut State,
    request: &Request,
    (scope, name): (&str, &str),
    grants: &Grants,
) -> Result<Reply, ArmError> {
    let (kind, id) = name.split_once('/').map_or((name, None), |(kind, id)| (kind, Some(id)));
    match (kind, id, request.method.as_str()) {
        ("permissions", None, method) => permissions::answer(method, scope, grants),
        ("roleassignments", id, _) => assignments::answer(state, request, scope, id),
        ("roledefinitions", id, _) => definitions::answer(state, request, scope, id),
        ("tags", Some("default"), "GET" | "PUT" | "PATCH" | "DELETE") => tags(state, request, scope),
        _ => Err(ArmError::not_found(&request.path)),
    }
}

/// `tags/default` of a resource or a group: the way to change tags of types that have no PATCH.
fn tags(state: &mut State, request: &Request, scope: &str) -> Result<Reply, ArmError> {
    let (id, held) = match route(scope) {
        Route::Resource(path) => {
            let path = state.store.canonical(&path);
            let resource = state.store.get(&path).ok_or_else(|| ArmError::not_found(&path.id()))?;
            (path.id(), resource.body["tags"].clone())
        }
        Route::Group { subscription, group } => {
            read::group_exists(state, &subscription, &group)?;
            let own = state.store.group(&subscription, &group);
            own.map(|own| (own.id(), own.tags.clone())).unwrap_or_default()
        }
        _ => return Err(ArmError::not_found(scope)),
    };
    let tags = changed(request, held.as_object().cloned().unwrap_or_default());
    if request.method != "GET" {
        write(state, &id, tags.clone().into());
    }
    Ok(Reply::ok(json!({
        "id": format!("{id}/providers/Microsoft.Resources/tags/default"),
        "name": "default",
        "type": "Microsoft.Resources/tags",
        "properties": { "tags": tags },
    })))
}

/// The tags after a request.
fn changed(request: &Request, held: Map<String, Value>) -> Map<String, Value> {
    let body = request.body.as_ref();
    let sent = body.and_then(|body| body["properties"]["tags"].as_object().cloned()).unwrap_or_default();
    let operation = body.and_then(|body| body["operation"].as_str()).unwrap_or_default();
    match (request.method.as_str(), operation) {
        ("GET", _) => held,
        ("DELETE", _) => Map::new(),
        ("PATCH", "Merge") => held.into_iter().chain(sent).collect(),
        ("PATCH", "Delete") => held.into_iter().filter(|(key, _)| !sent.contains_key(key)).collect(),
        _ => sent,
    }
}

fn write(state: &mut State, id: &str, tags: Value) {
    match route(id) {
        Route::Group { subscription, group } => {
            if let Some(own) = state.store.group_mut(&subscription, &group) {
                own.tags = tags;
            }
        }
        _ => {
            let Some(path) = ResourcePath::parse(id) else { return };
            state.store.update(&path, |own| object_mut(&mut own.body).insert("tags".to_owned(), tags));
            state.touch(&path);
        }
    }
}
