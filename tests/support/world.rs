//! A world in memory that does what Azure, the API server and the cloud provider do about a write, and nothing else.
//!
//! It is not the simulator: no operations, no failures, no time. It agrees with what was asked, so a plan that was carried
//! out on it must leave nothing to plan.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::net::Ipv4Addr;

use privlink::desired::Desired;
use privlink::domain::annotation;
use privlink::domain::annotation::PrivateLinkAnnotations;
use privlink::domain::azure::ResourceId;
use privlink::domain::cluster::BalancingRule;
use privlink::domain::cluster::LoadBalancerFrontend;
use privlink::domain::key::PublisherKey;
use privlink::domain::kubernetes::ObjectKey;
use privlink::domain::mark::Mark;
use privlink::domain::resource::Provisioning;
use privlink::domain::resource::Resource;
use privlink::domain::resource::Seen;
use privlink::domain::resource::connection::ConnectionStatus;
use privlink::domain::resource::connection::LiveConnection;
use privlink::domain::resource::connection::Verdict;
use privlink::domain::resource::dns::Addresses;
use privlink::domain::resource::dns::LiveDnsLink;
use privlink::domain::resource::dns::LiveDnsRecord;
use privlink::domain::resource::private_endpoint::LivePrivateEndpoint;
use privlink::domain::resource::private_endpoint::PrivateEndpoint;
use privlink::domain::resource::private_endpoint::Request;
use privlink::domain::resource::private_endpoint::Target;
use privlink::domain::resource::private_link_service::CLUSTER_TAG;
use privlink::domain::resource::private_link_service::Exposure;
use privlink::domain::resource::private_link_service::Frontend;
use privlink::domain::resource::private_link_service::LivePrivateLinkService;
use privlink::domain::resource::private_link_service::Nat;
use privlink::domain::resource::private_link_service::PrivateLinkService;
use privlink::domain::resource::private_link_service::Publication;
use privlink::domain::resource::private_link_service::SERVICE_TAG;
use privlink::domain::resource::service::Deployment;
use privlink::domain::resource::service::LiveService;
use privlink::domain::resource::service::Service;
use privlink::domain::resource::service::leaves;
use privlink::domain::resource::subnet::LiveSubnet;
use privlink::observed::Observed;
use serde_json::json;

use super::case::cluster;
use super::case::subnet;
use super::manifest;

/// The world, and what it still has to give away.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// What there is.
    pub(crate) observed: Observed,
    /// Whose marks ours are.
    pub(crate) mark: Mark,
    counter: u32,
}

/// What the cloud provider begins every name with that it makes for a Service.
fn base(live: &LiveService) -> String {
    format!("a{}", live.uid.as_str().replace('-', "")).chars().take(32).collect()
}

fn frontend_name(live: &LiveService) -> String {
    match live.annotations().get(annotation::INTERNAL_SUBNET) {
        Some(subnet) => format!("{}-{subnet}", base(live)),
        None => base(live),
    }
}

fn seen(counter: u32) -> Seen {
    Seen { etag: Some(format!("W/\"{counter}\"").parse().unwrap()), body: json!({ "etag": counter }) }
}

impl World {
    /// A cluster with its network and no Services.
    pub(crate) fn new(mark: Mark) -> Self {
        let mut world =
            Self { observed: Observed { cluster: Some(cluster()), ..Observed::default() }, mark, counter: 0 };
        for (name, prefix) in
            [("aks-subnet", "10.224.0.0/16"), ("apps-subnet", "10.225.0.0/24"), ("pls-subnet", "10.225.1.0/24")]
        {
            let id = subnet(name);
            let live = LiveSubnet {
                id: id.clone(),
                prefixes: vec![prefix.parse().unwrap()],
                policy_enabled: true,
                provisioning: Provisioning::Succeeded,
                seen: seen(0),
            };
            world.observed.subnets.insert(id, live);
        }
        world
    }

    fn next(&mut self) -> u32 {
        self.counter += 1;
        self.counter
    }

    /// Writes a resource, and lets everybody who reacts to it react.
    pub(crate) fn put(&mut self, resource: &Resource) {
        match resource {
            // What is not there of the cluster is only Services: each brings its namespace along.
            Resource::Namespace(namespace) => drop(self.observed.absent_namespaces.remove(&namespace.name)),
            Resource::Service(service) => self.put_service(service),
            Resource::Subnet(policy) => {
                self.observed.subnets.get_mut(&policy.id).expect("the subnet exists").policy_enabled = false;
            }
            Resource::Publication(publication) => self.build(publication),
            Resource::PrivateLinkService(service) => self.put_link(service),
            Resource::PrivateEndpoint(endpoint) => self.put_endpoint(endpoint),
            Resource::Connection(connection) => {
                let status = match connection.verdict {
                    Verdict::Approved => ConnectionStatus::Approved,
                    Verdict::Rejected => ConnectionStatus::Rejected,
                };
                self.answer(&connection.endpoint, &status);
            }
            Resource::DnsRecord(record) => {
                let mut record = record.clone();
                if let Addresses::OfEndpoint { endpoint, .. } = &record.addresses {
                    let address = match self.observed.private_endpoints[endpoint].private_address {
                        Some(IpAddr::V4(address)) => address,
                        other => panic!("{endpoint} has the address {other:?}"),
                    };
                    record.addresses = Addresses::Known(BTreeSet::from([address]));
                }
                let (seen, mark) = (seen(self.next()), self.mark_in(&record.metadata));
                let live = LiveDnsRecord { record: record.clone(), auto_registered: false, mark, seen };
                self.observed.dns_records.insert(record.id, live);
            }
            Resource::DnsLink(link) => {
                let (seen, mark) = (seen(self.next()), self.mark_in(&link.tags));
                let provisioning = Provisioning::Succeeded;
                let live = LiveDnsLink { link: link.clone(), completed: true, provisioning, mark, seen };
                self.observed.dns_links.insert(link.id.clone(), live);
            }
        }
    }

    fn mark_in(&self, tags: &BTreeMap<String, String>) -> Option<Mark> {
        (tags.get("privlink-owner") == Some(&self.mark.to_string())).then(|| self.mark.clone())
    }

    /// Deploys a Service as somebody else does.
    pub(crate) fn deploy_foreign(&mut self, key: &ObjectKey) {
        let manifest = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {
                "name": key.name.as_str(), "namespace": key.namespace.as_str(),
                "annotations": { annotation::INTERNAL: "true" },
            },
            "spec": { "type": "LoadBalancer", "ports": [{ "port": 80 }], "selector": { "app": key.name.as_str() } },
        });
        let mut live = self.blank(key);
        live.manifest = manifest;
        manifest::default(&mut live.manifest);
        live.managers = leaves(&live.manifest).into_keys().map(|name| (name, "helm".to_owned())).collect();
        self.observed.services.insert(key.clone(), live);
        self.expose(key);
    }

    fn blank(&mut self, key: &ObjectKey) -> LiveService {
        let number = self.next();
        LiveService {
            key: key.clone(),
            uid: format!("{number:08}-0000-4000-8000-000000000000").parse().unwrap(),
            resource_version: number.to_string().parse().unwrap(),
            manifest: json!({ "metadata": {}, "spec": {} }),
            owned: BTreeSet::new(),
            managers: BTreeMap::new(),
            addresses: Vec::new(),
            deleting: false,
            mark: None,
            published_by: None,
        }
    }

    fn put_service(&mut self, service: &Service) {
        let key = &service.key;
        let mut live = match self.observed.services.remove(key) {
            Some(live) => live,
            None => self.blank(key),
        };
        live.resource_version = self.next().to_string().parse().unwrap();
        manifest::apply(&mut live.manifest, &live.owned, &service.manifest);
        manifest::default(&mut live.manifest);
        live.owned = service.fields().into_keys().collect();
        for name in &live.owned {
            live.managers.remove(name);
        }
        let labelled = live.labels().get("privlink.dev/owner") == Some(&self.mark.owner.to_string());
        live.mark = (service.deployment == Deployment::Whole && labelled).then(|| self.mark.clone());
        let published = live.annotations().get("privlink.dev/published-by") == Some(&self.mark.to_string());
        live.published_by = published.then(|| self.mark.clone());
        self.observed.services.insert(key.clone(), live);
        self.expose(key);
    }

    /// The load balancer's part of the cloud provider.
    fn expose(&mut self, key: &ObjectKey) {
        let annotations = self.observed.services[key].annotations();
        let number = self.next();
        let live = self.observed.services.get_mut(key).unwrap();
        if live.manifest["spec"]["type"] != json!("LoadBalancer") {
            live.addresses.clear();
            return;
        }
        if !annotation::is_internal(&annotations) {
            live.addresses = vec![IpAddr::V4(Ipv4Addr::new(20, 0, 0, u8::try_from(number % 250).unwrap()))];
            return;
        }
        let subnet = subnet(annotations.get(annotation::INTERNAL_SUBNET).map_or("aks-subnet", String::as_str));
        let pinned = annotation::pinned_addresses(&annotations);
        let legacy = live.manifest["spec"]["loadBalancerIP"].as_str().and_then(|text| text.parse().ok());
        let kept = live.addresses.first().copied().filter(|address| address.to_string().starts_with("10."));
        let dynamic = IpAddr::V4(Ipv4Addr::from(0x0AE0_0100 + number));
        let address = pinned.first().copied().or(legacy).or(kept).unwrap_or(dynamic);
        if live.addresses.first() != Some(&address) {
            live.addresses = vec![address];
        }
        let name = frontend_name(live);
        self.drop_outdated(key, &name, address);
        self.drop_unused_frontends();
        if self.observed.frontend_of(key).is_none() {
            let balancer = super::case::network(super::case::PROVIDER, "MC_prod", "loadBalancers/kubernetes-internal");
            let id = balancer.child("frontendIPConfigurations", &name);
            let frontend = LoadBalancerFrontend {
                id: id.clone(),
                address: Some(address),
                subnet: Some(subnet),
                rules: Vec::new(),
            };
            self.observed.frontends.insert(id, frontend);
        }
        self.write_rules();
        self.publish(key);
    }

    /// A frontend of this Service with another name or address goes, and with it what stands on it.
    fn drop_outdated(&mut self, key: &ObjectKey, name: &str, address: IpAddr) {
        let base = base(&self.observed.services[key]);
        let is_outdated = |frontend: &&LoadBalancerFrontend| {
            let own = frontend.id.name();
            own.starts_with(&base) && (own != name || frontend.address != Some(address))
        };
        let gone: Vec<ResourceId> =
            self.observed.frontends.values().filter(is_outdated).map(|frontend| frontend.id.clone()).collect();
        gone.iter().for_each(|id| self.drop_frontend(id));
    }

    fn drop_frontend(&mut self, id: &ResourceId) {
        self.observed.frontends.remove(id);
        let links = self.observed.private_link_services.values();
        let links: Vec<ResourceId> =
            links.filter(|live| live.frontend() == Some(id)).map(|live| live.service.id.clone()).collect();
        for link in links {
            self.remove_link(&link);
        }
    }

    /// Every Service has a rule for each of its ports on the frontend of its address.
    fn write_rules(&mut self) {
        self.observed.frontends.values_mut().for_each(|frontend| frontend.rules.clear());
        for (key, live) in self.observed.services.clone() {
            let Some(id) = self.observed.frontend_of(&key).map(|frontend| frontend.id.clone()) else { continue };
            let rules = live.manifest["spec"]["ports"].as_array().into_iter().flatten().map(|port| {
                let number = u16::try_from(port["port"].as_u64().unwrap()).unwrap();
                let protocol = port["protocol"].as_str().unwrap_or("TCP").to_owned();
                BalancingRule {
                    name: format!("{}-{protocol}-{number}", base(&live)),
                    protocol,
                    port: number,
                    settings: None,
                }
            });
            self.observed.frontends.get_mut(&id).unwrap().rules.extend(rules);
        }
    }

    /// The cloud provider builds what the annotations ask for, on every sync.
    fn publish(&mut self, key: &ObjectKey) {
        let annotations = self.observed.services[key].annotations();
        let Some(asked) = PrivateLinkAnnotations::read(&annotations).expect("the annotations are right") else {
            return;
        };
        let named = asked.subnet.clone().or_else(|| annotations.get(annotation::INTERNAL_SUBNET).cloned());
        self.build(&Publication {
            service: key.clone(),
            name: asked.name,
            exposure: Exposure {
                nat: Nat {
                    subnet: Some(subnet(named.as_deref().unwrap_or("aks-subnet"))),
                    count: asked.count,
                    addresses: asked.addresses.into_iter().map(IpAddr::V4).collect(),
                },
                visibility: asked.visibility,
                auto_approval: asked.auto_approval,
                fqdns: asked.fqdns,
                proxy_protocol: asked.proxy_protocol,
            },
        });
    }

    /// A frontend that no Service uses goes, and with it every Private Link Service on it, whoever built that.
    fn drop_unused_frontends(&mut self) {
        let used: BTreeSet<IpAddr> = self.observed.services.values().flat_map(|live| live.addresses.clone()).collect();
        let gone = |frontend: &LoadBalancerFrontend| frontend.address.is_none_or(|address| !used.contains(&address));
        let gone: Vec<ResourceId> =
            self.observed.frontends.values().filter(|it| gone(it)).map(|it| it.id.clone()).collect();
        gone.iter().for_each(|id| self.drop_frontend(id));
    }

    /// The Private Link Service's part of the cloud provider.
    fn build(&mut self, publication: &Publication) {
        let key = &publication.service;
        let frontend = self.observed.frontend_of(key).expect("a published Service has a frontend").id.clone();
        if let Some(standing) = self.observed.link_on_frontend_of(key) {
            let owner = standing.cluster_owner();
            assert!(owner.is_some(), "{} is unmanaged: the sync of {key} fails for ever", standing.service.id);
            if owner.as_ref() != Some(key) {
                return; // It is shared, and its owner's annotations count.
            }
        }
        let annotations = self.observed.services[key].annotations();
        let group = annotations.get(annotation::PLS_RESOURCE_GROUP).map_or("MC_prod", String::as_str);
        let name = publication.name.as_ref().map_or_else(|| format!("pls-{}", frontend.name()), ToString::to_string);
        let mut exposure = publication.exposure.clone();
        exposure.nat.subnet.get_or_insert_with(|| subnet("aks-subnet"));
        self.observed.subnets.get_mut(exposure.nat.subnet.as_ref().unwrap()).unwrap().policy_enabled = false;
        let found = self.observed.publisher(&publication.key()).map(|live| live.service.id.clone());
        let id = found.unwrap_or_else(|| {
            super::case::network(super::case::PROVIDER, group, &format!("privateLinkServices/{name}"))
        });
        let tags = [(CLUSTER_TAG, "kubernetes".to_owned()), (SERVICE_TAG, key.to_string())];
        self.write_link(PrivateLinkService {
            id,
            location: cluster().location,
            frontend: Frontend::Id(frontend),
            exposure,
            tags: tags.map(|(name, value)| (name.to_owned(), value)).into(),
        });
    }

    fn put_link(&mut self, service: &PrivateLinkService) {
        let mut service = service.clone();
        if let Frontend::OfService { service: of, .. } = &service.frontend {
            service.frontend = Frontend::Id(self.observed.frontend_of(of).expect("it has a frontend").id.clone());
        }
        let nat = service.exposure.nat.subnet.as_ref().expect("the subnet is known");
        assert!(!self.observed.subnets[nat].policy_enabled, "Azure refuses NAT addresses in {nat}");
        let others = self.observed.private_link_services.values();
        let other = others.filter(|live| live.service.id != service.id && live.frontend().is_some());
        let frontend = match &service.frontend {
            Frontend::Id(id) => id.clone(),
            Frontend::OfService { .. } => unreachable!("resolved above"),
        };
        for other in other {
            assert!(other.frontend() != Some(&frontend), "{} stands on the frontend already", other.service.id);
        }
        self.write_link(service);
    }

    fn write_link(&mut self, service: PrivateLinkService) {
        let number = self.next();
        let (mark, id) = (self.mark_in(&service.tags), service.id.clone());
        let before = self.observed.private_link_services.remove(&id);
        let alias = format!("{}.{number:08}-0000-4000-8000-000000000000.eastus2.azure.privatelinkservice", id.name());
        let live = LivePrivateLinkService {
            service,
            alias: before.as_ref().and_then(|live| live.alias.clone()).or_else(|| alias.parse().ok()),
            connections: before.map(|live| live.connections).unwrap_or_default(),
            provisioning: Provisioning::Succeeded,
            mark,
            seen: seen(number),
        };
        self.observed.private_link_services.insert(id, live);
    }

    fn link_of(&self, target: &Target) -> Option<ResourceId> {
        match target {
            Target::Id(id) => Some(id.clone()),
            Target::Alias(alias) => {
                let mut all = self.observed.private_link_services.values();
                all.find(|live| live.alias.as_ref() == Some(alias)).map(|live| live.service.id.clone())
            }
            Target::Produced { publisher, .. } => {
                Some(self.observed.publisher(publisher).expect("the target exists").service.id.clone())
            }
        }
    }

    fn put_endpoint(&mut self, endpoint: &PrivateEndpoint) {
        let mut endpoint = endpoint.clone();
        let link = self.link_of(&endpoint.target);
        if let (Target::Produced { .. }, Some(link)) = (&endpoint.target, &link) {
            endpoint.target = Target::Id(link.clone());
        }
        let number = self.next();
        let before = self.observed.private_endpoints.remove(&endpoint.id);
        let dynamic = IpAddr::V4(Ipv4Addr::from(0x0A32_0100 + number));
        let before_status = before.as_ref().map(|live| live.status.clone());
        let listed = link
            .as_ref()
            .and_then(|link| self.observed.private_link_services.get(link))
            .is_some_and(|live| live.service.exposure.auto_approval.names(&endpoint.id.subscription()));
        let first = if listed || endpoint.request == Request::Automatic {
            ConnectionStatus::Approved
        } else {
            ConnectionStatus::Pending
        };
        let status = before_status.unwrap_or(first);
        let live = LivePrivateEndpoint {
            status: status.clone(),
            status_description: String::new(),
            private_address: endpoint.address.or(before.and_then(|live| live.private_address)).or(Some(dynamic)),
            network_interface: None,
            provisioning: Provisioning::Succeeded,
            mark: self.mark_in(&endpoint.tags),
            seen: seen(number),
            endpoint: endpoint.clone(),
        };
        let id = endpoint.id.clone();
        self.observed.private_endpoints.insert(id.clone(), live);
        if let Some(link) = link.filter(|link| self.observed.private_link_services.contains_key(link)) {
            self.connect(&link, &id, status);
        }
    }

    /// Adds a connection to a Private Link Service, whoever the endpoint belongs to.
    pub(crate) fn connect(&mut self, link: &ResourceId, endpoint: &ResourceId, status: ConnectionStatus) {
        let number = self.next();
        let connections = &mut self.observed.private_link_services.get_mut(link).expect("it exists").connections;
        connections.retain(|connection| connection.endpoint.as_ref() != Some(endpoint));
        connections.push(LiveConnection {
            id: link.child("privateEndpointConnections", &format!("{}.{number}", endpoint.name())),
            endpoint: Some(endpoint.clone()),
            status,
            description: String::new(),
            link_identifier: Some(number.to_string()),
            seen: seen(number),
        });
    }

    /// Changes the state of an endpoint's connection on both of its sides.
    pub(crate) fn answer(&mut self, endpoint: &ResourceId, status: &ConnectionStatus) {
        let mut found = false;
        for live in self.observed.private_link_services.values_mut() {
            for connection in live.connections.iter_mut().filter(|it| it.endpoint.as_ref() == Some(endpoint)) {
                connection.status = status.clone();
                found = true;
            }
        }
        assert!(found, "{endpoint} has no connection");
        if let Some(live) = self.observed.private_endpoints.get_mut(endpoint) {
            live.status = status.clone();
        }
    }

    /// The state of an endpoint as its owner sees it.
    pub(crate) fn endpoint(&mut self, name: &str) -> &mut LivePrivateEndpoint {
        self.observed.private_endpoints.get_mut(&super::case::endpoint(name)).expect("the endpoint exists")
    }

    /// A Service, by `namespace/name`.
    pub(crate) fn service(&mut self, key: &str) -> &mut LiveService {
        self.observed.services.get_mut(&key.parse().unwrap()).expect("the Service exists")
    }

    /// The Private Link Service of a Service.
    pub(crate) fn link(&mut self, service: &str) -> &mut LivePrivateLinkService {
        let publisher = PublisherKey::Cluster(service.parse().unwrap());
        let id = self.observed.publisher(&publisher).expect("it is published").service.id.clone();
        self.observed.private_link_services.get_mut(&id).unwrap()
    }

    /// Deletes a Service; the cloud provider takes its frontend and what stands on it away.
    pub(crate) fn remove_service(&mut self, key: &ObjectKey) {
        self.observed.services.remove(key);
        self.drop_unused_frontends();
    }

    /// Deletes a Private Link Service; endpoints that reached it are disconnected.
    pub(crate) fn remove_link(&mut self, id: &ResourceId) {
        let Some(live) = self.observed.private_link_services.remove(id) else { return };
        for endpoint in live.connections.iter().filter_map(|connection| connection.endpoint.as_ref()) {
            if let Some(live) = self.observed.private_endpoints.get_mut(endpoint) {
                live.status = ConnectionStatus::Disconnected;
            }
        }
    }

    /// Deletes an endpoint; its connection goes with it.
    pub(crate) fn remove_endpoint(&mut self, id: &ResourceId) {
        self.observed.private_endpoints.remove(id);
        for live in self.observed.private_link_services.values_mut() {
            live.connections.retain(|connection| connection.endpoint.as_ref() != Some(id));
        }
    }

    /// Deletes a connection from the provider's side.
    pub(crate) fn remove_connection(&mut self, id: &ResourceId) {
        for live in self.observed.private_link_services.values_mut() {
            let gone = live.connections.iter().find(|it| it.id == *id || it.endpoint.as_ref() == Some(id)).cloned();
            live.connections.retain(|it| Some(&it.id) != gone.as_ref().map(|gone| &gone.id));
            if let Some(endpoint) = gone.and_then(|gone| gone.endpoint)
                && let Some(live) = self.observed.private_endpoints.get_mut(&endpoint)
            {
                live.status = ConnectionStatus::Disconnected;
            }
        }
    }

    /// Everything that is there only because a test says so: zones, and Services that others deploy.
    pub(crate) fn prepare(&mut self, desired: &Desired) {
        for intent in desired.intents.values() {
            match &intent.resource {
                Resource::Service(service)
                    if service.deployment == Deployment::AnnotationsOnly
                        && !self.observed.services.contains_key(&service.key) =>
                {
                    self.deploy_foreign(&service.key);
                }
                Resource::DnsRecord(record) => {
                    self.observed.dns_zones.extend(record.id.parent());
                }
                Resource::DnsLink(link) => self.observed.dns_zones.extend(link.id.parent()),
                _ => {}
            }
        }
    }
}
