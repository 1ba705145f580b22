//! What is really there, and how much of it was seen.
//!
//! A scope that could not be read leaves a [`Gap`]. Whoever wants to conclude that something is absent asks
//! [`Observed::gap_for`] first: partial sight never deletes and never creates.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod rights;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::domain::azure::ResourceGroup;
use crate::domain::azure::ResourceId;
use crate::domain::azure::SubscriptionId;
use crate::domain::cluster::ClusterEvent;
use crate::domain::cluster::HeldAddress;
use crate::domain::cluster::LoadBalancerFrontend;
use crate::domain::cluster::ManagedCluster;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::Namespace;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::resource::Live;
use crate::domain::resource::connection::LiveConnection;
use crate::domain::resource::dns::DnsLink;
use crate::domain::resource::dns::LiveDnsLink;
use crate::domain::resource::dns::LiveDnsRecord;
use crate::domain::resource::private_endpoint::LivePrivateEndpoint;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::domain::resource::service::LiveService;
use crate::domain::resource::service::Trial;
use crate::domain::resource::subnet::LiveSubnet;
use crate::domain::right::RightScope;
use rights::Rights;
use rights::UserRights;

/// A part of the world that is read as one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// The managed cluster's properties.
    ManagedCluster,
    /// The Services of the cluster.
    Services,
    /// Virtual networks and subnets of a subscription.
    Networks(SubscriptionId),
    /// Load balancer frontends of a subscription.
    Frontends(SubscriptionId),
    /// Private Link Services of a subscription.
    PrivateLinkServices(SubscriptionId),
    /// Private endpoints of a subscription.
    PrivateEndpoints(SubscriptionId),
    /// Private DNS zones of a subscription, with records and links.
    Dns(SubscriptionId),
    /// Which resources of a subscription whoever plans may read.
    Sight(SubscriptionId),
    /// What the identity that applies may do at a scope; without one, anywhere.
    Rights(Option<RightScope>),
    /// What the cluster's identity may do at a scope.
    ClusterRights(RightScope),
    /// What the user that applies may do in the cluster.
    UserRights,
    /// Which namespaces the cluster has.
    Namespaces,
    /// Why Services wait, as the cluster's events tell it.
    Events,
    /// What the API server says to Services that are tried.
    Trials,
    /// Whether addresses of a virtual network are free.
    Addresses(ResourceId),
    /// Which resource groups a subscription has.
    ResourceGroups(SubscriptionId),
}

impl std::fmt::Display for Area {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ManagedCluster => f.write_str("the managed cluster"),
            Self::Services => f.write_str("Services of the cluster"),
            Self::Networks(id) => write!(f, "virtual networks of subscription {id}"),
            Self::Frontends(id) => write!(f, "load balancers of subscription {id}"),
            Self::PrivateLinkServices(id) => write!(f, "Private Link Services of subscription {id}"),
            Self::PrivateEndpoints(id) => write!(f, "private endpoints of subscription {id}"),
            Self::Dns(id) => write!(f, "private DNS zones of subscription {id}"),
            Self::Sight(id) => write!(f, "rights to read in subscription {id}"),
            Self::Rights(None) => f.write_str("rights of the identity that applies"),
            Self::Rights(Some(scope)) => write!(f, "rights of the identity that applies on {scope}"),
            Self::ClusterRights(scope) => write!(f, "rights of the cluster's identity on {scope}"),
            Self::Namespaces => f.write_str("namespaces of the cluster"),
            Self::Events => f.write_str("why Services wait"),
            Self::Trials => f.write_str("what the API server says to the Services"),
            Self::UserRights => f.write_str("rights of the user that applies in the cluster"),
            Self::ResourceGroups(id) => write!(f, "resource groups of subscription {id}"),
            Self::Addresses(network) => write!(f, "free addresses of the network {}", network.name()),
        }
    }
}

/// An area that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Which.
    pub area: Area,
    /// Why, as a sentence.
    pub reason: String,
}

/// The world as it was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The managed cluster, if the environment has one.
    pub cluster: Option<ManagedCluster>,
    /// Services, by namespace and name.
    pub services: BTreeMap<ObjectKey, LiveService>,
    /// Subnets, by id.
    pub subnets: BTreeMap<ResourceId, LiveSubnet>,
    /// Load balancer frontends, by id.
    pub frontends: BTreeMap<ResourceId, LoadBalancerFrontend>,
    /// Private Link Services, by id.
    pub private_link_services: BTreeMap<ResourceId, LivePrivateLinkService>,
    /// Private endpoints, by id.
    pub private_endpoints: BTreeMap<ResourceId, LivePrivateEndpoint>,
    /// Addresses of subnets that network interfaces hold, as far as Azure lists them.
    pub held: BTreeSet<HeldAddress>,
    /// Private DNS zones, by id.
    pub dns_zones: BTreeSet<ResourceId>,
    /// A record sets, by id.
    pub dns_records: BTreeMap<ResourceId, LiveDnsRecord>,
    /// Virtual network links, by id.
    pub dns_links: BTreeMap<ResourceId, LiveDnsLink>,
    /// Free addresses that Azure offers in a subnet, where it was asked about one that is not.
    pub offered: BTreeMap<ResourceId, BTreeSet<IpAddr>>,
    /// Resource groups that Azure says are not there. Of others nobody asked, or there is no answer.
    pub absent_groups: BTreeSet<(SubscriptionId, ResourceGroup)>,
    /// Namespaces that the API server says are not there to stay. Of others nobody asked, or there is no answer.
    pub absent_namespaces: BTreeSet<Namespace>,
    /// Those of them that are there and are being deleted.
    pub leaving_namespaces: BTreeSet<Namespace>,
    /// What the API server says to the writes of Services that were tried.
    pub trials: BTreeMap<ObjectKey, Trial>,
    /// The last Warning event of the Services that have no address yet.
    pub warnings: BTreeMap<ObjectKey, ClusterEvent>,
    /// What the identity that applies may do; `None` if nobody asked.
    pub rights: Option<Rights>,
    /// What the cluster's identity may do outside the group of its nodes; `None` if nobody asked.
    pub cluster_rights: Option<Rights>,
    /// What the user that applies may do in the cluster; `None` if nobody asked.
    pub user_rights: Option<UserRights>,
    /// What could not be read.
    pub gaps: BTreeSet<Gap>,
    /// What could not be read and is needed by no plan: only what Azure would refuse there is not known beforehand.
    pub unchecked: BTreeSet<Gap>,
}

impl Observed {
    /// The resource of this identity, if it was seen.
    pub fn get(&self, key: &ResourceKey) -> Option<Live> {
        match key {
            // Nothing wishes for a namespace that is there, so that none is kept here.
            ResourceKey::Namespace(_) => None,
            ResourceKey::Service(key) => self.services.get(key).cloned().map(Live::Service),
            ResourceKey::Subnet(id) => self.subnets.get(id).cloned().map(Live::Subnet),
            ResourceKey::PrivateLinkService(key) => self.publisher(key).cloned().map(Live::PrivateLinkService),
            ResourceKey::PrivateEndpoint(id) => self.private_endpoints.get(id).cloned().map(Live::PrivateEndpoint),
            ResourceKey::Connection { publisher, endpoint } => {
                self.connection(publisher, endpoint).cloned().map(Live::Connection)
            }
            ResourceKey::DnsRecord(id) => self.dns_records.get(id).cloned().map(Live::DnsRecord),
            ResourceKey::DnsLink(id) => self.dns_links.get(id).cloned().map(Live::DnsLink),
        }
    }

    /// The link by which a zone and a network are linked already, whatever its name: Azure allows one.
    pub fn twin_of(&self, link: &DnsLink) -> Option<&LiveDnsLink> {
        let is_twin = |live: &&LiveDnsLink| {
            live.link.id.parent() == link.id.parent() && live.link.virtual_network == link.virtual_network
        };
        self.dns_links.values().find(is_twin)
    }

    /// The frontend that carries the address of a Service, if there is one.
    pub fn frontend_of(&self, service: &ObjectKey) -> Option<&LoadBalancerFrontend> {
        let addresses = &self.services.get(service)?.addresses;
        // Addresses are unique within one network only: look at the cluster's own load balancers.
        let group = &self.cluster.as_ref()?.node_resource_group;
        self.frontends.values().find(|frontend| {
            frontend.id.resource_group() == *group
                && frontend.address.is_some_and(|address| address.is_ipv4() && addresses.contains(&address))
        })
    }

    /// The Private Link Service of this identity, if it was seen.
    pub fn publisher(&self, key: &PublisherKey) -> Option<&LivePrivateLinkService> {
        match key {
            PublisherKey::Own(id) => self.private_link_services.get(id),
            PublisherKey::Cluster(service) => self.built_for(service),
        }
    }

    /// The Private Link Service that the cloud provider built for a Service.
    ///
    /// Found as the cloud provider finds it, by the frontend; before the Service shows an address, by the owner tag.
    fn built_for(&self, service: &ObjectKey) -> Option<&LivePrivateLinkService> {
        let frontend = self.frontend_of(service).map(|frontend| &frontend.id);
        let on_frontend = |live: &&LivePrivateLinkService| {
            frontend.is_some_and(|frontend| live.frontend() == Some(frontend)) && live.cluster_owner().is_some()
        };
        let is_owned = |live: &&LivePrivateLinkService| {
            let tagged = live.cluster_owner().as_ref() == Some(service);
            // The tag does not tell two clusters apart (on AKS every cluster is "kubernetes"): the load balancer does.
            let group = self.cluster.as_ref().map(|cluster| &cluster.node_resource_group);
            tagged && live.frontend().map(ResourceId::resource_group).as_ref() == group
        };
        let all = || self.private_link_services.values();
        all().find(on_frontend).or_else(|| all().find(is_owned))
    }

    /// The Private Link Service on the frontend of a Service, whoever built it: a frontend carries one at most.
    pub fn link_on_frontend_of(&self, service: &ObjectKey) -> Option<&LivePrivateLinkService> {
        let frontend = &self.frontend_of(service)?.id;
        self.private_link_services.values().find(|live| live.frontend() == Some(frontend))
    }

    /// The connection of an endpoint on a Private Link Service, if it was seen.
    pub fn connection(&self, publisher: &PublisherKey, endpoint: &ResourceId) -> Option<&LiveConnection> {
        let connections = &self.publisher(publisher)?.connections;
        connections.iter().find(|connection| connection.endpoint.as_ref() == Some(endpoint))
    }

    /// The gap that leaves open whether this resource exists, if there is one.
    pub fn gap_for(&self, key: &ResourceKey) -> Option<&Gap> {
        let areas = match key {
            ResourceKey::Namespace(_) | ResourceKey::Service(_) => vec![Area::Services],
            ResourceKey::Subnet(id) => vec![Area::ManagedCluster, Area::Networks(id.subscription())],
            ResourceKey::PrivateLinkService(publisher) | ResourceKey::Connection { publisher, .. } => {
                self.areas_of(publisher)
            }
            ResourceKey::PrivateEndpoint(id) => vec![Area::PrivateEndpoints(id.subscription())],
            ResourceKey::DnsRecord(id) | ResourceKey::DnsLink(id) => vec![Area::Dns(id.subscription())],
        };
        self.gaps.iter().find(|gap| areas.contains(&gap.area))
    }

    fn areas_of(&self, publisher: &PublisherKey) -> Vec<Area> {
        match publisher {
            // What it shall be follows from the cluster, too: its region, its network.
            PublisherKey::Own(id) => vec![Area::ManagedCluster, Area::PrivateLinkServices(id.subscription())],
            PublisherKey::Cluster(_) => {
                let mut areas = vec![Area::ManagedCluster, Area::Services];
                if let Some(cluster) = &self.cluster {
                    let subscription = cluster.id.subscription();
                    areas.push(Area::Frontends(subscription.clone()));
                    areas.push(Area::PrivateLinkServices(subscription));
                }
                areas
            }
        }
    }
}
