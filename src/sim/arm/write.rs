//! PUT and PATCH: what all types have in common; the rest is in the rules of each type.

use serde_json::Value;

use crate::sim::arm::Reply;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::kind::{Home, Kind};
use crate::sim::arm::operation::Verb;
use crate::sim::arm::pace::Style;
use crate::sim::arm::request::{Caller, Request};
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::rules;
use crate::sim::arm::state::State;
use crate::sim::arm::store::{Resource, Store, is_named, object_mut, properties_mut};
use crate::sim::arm::{read, view};

/// A write on its way: what is asked for, and what was there before.
pub(crate) struct Draft {
    pub(crate) path: ResourcePath,
    /// The resource, or for a child the resource that holds it.
    pub(crate) before: Option<Resource>,
    /// Who asks for it.
    pub(crate) caller: Caller,
}

impl Draft {
    pub(crate) fn is_new(&self) -> bool {
        self.before.is_none()
    }
}

pub(crate) fn put(state: &mut State, request: &Request, path: &ResourcePath) -> Result<Reply, ArmError> {
    let path = state.store.canonical(path);
    place_exists(state, &path)?;
    precondition(state, request, &path)?;
    not_busy(state, &path)?;
    let body = request.body.clone().filter(Value::is_object).ok_or_else(ArmError::body_is_not_an_object)?;
    let existed = state.store.exists(&path);
    let draft = Draft { before: state.holder(&path).cloned(), path, caller: request.caller.clone() };
    match draft.path.kind.home() {
        Home::Own => put_own(state, &draft, body)?,
        Home::InParent => put_child(state, &draft, body)?,
    }
    Ok(accept(state, request, &draft.path, if existed { 200 } else { 201 }))
}

/// PATCH: tags of network resources, everything of a record set or a link. Some types have none.
pub(crate) fn patch(state: &mut State, request: &Request, path: &ResourcePath) -> Result<Reply, ArmError> {
    let path = state.store.canonical(path);
    let Some(resource) = state.store.get(&path) else { return Err(ArmError::not_found(&path.id())) };
    if matches!(path.kind, Kind::PrivateLinkService | Kind::PrivateEndpoint | Kind::PrivateDnsZoneGroup) {
        let message = format!("The resource type {} does not support PATCH.", path.resource_type);
        return Err(ArmError::new(405, "MethodNotAllowed", message));
    }
    let mut body = resource.body.clone();
    let patch = request.body.clone().filter(Value::is_object).ok_or_else(ArmError::body_is_not_an_object)?;
    if path.kind.is_private_dns() {
        merge(&mut body, &patch);
    } else if let Some(tags) = patch.get("tags") {
        object_mut(&mut body).insert("tags".to_owned(), tags.clone());
    }
    precondition(state, request, &path)?;
    not_busy(state, &path)?;
    let draft = Draft { before: state.store.get(&path).cloned(), path, caller: request.caller.clone() };
    put_own(state, &draft, body)?;
    let etag = state.next_etag(&draft.path);
    state.store.stamp(&draft.path.key(), etag, Some("Succeeded"));
    Ok(Reply::ok(view::show(&state.store, &draft.path).unwrap_or_default()))
}

/// Group and parent have to be there.
pub(crate) fn place_exists(state: &State, path: &ResourcePath) -> Result<(), ArmError> {
    read::group_exists(state, &path.subscription, &path.group)?;
    if state.store.group(&path.subscription, &path.group).is_some_and(|group| group.is_deleting) {
        let message = format!("The resource group '{}' is in deprovisioning state.", path.group);
        return Err(ArmError::new(409, "ResourceGroupBeingDeleted", message));
    }
    match path.parent() {
        Some(parent) if state.store.get(&parent).is_none() => Err(ArmError::new(
            404,
            "ParentResourceNotFound",
            format!(
                "Can not perform requested operation on nested resource. Parent resource '{}' not found.",
                parent.id()
            ),
        )),
        _ => Ok(()),
    }
}

/// `If-Match` and `If-None-Match`. Private DNS clients quote etags or not, so quotes and weakness do not count.
pub(crate) fn precondition(state: &State, request: &Request, path: &ResourcePath) -> Result<(), ArmError> {
    let exists = state.store.exists(path);
    let etag = state.holder(path).map(|resource| bare(&resource.etag).to_owned()).filter(|_| exists);
    if let Some(wanted) = request.headers.get("if-match").filter(|wanted| !wanted.is_empty()) {
        let matches = etag.as_deref().is_some_and(|own| wanted == "*" || bare(wanted) == own);
        if !matches {
            return Err(ArmError::precondition(&path.id()));
        }
    }
    if request.headers.get("if-none-match").is_some_and(|wanted| wanted == "*") && exists {
        return Err(ArmError::precondition(&path.id()));
    }
    Ok(())
}

fn bare(etag: &str) -> &str {
    etag.trim_start_matches("W/").trim_matches('"')
}

/// One operation at a time per resource. The refusal counts as a look at the one that runs.
pub(crate) fn not_busy(state: &mut State, path: &ResourcePath) -> Result<(), ArmError> {
    let key = Store::holder_path(path).key();
    let refusal = match state.operations.running_verb(&key) {
        None => return Ok(()),
        Some(Verb::Delete | Verb::DeleteChild { .. }) => ArmError::new(
            409,
            "AnotherOperationInProgress",
            format!("Another operation on this or dependent resource is in progress: {} is being deleted.", path.id()),
        ),
        Some(_) => ArmError::busy(&path.id()),
    };
    state.tick(&key);
    Err(refusal)
}

fn put_own(state: &mut State, draft: &Draft, mut body: Value) -> Result<(), ArmError> {
    strip(&mut body, draft.path.kind);
    place_in_region(draft, &mut body)?;
    let body = rules::prepare(state, draft, body)?;
    let etag = state.next_etag(&draft.path);
    let settled = if draft.path.kind.is_synchronous() { "Succeeded" } else { "Updating" };
    state.store.put(Resource { path: draft.path.clone(), etag, state: settled.to_owned(), body });
    rules::after_put(state, draft);
    Ok(())
}

fn put_child(state: &mut State, draft: &Draft, mut element: Value) -> Result<(), ArmError> {
    strip_child(&mut element);
    object_mut(&mut element).insert("name".to_owned(), draft.path.name().into());
    let element = rules::prepare_child(state, draft, element)?;
    let holder = Store::holder_path(&draft.path);
    let etag = state.next_etag(&holder);
    let (name, segment) = (draft.path.name().to_owned(), draft.path.segment());
    state.store.update(&holder, |resource| set_named(resource.list_mut(segment), &name, element));
    state.store.stamp(&holder.key(), etag, Some("Updating"));
    rules::after_put(state, draft);
    Ok(())
}

/// Starts the operation and answers with the resource in its first phase.
fn accept(state: &mut State, request: &Request, path: &ResourcePath, status: u16) -> Reply {
    if path.kind.is_synchronous() {
        return Reply { status, headers: Vec::new(), body: view::show(&state.store, path).unwrap_or_default() };
    }
    let started = state.begin(path, Verb::Write, request);
    let headers = started.as_ref().map(|id| state.announce(request, path, id)).unwrap_or_default();
    // Private DNS declares 202 for writes, the network types only 200 and 201: Python's clients insist on that.
    if started.is_some() && state.pace.style == Style::Location && path.kind.is_private_dns() {
        return Reply { status: 202, headers, body: Value::Null };
    }
    Reply { status, headers, body: view::show(&state.store, path).unwrap_or_default() }
}

/// Drops what clients echo but may not set.
fn strip(body: &mut Value, kind: Kind) {
    for key in ["id", "name", "type", "etag", "eTag"] {
        object_mut(body).remove(key);
    }
    let properties = properties_mut(body);
    for key in ["provisioningState", "resourceGuid"] {
        properties.remove(key);
    }
    for list in kind.child_lists() {
        if let Some(Value::Array(children)) = properties.get_mut(*list) {
            children.iter_mut().for_each(strip_child);
        }
    }
}

fn strip_child(child: &mut Value) {
    for key in ["id", "type", "etag"] {
        object_mut(child).remove(key);
    }
    properties_mut(child).remove("provisioningState");
}

/// Checks and normalises `location`, which is set at creation and never changes.
fn place_in_region(draft: &Draft, body: &mut Value) -> Result<(), ArmError> {
    if draft.path.parent().is_some() && draft.path.kind != Kind::VirtualNetworkLink {
        return Ok(());
    }
    let sent = body["location"].as_str().map(normal_location);
    let location = match (sent, &draft.before) {
        (Some(sent), Some(before)) if sent != before.location() => {
            return Err(ArmError::new(
                409,
                "InvalidResourceLocation",
                format!(
                    "The resource '{}' already exists in location '{}'. A resource with the same name cannot be created \
                     in location '{sent}'.",
                    draft.path.name(),
                    before.location()
                ),
            ));
        }
        (Some(sent), _) => sent,
        (None, Some(before)) => before.location().to_owned(),
        (None, None) if draft.path.kind.is_private_dns() => "global".to_owned(),
        (None, None) => {
            let message = format!("The location property is required for '{}'.", draft.path.id());
            return Err(ArmError::invalid("LocationRequired", message));
        }
    };
    if draft.path.kind.is_private_dns() != (location == "global") {
        let message =
            format!("The provided location '{location}' is not available for '{}'.", draft.path.resource_type);
        return Err(ArmError::invalid("LocationNotAvailableForResourceType", message));
    }
    object_mut(body).insert("location".to_owned(), location.into());
    Ok(())
}

/// `East US 2` and `eastus2` are the same place.
pub(crate) fn normal_location(location: &str) -> String {
    location.chars().filter(|c| *c != ' ').map(|c| c.to_ascii_lowercase()).collect()
}

/// Lays `patch` over `target`, object by object.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    match patch {
        Value::Object(fields) => {
            let target = object_mut(target);
            for (key, value) in fields {
                merge(target.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        other => *target = other.clone(),
    }
}

/// A write behind everybody's back.
pub(crate) fn raw_put(state: &mut State, id: &str, mut body: Value) -> bool {
    let Some(path) = ResourcePath::parse(id) else { return false };
    let path = state.store.canonical(&path);
    let provisioning = body["properties"]["provisioningState"].as_str().unwrap_or("Succeeded").to_owned();
    let holder = Store::holder_path(&path);
    let etag = state.next_etag(&holder);
    if path.kind.home() == Home::Own {
        let guid = state.store.get(&path).map(|own| own.property("resourceGuid").clone());
        strip(&mut body, path.kind);
        if let Some(guid) = guid.filter(|guid| !guid.is_null()) {
            properties_mut(&mut body).insert("resourceGuid".to_owned(), guid);
        }
        state.store.put(Resource { path, etag, state: provisioning, body });
        return true;
    }
    strip_child(&mut body);
    object_mut(&mut body).insert("name".to_owned(), path.name().into());
    let segment = path.segment();
    let put = state.store.update(&holder, |resource| set_named(resource.list_mut(segment), path.name(), body));
    state.store.stamp(&holder.key(), etag, None);
    put.is_some()
}

/// Replaces the element of a name, or adds it.
fn set_named(list: &mut Vec<Value>, name: &str, element: Value) {
    match list.iter_mut().find(|own| is_named(own, name)) {
        Some(own) => *own = element,
        None => list.push(element),
    }
}
