//! Takes a Private Link Service of the cloud provider away, once nobody asks for it any more.
//!
//! Removing the annotations leaves it serving: the cloud provider only deletes it with its frontend. So the annotations go
//! first, then, when the cloud provider has settled, each connection and the service itself.

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
use crate::plan::change::Change;
use crate::plan::change::Reads;
use crate::plan::diff;
use crate::plan::draft::Draft;
use crate::plan::reads;
use crate::value::Fields;
use crate::value::Value;

pub(super) fn decide(draft: &mut Draft<'_>) {
    let ours: Vec<&LiveService> = draft.observed.services.values().filter(|live| is_ours(draft, live)).collect();
    for live in ours {
        let publisher = PublisherKey::Cluster(live.key.clone());
        let key = ResourceKey::PrivateLinkService(publisher.clone());
        let is_wanted = draft.desired.intents.contains_key(&key);
        let goes_away =
            !draft.desired.intents.contains_key(&ResourceKey::Service(live.key.clone())) && live.mark.is_some();
        if is_wanted || goes_away || draft.observed.gap_for(&key).is_some() {
            continue; // Wanted, or deleted together with the Service.
        }
        let link = draft.observed.publisher(&publisher).filter(|link| link.cluster_owner().as_ref() == Some(&live.key));
        retire(draft, live, link);
    }
}

fn is_ours(draft: &Draft<'_>, live: &LiveService) -> bool {
    let mark = Some(&draft.desired.policy.mark);
    live.mark.as_ref() == mark || live.published_by.as_ref() == mark
}

fn retire(draft: &mut Draft<'_>, live: &LiveService, link: Option<&LivePrivateLinkService>) {
    let key = ResourceKey::PrivateLinkService(PublisherKey::Cluster(live.key.clone()));
    if !draft.desired.policy.prune {
        if let Some(link) = link {
            let consumers = link.connections.len();
            let noun = if consumers == 1 { "consumer" } else { "consumers" };
            draft.note(
                key,
                format!("still published, {consumers} {noun}: {} stays because prune is off", link.service.id.name()),
            );
        }
        return;
    }
    if live.mark.is_none() {
        drop_annotations(draft, live);
    }
    let Some(link) = link else { return };
    let sharers = sharers(draft, &live.key, link);
    if !sharers.is_empty() {
        let names: Vec<String> = sharers.iter().map(ToString::to_string).collect();
        draft.note(key, format!("still published: {} publish through the same address", names.join(", ")));
        return;
    }
    delete_with_connections(draft, PublisherKey::Cluster(live.key.clone()), link);
}

/// Gives back every annotation we put on a Service that somebody else deploys.
fn drop_annotations(draft: &mut Draft<'_>, live: &LiveService) {
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
    let mut change = Change::new(ResourceKey::Service(live.key.clone()), Action::Update);
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
            && crate::domain::annotation::wants_private_link(&live.annotations())
            && draft.observed.frontend_of(&live.key).map(|found| &found.id) == Some(frontend)
    };
    draft.observed.services.values().filter(shares).map(|live| live.key.clone()).collect()
}

/// Deletes a Private Link Service: Azure refuses to while it has a connection, so those go first, each by itself.
pub(super) fn delete_with_connections(draft: &mut Draft<'_>, publisher: PublisherKey, link: &LivePrivateLinkService) {
    for connection in &link.connections {
        let endpoint: ResourceId = connection.endpoint.clone().unwrap_or_else(|| connection.id.clone());
        let key = ResourceKey::Connection { publisher: publisher.clone(), endpoint };
        let mut change = Change::new(key, Action::Delete);
        let state = ("state".to_owned(), Value::text(&connection.status));
        change.reads = Reads { exists: true, fields: Fields::from([state]), ..Reads::default() };
        change.existing = Some(connection.id.clone());
        draft.add(change);
    }
    let mut change = Change::new(ResourceKey::PrivateLinkService(publisher), Action::Delete);
    change.reads = Reads { exists: true, connections: reads::connections(link), ..Reads::default() };
    change.existing = Some(link.service.id.clone());
    draft.add(change);
}
