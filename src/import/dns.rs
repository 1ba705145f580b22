//! Records that answer with an endpoint's address, and the zone links that privlink would name the same way.
//!
//! A record belongs to an endpoint if its only address is the endpoint's. Networks may use one address twice: then the one
//! whose network is linked to the zone is meant, and where that does not decide either, nobody is.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::net::Ipv4Addr;

use serde_json::Map;
use serde_json::Value as Json;
use serde_json::json;

use crate::domain::azure::ResourceId;
use crate::domain::key::ResourceKey;
use crate::domain::mark::DOCUMENT_TAG;
use crate::domain::resource::dns::Addresses;
use crate::domain::resource::dns::LiveDnsLink;
use crate::domain::resource::dns::LiveDnsRecord;
use crate::domain::resource::private_endpoint::LivePrivateEndpoint;
use crate::import::Importer;
use crate::observed::Observed;

/// The metadata in which Azure says that a private endpoint's zone group keeps a record.
const CREATOR: &str = "creator";

/// An item of `spec.dns`.
pub(super) struct Record {
    /// What it says.
    pub(super) item: Json,
    /// What of it is to be adopted.
    pub(super) adopts: Vec<String>,
}

/// What of the zones no document asks for yet.
pub(super) struct Zones {
    records: BTreeSet<ResourceId>,
    links: BTreeSet<ResourceId>,
}

impl Zones {
    pub(super) fn of(importer: &mut Importer<'_>) -> Self {
        let observed = importer.observed();
        let mut open = |key: ResourceKey| !importer.is_asked(&key);
        let records = observed.dns_records.values().filter(|live| !live.auto_registered).map(|live| &live.record.id);
        let records = records.filter(|id| open(ResourceKey::DnsRecord((*id).clone()))).cloned().collect();
        let links = observed.dns_links.keys().filter(|id| open(ResourceKey::DnsLink((*id).clone()))).cloned();
        Self { records, links: links.collect() }
    }

    /// Tells what of the zones got into no document.
    pub(super) fn tell_rest(self, importer: &mut Importer<'_>) {
        if importer.source.group.is_some() {
            return; // Zones are looked at whole, or not at all.
        }
        for zone in &importer.observed().dns_zones {
            if !importer.source.desired.policy.scope.has(zone) {
                continue;
            }
            let rest = |ids: &BTreeSet<ResourceId>| ids.iter().filter(|id| id.parent().as_ref() == Some(zone)).count();
            for (count, what) in [(rest(&self.records), "A records"), (rest(&self.links), "virtual network links")] {
                if count > 0 {
                    let reason = format!("{what} of no endpoint that these documents ask for: {count}");
                    importer.leave(format!("zone {}", zone.name()), reason);
                }
            }
        }
    }
}

/// The records of an endpoint, each zone's links with the first of them.
pub(super) fn records(
    importer: &mut Importer<'_>,
    (live, document): (&LivePrivateEndpoint, &str),
    zones: &mut Zones,
) -> Vec<Record> {
    let observed = importer.observed();
    let Some(IpAddr::V4(address)) = live.private_address else { return Vec::new() };
    let ours = Some(&importer.source.desired.policy.mark);
    let mut found = Vec::new();
    for record in observed.dns_records.values().filter(|record| answers(record, address)) {
        let id = &record.record.id;
        // A mark tells more than an address: it names the document.
        let is_meant = match document_of(&record.record.metadata).filter(|_| record.mark.as_ref() == ours) {
            Some(named) => named == document,
            None => is_for(observed, (record, address), &live.endpoint.id),
        };
        if !zones.records.contains(id) || !is_meant {
            continue;
        }
        let Some(zone) = id.parent().filter(|zone| importer.source.desired.policy.scope.has(zone)) else { continue };
        let subject = format!("record {}.{}", id.name(), zone.name());
        if record.record.metadata.contains_key(CREATOR) && record.mark.is_none() {
            zones.records.remove(id);
            importer.leave(subject, "a zone group of the endpoint keeps it, and Azure writes it back");
            continue;
        }
        if importer.is_foreign(&subject, record.mark.as_ref()) {
            zones.records.remove(id);
            continue;
        }
        zones.records.remove(id);
        found.push(item(importer, (&zone, record, document), zones));
    }
    found
}

/// The endpoint's document that a mark names.
fn document_of(tags: &BTreeMap<String, String>) -> Option<&str> {
    let (_, text) = tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(DOCUMENT_TAG))?;
    text.strip_prefix("privateendpoint/")
}

fn answers(record: &LiveDnsRecord, address: Ipv4Addr) -> bool {
    matches!(&record.record.addresses, Addresses::Known(known) if known.len() == 1 && known.contains(&address))
}

/// True if a record is this endpoint's, also where others have the same address.
fn is_for(observed: &Observed, (record, address): (&LiveDnsRecord, Ipv4Addr), endpoint: &ResourceId) -> bool {
    let same = observed.private_endpoints.values().filter(|live| live.private_address == Some(IpAddr::V4(address)));
    let same: Vec<&LivePrivateEndpoint> = same.collect();
    if let [only] = same.as_slice() {
        return only.endpoint.id == *endpoint;
    }
    let zone = record.record.id.parent();
    let linked: BTreeSet<&ResourceId> = observed
        .dns_links
        .values()
        .filter(|live| live.link.id.parent() == zone)
        .map(|live| &live.link.virtual_network)
        .collect();
    let is_linked =
        |live: &&&LivePrivateEndpoint| live.endpoint.subnet.parent().is_some_and(|network| linked.contains(&network));
    let mut meant = same.iter().filter(is_linked);
    matches!((meant.next(), meant.next()), (Some(one), None) if one.endpoint.id == *endpoint)
}

fn item(
    importer: &Importer<'_>,
    (zone, record, document): (&ResourceId, &LiveDnsRecord, &str),
    zones: &mut Zones,
) -> Record {
    let mut adopts: Vec<String> = record.mark.is_none().then(|| record.record.id.to_string()).into_iter().collect();
    let mut item = Map::from_iter([
        ("subscription".to_owned(), json!(zone.subscription())),
        ("resourceGroup".to_owned(), json!(zone.resource_group())),
        ("zone".to_owned(), json!(zone.name())),
        ("record".to_owned(), json!(record.record.id.name())),
        ("ttl".to_owned(), json!(record.record.ttl)),
    ]);
    let mut networks = Vec::new();
    for live in links(importer, (zone, document), zones) {
        zones.links.remove(&live.link.id);
        networks.push(live.link.virtual_network.to_string());
        adopts.extend(live.mark.is_none().then(|| live.link.id.to_string()));
    }
    if !networks.is_empty() {
        item.insert("links".to_owned(), json!(networks));
    }
    Record { item: item.into(), adopts }
}

/// The links of a zone that this document can ask for: they have the names that privlink gives. One that is ours already is
/// asked for by the document that its tags name: by another, its tags would change.
fn links<'a>(importer: &Importer<'a>, (zone, document): (&ResourceId, &str), zones: &Zones) -> Vec<&'a LiveDnsLink> {
    let policy = &importer.source.desired.policy;
    let is_ours = |live: &&LiveDnsLink| {
        let named = format!("privlink-{}", live.link.virtual_network.name());
        let is_marked = || live.mark.as_ref() == Some(&policy.mark) && document_of(&live.link.tags) == Some(document);
        live.link.id.name().eq_ignore_ascii_case(&named) && (live.mark.is_none() || is_marked())
    };
    let all = importer.observed().dns_links.values().filter(|live| live.link.id.parent().as_ref() == Some(zone));
    all.filter(|live| zones.links.contains(&live.link.id)).filter(is_ours).collect()
}
