//! Waiting for what others give up: an address, a frontend, a connection.

use std::net::IpAddr;

use crate::domain::annotation;
use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::resource::Resource;
use crate::domain::resource::private_link_service::Frontend;
use crate::domain::resource::service::Service;
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::draft::Draft;
use crate::plan::endpoints::is_cut_by;

/// True if a write takes up what a deletion sets free.
pub(super) fn follows_removal(draft: &Draft<'_>, change: &Change, removal: &Change) -> bool {
    match (&change.resource, &removal.key) {
        (Some(Resource::Service(service)), ResourceKey::Service(gone)) => {
            let freed = draft.observed.services.get(gone).map(|live| live.addresses.clone()).unwrap_or_default();
            service.pinned_addresses().iter().any(|address| freed.contains(address))
        }
        (Some(Resource::Service(service)), ResourceKey::PrivateLinkService(publisher)) => {
            // The cloud provider refuses to publish a frontend on which a Private Link Service of ours stands.
            matches!(publisher, PublisherKey::Own(_))
                && annotation::wants_private_link(&service.annotations())
                && stands_on(draft, publisher, service)
        }
        (Some(Resource::PrivateLinkService(_)), _) => own_link_follows(draft, change, removal),
        (Some(Resource::PrivateEndpoint(endpoint)), _) => {
            is_cut(draft, change, removal) || frees(draft, removal, endpoint.address)
        }
        _ => false,
    }
}

/// True if a write takes up what another write leaves.
pub(super) fn follows_move(draft: &Draft<'_>, change: &Change, other: &Change) -> bool {
    match (&change.resource, &other.resource) {
        (Some(Resource::Service(service)), Some(Resource::Service(moving))) => {
            let left = left_addresses(draft, moving);
            !left.is_empty() && service.pinned_addresses().iter().any(|address| left.contains(address))
        }
        (Some(Resource::PrivateEndpoint(_)), _) => is_cut(draft, change, other),
        _ => false,
    }
}

/// True for a Service under which a Private Link Service of ours stands that goes to the frontend of another one: Azure
/// takes no frontend away that is in use.
pub(super) fn follows_leaving(draft: &Draft<'_>, change: &Change, other: &Change) -> bool {
    let (ResourceKey::Service(service), Some(link)) = (&change.key, leaving(draft, other)) else { return false };
    draft.observed.link_on_frontend_of(service).is_some_and(|standing| standing.service.id == *link)
}

/// The Private Link Service of ours that a replacement takes from the frontend of one Service to that of another.
pub(in crate::plan) fn leaving<'c>(draft: &Draft<'_>, change: &'c Change) -> Option<&'c ResourceId> {
    let is_ours = change.action == Action::Replace && change.removed_by.is_none();
    let Some(Resource::PrivateLinkService(service)) = change.resource.as_ref().filter(|_| is_ours) else { return None };
    let Frontend::OfService { service: to, known: _ } = &service.frontend else { return None };
    let from = draft.observed.private_link_services.get(&service.id)?.frontend()?;
    let stays = draft.observed.frontend_of(to).is_some_and(|frontend| frontend.id == *from);
    (!stays).then_some(&service.id)
}

/// The addresses that a Service has and gives up by pinning others. Nearly every pair of changes ends here, so nothing is
/// parsed for a Service that is new.
fn left_addresses(draft: &Draft<'_>, moving: &Service) -> Vec<IpAddr> {
    let held = draft.observed.services.get(&moving.key).map(|live| live.addresses.as_slice()).unwrap_or_default();
    if held.is_empty() {
        return Vec::new();
    }
    let pinned = moving.pinned_addresses();
    if pinned.is_empty() {
        return Vec::new();
    }
    held.iter().filter(|address| !pinned.contains(address)).copied().collect()
}

/// True for a Service that leaves an address for another.
pub(super) fn is_moving(draft: &Draft<'_>, change: &Change) -> bool {
    match &change.resource {
        Some(Resource::Service(service)) => !left_addresses(draft, service).is_empty(),
        _ => false,
    }
}

fn stands_on(draft: &Draft<'_>, publisher: &PublisherKey, service: &Service) -> bool {
    let standing = draft.observed.link_on_frontend_of(&service.key).map(|live| &live.service.id);
    standing.is_some() && standing == draft.observed.publisher(publisher).map(|live| &live.service.id)
}

/// A Private Link Service of ours waits for its own connections, its frontend and its NAT addresses to be free.
fn own_link_follows(draft: &Draft<'_>, change: &Change, removal: &Change) -> bool {
    let (Some(Resource::PrivateLinkService(ours)), ResourceKey::PrivateLinkService(own)) =
        (&change.resource, &change.key)
    else {
        return false;
    };
    match &removal.key {
        ResourceKey::Connection { publisher, .. } => publisher == own,
        ResourceKey::PrivateLinkService(publisher) => {
            let same_service = draft.service_behind(own);
            let was_on = match publisher {
                PublisherKey::Cluster(service) => Some(service.clone()),
                PublisherKey::Own(_) => None,
            };
            let gone = draft.observed.publisher(publisher);
            let on_frontend = same_service.as_ref().and_then(|service| draft.observed.link_on_frontend_of(service));
            let same_frontend =
                gone.is_some() && gone.map(|live| &live.service.id) == on_frontend.map(|live| &live.service.id);
            let addresses = gone.map(|live| live.service.exposure.nat.addresses.clone()).unwrap_or_default();
            let same_address = ours.exposure.nat.addresses.iter().any(|address| addresses.contains(address));
            (was_on.is_some() && was_on == same_service) || same_frontend || same_address
        }
        _ => false,
    }
}

fn is_cut(draft: &Draft<'_>, change: &Change, other: &Change) -> bool {
    match &change.key {
        ResourceKey::PrivateEndpoint(id) => change.action == Action::Replace && is_cut_by(draft.observed, id, other),
        _ => false,
    }
}

/// True if a deleted endpoint had the static address that another one asks for.
fn frees(draft: &Draft<'_>, removal: &Change, wanted: Option<IpAddr>) -> bool {
    let ResourceKey::PrivateEndpoint(gone) = &removal.key else { return false };
    let held = draft.observed.private_endpoints.get(gone).and_then(|live| live.private_address);
    wanted.is_some() && wanted == held
}
