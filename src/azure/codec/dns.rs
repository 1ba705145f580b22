//! A records and virtual network links of private DNS zones.

use std::net::Ipv4Addr;

use serde_json::Value as Json;
use serde_json::json;

use crate::azure::codec::Incomplete;
use crate::azure::codec::Malformed;
use crate::azure::codec::base;
use crate::azure::codec::items;
use crate::azure::codec::provisioning;
use crate::azure::codec::required;
use crate::azure::codec::seen;
use crate::azure::codec::text;
use crate::azure::codec::text_map;
use crate::domain::mark::Mark;
use crate::domain::mark::is_mark_tag;
use crate::domain::resource::Seen;
use crate::domain::resource::dns::Addresses;
use crate::domain::resource::dns::DnsLink;
use crate::domain::resource::dns::DnsRecord;
use crate::domain::resource::dns::LiveDnsLink;
use crate::domain::resource::dns::LiveDnsRecord;

/// The time to live that Azure gives a record set written without one, in seconds.
const DEFAULT_TTL: u32 = 3600;

/// Reads an A record set.
pub(crate) fn decode_record(body: &Json) -> Result<LiveDnsRecord, Malformed> {
    let address = |item: &Json| required::<Ipv4Addr>(item, "/ipv4Address");
    let addresses = items(body, "/properties/aRecords")?.iter().map(address).collect::<Result<_, _>>()?;
    let ttl = body.pointer("/properties/ttl").and_then(Json::as_u64).and_then(|ttl| u32::try_from(ttl).ok());
    let metadata = text_map(body, "/properties/metadata");
    let auto_registered = body.pointer("/properties/isAutoRegistered").and_then(Json::as_bool).unwrap_or_default();
    Ok(LiveDnsRecord {
        mark: Mark::from_tags(&metadata),
        record: DnsRecord {
            id: required(body, "/id")?,
            ttl: ttl.unwrap_or(DEFAULT_TTL),
            addresses: Addresses::Known(addresses),
            metadata,
        },
        auto_registered,
        seen: seen(body)?,
    })
}

/// Writes an A record set.
pub(crate) fn encode_record(record: &DnsRecord, seen: Option<&Seen>) -> Result<Json, Incomplete> {
    let DnsRecord { id: _, ttl, addresses, metadata } = record;
    let addresses: Vec<Ipv4Addr> = match addresses {
        Addresses::Known(addresses) => addresses.iter().copied().collect(),
        Addresses::OfEndpoint { known: Some(address), .. } => vec![*address],
        Addresses::OfEndpoint { endpoint, known: None } => {
            return Err(Incomplete(format!("the private endpoint {endpoint} has no address yet; wait until it has")));
        }
    };
    let mut body = base(seen, &["fqdn", "isAutoRegistered"]);
    let records: Vec<Json> = addresses.iter().map(|address| json!({ "ipv4Address": address.to_string() })).collect();
    body["properties"]["ttl"] = json!(ttl);
    body["properties"]["aRecords"] = json!(records);
    body["properties"]["metadata"] = json!(metadata);
    Ok(body)
}

/// Reads a virtual network link.
pub(crate) fn decode_link(body: &Json) -> Result<LiveDnsLink, Malformed> {
    let mut tags = text_map(body, "/tags");
    let mark = Mark::from_tags(&tags);
    // A person may tag a link; those tags are not ours to compare.
    tags.retain(|name, _| is_mark_tag(name));
    let state = text(body, "/properties/virtualNetworkLinkState").unwrap_or_default();
    Ok(LiveDnsLink {
        link: DnsLink {
            id: required(body, "/id")?,
            virtual_network: required(body, "/properties/virtualNetwork/id")?,
            tags,
        },
        completed: state.eq_ignore_ascii_case("Completed"),
        provisioning: provisioning(body),
        mark,
        seen: seen(body)?,
    })
}

/// Writes a virtual network link; a new one resolves and registers nothing.
pub(crate) fn encode_link(link: &DnsLink, seen: Option<&Seen>) -> Json {
    let DnsLink { id: _, virtual_network, tags: marks } = link;
    let mut body = base(seen, &["virtualNetworkLinkState"]);
    let mut tags = text_map(&body, "/tags");
    tags.retain(|name, _| !is_mark_tag(name));
    tags.extend(marks.clone());
    body["location"] = json!("global");
    body["tags"] = json!(tags);
    let properties = &mut body["properties"];
    properties["virtualNetwork"] = json!({ "id": virtual_network });
    if !properties["registrationEnabled"].is_boolean() {
        properties["registrationEnabled"] = json!(false);
    }
    body
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;
    use std::collections::BTreeSet;

    use super::*;

    const ZONE: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg1/providers/\
                        Microsoft.Network/privateDnsZones/a.internal";

    pub(crate) fn example() -> DnsRecord {
        DnsRecord {
            id: format!("{ZONE}/A/api").parse().unwrap(),
            ttl: 300,
            addresses: Addresses::Known(BTreeSet::from([Ipv4Addr::new(10, 0, 2, 4), Ipv4Addr::new(10, 0, 2, 5)])),
            metadata: BTreeMap::from([("privlink-document".to_owned(), "privateendpoint/x".to_owned())]),
        }
    }

    #[test]
    fn a_record_reads_back() {
        let record = example();
        let mut body = encode_record(&record, None).unwrap();
        body["id"] = json!(record.id);
        assert_eq!(decode_record(&body).unwrap().record, record);
        let endpoint = ZONE.replace("privateDnsZones/a.internal", "privateEndpoints/pe").parse().unwrap();
        let waiting = DnsRecord { addresses: Addresses::OfEndpoint { endpoint, known: None }, ..record };
        assert!(encode_record(&waiting, None).unwrap_err().0.contains("no address yet"));
    }

    #[test]
    fn a_link_keeps_foreign_tags_and_registration() {
        let network = ZONE.replace("privateDnsZones/a.internal", "virtualNetworks/v");
        let body = json!({"id": format!("{ZONE}/virtualNetworkLinks/l"), "tags": {"cost": "1", "Privlink-Owner": "old"},
            "properties": {"virtualNetwork": {"id": network}, "registrationEnabled": true,
                           "virtualNetworkLinkState": "Completed", "resolutionPolicy": "Default"}});
        let live = decode_link(&body).unwrap();
        assert!(live.completed);
        assert_eq!(live.link.tags.len(), 1);
        let mut link = live.link.clone();
        link.tags = BTreeMap::from([("privlink-owner".to_owned(), "new".to_owned())]);
        let body = encode_link(&link, Some(&live.seen));
        assert_eq!(body["tags"], json!({"cost": "1", "privlink-owner": "new"}));
        assert_eq!(body["properties"]["registrationEnabled"], true);
        assert_eq!(body["properties"]["resolutionPolicy"], "Default");
        assert_eq!(encode_link(&link, None)["properties"]["registrationEnabled"], false);
    }
}
