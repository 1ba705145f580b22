//! The one identity that joins desired with observed: never a mark, never a path of a file.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::azure::ResourceId;
use crate::domain::kubernetes::Namespace;
use crate::domain::kubernetes::ObjectKey;

/// Which Private Link Service is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PublisherKey {
    /// The one that the cloud provider builds on the frontend of this Service. Its name is chosen by the cloud provider
    /// from the Service's uid, so it cannot be the identity.
    Cluster(ObjectKey),
    /// One that privlink writes itself.
    Own(ResourceId),
}

impl PublisherKey {
    /// The id of the one that privlink writes; what the cloud provider builds has none before it is there.
    pub fn own(&self) -> Option<&ResourceId> {
        match self {
            Self::Own(id) => Some(id),
            Self::Cluster(_) => None,
        }
    }
}

/// The identity of a resource.
///
/// The order of the variants is the order in which a plan lists changes that do not depend on each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ResourceKey {
    /// A namespace of the cluster.
    Namespace(Namespace),
    /// The Private Link Service policy of a subnet.
    Subnet(ResourceId),
    /// A Kubernetes Service.
    Service(ObjectKey),
    /// A Private Link Service.
    PrivateLinkService(PublisherKey),
    /// A private endpoint.
    PrivateEndpoint(ResourceId),
    /// A connection of an endpoint, seen from the provider's side.
    Connection {
        /// The service it reaches.
        publisher: PublisherKey,
        /// The endpoint it comes from.
        endpoint: ResourceId,
    },
    /// An A record set of a private DNS zone.
    DnsRecord(ResourceId),
    /// A virtual network link of a private DNS zone.
    DnsLink(ResourceId),
}

impl ResourceKey {
    /// The word for the kind, as it stands in plans and file names.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Namespace(_) => "namespace",
            Self::Service(_) => "service",
            Self::Subnet(_) => "subnet",
            Self::PrivateLinkService(_) => "privatelinkservice",
            Self::PrivateEndpoint(_) => "privateendpoint",
            Self::Connection { .. } => "connection",
            Self::DnsRecord(_) => "dnsrecord",
            Self::DnsLink(_) => "dnslink",
        }
    }

    /// A short name for people, unique enough inside one plan; the full identity is the key itself.
    pub fn short_name(&self) -> String {
        match self {
            Self::Namespace(name) => name.to_string(),
            Self::Service(key) => key.to_string(),
            Self::PrivateLinkService(publisher) => publisher.to_string(),
            Self::Subnet(id) => nested_name(id),
            Self::PrivateEndpoint(id) => id.name().to_owned(),
            Self::Connection { publisher, endpoint } => format!("{} -> {publisher}", endpoint.name()),
            Self::DnsRecord(id) => {
                let zone = id.parent().map(|zone| zone.name().to_owned()).unwrap_or_default();
                format!("{}.{zone}", id.name())
            }
            Self::DnsLink(id) => nested_name(id),
        }
    }
}

fn nested_name(id: &ResourceId) -> String {
    match id.parent() {
        Some(parent) => format!("{}/{}", parent.name(), id.name()),
        None => id.name().to_owned(),
    }
}

impl fmt::Display for PublisherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(service) => write!(f, "{service}"),
            Self::Own(id) => f.write_str(id.name()),
        }
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind(), self.short_name())
    }
}
