//! What the managed cluster and its load balancers say about addresses.

use std::net::IpAddr;

use crate::domain::azure::Location;
use crate::domain::azure::ResourceGroup;
use crate::domain::azure::ResourceId;

/// A managed cluster, as far as exposure depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedCluster {
    /// Its id.
    pub id: ResourceId,
    /// Its region.
    pub location: Location,
    /// The group in which the cloud provider keeps load balancers and Private Link Services. Read, never guessed.
    pub node_resource_group: ResourceGroup,
    /// The subnet of the nodes, which is where frontends get their addresses by default.
    pub node_subnet: Option<ResourceId>,
    /// The Kubernetes version.
    pub version: Option<String>,
}

impl ManagedCluster {
    /// The virtual network of the nodes.
    pub fn virtual_network(&self) -> Option<ResourceId> {
        self.node_subnet.as_ref().and_then(ResourceId::parent)
    }
}

/// A frontend IP configuration of a load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancerFrontend {
    /// Its id.
    pub id: ResourceId,
    /// Its private address; `None` for a public frontend.
    pub address: Option<IpAddr>,
    /// Its subnet; `None` for a public frontend.
    pub subnet: Option<ResourceId>,
}

/// A Warning event of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterEvent {
    /// `reason`.
    pub reason: String,
    /// `message`, as written by the controller.
    pub message: String,
    /// The last time it was seen.
    pub last_seen: Option<jiff::Timestamp>,
}
