//! DELETE, and what goes with a resource when it goes.

use serde_json::Value;

use crate::sim::arm::Reply;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::kind::Home;
use crate::sim::arm::operation::Verb;
use crate::sim::arm::request::Request;
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::rules;
use crate::sim::arm::state::State;
use crate::sim::arm::store::{Resource, Store, group_key, is_named, properties_mut};
use crate::sim::arm::{read, write};

pub(crate) fn delete(state: &mut State, request: &Request, path: &ResourcePath) -> Result<Reply, ArmError> {
    let path = state.store.canonical(path);
    read::group_exists(state, &path.subscription, &path.group)?;
    if !state.store.exists(&path) {
        return Ok(Reply::empty(204));
    }
    write::precondition(state, request, &path)?;
    let holder = Store::holder_path(&path);
    if let Some(reply) = already_running(state, request, &path)? {
        return Ok(reply);
    }
    rules::may_delete(state, &path)?;
    if path.kind.is_synchronous() {
        take_away(state, &path.key());
        return Ok(Reply::empty(200));
    }
    let verb = match path.kind.home() {
        Home::Own => {
            mark(state, &holder, "Deleting");
            Verb::Delete
        }
        // A child stays to be seen until the operation ends; its holder is busy as long.
        Home::InParent => {
            state.store.update(&holder, |own| mark_child(own, &path, true));
            mark(state, &holder, "Updating");
            Verb::DeleteChild { id: path.id() }
        }
    };
    match state.begin(&path, verb, request) {
        Some(id) => {
            let headers = state.announce(request, &path, &id);
            Ok(Reply { status: 202, headers, body: Value::Null })
        }
        None => Ok(Reply::empty(200)),
    }
}

/// A delete that is repeated while it runs is the same delete; one that meets another operation is refused.
fn already_running(state: &mut State, request: &Request, path: &ResourcePath) -> Result<Option<Reply>, ArmError> {
    let key = Store::holder_path(path).key();
    let Some(id) = state.operations.running_id(&key).cloned() else { return Ok(None) };
    let same = match path.kind.home() {
        Home::Own => Verb::Delete,
        Home::InParent => Verb::DeleteChild { id: path.id() },
    };
    if state.operations.running_verb(&key) == Some(&same) {
        let headers = state.announce(request, path, &id);
        return Ok(Some(Reply { status: 202, headers, body: Value::Null }));
    }
    state.tick(&key);
    let message = format!("Another operation on this or dependent resource is in progress: {}.", path.id());
    Err(ArmError::new(409, "AnotherOperationInProgress", message))
}

fn mark(state: &mut State, path: &ResourcePath, provisioning: &str) {
    let etag = state.next_etag(path);
    state.store.stamp(&path.key(), etag, Some(provisioning));
}

/// Removes the resource with this key, and what hangs on it.
pub(crate) fn take_away(state: &mut State, key: &str) {
    let Some(path) = state.store.by_key(key).map(|resource| resource.path.clone()) else { return };
    let prefix = format!("{key}/");
    let children: Vec<String> = state.store.below(&prefix).map(|own| own.path.key()).collect();
    for child in children {
        take_away(state, &child);
    }
    if let Some(gone) = state.store.remove(&path) {
        state.authorization.scope_is_gone(key);
        rules::after_delete(state, &gone);
    }
}

/// Marks an element as one that is being deleted, or takes the mark back.
fn mark_child(holder: &mut Resource, path: &ResourcePath, is_deleting: bool) {
    let Some(element) = holder.list_mut(path.segment()).iter_mut().find(|own| is_named(own, path.name())) else {
        return;
    };
    match is_deleting {
        true => drop(properties_mut(element).insert("provisioningState".to_owned(), "Deleting".into())),
        false => drop(properties_mut(element).remove("provisioningState")),
    }
}

/// The end of a child's deletion: it is gone, or it stays as it was.
pub(crate) fn conclude_child(state: &mut State, id: &str, is_gone: bool) {
    let Some(path) = ResourcePath::parse(id) else { return };
    if is_gone {
        take_child(state, &path);
    } else {
        state.store.update(&Store::holder_path(&path), |own| mark_child(own, &path, false));
    }
}

fn take_child(state: &mut State, path: &ResourcePath) {
    let element = state.store.element(path).cloned();
    state.store.update(&Store::holder_path(path), |holder| {
        holder.list_mut(path.segment()).retain(|own| !is_named(own, path.name()));
    });
    if let Some(element) = element {
        rules::after_delete_child(state, path, &element);
    }
}

/// Removes a resource group with everything in it.
pub(crate) fn take_away_group(state: &mut State, subscription: &str, group: &str) {
    let inside = format!("{}/", group_key(subscription, group));
    let keys: Vec<String> = state.store.below(&inside).map(|own| own.path.key()).collect();
    for key in keys {
        take_away(state, &key);
    }
    state.store.remove_group(subscription, group);
    state.authorization.scope_is_gone(&format!("/subscriptions/{subscription}/resourceGroups/{group}"));
}

/// A delete behind everybody's back: no checks, but what hangs on the resource still learns of it.
pub(crate) fn raw_delete(state: &mut State, id: &str) -> bool {
    let Some(path) = ResourcePath::parse(id) else { return false };
    let path = state.store.canonical(&path);
    if !state.store.exists(&path) {
        return false;
    }
    match path.kind.home() {
        Home::Own => take_away(state, &path.key()),
        Home::InParent => {
            take_child(state, &path);
            state.touch(&path);
        }
    }
    true
}
