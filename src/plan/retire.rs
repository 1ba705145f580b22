//! The end of a migration: what goes with the old Private Link Service is severing only for those who have not moved.

use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::plan::action::Action;
use crate::plan::consequence::Foreseen;
use crate::plan::draft::Draft;
use crate::plan::moved::Migration;
use crate::plan::risk::NOT_ANALYSED;
use crate::plan::risk::Risk;
use crate::plan::told;

/// Half a sentence behind the end of a Private Link Service that another one replaces; empty for any other.
pub(super) fn told(draft: &Draft<'_>, link: &ResourceId) -> String {
    let Some(migration) = draft.migrations.get(link) else { return String::new() };
    match &migration.new {
        Some(new) => format!("; {} to {}", migration.summary(), new.name()),
        None => format!("; {}: what replaces it does not serve yet", migration.summary()),
    }
}

/// Says what of `replaces` is over, so that nobody wonders what it is for.
pub(super) fn note(draft: &mut Draft<'_>) {
    for (new, replacement) in &draft.desired.replacements {
        let key = ResourceKey::PrivateLinkService(new.clone());
        let is_over = !draft.migrations.values().any(|migration| is_of(draft, migration, new));
        // Before the old document goes, the old one may not be there yet.
        if is_over && replacement.publisher.is_none() && draft.observed.gaps.is_empty() {
            draft.note(key, format!("`replaces: {}` is not needed any more: nothing of it is left", replacement.old));
        }
    }
}

fn is_of(draft: &Draft<'_>, migration: &Migration, new: &PublisherKey) -> bool {
    let live = draft.observed.publisher(new).map(|live| &live.service.id);
    migration.new.is_none() || migration.new.as_ref() == live
}

/// Lowers the risk of a deletion to what it is for those who have moved.
///
/// It stays disruptive: a moved consumer is told by what Azure shows, and who reaches the old address without Private Link
/// is not shown at all.
pub(super) fn soften(draft: &mut Draft<'_>, key: &ResourceKey, foreseen: &Foreseen) {
    let Some(change) = draft.changes.get(key) else { return };
    let analysed = !change.consequences.iter().any(|consequence| consequence.rule == NOT_ANALYSED);
    let is_harmless = change.action == Action::Delete
        && analysed
        && match key {
            ResourceKey::Service(service) => is_retired_service(draft, service, foreseen),
            ResourceKey::PrivateLinkService(publisher) => {
                let link = draft.observed.publisher(publisher).map(|live| &live.service.id);
                link.is_some_and(|link| is_over(draft, link, foreseen))
            }
            ResourceKey::Connection { .. } => {
                change.existing.as_ref().is_some_and(|connection| is_moved(draft, connection, foreseen))
            }
            ResourceKey::Namespace(_)
            | ResourceKey::Subnet(_)
            | ResourceKey::PrivateEndpoint(_)
            | ResourceKey::DnsRecord(_)
            | ResourceKey::DnsLink(_) => false,
        };
    if is_harmless && let Some(change) = draft.changes.get_mut(key) {
        change.risk = change.risk.min(Risk::Disruptive);
    }
}

/// True for a Service with whose frontend nothing goes but what is replaced and left by everybody.
fn is_retired_service(draft: &Draft<'_>, service: &ObjectKey, foreseen: &Foreseen) -> bool {
    let Some(Ok(prediction)) = foreseen.get(service) else { return false };
    let Some(link) = draft.observed.link_on_frontend_of(service) else { return false };
    prediction.failure.is_none()
        && is_over(draft, &link.service.id, foreseen)
        && told::lost_links(prediction).into_iter().all(|lost| is_over(draft, lost, foreseen))
}

fn is_over(draft: &Draft<'_>, link: &ResourceId, foreseen: &Foreseen) -> bool {
    draft.migrations.get(link).is_some_and(|migration| migration.is_complete() && stays(draft, migration, foreseen))
}

fn is_moved(draft: &Draft<'_>, connection: &ResourceId, foreseen: &Foreseen) -> bool {
    let mut migrations = draft.migrations.values();
    migrations.any(|migration| migration.moved.contains(connection) && stays(draft, migration, foreseen))
}

/// True if this very plan does not take away what the consumers moved to.
fn stays(draft: &Draft<'_>, migration: &Migration, foreseen: &Foreseen) -> bool {
    let Some(new) = &migration.new else { return false };
    let is_removed = draft.changes.values().any(|change| match &change.key {
        ResourceKey::PrivateLinkService(publisher) => {
            change.action.is_destructive() && draft.observed.publisher(publisher).map(|it| &it.service.id) == Some(new)
        }
        _ => false,
    });
    // Unknown is not harmless: who could not be foreseen may take anything along.
    let is_lost = foreseen.values().any(|prediction| match prediction {
        Ok(prediction) => told::lost_links(prediction).contains(&new),
        Err(_) => true,
    });
    !is_removed && !is_lost
}
