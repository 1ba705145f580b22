//! Private Link Services of our own that the cloud provider deletes with the frontend of a Service.
//!
//! It looks for them in the group that the Service names, and builds none in their place: it takes them for nobody's. So
//! they are put again in the same plan, after the Service, on whichever frontend that has then. Where it does not look, it
//! deletes nothing, and Azure decides whether the frontend may go.

use crate::cloud_provider::Prediction;
use crate::cloud_provider::effect::What;
use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::resource::Resource;
use crate::domain::resource::private_link_service::Frontend;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::domain::resource::private_link_service::PrivateLinkService;
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::change::FieldChange;
use crate::plan::consequence;
use crate::plan::consequence::Foreseen;
use crate::plan::draft::Claim;
use crate::plan::draft::Draft;
use crate::plan::draft::creation;
use crate::plan::private_links;
use crate::plan::reads;

/// Takes note of what the cloud provider deletes, and puts again what of it is ours.
pub(super) fn expect(draft: &mut Draft<'_>, foreseen: &Foreseen) {
    for (service, prediction) in consequence::certain(foreseen) {
        if prediction.failure.is_some() {
            continue; // It is left out of the plan.
        }
        let is_renewed = prediction.effects.iter().any(|effect| renews_frontend(&effect.what));
        for link in deleted(prediction) {
            draft.lost.insert(link.clone());
            put_again(draft, link, service);
        }
        if is_renewed {
            forget_frontend(draft, service);
        }
    }
}

/// The Private Link Services that a sync deletes.
fn deleted(prediction: &Prediction) -> impl Iterator<Item = &ResourceId> {
    prediction.effects.iter().filter_map(|effect| match &effect.what {
        What::LinkDeleted { link } => Some(link),
        _ => None,
    })
}

/// True if the frontend that a Service has afterwards is not the one that it has now.
fn renews_frontend(what: &What) -> bool {
    matches!(
        what,
        What::FrontendCreated { .. }
            | What::FrontendRenamed { .. }
            | What::FrontendRemoved { .. }
            | What::FrontendJoined { .. }
            | What::FrontendLeft { .. }
    )
}

fn put_again(draft: &mut Draft<'_>, link: &ResourceId, service: &ObjectKey) {
    let key = ResourceKey::PrivateLinkService(PublisherKey::Own(link.clone()));
    let (Some(intent), Some(live)) = (draft.desired.intents.get(&key), draft.observed.private_link_services.get(link))
    else {
        return;
    };
    let is_ours = matches!(draft.claim(intent, live.mark.as_ref(), link.as_str()), Claim::Ours);
    let Resource::PrivateLinkService(mut wanted) = draft.link(&intent.resource) else { return };
    if !is_ours || draft.changes.get(&key).is_some_and(|change| change.action == Action::Delete) {
        return;
    }
    private_links::keep_foreign_tags(&mut wanted.tags, &live.service.tags);
    let mut change = Change::new(key.clone(), Action::Replace);
    change.fields = differences(&key, live, &wanted);
    change.reads = reads::of_changed(&[]);
    change.resource = Some(Resource::PrivateLinkService(wanted));
    change.removed_by = Some(ResourceKey::Service(service.clone()));
    if draft.changes.remove(&key).is_none() {
        draft.unchanged = draft.unchanged.saturating_sub(1);
    }
    draft.add(change);
}

/// What differs beside the alias, which is another one in any case.
fn differences(key: &ResourceKey, live: &LivePrivateLinkService, wanted: &PrivateLinkService) -> Vec<FieldChange> {
    let mut fields = private_links::differences(live, wanted);
    fields.push(private_links::another_alias(key.clone(), Some(live)));
    fields
}

/// Which frontend a Private Link Service will stand on is only known once its Service has been synced.
fn forget_frontend(draft: &mut Draft<'_>, service: &ObjectKey) {
    let stands = |change: &Change| match &change.resource {
        Some(Resource::PrivateLinkService(link)) if change.action == Action::Create || change.removed_by.is_some() => {
            matches!(&link.frontend, Frontend::OfService { service: of, .. } if of == service)
        }
        _ => false,
    };
    let affected: Vec<Change> = draft.changes.values().filter(|change| stands(change)).cloned().collect();
    for mut change in affected {
        let Some(Resource::PrivateLinkService(link)) = &mut change.resource else { continue };
        link.frontend = Frontend::OfService { service: service.clone(), known: None };
        match draft.observed.private_link_services.get(&link.id).filter(|_| change.removed_by.is_some()) {
            Some(live) => change.fields = differences(&change.key, live, link),
            None => change.fields = creation(&change.key, Resource::PrivateLinkService(link.clone())).fields,
        }
        draft.add(change);
    }
}
