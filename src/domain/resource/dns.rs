//! A records of private DNS zones, and the virtual network links that make a zone visible.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::domain::azure::ResourceId;
use crate::domain::mark::Mark;
use crate::domain::mark::is_mark_tag;
use crate::domain::resource::Provisioning;
use crate::domain::resource::Seen;
use crate::value::Fields;
use crate::value::Output;
use crate::value::Value;

/// Where the addresses of a record come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// The private address of this endpoint; `known` once it has one.
    OfEndpoint {
        /// The endpoint.
        endpoint: ResourceId,
        /// Its address, if it exists.
        known: Option<Ipv4Addr>,
    },
    /// These addresses, in no order.
    Known(BTreeSet<Ipv4Addr>),
}

/// An A record set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsRecord {
    /// `…/privateDnsZones/<zone>/A/<name>`.
    pub id: ResourceId,
    /// Time to live, in seconds.
    pub ttl: u32,
    /// What it answers.
    pub addresses: Addresses,
    /// Record-set metadata; our marks are in it.
    pub metadata: BTreeMap<String, String>,
}

impl DnsRecord {
    /// The comparable fields.
    pub fn fields(&self) -> Fields {
        let Self { id: _, ttl, addresses, metadata } = self;
        let mut fields = Fields::new();
        fields.insert("ttl".to_owned(), Value::Integer(i64::from(*ttl)));
        let addresses = match addresses {
            Addresses::Known(addresses) => Value::set(addresses),
            // Known or not, it is the endpoint's: so the rest of an interrupted plan is the same change.
            Addresses::OfEndpoint { endpoint, known } => Value::Produced {
                by: crate::domain::key::ResourceKey::PrivateEndpoint(endpoint.clone()),
                output: Output::Address,
                known: known.map(|address| address.to_string()),
            },
        };
        fields.insert("addresses".to_owned(), addresses);
        insert_tags(&mut fields, "metadata", metadata);
        fields
    }
}

/// An A record set as seen.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveDnsRecord {
    /// In normal form.
    pub record: DnsRecord,
    /// Written by Azure for a virtual machine: never touched.
    pub auto_registered: bool,
    /// Whose it is.
    pub mark: Option<Mark>,
    /// Version and body.
    pub seen: Seen,
}

/// A virtual network link of a private DNS zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsLink {
    /// `…/privateDnsZones/<zone>/virtualNetworkLinks/<name>`.
    pub id: ResourceId,
    /// The virtual network that shall resolve the zone.
    pub virtual_network: ResourceId,
    /// Our marks and nothing else.
    pub tags: BTreeMap<String, String>,
}

impl DnsLink {
    /// The comparable fields.
    pub fn fields(&self) -> Fields {
        let Self { id: _, virtual_network, tags } = self;
        let mut fields = Fields::from([("virtualNetwork".to_owned(), Value::Id(virtual_network.clone()))]);
        insert_tags(&mut fields, "tags", tags);
        fields
    }
}

/// A virtual network link as seen.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveDnsLink {
    /// In normal form.
    pub link: DnsLink,
    /// True once `virtualNetworkLinkState` is `Completed`.
    pub completed: bool,
    /// Whether Azure is done with it.
    pub provisioning: Provisioning,
    /// Whose it is.
    pub mark: Option<Mark>,
    /// Version and body.
    pub seen: Seen,
}

/// Adds tags (or metadata) as one field each; mark names are folded because tag names have no case.
pub fn insert_tags(fields: &mut Fields, prefix: &str, tags: &BTreeMap<String, String>) {
    for (name, value) in tags {
        let name = if is_mark_tag(name) { name.to_ascii_lowercase() } else { name.clone() };
        fields.insert(format!("{prefix}.{name}"), Value::Text(value.clone()));
    }
}
