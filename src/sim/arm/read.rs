//! GET, HEAD and lists.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::sim::arm::Reply;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::kind::{Home, Kind};
use crate::sim::arm::request::Request;
use crate::sim::arm::route::{ResourcePath, Route};
use crate::sim::arm::state::State;
use crate::sim::arm::store::{Resource, Store, group_key};
use crate::sim::arm::{reach, resource_group, subscription, view, virtual_network};

pub(crate) fn answer(state: &mut State, request: &Request, route: &Route) -> Result<Reply, ArmError> {
    match route {
        Route::Resource(path) => one(state, path),
        Route::List { subscription, group, parent, resource_type } => {
            let reply = match list(state, (subscription, group.as_deref()), parent.as_ref(), resource_type)? {
                Items::Resources(found) => page(state, request, found, |own| view::present(&state.store, own)),
                Items::Shown(parts) => page(state, request, parts, |part| part),
            };
            look_at_all(state, &reply);
            Ok(reply)
        }
        Route::Everything { subscription, group } => Ok(everything(state, request, subscription, group.as_deref())),
        Route::Groups { subscription } => {
            Ok(page(state, request, resource_group::list(state, subscription), |group| group))
        }
        Route::Group { subscription, group } => resource_group::get(state, request, subscription, group),
        Route::Action { path, action } => read_action(state, request, path, action),
        Route::LocationAction { subscription, action } if action == "autoapprovedprivatelinkservices" => {
            Ok(page(state, request, reach::auto_approved(state, subscription), |service| service))
        }
        Route::Tenants => Ok(subscription::tenants(state)),
        Route::Subscriptions => Ok(subscription::list(state, request)),
        Route::Subscription { subscription } => subscription::get(state, subscription),
        Route::Locations { subscription } => Ok(subscription::locations(state, subscription)),
        Route::Providers { subscription, namespace: Some(namespace), .. } => {
            Ok(subscription::provider(state, subscription, namespace))
        }
        Route::Providers { subscription, namespace: None, .. } => Ok(subscription::providers(state, subscription)),
        Route::LocationAction { .. }
        | Route::Operation { .. }
        | Route::Extension { .. }
        | Route::ResourceGraph
        | Route::Unknown => {
            let message = format!("The method GET is not allowed on {}.", request.path);
            Err(ArmError::new(405, "MethodNotAllowed", message))
        }
    }
}

/// A list is a look at every operation on what it shows, for clients that poll by listing.
fn look_at_all(state: &mut State, reply: &Reply) {
    if !state.operations.are_running() {
        return;
    }
    let shown = reply.body["value"].as_array().into_iter().flatten();
    let paths = shown.filter_map(|item| ResourcePath::parse(item["id"].as_str()?));
    let holders: BTreeSet<String> = paths.map(|path| Store::holder_path(&path).key()).collect();
    for holder in holders {
        state.tick(&holder);
    }
}

/// A resource. Looking at it is a look at its operation, for clients that poll `provisioningState`.
fn one(state: &mut State, path: &ResourcePath) -> Result<Reply, ArmError> {
    let path = state.store.canonical(path);
    group_exists(state, &path.subscription, &path.group)?;
    let shown = view::show(&state.store, &path);
    state.tick(&Store::holder_path(&path).key());
    let Some(body) = shown else {
        return Err(match path.kind.home() {
            Home::Own => ArmError::not_found(&path.id()),
            Home::InParent => ArmError::child_not_found(&path.id()),
        });
    };
    let etag = body["etag"].as_str().map(|etag| ("ETag".to_owned(), etag.to_owned()));
    Ok(Reply { status: 200, headers: etag.into_iter().collect(), body })
}

pub(crate) fn group_exists(state: &State, subscription: &str, group: &str) -> Result<(), ArmError> {
    match state.store.group(subscription, group) {
        Some(_) => Ok(()),
        None => {
            Err(ArmError::new(404, "ResourceGroupNotFound", format!("Resource group '{group}' could not be found.")))
        }
    }
}

/// What a list shows. Resources are shown only once it is clear which of them are on the page.
enum Items<'a> {
    Resources(Vec<&'a Resource>),
    /// Parts of one resource, which are shown with it.
    Shown(Vec<Value>),
}

fn list<'a>(
    state: &'a State,
    (subscription, group): (&str, Option<&str>),
    parent: Option<&ResourcePath>,
    resource_type: &str,
) -> Result<Items<'a>, ArmError> {
    if let Some(group) = group {
        group_exists(state, subscription, group)?;
    }
    let Some((_, kind)) = Kind::find(resource_type) else { return Ok(Items::Resources(Vec::new())) };
    let Some(parent) = parent else {
        let found = state.store.of_kind_below(kind, &inside(subscription, group));
        return Ok(Items::Resources(found.filter(|own| own.path.resource_type == resource_type).collect()));
    };
    let parent = state.store.canonical(parent);
    let Some(holder) = state.store.get(&parent) else { return Err(ArmError::not_found(&parent.id())) };
    let segment = resource_type.rsplit('/').next().unwrap_or_default();
    if holder.path.kind.child_lists().contains(&segment) {
        let shown = view::present(&state.store, holder);
        return Ok(Items::Shown(shown["properties"][segment].as_array().cloned().unwrap_or_default()));
    }
    let children = state.store.of_kind_below(kind, &format!("{}/", parent.key()));
    Ok(Items::Resources(children.filter(|own| own.path.resource_type == resource_type).collect()))
}

/// How the keys of everything in a subscription or group start.
fn inside(subscription: &str, group: Option<&str>) -> String {
    match group {
        Some(group) => format!("{}/", group_key(subscription, group)),
        None => format!("/subscriptions/{}/", subscription.to_ascii_lowercase()),
    }
}

/// The generic list: identity fields only, filtered by type if the client asks.
fn everything(state: &State, request: &Request, subscription: &str, group: Option<&str>) -> Reply {
    let filter = request.query.get("$filter").map(|filter| filter.to_ascii_lowercase()).unwrap_or_default();
    let wanted = filter.strip_prefix("resourcetype eq '").and_then(|rest| rest.split('\'').next());
    let is_top_level = |own: &str| own.matches('/').count() == 1;
    let fits = |own: &&Resource| {
        let own = own.path.resource_type;
        is_top_level(own) && wanted.is_none_or(|wanted| own.eq_ignore_ascii_case(wanted))
    };
    let found: Vec<&Resource> = state.store.below(&inside(subscription, group)).filter(fits).collect();
    let brief = |own: &Resource| {
        let item = view::present(&state.store, own);
        let mut out =
            json!({ "id": item["id"], "name": item["name"], "type": item["type"], "location": item["location"] });
        for key in ["tags", "sku", "kind"] {
            if !item[key].is_null() {
                out[key] = item[key].clone();
            }
        }
        out["provisioningState"] = item["properties"]["provisioningState"].clone();
        out
    };
    page(state, request, found, brief)
}

/// Cuts a list into pages; the link to the next one is absolute, as Azure's is.
pub(crate) fn page<T>(state: &State, request: &Request, items: Vec<T>, show: impl Fn(T) -> Value) -> Reply {
    let start: usize = request.query.get("$skiptoken").and_then(|token| token.parse().ok()).unwrap_or(0);
    let size = if state.page_size == 0 { items.len().max(1) } else { state.page_size };
    let more = start + size < items.len();
    let value: Vec<Value> = items.into_iter().skip(start).take(size).map(show).collect();
    let mut body = json!({ "value": value });
    if more {
        let kept: Vec<String> = request
            .query
            .iter()
            .filter(|(key, _)| *key != "$skiptoken")
            .map(|(key, value)| format!("{key}={}", value.replace(' ', "%20").replace('\'', "%27")))
            .collect();
        let next = format!("{}{}?{}&$skipToken={}", request.origin, request.path, kept.join("&"), start + size);
        body["nextLink"] = next.into();
    }
    Reply::ok(body)
}

/// Reads that look like actions.
fn read_action(state: &mut State, request: &Request, path: &ResourcePath, action: &str) -> Result<Reply, ArmError> {
    let path = state.store.canonical(path);
    if !state.store.exists(&path) {
        return Err(ArmError::not_found(&path.id()));
    }
    match (path.kind, action) {
        (Kind::VirtualNetwork, "checkipaddressavailability") => virtual_network::check_address(state, request, &path),
        (Kind::VirtualNetwork, "usages") => Ok(virtual_network::usages(state, &path)),
        (Kind::PrivateDnsZone, "all" | "recordsets") => {
            let records = state.store.of_kind_below(Kind::RecordSet, &format!("{}/", path.key())).collect();
            Ok(page(state, request, records, |own| view::present(&state.store, own)))
        }
        _ => Err(ArmError::not_found(&format!("{}/{action}", path.id()))),
    }
}
