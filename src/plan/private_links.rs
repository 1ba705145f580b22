//! Decides about Private Link Services, whoever builds them, and about the policy of their subnets.

use std::collections::BTreeMap;

use crate::cloud_provider::rule;
use crate::desired::Intent;
use crate::domain::annotation;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::mark::is_mark_tag;
use crate::domain::resource::Resource;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::domain::resource::private_link_service::PrivateLinkService;
use crate::domain::resource::private_link_service::Publication;
use crate::domain::resource::service::LiveService;
use crate::plan::action::Action;
use crate::plan::action::Actor;
use crate::plan::change::Change;
use crate::plan::change::FieldChange;
use crate::plan::consequence;
use crate::plan::consequence::Foreseen;
use crate::plan::diff;
use crate::plan::draft::Claim;
use crate::plan::draft::Draft;
use crate::plan::draft::creation;
use crate::plan::edit;
use crate::plan::lost;
use crate::plan::reads;
use crate::value::Fields;
use crate::value::Output;
use crate::value::Value;

pub(super) fn decide(draft: &mut Draft<'_>) {
    for (key, intent) in draft.intents(|resource| matches!(resource, Resource::Subnet(_))) {
        if !draft.is_blind(key) {
            subnet(draft, key, intent);
        }
    }
    let is_link = |resource: &Resource| matches!(resource, Resource::Publication(_) | Resource::PrivateLinkService(_));
    for (key, intent) in draft.intents(is_link) {
        if draft.is_blind(key) {
            continue;
        }
        match &intent.resource {
            Resource::Publication(publication) => built_by_cluster(draft, key, publication),
            Resource::PrivateLinkService(service) => own(draft, intent, service),
            _ => {}
        }
    }
}

fn subnet(draft: &mut Draft<'_>, key: &ResourceKey, intent: &Intent) {
    let Resource::Subnet(policy) = &intent.resource else { return };
    let Some(live) = draft.observed.subnets.get(&policy.id) else {
        draft.refuse(key, format!("the subnet {} does not exist", policy.id), "correct its name, or create it first");
        return;
    };
    let fields = diff::diff(&live.fields(), &policy.fields(), &[]);
    if fields.is_empty() {
        return draft.keep();
    }
    let mut change = Change::new(key.clone(), Action::Update);
    change.reads = reads::of_changed(&fields);
    change.fields = fields;
    change.resource = Some(intent.resource.clone());
    draft.add(change);
}

fn built_by_cluster(draft: &mut Draft<'_>, key: &ResourceKey, publication: &Publication) {
    let service = ResourceKey::Service(publication.service.clone());
    let is_touched = draft.changes.contains_key(&service);
    let is_there = draft.observed.services.get(&publication.service).is_some_and(|live| !live.deleting);
    if !is_touched && !is_there {
        return; // The Service itself is not there and not planned; its own note says so.
    }
    let seen = draft.observed.publisher(&publication.key());
    // By its tag alone: it stands on the frontend of a Service that is gone, and only its name brings it back.
    let Some(live) = seen.filter(|live| is_there || is_called_for(publication, live)) else {
        if let Some(left) = seen {
            let name = left.service.id.name();
            draft.note(
                key,
                format!("{name} is left from a Service of this name that is gone; a new one is built beside it"),
            );
        }
        let mut change = creation(key, Resource::Publication(publication.clone()));
        change.actor = Actor::CloudProvider;
        return draft.add(change);
    };
    if live.is_shared_by(&publication.service) {
        return shared(draft, key, publication, live);
    }
    let before = published_fields(live);
    let mut fields = diff::diff_named(&before, &publication.fields());
    fields.extend(withdrawn(draft.changes.get(&service), &before));
    if fields.is_empty() {
        return draft.keep();
    }
    if !is_synced(draft, publication) {
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        let text = format!(
            "left alone: {} of {} differ from the Service's annotations; the cloud provider corrects that when it next syncs the Service",
            names.join(", "),
            live.service.id.name()
        );
        return draft.note(key, text);
    }
    let mut change = Change::new(key.clone(), Action::Update);
    change.actor = Actor::CloudProvider;
    change.reads = reads::of_changed(&fields);
    change.fields = fields;
    change.resource = Some(Resource::Publication(publication.clone()));
    draft.add(change);
}

/// True if a publication asks for a Private Link Service by name.
fn is_called_for(publication: &Publication, live: &LivePrivateLinkService) -> bool {
    publication.name.as_ref().is_some_and(|name| name.as_str().eq_ignore_ascii_case(live.service.id.name()))
}

/// True if a change of the Service makes the cloud provider look at it.
fn is_synced(draft: &Draft<'_>, publication: &Publication) -> bool {
    let change = draft.changes.get(&ResourceKey::Service(publication.service.clone()));
    change.is_some_and(|change| edit::is_synced(draft.observed, change))
}

/// The settings are the owner's: nothing that another Service on the address says changes them.
fn shared(draft: &mut Draft<'_>, key: &ResourceKey, publication: &Publication, live: &LivePrivateLinkService) {
    let annotations = draft.observed.services.get(&publication.service).map(LiveService::annotations);
    let tunes = annotations.is_some_and(|own| annotation::PLS_TUNING.iter().any(|tuning| own.contains_key(*tuning)));
    if let (true, Some(owner)) = (tunes, live.cluster_owner()) {
        let name = live.service.id.name();
        let text =
            format!("left alone: {name} belongs to {owner}, which alone may tune it ({})", rule::LINK_NOT_OWNER.id);
        draft.note(key, text);
    }
    draft.keep();
}

/// Brings the steps of the cloud provider to what the model says of the Services that change.
pub(super) fn expect(draft: &mut Draft<'_>) {
    let foreseen = consequence::foresee(draft);
    expect_rebuilt(draft, &foreseen);
    expect_none(draft, &foreseen);
    lost::expect(draft, &foreseen);
}

/// Says what the cloud provider builds anew because of a Service, so that what depends on it follows in the same plan.
fn expect_rebuilt(draft: &mut Draft<'_>, foreseen: &Foreseen) {
    for (service, old) in consequence::rebuilt(foreseen) {
        let key = ResourceKey::PrivateLinkService(PublisherKey::Cluster(service.clone()));
        let Some(intent) = draft.desired.intents.get(&key) else { continue };
        let planned = draft.changes.remove(&key);
        if planned.is_none() {
            draft.unchanged = draft.unchanged.saturating_sub(1);
        }
        let live = draft.observed.private_link_services.get(old);
        let mut change = Change::new(key.clone(), Action::Replace);
        change.actor = Actor::CloudProvider;
        change.fields = planned.map(|planned| planned.fields).unwrap_or_default();
        change.fields.push(another_alias(key, live));
        change.reads.exists = true;
        change.resource = Some(intent.resource.clone());
        change.existing = Some(old.clone());
        draft.add(change);
    }
}

/// A Private Link Service that is made anew has another alias, which nobody can choose.
pub(super) fn another_alias(key: ResourceKey, live: Option<&LivePrivateLinkService>) -> FieldChange {
    FieldChange {
        name: "alias".to_owned(),
        before: live.and_then(|live| live.alias.as_ref()).map(Value::text),
        after: Some(Value::Produced { by: key, output: Output::Alias, known: None }),
        forces_replacement: false,
        manager: None,
    }
}

/// Takes back what will not come: on a shared address the Private Link Service that stands there serves everybody, and
/// without a sync none is built.
fn expect_none(draft: &mut Draft<'_>, foreseen: &Foreseen) {
    for (service, shares) in consequence::without_link(foreseen) {
        let key = ResourceKey::PrivateLinkService(PublisherKey::Cluster(service.clone()));
        if draft.changes.get(&key).is_none_or(|change| change.action != Action::Create) {
            continue;
        }
        draft.changes.remove(&key);
        if shares {
            draft.keep();
            continue;
        }
        let text = format!(
            "not planned: it is not there, and the cloud provider builds it only when it syncs {service}; nothing here makes \
             it do so ({})",
            rule::NO_SYNC.id
        );
        draft.note(key, text);
    }
}

/// The fields that go because their annotation goes; what no annotation of ours ever said is left open.
fn withdrawn(service: Option<&Change>, before: &Fields) -> Vec<FieldChange> {
    let named = [
        (annotation::PLS_AUTO_APPROVAL, "autoApproval"),
        (annotation::PLS_FQDNS, "fqdns"),
        (annotation::PLS_ADDRESSES, "nat.addresses"),
    ];
    let goes = |key: &str| {
        let name = format!("metadata.annotations[{key}]");
        service.is_some_and(|change| change.fields.iter().any(|field| field.name == name && field.after.is_none()))
    };
    let gone = named.into_iter().filter(|(key, _)| goes(key));
    let gone: Fields = gone.filter_map(|(_, name)| Some((name.to_owned(), before.get(name)?.clone()))).collect();
    diff::diff(&gone, &Fields::new(), &[])
}

/// The fields of a Private Link Service as a publication names them.
pub fn published_fields(live: &LivePrivateLinkService) -> Fields {
    let mut fields = live.service.exposure.fields();
    fields.insert("name".to_owned(), Value::Text(live.service.id.name().to_ascii_lowercase()));
    fields
}

fn own(draft: &mut Draft<'_>, intent: &Intent, service: &PrivateLinkService) {
    let key = ResourceKey::PrivateLinkService(service.key());
    let Some(live) = draft.observed.private_link_services.get(&service.id) else {
        // Whether its subnet takes NAT addresses is not known: Azure would refuse halfway.
        let subnet = service.exposure.nat.subnet.clone().map(ResourceKey::Subnet);
        if let Some(gap) = subnet.and_then(|subnet| draft.observed.gap_for(&subnet)) {
            let text = format!("not planned: {} could not be read", gap.area);
            return draft.note(key, text);
        }
        let resource = draft.link(&intent.resource);
        return draft.add(creation(&key, resource));
    };
    let Resource::PrivateLinkService(mut linked) = draft.link(&intent.resource) else { return };
    if draft.is_adrift(&key, &Resource::PrivateLinkService(linked.clone())) {
        return;
    }
    keep_foreign_tags(&mut linked.tags, &live.service.tags);
    let fields = differences(live, &linked);
    let unchanged = fields.is_empty();
    let forced = fields.iter().any(|field| field.forces_replacement);
    let mut change = Change::new(key.clone(), if forced { Action::Replace } else { Action::Update });
    change.reads = reads::of_changed(&fields);
    change.reads.connections = reads::connections(live);
    change.fields = fields;
    change.resource = Some(Resource::PrivateLinkService(linked));
    match draft.claim(intent, live.mark.as_ref(), service.id.as_str()) {
        Claim::Foreign => draft.block_foreign(&key, live.mark.as_ref(), service.id.as_str()),
        Claim::Adoptable => draft.adopt(change),
        Claim::Ours if unchanged => {
            draft.note_needless_adopt(&key, intent);
            draft.keep();
        }
        Claim::Ours => draft.add(change),
    }
}

/// What differs, and what of it cannot change in place.
pub(super) fn differences(live: &LivePrivateLinkService, desired: &PrivateLinkService) -> Vec<FieldChange> {
    let mut fields = diff::diff(&live.service.fields(), &desired.fields(), &PrivateLinkService::IMMUTABLE);
    fields.extend(diff::failed(&live.provisioning));
    if loses_address(live, desired) {
        fields.iter_mut().filter(|field| field.name == "nat.count").for_each(|field| field.forces_replacement = true);
    }
    fields
}

/// Azure adds NAT addresses in place and never removes one.
fn loses_address(live: &LivePrivateLinkService, desired: &PrivateLinkService) -> bool {
    desired.exposure.nat.count < live.service.exposure.nat.count
}

/// Tags of others (Azure Policy, cost tools) stay: a document has no field that would say otherwise.
pub(super) fn keep_foreign_tags(tags: &mut BTreeMap<String, String>, live: &BTreeMap<String, String>) {
    for (name, value) in live.iter().filter(|(name, _)| !is_mark_tag(name)) {
        tags.entry(name.clone()).or_insert_with(|| value.clone());
    }
}
