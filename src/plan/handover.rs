//! Who builds a Private Link Service: the cloud provider or privlink. It cannot pass from one to the other as it is.
//!
//! Each builds under a name and in a group of its own, and a frontend carries one. So a change of `managedBy` ends the one
//! that is there, with its alias and every connection, before the other is built; consumers can only move beside it.

use crate::desired::Intent;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::name::DocumentName;
use crate::domain::resource::Resource;
use crate::domain::resource::private_link_service::Frontend;
use crate::plan::action::Action;
use crate::plan::change::Note;
use crate::plan::consequence;
use crate::plan::draft::Draft;

/// The kind of the documents that publish, as marks spell it.
const KIND: &str = "privatelinkservice";

/// Says what a change of hands does, and offers to do it beside the old one where somebody would be cut.
pub(super) fn offers(draft: &mut Draft<'_>) -> Vec<Note> {
    let mut offers = Vec::new();
    for (publisher, service) in built_anew(draft) {
        let Some(standing) = draft.observed.link_on_frontend_of(&service) else { continue };
        let is_deleted = draft.changes.values().any(|change| {
            matches!(change.key, ResourceKey::PrivateLinkService(_))
                && change.action == Action::Delete
                && change.existing.as_ref() == Some(&standing.service.id)
        });
        if !is_deleted && !draft.lost.contains(&standing.service.id) {
            continue;
        }
        let (by, key) = (built_by(&publisher), ResourceKey::PrivateLinkService(publisher.clone()));
        let old = standing.service.id.name().to_owned();
        let has_consumers = !consequence::parties(draft, &standing.connections).is_empty();
        draft.note(&key, format!("{old} cannot pass to {by} as it is: it goes, and one with another alias is built"));
        if let Some(document) = document_of(draft, &service).filter(|_| has_consumers) {
            let managed = match publisher {
                PublisherKey::Own(_) => "`managedBy: privlink` and its `resourceGroup`",
                PublisherKey::Cluster(_) => "no `managedBy` and no `resourceGroup`",
            };
            let text = format!(
                "take that edit back, let `privlink migrate {document}` write a second one beside it, and give that one {managed}: consumers move one by one, and then the old one goes"
            );
            offers.push(Note { subject: key.to_string(), text });
        }
    }
    offers
}

/// The Private Link Services that the plan makes, and the Services whose frontends they stand on.
fn built_anew(draft: &Draft<'_>) -> Vec<(PublisherKey, ObjectKey)> {
    let made = draft.changes.values().filter(|change| change.action == Action::Create);
    let publishers = made.filter_map(|change| match &change.key {
        ResourceKey::PrivateLinkService(publisher) => Some(publisher.clone()),
        _ => None,
    });
    publishers.filter_map(|publisher| Some((publisher.clone(), draft.service_behind(&publisher)?))).collect()
}

fn built_by(publisher: &PublisherKey) -> &'static str {
    match publisher {
        PublisherKey::Own(_) => "privlink",
        PublisherKey::Cluster(_) => "the cloud provider",
    }
}

/// The document that publishes a Service, whoever builds the Private Link Service.
pub(super) fn document_of<'a>(draft: &Draft<'a>, service: &ObjectKey) -> Option<&'a DocumentName> {
    let publishes = |intent: &&Intent| match &intent.resource {
        Resource::Publication(publication) => publication.service == *service,
        Resource::PrivateLinkService(link) => {
            matches!(&link.frontend, Frontend::OfService { service: of, .. } if of == service)
        }
        _ => false,
    };
    let found = draft.desired.intents.values().filter(|intent| intent.document.kind == KIND).find(publishes);
    found.map(|intent| &intent.document.name)
}
