//! Deletes what is ours and is not asked for any more, or says why it stays.

use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::mark::Mark;
use crate::domain::resource::Live;
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::change::Reads;
use crate::plan::dns::reads_of_delete;
use crate::plan::draft::Draft;
use crate::plan::reads;
use crate::plan::unpublish;

pub(super) fn decide(draft: &mut Draft<'_>) {
    note_going(draft);
    let orphans = orphans(draft);
    let policy = &draft.desired.policy;
    if !policy.prune {
        for key in orphans {
            draft.note(key, "left alone: no document asks for it any more, and prune is off");
        }
        return;
    }
    if !draft.desired.path_exists {
        let lost = orphans.len() + unpublish::taken_back(draft).len();
        if lost == 0 {
            return;
        }
        let problem = format!("{lost} resources would be deleted or changed because the folder is gone");
        let help = format!("bring {} back; an empty folder says that everything shall go", policy.path);
        return draft.block(format!("folder {}", policy.path), problem, help);
    }
    for key in orphans {
        let is_blind = match &key {
            ResourceKey::Service(service) => draft.is_blind(&key) || draft.is_blind_to_link_of(service),
            _ => draft.is_blind(&key),
        };
        if !is_blind {
            delete(draft, key);
        }
    }
}

/// A Service whose deletion was begun is no change any more, and may be far from over.
fn note_going(draft: &mut Draft<'_>) {
    let mark = Some(&draft.desired.policy.mark);
    let going = draft.observed.services.values().filter(|live| live.deleting && live.mark.as_ref() == mark);
    let keys: Vec<ResourceKey> = going.map(|live| ResourceKey::Service(live.key.clone())).collect();
    for key in keys.iter().filter(|key| !draft.desired.intents.contains_key(key)) {
        draft.note(key, "its deletion was begun; it is there until the cloud provider has cleaned up after it");
    }
}

/// What carries our mark and no document asks for.
fn orphans(draft: &Draft<'_>) -> Vec<ResourceKey> {
    let observed = draft.observed;
    let services = observed.services.values().filter(|live| !live.deleting);
    let services = services.map(|live| (ResourceKey::Service(live.key.clone()), live.mark.as_ref()));
    let links = observed.private_link_services.iter();
    let links =
        links.map(|(id, live)| (ResourceKey::PrivateLinkService(PublisherKey::Own(id.clone())), live.mark.as_ref()));
    let endpoints = observed.private_endpoints.iter();
    let endpoints = endpoints.map(|(id, live)| (ResourceKey::PrivateEndpoint(id.clone()), live.mark.as_ref()));
    let records = observed.dns_records.iter().filter(|(_, live)| !live.auto_registered);
    let records = records.map(|(id, live)| (ResourceKey::DnsRecord(id.clone()), live.mark.as_ref()));
    let dns_links = observed.dns_links.iter();
    let dns_links = dns_links.map(|(id, live)| (ResourceKey::DnsLink(id.clone()), live.mark.as_ref()));
    let all = services.chain(links).chain(endpoints).chain(records).chain(dns_links);
    let is_orphan = |(key, mark): &(ResourceKey, Option<&Mark>)| {
        *mark == Some(&draft.desired.policy.mark) && !draft.desired.intents.contains_key(key) && in_scope(draft, key)
    };
    all.filter(is_orphan).map(|(key, _)| key).collect()
}

fn in_scope(draft: &Draft<'_>, key: &ResourceKey) -> bool {
    draft.desired.policy.scope.problem_with(key).is_none()
}

fn delete(draft: &mut Draft<'_>, key: ResourceKey) {
    let Some(live) = draft.observed.get(&key) else { return };
    let mut change = Change::new(key.clone(), Action::Delete);
    match &live {
        Live::PrivateLinkService(link) => {
            let PublisherKey::Own(_) = publisher_of(&key) else { return };
            return unpublish::delete_with_connections(draft, publisher_of(&key), link);
        }
        Live::Service(service) => {
            change.reads = Reads { exists: true, ..Reads::default() };
            if let Some(link) = draft.observed.publisher(&PublisherKey::Cluster(service.key.clone())) {
                change.reads.connections = reads::connections(link);
                change.reads.publisher = Some(link.service.id.clone());
            }
        }
        Live::PrivateEndpoint(endpoint) => {
            let fields = reads::fields_of(&live).into_iter();
            // Where it is and what it reaches: somebody who moved it meanwhile wants to keep it.
            let fields = fields.filter(|(name, _)| name == "subnet" || name == "target").collect();
            change.reads =
                Reads { exists: true, fields, connections: reads::own_connection(endpoint), ..Reads::default() };
        }
        Live::DnsRecord(_) | Live::DnsLink(_) => change.reads = reads_of_delete(reads::fields_of(&live)),
        Live::Namespace(_) | Live::Subnet(_) | Live::Connection(_) => return,
    }
    change.existing = azure_id(&key);
    draft.add(change);
}

fn publisher_of(key: &ResourceKey) -> PublisherKey {
    match key {
        ResourceKey::PrivateLinkService(publisher) => publisher.clone(),
        _ => unreachable!("only asked for Private Link Services"),
    }
}

fn azure_id(key: &ResourceKey) -> Option<ResourceId> {
    match key {
        ResourceKey::PrivateEndpoint(id) | ResourceKey::DnsRecord(id) | ResourceKey::DnsLink(id) => Some(id.clone()),
        _ => None,
    }
}
