//! GET, HEAD and lists.

use serde::Serialize;
use serde_json::{Value, json};

use crate::sim::arm::Reply;
use crate::sim::arm::authorization::{Grants, Readable};
use crate::sim::arm::error::ArmError;
use crate::sim::arm::kind::{Home, Kind};
use crate::sim::arm::request::Request;
use crate::sim::arm::route::{ResourcePath, Route};
use crate::sim::arm::state::State;
use crate::sim::arm::store::{Resource, Store, group_key};
use crate::sim::arm::view::Item;
use crate::sim::arm::{provider, reach, resource_group, subscription, view, virtual_network};

pub(crate) fn answer(state: &mut State, request: &Request, route: &Route, grants: &Grants) -> Result<Reply, ArmError> {
    match route {
        Route::Resource(path) => one(state, path),
        Route::List { subscription, group, parent, resource_type } => {
            let items = match parent {
                Some(parent) => children(state, parent, resource_type)?,
                None => {
                    let enough = page_bounds(state, request).end.saturating_add(1);
                    list(state, (subscription, group.as_deref()), (resource_type, enough), grants)?
                }
            };
            let (reply, holders) = match items {
                Items::Resources(found) => {
                    let page = Page::of(state, request, found);
                    let looked_at = page.items.iter().filter(|_| state.operations.are_running());
                    let holders = looked_at.map(|own| own.path.key()).collect();
                    (page.written(|own| Item::of(&state.store, own)), holders)
                }
                Items::Shown { parts, holder } => (page(state, request, parts, |part| part), vec![holder]),
            };
            holders.iter().for_each(|holder| state.tick(holder));
            Ok(reply)
        }
        Route::Everything { subscription, group } => {
            Ok(everything(state, request, (subscription, group.as_deref()), grants))
        }
        Route::Groups { subscription } => {
            Ok(page(state, request, resource_group::list(state, subscription, grants), |group| group))
        }
        Route::Group { subscription, group } => resource_group::get(state, request, subscription, group),
        Route::Action { path, action } => read_action(state, request, path, action),
        Route::LocationAction { subscription, action } if action == "autoapprovedprivatelinkservices" => {
            Ok(page(state, request, reach::auto_approved(state, subscription, grants), |service| service))
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
            Ok(page(state, request, items, |own| own))
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
    /// Parts of one resource, which are shown with it; and its key.
    Shown {
        parts: Vec<Value>,
        holder: String,
    },
}

/// The resources of a type that the caller may read: no more than decide about one page, because each is asked about.
fn list<'a>(
    state: &'a State,
    (subscription, group): (&str, Option<&str>),
    (resource_type, enough): (&str, usize),
    grants: &Grants,
) -> Result<Items<'a>, ArmError> {
    if let Some(group) = group {
        group_exists(state, subscription, group)?;
    }
    let Some((_, kind)) = Kind::find(resource_type) else { return Ok(Items::Resources(Vec::new())) };
    let mut readable = Readable::by(grants);
    let found = state.store.of_kind_below(kind, &inside(subscription, group));
    let found = found.filter(|own| own.path.resource_type == resource_type && readable.shows(&own.path));
    Ok(Items::Resources(found.take(enough).collect()))
}

/// The children of a resource.
fn children<'a>(state: &'a State, parent: &ResourcePath, resource_type: &str) -> Result<Items<'a>, ArmError> {
    group_exists(state, &parent.subscription, &parent.group)?;
    let Some((_, kind)) = Kind::find(resource_type) else { return Ok(Items::Resources(Vec::new())) };
    let parent = state.store.canonical(parent);
    let Some(holder) = state.store.get(&parent) else { return Err(ArmError::not_found(&parent.id())) };
    let segment = resource_type.rsplit('/').next().unwrap_or_default();
    if holder.path.kind.child_lists().contains(&segment) {
        let shown = view::present(&state.store, holder);
        let parts = shown["properties"][segment].as_array().cloned().unwrap_or_default();
        return Ok(Items::Shown { parts, holder: parent.key() });
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
fn everything(state: &State, request: &Request, (subscription, group): (&str, Option<&str>), grants: &Grants) -> Reply {
    let filter = request.query.get("$filter").map(|filter| filter.to_ascii_lowercase()).unwrap_or_default();
    let asked_for = |field: &str| filter.split(&format!("{field} eq '")).nth(1)?.split('\'').next();
    let wanted = asked_for("resourcetype");
    let group = group.or_else(|| asked_for("resourcegroup"));
    // Deployments are listed among their own kind only.
    let is_top_level = |own: &str| own.matches('/').count() == 1 && own != "Microsoft.Resources/deployments";
    let fits = |own: &&Resource| {
        let own = own.path.resource_type;
        is_top_level(own) && wanted.is_none_or(|wanted| own.eq_ignore_ascii_case(wanted))
    };
    let mut readable = Readable::by(grants);
    let found = state.store.below(&inside(subscription, group)).filter(fits);
    let found: Vec<&Resource> = found.filter(|own| readable.shows(&own.path)).collect();
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

/// Which items of a list are on the page that a request asks for, as if there were enough of them.
fn page_bounds(state: &State, request: &Request) -> std::ops::Range<usize> {
    let start: usize = request.query.get("$skiptoken").and_then(|token| token.parse().ok()).unwrap_or(0);
    let size = if state.page_size == 0 { usize::MAX } else { state.page_size };
    start..start.saturating_add(size)
}

/// One page of a list, and the link to the next one, which is absolute as Azure's is.
struct Page<T> {
    items: Vec<T>,
    next_link: Option<String>,
}

impl<T> Page<T> {
    fn of(state: &State, request: &Request, items: Vec<T>) -> Self {
        let bounds = page_bounds(state, request);
        let next_link = (bounds.end < items.len()).then(|| {
            let kept: Vec<String> = request
                .query
                .iter()
                .filter(|(key, _)| *key != "$skiptoken")
                .map(|(key, value)| format!("{key}={}", value.replace(' ', "%20").replace('\'', "%27")))
                .collect();
            format!("{}{}?{}&$skipToken={}", request.origin, request.path, kept.join("&"), bounds.end)
        });
        Self { items: items.into_iter().skip(bounds.start).take(bounds.len()).collect(), next_link }
    }

    /// The page as text: a long list is not worth a tree of values first.
    fn written<W: Serialize>(self, show: impl Fn(T) -> W) -> Reply {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire<W> {
            value: Vec<W>,
            #[serde(skip_serializing_if = "Option::is_none")]
            next_link: Option<String>,
        }
        let wire = Wire { value: self.items.into_iter().map(show).collect(), next_link: self.next_link };
        // About as long as a private endpoint: growing by doubling would copy a long list several times.
        let mut text = Vec::with_capacity(wire.value.len() * 2048);
        serde_json::to_writer(&mut text, &wire).expect("strings and JSON values are JSON");
        Reply::written(String::from_utf8(text).expect("serde_json writes UTF-8"))
    }
}

/// A page of a list of anything.
pub(crate) fn page<T>(state: &State, request: &Request, items: Vec<T>, show: impl Fn(T) -> Value) -> Reply {
    Page::of(state, request, items).written(show)
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
            Ok(Page::of(state, request, records).written(|own| Item::of(&state.store, own)))
        }
        _ => Err(ArmError::not_found(&format!("{}/{action}", path.id()))),
    }
}
