//! Takes a Private Link Service of the cloud provider away, once nobody asks for it any more.
//!
//! Removing the annotations leaves it serving: the cloud provider only deletes it with its frontend. So the annotations go
//! first, then, when the cloud provider has settled, each connection and the service itself.

use crate::domain::annotation;
use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::resource::Resource;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::domain::resource::service::Deployment;
use crate::domain::resource::service::LiveService;
use crate::domain::resource::service::Service;
use crate::plan::action::Action;
use crate::plan::action::Actor;
use crate::plan::change::Change;
use crate::plan::change::Reads;
use crate::plan::diff;
use crate::plan::draft::Draft;
use crate::plan::reads;
use crate::value::Fields;
use crate::value::Value;

pub(super) fn decide(draft: &mut Draft<'_>) {
    // A folder that is gone takes nothing back; prune says so.
    if !draft.desired.path_exists {
        return;
    }
    let ours = taken_back(draft);
    // All annotations first: who shares an address with whom depends on who still asks.
    if draft.desired.policy.prune {
        ours.iter().for_each(|live| drop_annotations(draft, live));
    }
    for live in ours {
        let publisher = PublisherKey::Cluster(live.key.clone());
        let link = draft.observed.publisher(&publisher).filter(|link| link.cluster_owner().as_ref() == Some(&live.key));
        if let Some(link) = link {
            retire(draft, live, link);
        }
    }
}

/// The Services that we published or deployed, that stay, and that are not to be published any more.
pub(super) fn taken_back<'a>(draft: &Draft<'a>) -> Vec<&'a LiveService> {
    let observed = draft.observed;
    observed.services.values().filter(|live| is_taken_back(draft, live)).collect()
}

fn is_taken_back(draft: &Draft<'_>, live: &LiveService) -> bool {
    let key = ResourceKey::PrivateLinkService(PublisherKey::Cluster(live.key.clone()));
    is_ours(draft, live)
        && !draft.desired.intents.contains_key(&key)
        && !goes_away(draft, live)
        && draft.observed.gap_for(&key).is_none()
        && draft.desired.policy.scope.problem_with(&key).is_none()
}

/// True for a Service that we deployed and no document asks for: what hangs on it is decided with it.
fn goes_away(draft: &Draft<'_>, live: &LiveService) -> bool {
    let is_asked = draft.desired.intents.contains_key(&ResourceKey::Service(live.key.clone()));
    live.mark.as_ref() == Some(&draft.desired.policy.mark) && !is_asked
}

fn is_ours(draft: &Draft<'_>, live: &LiveService) -> bool {
    let mark = Some(&draft.desired.policy.mark);
    live.mark.as_ref() == mark || live.published_by.as_ref() == mark
}

fn retire(draft: &mut Draft<'_>, live: &LiveService, link: &LivePrivateLinkService) {
    let key = ResourceKey::PrivateLinkService(PublisherKey::Cluster(live.key.clone()));
    if !draft.desired.policy.prune {
        let consumers = link.connections.len();
        let noun = if consumers == 1 { "consumer" } else { "consumers" };
        let name = link.service.id.name();
        return draft.note(key, format!("still published, {consumers} {noun}: {name} stays because prune is off"));
    }
    if asks_after(draft, live) {
        let holder = live.managers.get(&switch_field()).map_or("somebody else", String::as_str);
        return draft.note(key, format!("still published: {holder} set {} on the Service", annotation::PLS_CREATE));
    }
    let sharers = sharers(draft, &live.key, link);
    if !sharers.is_empty() {
        let names: Vec<String> = sharers.iter().map(ToString::to_string).collect();
        draft.note(key, format!("still published: {} publish through the same address", names.join(", ")));
        return;
    }
    delete_with_connections(draft, PublisherKey::Cluster(live.key.clone()), link);
}

fn switch_field() -> String {
    format!("metadata.annotations[{}]", annotation::PLS_CREATE)
}

/// True if a Service still asks for a Private Link Service once this plan is carried out.
fn asks_after(draft: &Draft<'_>, live: &LiveService) -> bool {
    if draft.desired.policy.prune && goes_away(draft, live) {
        return false;
    }
    let change = draft.changes.get(&ResourceKey::Service(live.key.clone()));
    let switched = change.and_then(|change| change.fields.iter().find(|field| field.name == switch_field()));
    match switched {
        Some(field) => field.after == Some(Value::Bool(true)),
        None => annotation::wants_private_link(&live.annotations()),
    }
}

/// Gives back every annotation we put on a Service that somebody else deploys.
fn drop_annotations(draft: &mut Draft<'_>, live: &LiveService) {
    let key = ResourceKey::Service(live.key.clone());
    if live.mark.is_some() || draft.desired.intents.contains_key(&key) {
        return; // Its manifest says which annotations it has.
    }
    let manifest = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": live.key.name.as_str(), "namespace": live.key.namespace.as_str() },
    });
    let service = Service { key: live.key.clone(), deployment: Deployment::AnnotationsOnly, manifest };
    let fields = diff::diff_service(live, &service);
    if fields.is_empty() {
        return;
    }
    let mut change = Change::new(key, Action::Update);
    change.reads = reads::of_changed(&fields);
    change.fields = fields;
    change.resource = Some(Resource::Service(service));
    draft.add(change);
}

/// Other Services that ask for a Private Link Service on the same address.
fn sharers(draft: &Draft<'_>, owner: &ObjectKey, link: &LivePrivateLinkService) -> Vec<ObjectKey> {
    let Some(frontend) = link.frontend() else { return Vec::new() };
    let shares = |live: &&LiveService| {
        live.key != *owner
            && asks_after(draft, live)
            && draft.observed.frontend_of(&live.key).map(|found| &found.id) == Some(frontend)
    };
    draft.observed.services.values().filter(shares).map(|live| live.key.clone()).collect()
}

/// Deletes a Private Link Service: Azure refuses to while it has a connection, so those go first, each by itself.
pub(super) fn delete_with_connections(draft: &mut Draft<'_>, publisher: PublisherKey, link: &LivePrivateLinkService) {
    cut_connections(draft, &publisher, link);
    let mut change = Change::new(ResourceKey::PrivateLinkService(publisher), Action::Delete);
    change.reads = Reads { exists: true, connections: reads::connections(link), ..Reads::default() };
    change.existing = Some(link.service.id.clone());
    draft.add(change);
}

/// The first half of a replacement is a deletion, and Azure's condition for it is the same.
pub(super) fn cut_before_replacement(draft: &mut Draft<'_>) {
    // What the cloud provider replaces or takes away, it cuts itself.
    let is_replaced = |change: &&Change| {
        change.action == Action::Replace && change.actor == Actor::Privlink && change.removed_by.is_none()
    };
    let replaced = draft.changes.values().filter(is_replaced).filter_map(|change| match &change.key {
        ResourceKey::PrivateLinkService(publisher) => Some(publisher.clone()),
        _ => None,
    });
    for publisher in replaced.collect::<Vec<_>>() {
        if let Some(link) = draft.observed.publisher(&publisher) {
            cut_connections(draft, &publisher, link);
        }
    }
}

fn cut_connections(draft: &mut Draft<'_>, publisher: &PublisherKey, link: &LivePrivateLinkService) {
    for connection in &link.connections {
        let of = |endpoint: ResourceId| ResourceKey::Connection { publisher: publisher.clone(), endpoint };
        let by_endpoint = connection.endpoint.clone().map(of).filter(|key| !draft.changes.contains_key(key));
        // An endpoint that connects anew has the key already: the connection it has now goes by its own id.
        let key = by_endpoint.unwrap_or_else(|| of(connection.id.clone()));
        let mut change = Change::new(key, Action::Delete);
        let state = ("state".to_owned(), Value::text(&connection.status));
        change.reads = Reads { exists: true, fields: Fields::from([state]), ..Reads::default() };
        change.existing = Some(connection.id.clone());
        draft.add(change);
    }
}
