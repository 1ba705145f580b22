//! Decides about A records and virtual network links of private DNS zones.

use crate::desired::Intent;
use crate::domain::azure::ResourceId;
use crate::domain::key::ResourceKey;
use crate::domain::mark::Mark;
use crate::domain::resource::Resource;
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::change::Refusal;
use crate::plan::diff;
use crate::plan::draft::Claim;
use crate::plan::draft::Draft;
use crate::plan::draft::creation;
use crate::plan::preflight::group;
use crate::plan::preflight::rule;
use crate::plan::private_links::keep_foreign_tags;
use crate::plan::reads;
use crate::value::Fields;

pub(super) fn decide(draft: &mut Draft<'_>) {
    let is_dns = |resource: &Resource| matches!(resource, Resource::DnsRecord(_) | Resource::DnsLink(_));
    for (key, intent) in draft.intents(is_dns) {
        if draft.is_blind(key) {
            continue;
        }
        match &intent.resource {
            Resource::DnsRecord(record) if has_zone(draft, key, &record.id) => self::record(draft, intent),
            Resource::DnsLink(link) if has_zone(draft, key, &link.id) => self::link(draft, intent),
            _ => {}
        }
    }
}

fn has_zone(draft: &mut Draft<'_>, key: &ResourceKey, id: &ResourceId) -> bool {
    // `…/<zone>/A/<record>` and `…/<zone>/virtualNetworkLinks/<link>` both have the zone as their parent.
    let zone = id.parent().expect("records and links are children of a zone");
    if draft.observed.dns_zones.contains(&zone) {
        return true;
    }
    if let Some(problem) = group::problem(draft.observed, &zone) {
        draft.refuse_by(key, Refusal::by(&rule::GROUP_MISSING, problem));
        return false;
    }
    draft.refuse(
        key,
        format!("the private DNS zone {zone} does not exist"),
        "correct its name or group, or create it first",
    );
    false
}

fn record(draft: &mut Draft<'_>, intent: &Intent) {
    let Resource::DnsRecord(mut record) = draft.link(&intent.resource) else { return };
    let key = ResourceKey::DnsRecord(record.id.clone());
    let Some(live) = draft.observed.dns_records.get(&record.id) else {
        return draft.add(creation(&key, Resource::DnsRecord(record)));
    };
    if live.auto_registered {
        draft.refuse(&key, "Azure registered this record for a virtual machine", "choose another record name");
        return;
    }
    if draft.is_adrift(&key, &Resource::DnsRecord(record.clone())) {
        return;
    }
    keep_foreign_tags(&mut record.metadata, &live.record.metadata);
    let fields = diff::diff(&live.record.fields(), &record.fields(), &[]);
    settle(
        draft,
        intent,
        Existing { key, mark: live.mark.as_ref(), fields: &fields, resource: Resource::DnsRecord(record) },
    );
}

fn link(draft: &mut Draft<'_>, intent: &Intent) {
    let Resource::DnsLink(mut link) = intent.resource.clone() else { return };
    let key = ResourceKey::DnsLink(link.id.clone());
    let Some(live) = draft.observed.dns_links.get(&link.id) else {
        if let Some(twin) = draft.observed.twin_of(&link) {
            draft.note(&key, format!("the network is linked already by {}, which stays as it is", twin.link.id));
            return draft.keep();
        }
        return draft.add(creation(&key, Resource::DnsLink(link)));
    };
    keep_foreign_tags(&mut link.tags, &live.link.tags);
    let mut fields = diff::diff(&live.link.fields(), &link.fields(), &["virtualNetwork"]);
    fields.extend(diff::failed(&live.provisioning));
    settle(
        draft,
        intent,
        Existing { key, mark: live.mark.as_ref(), fields: &fields, resource: Resource::DnsLink(link) },
    );
}

/// Something that exists, compared.
struct Existing<'a> {
    key: ResourceKey,
    mark: Option<&'a Mark>,
    fields: &'a [crate::plan::change::FieldChange],
    resource: Resource,
}

fn settle(draft: &mut Draft<'_>, intent: &Intent, existing: Existing<'_>) {
    let Existing { key, mark, fields, resource } = existing;
    let forced = fields.iter().any(|field| field.forces_replacement);
    let mut change = Change::new(key.clone(), if forced { Action::Replace } else { Action::Update });
    change.fields = fields.to_vec();
    change.reads = reads::of_changed(fields);
    change.resource = Some(resource);
    let id = match &key {
        ResourceKey::DnsRecord(id) | ResourceKey::DnsLink(id) => id.to_string(),
        other => other.to_string(),
    };
    match draft.claim(intent, mark, &id) {
        Claim::Foreign => draft.block_foreign(&key, mark, &id),
        Claim::Adoptable => draft.adopt(change),
        Claim::Ours if fields.is_empty() => {
            draft.note_needless_adopt(&key, intent);
            draft.keep();
        }
        Claim::Ours => draft.add(change),
    }
}

/// The reads of a delete: everything that would have to be restored.
pub(super) fn reads_of_delete(fields: Fields) -> crate::plan::change::Reads {
    crate::plan::change::Reads { exists: true, fields, ..Default::default() }
}
