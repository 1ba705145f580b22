//! Decides about private endpoints.

use crate::desired::Intent;
use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::resource::Resource;
use crate::domain::resource::connection::ConnectionStatus;
use crate::domain::resource::connection::Verdict;
use crate::domain::resource::private_endpoint::LivePrivateEndpoint;
use crate::domain::resource::private_endpoint::PrivateEndpoint;
use crate::domain::resource::private_endpoint::Target;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::observed::Observed;
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::change::FieldChange;
use crate::plan::diff;
use crate::plan::draft::Claim;
use crate::plan::draft::Draft;
use crate::plan::draft::creation;
use crate::plan::reads;
use crate::value::Value;

pub(super) fn decide(draft: &mut Draft<'_>) {
    for (key, intent) in draft.intents(|resource| matches!(resource, Resource::PrivateEndpoint(_))) {
        let Resource::PrivateEndpoint(endpoint) = &intent.resource else { continue };
        match draft.observed.private_endpoints.get(&endpoint.id) {
            _ if draft.is_blind(key) => {}
            None => {
                let resource = draft.link(&intent.resource);
                draft.add(creation(key, resource));
            }
            Some(live) => present(draft, intent, live),
        }
    }
}

fn present(draft: &mut Draft<'_>, intent: &Intent, live: &LivePrivateEndpoint) {
    let resource = draft.link(&intent.resource);
    let Resource::PrivateEndpoint(endpoint) = &resource else { return };
    let key = ResourceKey::PrivateEndpoint(endpoint.id.clone());
    if draft.is_adrift(&key, &resource) {
        return;
    }
    let mut fields = diff::diff(&live.endpoint.fields(), &endpoint.fields(), &PrivateEndpoint::IMMUTABLE);
    fields.extend(lost_connection(draft, endpoint, live));
    fields.extend(diff::failed(&live.provisioning));
    let unchanged = fields.is_empty();
    let forced = fields.iter().any(|field| field.forces_replacement);
    let mut change = Change::new(key.clone(), if forced { Action::Replace } else { Action::Update });
    change.reads = reads::of_changed(&fields);
    if forced {
        change.reads.connections = reads::own_connection(live);
    }
    change.fields = fields;
    let id = endpoint.id.to_string();
    change.resource = Some(resource);
    match draft.claim(intent, live.mark.as_ref(), &id) {
        Claim::Foreign => draft.block_foreign(&key, live.mark.as_ref(), &id),
        Claim::Adoptable => draft.adopt(change),
        Claim::Ours if unchanged => {
            draft.note_needless_adopt(&key, intent);
            draft.keep();
        }
        Claim::Ours => draft.add(change),
    }
}

/// A disconnected or rejected endpoint cannot be revived; it is replaced, unless our own rule turned it away.
fn lost_connection(
    draft: &mut Draft<'_>,
    endpoint: &PrivateEndpoint,
    live: &LivePrivateEndpoint,
) -> Option<FieldChange> {
    let rejected = match &live.status {
        ConnectionStatus::Disconnected => false,
        ConnectionStatus::Rejected => true,
        ConnectionStatus::Pending | ConnectionStatus::Approved | ConnectionStatus::Other(_) => return None,
    };
    if rejected && let Some(publisher) = draft.publisher_of(&endpoint.target) {
        let rules = draft.desired.connections.get(publisher);
        let verdict = rules.map(|rules| (rules.named_verdict(&endpoint.id), rules.reject_others));
        match verdict {
            Some((Some(Verdict::Rejected), _) | (None, true)) => {
                let key = ResourceKey::PrivateEndpoint(endpoint.id.clone());
                draft.note(key, "left alone: its connection is rejected by a rule of this repository");
                return None;
            }
            // The provider's answer is repaired on the provider's side.
            Some((Some(Verdict::Approved), _)) => return None,
            Some((None, false)) | None => {}
        }
    }
    Some(FieldChange {
        name: "connection.state".to_owned(),
        before: Some(Value::text(&live.status)),
        after: Some(Value::text(ConnectionStatus::Approved)),
        forces_replacement: true,
        manager: None,
    })
}

/// True if another change of the plan ends the connection that an endpoint has now.
pub(super) fn is_cut_by(observed: &Observed, endpoint: &ResourceId, other: &Change) -> bool {
    let Some(link) = reached(observed, endpoint) else { return false };
    match &other.key {
        ResourceKey::Connection { .. } => {
            let is_deleted = other.action == Action::Delete && other.existing.is_some();
            is_deleted
                && link.connections.iter().any(|connection| {
                    connection.endpoint.as_ref() == Some(endpoint) && Some(&connection.id) == other.existing.as_ref()
                })
        }
        ResourceKey::PrivateLinkService(publisher) => {
            let id = observed.publisher(publisher).map(|live| &live.service.id);
            other.action.is_destructive() && id == Some(&link.service.id)
        }
        ResourceKey::Service(service) => {
            let built = observed.publisher(&PublisherKey::Cluster(service.clone()));
            let on_frontend = built.or_else(|| observed.link_on_frontend_of(service));
            let goes =
                other.action == Action::Delete && on_frontend.map(|live| &live.service.id) == Some(&link.service.id);
            goes || cuts(other, endpoint)
        }
        ResourceKey::Namespace(_)
        | ResourceKey::Subnet(_)
        | ResourceKey::PrivateEndpoint(_)
        | ResourceKey::DnsRecord(_)
        | ResourceKey::DnsLink(_) => false,
    }
}

/// True if the cloud provider cuts the endpoint because of a change.
fn cuts(change: &Change, endpoint: &ResourceId) -> bool {
    let parties = change.consequences.iter().flat_map(|consequence| &consequence.parties);
    change.reads.publisher.is_some() && parties.into_iter().any(|party| party.endpoint == *endpoint)
}

fn reached<'a>(observed: &'a Observed, endpoint: &ResourceId) -> Option<&'a LivePrivateLinkService> {
    match &observed.private_endpoints.get(endpoint)?.endpoint.target {
        Target::Id(id) => observed.private_link_services.get(id),
        Target::Alias(alias) => observed.private_link_services.values().find(|live| live.alias.as_ref() == Some(alias)),
        Target::Produced { publisher, .. } => observed.publisher(publisher),
    }
}

/// A replaced endpoint whose connection the plan itself ends must not take that for somebody else's doing.
pub(super) fn expect_cuts(draft: &mut Draft<'_>) {
    let observed = draft.observed;
    let is_cut = |change: &&Change| match &change.key {
        ResourceKey::PrivateEndpoint(id) if change.action == Action::Replace => {
            draft.changes.values().any(|other| is_cut_by(observed, id, other))
        }
        _ => false,
    };
    let cut: Vec<ResourceKey> = draft.changes.values().filter(is_cut).map(|change| change.key.clone()).collect();
    for key in cut {
        draft.changes.get_mut(&key).expect("it was just found").reads.connections.clear();
    }
}
