//! Decides about private endpoints.

use crate::desired::Intent;
use crate::domain::key::ResourceKey;
use crate::domain::resource::Resource;
use crate::domain::resource::connection::ConnectionStatus;
use crate::domain::resource::connection::Verdict;
use crate::domain::resource::private_endpoint::LivePrivateEndpoint;
use crate::domain::resource::private_endpoint::PrivateEndpoint;
use crate::domain::resource::private_endpoint::Target;
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
    let mut fields = diff::diff(&live.endpoint.fields(), &endpoint.fields(), &PrivateEndpoint::IMMUTABLE);
    fields.extend(lost_connection(draft, endpoint, live));
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
    if rejected && let Target::Produced { publisher, .. } = &endpoint.target {
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
