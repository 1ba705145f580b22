//! GET, HEAD and lists.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::sim::arm::Reply;
use crate::sim::arm::authorization::{Grants, Readable};
use crate::sim::arm::error::ArmError;
use crate::sim::arm::kind::{Home, Kind};
use crate::sim::arm::request::Request;
use crate::sim::arm::route::{ResourcePath, Route};
use crate::sim::arm::state::State;
use crate::sim::arm::store::Store;
use crate::sim::arm::{provider, reach, resource_group, subscription, view, virtual_network};

pub(crate) fn answer(state: &mut State, request: &Request, route: &Route, grants: &Grants) -> Result<Reply, ArmError> {
    match route {
        Route::Resource(path) => one(state, path),
        Route::List { subscription, group, parent, resource_type } => {
            let items = match parent {
                Some(parent) => children(state, parent, resource_type)?,
                None => list(state, (subscription, group.as_deref()), resource_type, grants)?,
            };
            let reply = page(state, request, items);
            look_at_all(state, &reply);
            Ok(reply)
        }
        Route::Everything { subscription, group } => {
            Ok(everything(state, request, (subscription, group.as_deref()), grants))
        }
        Route::Groups { subscription } => {
            let items = resource_group::list(state, subscription, grants);
            Ok(page(state, request, items))
        }
        Route::Group { subscription, group } => resource_group::get(state, request, subscription, group),
        Route::Action { path, action } => read_action(state, request, path, action),
        Route::LocationAction { subscription, action } if action == "autoapprovedprivatelinkservices" => {
            let items = reach::auto_approved(state, subscription, grants);
            Ok(page(state, request, items))
        }
        Route::Tenants => Ok(subscription::tenants(state, &request.caller, grants)),
        Route::Subscriptions => Ok(subscription::list(state, request, grants)),
        Route::Subscription { subscription } => subscription::get(state, subscription),
        Route::Locations { subscription } => Ok(subscription::locations(state, subscription)),
        Route::Providers { subscription, namespace: Some(namespace), .. } => {
            provider::get(state, subscription, namespace)
        }
        Route::Providers { subscription, namespace: None, .. } => {
            let items = provider::list(state, subscription);
            Ok(page(state, request, items))
        }
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

/// The resources of a type that the caller may read.
fn list(
    state: &State,
    place: (&str, Option<&str>),
    resource_type: &str,
    grants: &Grants,
) -> Result<Vec<Value>, ArmError> {
    if let (subscription, Some(group)) = place {
        group_exists(state, subscription, group)?;
    }
    Ok(of_type(state, place, grants, |own| own == resource_type))
}

fn children(state: &State, parent: &ResourcePath, resource_type: &str) -> Result<Vec<Value>, ArmError> {
    group_exists(state, &parent.subscription, &parent.group)?;
    let parent = state.store.canonical(parent);
    let Some(holder) = state.store.get(&parent) else { return Err(ArmError::not_found(&parent.id())) };
    let segment = resource_type.rsplit('/').next().unwrap_or_default();
    if holder.path.kind.child_lists().contains(&segment) {
        let shown = view::present(&state.store, holder);
        return Ok(shown["properties"][segment].as_array().cloned().unwrap_or_default());
    }
    let prefix = format!("{}/", parent.key());
    let children = state.store.all().filter(|own| own.path.key().starts_with(&prefix));
    Ok(children
        .filter(|own| own.path.resource_type == resource_type)
        .map(|own| view::present(&state.store, own))
        .collect())
}

fn of_type(
    state: &State,
    (subscription, group): (&str, Option<&str>),
    grants: &Grants,
    wanted: impl Fn(&str) -> bool,
) -> Vec<Value> {
    let mut readable = Readable::by(grants);
    let resources = state.store.all().filter(|own| own.path.subscription.eq_ignore_ascii_case(subscription));
    resources
        .filter(|own| group.is_none_or(|group| own.path.group.eq_ignore_ascii_case(group)))
        .filter(|own| wanted(own.path.resource_type))
        .filter(|own| readable.shows(&own.path))
        .map(|own| view::present(&state.store, own))
        .collect()
}

/// The generic list: identity fields only, filtered by type if the client asks.
fn everything(state: &State, request: &Request, place: (&str, Option<&str>), grants: &Grants) -> Reply {
    let filter = request.query.get("$filter").map(|filter| filter.to_ascii_lowercase()).unwrap_or_default();
    let wanted = filter.strip_prefix("resourcetype eq '").and_then(|rest| rest.split('\'').next());
    let is_top_level = |own: &str| own.matches('/').count() == 1;
    let items = of_type(state, place, grants, |own| {
        is_top_level(own) && wanted.is_none_or(|wanted| own.eq_ignore_ascii_case(wanted))
    });
    let brief = |item: Value| {
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
    page(state, request, items.into_iter().map(brief).collect())
}

/// Cuts a list into pages; the link to the next one is absolute, as Azure's is.
pub(crate) fn page(state: &State, request: &Request, items: Vec<Value>) -> Reply {
    let start: usize = request.query.get("$skiptoken").and_then(|token| token.parse().ok()).unwrap_or(0);
    let size = if state.page_size == 0 { items.len().max(1) } else { state.page_size };
    let more = start + size < items.len();
    let value: Vec<Value> = items.into_iter().skip(start).take(size).collect();
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
            let prefix = format!("{}/", path.key());
            let records = state.store.of_kind(Kind::RecordSet).filter(|own| own.path.key().starts_with(&prefix));
            let items = records.map(|own| view::present(&state.store, own)).collect();
            Ok(page(state, request, items))
        }
        _ => Err(ArmError::not_found(&format!("{}/{action}", path.id()))),
    }
}
