//! What the managed cluster and its load balancers say about addresses.

use std::net::IpAddr;

use crate::domain::azure::Location;
use crate::domain::azure::PrincipalId;
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
    /// The address families that Services can have, the first one for who asks for none; empty if Azure does not say.
    pub ip_families: Vec<IpFamily>,
    /// What its load balancers are like.
    pub balancing: Balancing,
    /// As whom its cloud provider acts; `None` for a service principal of the old kind, or if there are several.
    pub principal: Option<PrincipalId>,
}

/// The kind of a cluster's load balancers, as far as it decides about Private Link Services.
///
/// The default is what AKS makes: SKU Standard, and pools of network interfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balancing {
    /// True if they are of SKU Basic.
    pub is_basic: bool,
    /// True if their pools list addresses of nodes instead of network interfaces.
    pub by_address: bool,
}

/// An address family of Services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IpFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl IpFamily {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv6() { Self::V6 } else { Self::V4 }
    }

    /// Reads what Azure and Kubernetes write.
    pub fn read(text: &str) -> Option<Self> {
        match text {
            "IPv4" => Some(Self::V4),
            "IPv6" => Some(Self::V6),
            _ => None,
        }
    }

    /// As Azure and Kubernetes write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }
}

impl ManagedCluster {
    /// The virtual network of the nodes.
    pub fn virtual_network(&self) -> Option<ResourceId> {
        self.node_subnet.as_ref().and_then(ResourceId::parent)
    }

    /// A subnet of the virtual network of the nodes by its name; theirs without a name, or with a blank one.
    pub fn subnet(&self, name: Option<&str>) -> Option<ResourceId> {
        match name.filter(|name| !name.trim().is_empty()) {
            None => self.node_subnet.clone(),
            Some(name) => self.virtual_network().map(|network| network.child("subnets", name)),
        }
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
    /// What listens on it, whoever it belongs to.
    pub rules: Vec<BalancingRule>,
}

impl LoadBalancerFrontend {
    /// The name of the load balancer it is part of.
    pub fn balancer(&self) -> String {
        self.id.parent().map(|balancer| balancer.name().to_owned()).unwrap_or_default()
    }
}

/// A port of a frontend: a load-balancing rule, or an inbound NAT rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BalancingRule {
    /// Its name. The cloud provider begins it with a name made of the Service's uid.
    pub name: String,
    /// `Tcp`, `Udp` or `All`.
    pub protocol: String,
    /// The port of the frontend; 0 stands for all of them.
    pub port: u16,
    /// What it does with the traffic; `None` for a NAT rule, of which nobody asks.
    pub settings: Option<RuleSettings>,
}

/// What a load-balancing rule does with the traffic of its port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleSettings {
    /// The port at the backends; 0 where it is not known yet, or for every port.
    pub backend_port: u16,
    /// True if backends see the frontend's address as the destination.
    pub floating_ip: bool,
    /// Minutes after which an idle flow is forgotten.
    pub idle_timeout: i32,
    /// True if both ends are told when a flow is forgotten.
    pub tcp_reset: bool,
    /// `Default`, `SourceIP` or `SourceIPProtocol`.
    pub distribution: String,
    /// How it is found out whether a backend is well; `None` if it is not.
    pub probe: Option<HealthProbe>,
}

/// A health probe of a load balancer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HealthProbe {
    /// `tcp`, `http` or `https`, in lower case.
    pub protocol: String,
    /// The port that is asked; 0 where it is not known yet.
    pub port: u16,
    /// The path of a request; `None` for TCP.
    pub path: Option<String>,
    /// Seconds between two tries.
    pub interval: i32,
    /// So many tries decide.
    pub threshold: i32,
}

/// An address of a subnet that somebody has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeldAddress {
    /// The subnet.
    pub subnet: ResourceId,
    /// The address.
    pub address: IpAddr,
    /// Who has it: the private endpoint or Private Link Service behind a network interface, else the interface itself; the
    /// virtual network where Azure says that somebody has it, and nobody is seen to.
    pub holder: ResourceId,
}

impl HeldAddress {
    /// Who has it, in words.
    pub fn by(&self) -> String {
        if Some(&self.holder) == self.subnet.parent().as_ref() {
            return "somebody who is not seen, such as a node".to_owned();
        }
        self.holder.short()
    }
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

impl ClusterEvent {
    /// The message on one line: an error of Azure is brought down to its code and its own words.
    ///
    /// The cloud provider writes the whole answer into its event, over a dozen lines.
    pub fn summary(&self) -> String {
        let first = self.message.lines().next().unwrap_or_default().trim();
        let Some(code) = self.message.lines().find_map(|line| line.trim().strip_prefix("ERROR CODE: ")) else {
            return format!("{}: {first}", self.reason);
        };
        let words = self.message.lines().filter_map(|line| line.trim().strip_prefix("\"message\": \"")).next();
        let words = words.map(|words| words.trim_end_matches([',', '"']).to_owned());
        // What stands before the request line says which step failed.
        let step = first.split(": PUT ").next().unwrap_or(first).split(": GET ").next().unwrap_or(first);
        match words {
            Some(words) => format!("{}: {step}: {code}: {words}", self.reason),
            None => format!("{}: {step}: {code}", self.reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_azure_becomes_one_line() {
        let message = "Error syncing load balancer: failed to ensure load balancer: PUT https://x/y\n----\n\
            RESPONSE 400: 400 Bad Request\nERROR CODE: PrivateIPAddressNotInSubnet\n----\n{\n  \"error\": {\n    \
            \"code\": \"PrivateIPAddressNotInSubnet\",\n    \"message\": \"10.9.9.9 is outside.\"\n  }\n}\n----";
        let event =
            ClusterEvent { reason: "SyncLoadBalancerFailed".to_owned(), message: message.to_owned(), last_seen: None };
        assert_eq!(
            event.summary(),
            "SyncLoadBalancerFailed: Error syncing load balancer: failed to ensure load balancer: \
             PrivateIPAddressNotInSubnet: 10.9.9.9 is outside."
        );
        let event = ClusterEvent { message: "no eligible nodes".to_owned(), ..event };
        assert_eq!(event.summary(), "SyncLoadBalancerFailed: no eligible nodes");
    }
}
