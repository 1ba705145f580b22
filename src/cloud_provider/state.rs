//! As much of the world as the cloud provider's decisions depend on, in a form that can be changed step by step.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::cloud_provider::name;
use crate::cloud_provider::version::Behaviour;
use crate::domain::azure::Alias;
use crate::domain::azure::ResourceId;
use crate::domain::cluster::HeldAddress;
use crate::domain::cluster::LoadBalancerFrontend;
use crate::domain::cluster::ManagedCluster;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::resource::Provisioning;
use crate::domain::resource::connection::LiveConnection;
use crate::domain::resource::private_link_service::CLUSTER_TAG;
use crate::domain::resource::private_link_service::Exposure;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::domain::resource::private_link_service::Nat;
use crate::domain::resource::private_link_service::SERVICE_TAG;
use crate::domain::resource::subnet::LiveSubnet;
use crate::observed::Area;
use crate::observed::Observed;

/// A Private Link Service as the cloud provider looks at it.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Its id.
    pub id: ResourceId,
    /// The frontend it stands on.
    pub frontend: ResourceId,
    /// Who is connected.
    pub connections: Vec<LiveConnection>,
    /// Its alias, as far as it is known.
    pub alias: Option<Alias>,
    pub(super) cluster_tag: String,
    /// The Service that its tag names, as `namespace/name`; empty if it names none.
    pub owner_tag: String,
    /// What it is like.
    pub exposure: Exposure,
    pub(super) is_failed: bool,
}

/// The world of one cluster.
#[derive(Clone, Debug)]
pub struct State {
    pub(super) cluster: ManagedCluster,
    pub(super) frontends: Vec<LoadBalancerFrontend>,
    pub(super) links: Vec<Link>,
    pub(super) subnets: BTreeMap<ResourceId, LiveSubnet>,
    pub(super) held: BTreeSet<HeldAddress>,
    /// How many NAT addresses of which subnet Azure has yet to pick for a Private Link Service.
    pub(super) unpicked: BTreeMap<ResourceId, (ResourceId, usize)>,
    pub(super) offered: BTreeMap<ResourceId, BTreeSet<IpAddr>>,
    pub(super) are_networks_read: bool,
    pub(super) behaviour: Behaviour,
    /// The IPv6 frontends among those whose address nobody knows yet.
    pub(super) new_v6: BTreeSet<ResourceId>,
    /// Services by the base of the names of what was made for them.
    services: BTreeMap<String, ObjectKey>,
}

impl State {
    /// Takes the cluster's part of what was seen; `None` if there is no cluster.
    pub fn of(observed: &Observed, behaviour: Behaviour) -> Option<Self> {
        let cluster = observed.cluster.clone()?;
        let in_group = |id: &ResourceId| id.resource_group() == cluster.node_resource_group;
        let networks = Area::Networks(cluster.id.subscription());
        let links =
            observed.private_link_services.values().filter_map(Link::of).filter(|link| in_group(&link.frontend));
        let services =
            observed.services.values().map(|live| (name::base(&live.key, Some(&live.uid)), live.key.clone()));
        Some(Self {
            frontends: observed.frontends.values().filter(|frontend| in_group(&frontend.id)).cloned().collect(),
            links: links.collect(),
            subnets: observed.subnets.clone(),
            held: observed.held.clone(),
            unpicked: BTreeMap::new(),
            offered: observed.offered.clone(),
            are_networks_read: !observed.gaps.iter().any(|gap| gap.area == networks),
            services: services.collect(),
            new_v6: BTreeSet::new(),
            behaviour,
            cluster,
        })
    }

    /// The Private Link Services as they stand.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// Takes a Private Link Service away, as a deletion by somebody else does.
    pub fn drop_link(&mut self, id: &ResourceId) {
        self.links.retain(|link| link.id != *id);
        self.held.retain(|held| held.holder != *id);
        self.unpicked.remove(id);
    }

    /// Gives a Private Link Service its NAT addresses, and counts those that Azure has yet to pick; `keeps` if it has some
    /// that stay beside them.
    pub(super) fn allot(&mut self, link: &ResourceId, subnet: &ResourceId, (nat, keeps): (&Nat, bool)) {
        let stays = |held: &HeldAddress| held.holder != *link || keeps;
        self.held.retain(stays);
        let pinned = nat.addresses.iter();
        let pinned = pinned.map(|&address| HeldAddress { subnet: subnet.clone(), address, holder: link.clone() });
        self.held.extend(pinned);
        let has = self.held.iter().filter(|held| held.holder == *link).count();
        self.unpicked.insert(link.clone(), (subnet.clone(), usize::from(nat.count).saturating_sub(has)));
    }

    /// True if a network was read and does not have this subnet. One of another subscription is not read.
    pub(super) fn lacks(&self, subnet: &ResourceId) -> bool {
        let network = subnet.parent();
        let is_seen = self.subnets.keys().any(|other| other.parent() == network);
        self.are_networks_read && is_seen && !self.subnets.contains_key(subnet)
    }

    /// The frontends as they stand, internal and public.
    pub fn frontends(&self) -> &[LoadBalancerFrontend] {
        &self.frontends
    }

    /// The subnets that take no NAT addresses as they stand.
    pub fn enforcing(&self) -> impl Iterator<Item = &ResourceId> {
        self.subnets.values().filter(|subnet| subnet.policy_enabled).map(|subnet| &subnet.id)
    }

    /// The private addresses of frontends as they stand.
    pub fn addresses(&self) -> BTreeSet<IpAddr> {
        self.frontends.iter().filter_map(|frontend| frontend.address).collect()
    }

    /// The id of a load balancer of this cluster.
    pub(super) fn balancer(&self, is_internal: bool) -> ResourceId {
        let name = if is_internal { name::INTERNAL } else { name::CLUSTER };
        self.in_group(self.cluster.node_resource_group.as_str(), "loadBalancers", name)
            .expect("the group of a cluster that exists has a valid name")
    }

    /// The id of a network resource in a group of the cluster's subscription; `None` if the names are not Azure's.
    pub(super) fn in_group(&self, group: &str, kind: &str, name: &str) -> Option<ResourceId> {
        let subscription = self.cluster.id.subscription();
        let id =
            format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/{kind}/{name}");
        id.parse().ok()
    }

    /// True for a frontend of the load balancer that internal (or public) Services are on.
    pub(super) fn is_on(&self, frontend: &LoadBalancerFrontend, is_internal: bool) -> bool {
        frontend.id.parent().is_some_and(|balancer| balancer == self.balancer(is_internal))
    }

    /// True if a Private Link Service stands on the load balancer of a frontend.
    pub(super) fn carries_link(&self, frontend: &LoadBalancerFrontend) -> bool {
        self.links.iter().any(|link| link.frontend.parent() == frontend.id.parent())
    }

    /// True if the load balancer of a frontend has IPv6 frontends too.
    pub(super) fn is_beside_v6(&self, frontend: &LoadBalancerFrontend) -> bool {
        let balancer = frontend.id.parent();
        let beside = self.frontends.iter().filter(|other| other.id.parent() == balancer);
        beside.into_iter().any(|other| match other.address {
            Some(address) => address.is_ipv6(),
            None => self.new_v6.contains(&other.id),
        })
    }

    /// The Private Link Service on a frontend, if one stands there in this group.
    pub(super) fn link_on(&self, frontend: &ResourceId, group: &str) -> Option<&Link> {
        let is_here = |link: &&Link| link.id.resource_group().as_str().eq_ignore_ascii_case(group);
        self.links.iter().filter(|link| link.frontend == *frontend).find(is_here)
    }

    /// Whom a rule of the load balancer belongs to, as people know it.
    pub fn owner_of_rule(&self, rule: &str) -> String {
        let rule = rule.to_ascii_lowercase();
        let owner = self.services.iter().find(|(base, _)| rule.starts_with(&base.to_ascii_lowercase()));
        let owner = owner.map(|(_, key)| key.to_string()).or_else(|| name::not_there_yet(&rule));
        owner.unwrap_or_else(|| format!("the owner of rule {rule}"))
    }
}

impl Link {
    fn of(live: &LivePrivateLinkService) -> Option<Self> {
        let tag = |wanted: &str| {
            let tags = live.service.tags.iter();
            tags.into_iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.trim().to_owned())
        };
        Some(Self {
            id: live.service.id.clone(),
            frontend: live.frontend()?.clone(),
            connections: live.connections.clone(),
            alias: live.alias.clone(),
            cluster_tag: tag(CLUSTER_TAG).unwrap_or_default(),
            owner_tag: tag(SERVICE_TAG).unwrap_or_default(),
            exposure: live.service.exposure.clone(),
            is_failed: live.provisioning == Provisioning::Failed,
        })
    }
}
