//! What others will do or suffer because of a change, and how bad that makes it.
//!
//! The model of the cloud provider does not exist yet. Until it does, every update, replace or delete of a Service that
//! has a Private Link Service, and of a Private Link Service, says so and counts as severing, with everybody named who
//! has a connection.

use std::collections::BTreeSet;

use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::resource::connection::ConnectionStatus;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::plan::action::Action;
use crate::plan::change::Consequence;
use crate::plan::change::Party;
use crate::plan::draft::Draft;
use crate::plan::reads;
use crate::plan::risk;
use crate::plan::risk::NOT_ANALYSED;

pub(super) fn predict(draft: &mut Draft<'_>) {
    let keys: Vec<ResourceKey> = draft.changes.keys().cloned().collect();
    for key in keys {
        let consequence = affected_link(draft, &key).map(|link| not_analysed(draft, link));
        let link_reads = affected_link(draft, &key).map(|link| (reads::connections(link), link.service.id.clone()));
        let Some(change) = draft.changes.get_mut(&key) else { continue };
        if let (Some(consequence), Some((connections, id))) = (consequence, link_reads) {
            change.consequences.push(consequence);
            change.reads.connections = connections;
            if matches!(key, ResourceKey::Service(_)) {
                change.reads.publisher = Some(id);
            }
        }
        change.irreversible = risk::adds_nat_address(change);
        change.risk = risk::rate(change);
    }
}

/// The Private Link Service that a change touches, directly or through its Service.
fn affected_link<'a>(draft: &Draft<'a>, key: &ResourceKey) -> Option<&'a LivePrivateLinkService> {
    let change = draft.changes.get(key)?;
    if !matches!(change.action, Action::Update | Action::Replace | Action::Delete) {
        return None;
    }
    match key {
        // With the frontend goes every Private Link Service on it, whoever built it.
        ResourceKey::Service(service) => {
            let built = draft.observed.publisher(&PublisherKey::Cluster(service.clone()));
            built.or_else(|| draft.observed.link_on_frontend_of(service))
        }
        ResourceKey::PrivateLinkService(publisher) => draft.observed.publisher(publisher),
        _ => None,
    }
}

fn not_analysed(draft: &Draft<'_>, link: &LivePrivateLinkService) -> Consequence {
    let consumers = &draft.desired.policy.consumers;
    let party = |connection: &crate::domain::resource::connection::LiveConnection| {
        let endpoint = connection.endpoint.clone().unwrap_or_else(|| connection.id.clone());
        let consumer = consumers.get(&endpoint.subscription()).map(|consumer| match &consumer.contact {
            Some(contact) => format!("{} ({contact})", consumer.name),
            None => consumer.name.clone(),
        });
        Party { endpoint, status: connection.status.to_string(), consumer }
    };
    let live = link.connections.iter().filter(|connection| connection.status != ConnectionStatus::Disconnected);
    let parties: BTreeSet<Party> = live.map(party).collect();
    let text = format!(
        "consequences not analysed: {} may be deleted and rebuilt, with a new alias and every connection lost",
        link.service.id.name()
    );
    Consequence { rule: NOT_ANALYSED, text, parties }
}
