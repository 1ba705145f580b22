//! The kinds privlink manages, one file a kind.
//!
//! Each kind has one struct in normal form that stands on both sides of a difference, and a `Live…` struct around it for
//! what only the observed side has: version, state, outputs. Adapters decode into these and encode from these; no stage
//! sees a wire format.

pub mod connection;
pub mod dns;
pub mod namespace;
pub mod private_endpoint;
pub mod private_link_service;
pub mod service;
pub mod subnet;

use crate::domain::azure::Etag;
use crate::domain::azure::ResourceId;
use crate::domain::key::ResourceKey;
use connection::Connection;
use connection::LiveConnection;
use dns::DnsLink;
use dns::DnsRecord;
use dns::LiveDnsLink;
use dns::LiveDnsRecord;
use namespace::LiveNamespace;
use namespace::NewNamespace;
use private_endpoint::LivePrivateEndpoint;
use private_endpoint::PrivateEndpoint;
use private_endpoint::Target;
use private_link_service::LivePrivateLinkService;
use private_link_service::PrivateLinkService;
use private_link_service::Publication;
use service::LiveService;
use service::Service;
use subnet::LiveSubnet;
use subnet::SubnetPolicy;

/// How an Azure resource was seen: its version, and the whole body for a later write to build on.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The entity tag at that time.
    pub etag: Option<Etag>,
    /// The body as the server sent it. A write starts from it, so that properties we do not know survive.
    pub body: serde_json::Value,
}

impl Seen {
    /// True if its deletion is under way.
    pub fn is_being_deleted(&self) -> bool {
        let state = self.body.pointer("/properties/provisioningState").and_then(serde_json::Value::as_str);
        state.is_some_and(|state| state.eq_ignore_ascii_case("Deleting"))
    }
}

/// `provisioningState` of an Azure resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provisioning {
    /// It is there.
    Succeeded,
    /// An operation is under way.
    Underway,
    /// The last operation failed or was cancelled.
    Failed,
}

/// A resource as it shall be.
#[derive(Clone, Debug, PartialEq)]
pub enum Resource {
    /// A namespace that is made.
    Namespace(NewNamespace),
    /// A Kubernetes Service, or our annotations on one.
    Service(Service),
    /// The policy of a subnet.
    Subnet(SubnetPolicy),
    /// A Private Link Service that the cloud provider builds: nothing to write, something to wait for.
    Publication(Publication),
    /// A Private Link Service that privlink writes.
    PrivateLinkService(PrivateLinkService),
    /// A private endpoint.
    PrivateEndpoint(PrivateEndpoint),
    /// The provider's answer to a connection.
    Connection(Connection),
    /// An A record set.
    DnsRecord(DnsRecord),
    /// A virtual network link.
    DnsLink(DnsLink),
}

impl Resource {
    /// Its identity.
    pub fn key(&self) -> ResourceKey {
        match self {
            Self::Namespace(namespace) => ResourceKey::Namespace(namespace.name.clone()),
            Self::Service(service) => ResourceKey::Service(service.key.clone()),
            Self::Subnet(subnet) => ResourceKey::Subnet(subnet.id.clone()),
            Self::Publication(publication) => ResourceKey::PrivateLinkService(publication.key()),
            Self::PrivateLinkService(service) => ResourceKey::PrivateLinkService(service.key()),
            Self::PrivateEndpoint(endpoint) => ResourceKey::PrivateEndpoint(endpoint.id.clone()),
            Self::Connection(connection) => connection.key(),
            Self::DnsRecord(record) => ResourceKey::DnsRecord(record.id.clone()),
            Self::DnsLink(link) => ResourceKey::DnsLink(link.id.clone()),
        }
    }

    /// What of Azure it is, and what it refers to by name: whoever decides about it has to have looked there.
    pub fn mentions(&self) -> Vec<&ResourceId> {
        match self {
            Self::Namespace(_) | Self::Service(_) | Self::Publication(_) => Vec::new(),
            Self::Subnet(subnet) => vec![&subnet.id],
            Self::PrivateLinkService(service) => {
                [Some(&service.id), service.exposure.nat.subnet.as_ref()].into_iter().flatten().collect()
            }
            Self::PrivateEndpoint(endpoint) => {
                let target = match &endpoint.target {
                    Target::Id(id) => Some(id),
                    Target::Produced { publisher, known } => known.as_ref().or(publisher.own()),
                    Target::Alias(_) => None,
                };
                [Some(&endpoint.id), Some(&endpoint.subnet), target].into_iter().flatten().collect()
            }
            Self::Connection(connection) => {
                connection.publisher.own().into_iter().chain([&connection.endpoint]).collect()
            }
            Self::DnsRecord(record) => vec![&record.id],
            Self::DnsLink(link) => vec![&link.id, &link.virtual_network],
        }
    }
}

/// A resource as it was seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Live {
    /// A namespace.
    Namespace(LiveNamespace),
    /// A Kubernetes Service.
    Service(LiveService),
    /// A subnet.
    Subnet(LiveSubnet),
    /// A Private Link Service, whoever built it.
    PrivateLinkService(LivePrivateLinkService),
    /// A private endpoint.
    PrivateEndpoint(LivePrivateEndpoint),
    /// A connection, from the provider's side.
    Connection(LiveConnection),
    /// An A record set.
    DnsRecord(LiveDnsRecord),
    /// A virtual network link.
    DnsLink(LiveDnsLink),
}
