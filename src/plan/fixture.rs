//! A small converged world for tests: one published Service, one endpoint that reaches it, and its DNS record.
//!
//! Start from [`World::converged`], change one thing, look at the plan. Subscription 1 is ours; 2 (ACME, known by name) and
//! 3 (nobody knows) are consumers of the published Service.

mod names;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::net::Ipv4Addr;

use serde_json::Value as Json;
use serde_json::json;

use crate::desired::ConnectionRules;
use crate::desired::Desired;
use crate::desired::Intent;
use crate::desired::policy::ApprovalRules;
use crate::desired::policy::CloudName;
use crate::desired::policy::ClusterAccess;
use crate::desired::policy::ClusterReference;
use crate::desired::policy::Consumer;
use crate::desired::policy::DriftRules;
use crate::desired::policy::IdentityReference;
use crate::desired::policy::Policy;
use crate::desired::policy::StatusTarget;
use crate::diagnostic::Place;
use crate::domain::azure::ResourceId;
use crate::domain::cluster::Balancing;
use crate::domain::cluster::BalancingRule;
use crate::domain::cluster::LoadBalancerFrontend;
use crate::domain::cluster::ManagedCluster;
use crate::domain::key::PublisherKey;
use crate::domain::mark::DocumentMark;
use crate::domain::resource::Provisioning;
use crate::domain::resource::Resource;
use crate::domain::resource::Seen;
use crate::domain::resource::connection::ConnectionStatus;
use crate::domain::resource::connection::LiveConnection;
use crate::domain::resource::dns::Addresses;
use crate::domain::resource::dns::DnsLink;
use crate::domain::resource::dns::DnsRecord;
use crate::domain::resource::dns::LiveDnsLink;
use crate::domain::resource::dns::LiveDnsRecord;
use crate::domain::resource::private_endpoint::LivePrivateEndpoint;
use crate::domain::resource::private_endpoint::PrivateEndpoint;
use crate::domain::resource::private_endpoint::Request;
use crate::domain::resource::private_endpoint::Target;
use crate::domain::resource::private_link_service::AutoApproval;
use crate::domain::resource::private_link_service::Exposure;
use crate::domain::resource::private_link_service::Frontend;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::domain::resource::private_link_service::Nat;
use crate::domain::resource::private_link_service::PrivateLinkService;
use crate::domain::resource::private_link_service::Publication;
use crate::domain::resource::private_link_service::Visibility;
use crate::domain::resource::service::Deployment;
use crate::domain::resource::service::LiveService;
use crate::domain::resource::service::Service;
use crate::domain::resource::subnet::LiveSubnet;
use crate::domain::scope::Scope;
use crate::observed::Area;
use crate::observed::Gap;
use crate::observed::Observed;
use crate::plan::Plan;
use crate::plan::plan;
pub(crate) use names::consumer;
use names::dns_link_id;
pub(crate) use names::endpoint_id;
pub(crate) use names::endpoint_key;
pub(crate) use names::id;
pub(crate) use names::link_id;
pub(crate) use names::link_key;
pub(crate) use names::mark;
pub(crate) use names::orders;
pub(crate) use names::record_id;
pub(crate) use names::service_key;
pub(crate) use names::subscription;

/// The alias of the Private Link Service.
pub(crate) const ALIAS: &str = "pls-orders.8f0c6a1e-0000-4000-8000-000000000001.eastus2.azure.privatelinkservice";
/// The file of the Service.
pub(crate) const SERVICE_FILE: &str = "environments/prod/orders.yaml";
/// The file of the endpoint.
pub(crate) const ENDPOINT_FILE: &str = "environments/prod/consumer.yaml";

/// A desired and an observed side that agree.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// What is asked for.
    pub(crate) desired: Desired,
    /// What is there.
    pub(crate) observed: Observed,
}

impl World {
    /// Everything is as it shall be.
    pub(crate) fn converged() -> Self {
        Self { desired: desired(), observed: observed() }
    }

    /// The same wishes, and nothing there yet but the cluster, its network and the DNS zone.
    pub(crate) fn empty() -> Self {
        let full = observed();
        let (cluster, subnets, dns_zones) = (full.cluster, full.subnets, full.dns_zones);
        let observed = Observed { cluster, subnets, dns_zones, ..Observed::default() };
        Self { desired: desired(), observed }
    }

    /// The same Service, deployed by somebody else and published by a `PrivateLinkService` document.
    pub(crate) fn with_document() -> Self {
        let mut world = Self::converged();
        let document = document("privatelinkservice", "orders");
        for key in [service_key(), link_key()] {
            world.desired.intents.get_mut(&key).unwrap().document = document.clone();
        }
        match &mut world.desired.intents.get_mut(&service_key()).unwrap().resource {
            Resource::Service(service) => service.deployment = Deployment::AnnotationsOnly,
            _ => panic!("the intent of a Service holds a Service"),
        }
        world.live_service().mark = None;
        world.live_service().published_by = Some(mark());
        world
    }

    /// The plan of this world, without a baseline.
    pub(crate) fn plan(&self) -> Plan {
        plan(&self.desired, &self.observed, None)
    }

    /// The plan of this world, where the last applied commit asked for the same.
    pub(crate) fn plan_of_drift(&self) -> Plan {
        plan(&self.desired, &self.observed, Some(&self.desired.clone()))
    }

    /// The manifest that the repository holds.
    pub(crate) fn manifest(&mut self) -> &mut Json {
        match &mut self.desired.intents.get_mut(&service_key()).unwrap().resource {
            Resource::Service(service) => &mut service.manifest,
            _ => panic!("the intent of a Service holds a Service"),
        }
    }

    /// The Service in the cluster.
    pub(crate) fn live_service(&mut self) -> &mut LiveService {
        self.observed.services.get_mut(&orders()).unwrap()
    }

    /// The endpoint as asked for.
    pub(crate) fn endpoint(&mut self) -> &mut PrivateEndpoint {
        match &mut self.desired.intents.get_mut(&endpoint_key()).unwrap().resource {
            Resource::PrivateEndpoint(endpoint) => endpoint,
            _ => panic!("the intent of an endpoint holds an endpoint"),
        }
    }

    /// The Private Link Service in Azure.
    pub(crate) fn live_link(&mut self) -> &mut LivePrivateLinkService {
        self.observed.private_link_services.get_mut(&link_id()).unwrap()
    }

    /// The endpoint in Azure.
    pub(crate) fn live_endpoint(&mut self) -> &mut LivePrivateEndpoint {
        self.observed.private_endpoints.get_mut(&endpoint_id()).unwrap()
    }

    /// Leaves the Services of the cluster unread.
    pub(crate) fn blind_to_services(&mut self) {
        self.blind(Area::Services);
    }

    /// Leaves an area unread.
    pub(crate) fn blind(&mut self, area: Area) {
        self.observed.gaps.insert(Gap { area, reason: "Azure answered 403: no right to read".to_owned() });
    }
}

fn seen() -> Seen {
    Seen { etag: Some("\"1\"".parse().unwrap()), body: Json::Null }
}

fn document(kind: &'static str, name: &str) -> DocumentMark {
    DocumentMark { kind, name: name.parse().unwrap() }
}

fn policy() -> Policy {
    let acme = Consumer { name: "ACME trading".to_owned(), contact: Some("net@acme.example".to_owned()), tenant: None };
    Policy {
        mark: mark(),
        path: "environments/prod".parse().unwrap(),
        subscription: subscription(1),
        cloud: CloudName::Public,
        identity: IdentityReference::default(),
        cluster: Some(ClusterReference {
            aks: cluster().id,
            access: ClusterAccess::Kubeconfig { context: None, apply_context: None },
        }),
        cloud_provider_version: None,
        scope: Scope {
            subscriptions: BTreeSet::from([subscription(1)]),
            resource_groups: Vec::new(),
            namespaces: Vec::new(),
            dns_zones: Vec::new(),
        },
        asks_graph: false,
        prune: false,
        create_namespace: false,
        max_deletes: 10,
        agreed_deletes: 10,
        approval: ApprovalRules { signatures_required: true, ..ApprovalRules::default() },
        drift: DriftRules::of(&ApprovalRules::default()),
        levels: crate::desired::check::Levels::default(),
        approvers: BTreeMap::new(),
        committers: BTreeMap::new(),
        newcomers: BTreeSet::new(),
        freeze: None,
        windows: Vec::new(),
        break_glass: false,
        contested: BTreeMap::new(),
        loosening: Vec::new(),
        consumers: BTreeMap::from([(subscription(2), acme)]),
        status: StatusTarget {
            branch: "privlink/status/prod".to_owned(),
            author: "privlink <privlink@example.com>".parse().unwrap(),
        },
    }
}

fn manifest() -> Json {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "orders",
            "namespace": "shop",
            "labels": mark().labels(),
            "annotations": {
                "service.beta.kubernetes.io/azure-load-balancer-internal": "true",
                "service.beta.kubernetes.io/azure-load-balancer-ipv4": "10.224.10.224",
                "service.beta.kubernetes.io/azure-pls-create": "true",
                "service.beta.kubernetes.io/azure-pls-name": "pls-orders",
            },
        },
        "spec": {
            "type": "LoadBalancer",
            "ports": [{ "port": 443, "targetPort": 8443 }],
            "selector": { "app": "orders" },
        },
    })
}

fn live_manifest() -> Json {
    let mut live = manifest();
    live["metadata"]["creationTimestamp"] = json!("2026-11-20T10:00:00Z");
    live["spec"]["clusterIP"] = json!("10.0.37.12");
    live["spec"]["ports"] = json!([{ "port": 443, "targetPort": 8443, "nodePort": 30443, "protocol": "TCP" }]);
    live
}

fn exposure() -> Exposure {
    Exposure {
        nat: Nat { subnet: None, count: 1, addresses: Vec::new() },
        visibility: Visibility::RoleBased,
        auto_approval: AutoApproval::default(),
        fqdns: BTreeSet::new(),
        proxy_protocol: false,
    }
}

fn endpoint(target: Target) -> PrivateEndpoint {
    PrivateEndpoint {
        id: endpoint_id(),
        location: "eastus2".parse().unwrap(),
        subnet: id(1, "rg-apps", "virtualNetworks/spoke/subnets/pe-subnet"),
        target,
        connection_name: "orders-pe".parse().unwrap(),
        request: Request::Automatic,
        address: None,
        network_interface_name: None,
        application_security_groups: BTreeSet::new(),
        tags: mark().tags(&document("privateendpoint", "orders-pe")),
    }
}

fn record(addresses: Addresses) -> DnsRecord {
    let metadata = mark().tags(&document("privateendpoint", "orders-pe"));
    DnsRecord { id: record_id(), ttl: 300, addresses, metadata }
}

fn dns_link() -> DnsLink {
    DnsLink {
        id: dns_link_id(),
        virtual_network: id(1, "rg-apps", "virtualNetworks/spoke"),
        tags: mark().tags(&document("privateendpoint", "orders-pe")),
    }
}

fn desired() -> Desired {
    let service = document("service", "orders");
    let reach = document("privateendpoint", "orders-pe");
    let whole = Service { key: orders(), deployment: Deployment::Whole, manifest: manifest() };
    let publication =
        Publication { service: orders(), name: Some("pls-orders".parse().unwrap()), exposure: exposure() };
    let publisher = PublisherKey::Cluster(orders());
    let target = Target::Produced { publisher: publisher.clone(), known: None };
    let resources = [
        (Resource::Service(whole), &service, SERVICE_FILE),
        (Resource::Publication(publication), &service, SERVICE_FILE),
        (Resource::PrivateEndpoint(endpoint(target)), &reach, ENDPOINT_FILE),
        (
            Resource::DnsRecord(record(Addresses::OfEndpoint { endpoint: endpoint_id(), known: None })),
            &reach,
            ENDPOINT_FILE,
        ),
        (Resource::DnsLink(dns_link()), &reach, ENDPOINT_FILE),
    ];
    let intent = |(resource, document, file): (Resource, &DocumentMark, &str)| {
        let place = Place::document(crate::diagnostic::FileName::outside(file), 0).at("metadata.name");
        (resource.key(), Intent { resource, document: document.clone(), place, adopt: None })
    };
    Desired {
        policy: policy(),
        intents: resources.into_iter().map(intent).collect(),
        connections: BTreeMap::new(),
        replacements: BTreeMap::new(),
        suspended: BTreeMap::new(),
        path_exists: true,
    }
}

/// Rules that approve one subscription.
pub(crate) fn approving(last: u8) -> ConnectionRules {
    ConnectionRules {
        approve: BTreeSet::from([crate::desired::Requester::Subscription(subscription(last))]),
        reject: BTreeSet::new(),
        reject_others: false,
        place: Place::document(crate::diagnostic::FileName::outside(SERVICE_FILE), 1).at("spec.connections"),
    }
}

fn cluster() -> ManagedCluster {
    let id = format!(
        "/subscriptions/{}/resourceGroups/rg-aks/providers/Microsoft.ContainerService/managedClusters/prod",
        subscription(1)
    );
    ManagedCluster {
        id: id.parse().unwrap(),
        location: "eastus2".parse().unwrap(),
        node_resource_group: "MC_prod".parse().unwrap(),
        node_subnet: Some(nodes()),
        version: Some("1.36.2".to_owned()),
        ip_families: Vec::new(),
        balancing: Balancing::default(),
        principal: None,
    }
}

/// A connection of a consumer on the Private Link Service.
pub(crate) fn connection(endpoint: ResourceId, status: ConnectionStatus) -> LiveConnection {
    LiveConnection {
        id: link_id().child("privateEndpointConnections", &format!("{}.1", endpoint.name())),
        endpoint: Some(endpoint),
        status,
        description: String::new(),
        link_identifier: Some("536871010".to_owned()),
        seen: seen(),
    }
}

fn live_link() -> LivePrivateLinkService {
    let tags = [("k8s-azure-cluster-name", "kubernetes"), ("k8s-azure-owner-service", "shop/orders")];
    LivePrivateLinkService {
        service: PrivateLinkService {
            id: link_id(),
            location: "eastus2".parse().unwrap(),
            frontend: Frontend::Id(frontend_id()),
            exposure: exposure(),
            tags: tags.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        },
        alias: Some(ALIAS.parse().unwrap()),
        connections: vec![
            connection(consumer(2, "acme-pe"), ConnectionStatus::Approved),
            connection(consumer(3, "beta-pe"), ConnectionStatus::Approved),
            connection(endpoint_id(), ConnectionStatus::Approved),
        ],
        provisioning: Provisioning::Succeeded,
        mark: None,
        seen: seen(),
    }
}

/// What the cloud provider begins the names of everything with that it makes for `shop/orders`.
const BASE: &str = "a8d1e4f2a00004000800000000000000";

fn frontend_id() -> ResourceId {
    id(1, "MC_prod", &format!("loadBalancers/kubernetes-internal/frontendIPConfigurations/{BASE}"))
}

fn nodes() -> ResourceId {
    id(1, "rg-aks", "virtualNetworks/aks/subnets/nodes")
}

fn observed() -> Observed {
    let address = IpAddr::V4(Ipv4Addr::new(10, 224, 10, 224));
    let private: Ipv4Addr = Ipv4Addr::new(10, 50, 1, 4);
    let service = LiveService {
        key: orders(),
        uid: "8d1e4f2a-0000-4000-8000-000000000001".parse().unwrap(),
        resource_version: "4711".parse().unwrap(),
        manifest: live_manifest(),
        owned: BTreeSet::new(),
        managers: BTreeMap::new(),
        addresses: vec![address],
        deleting: false,
        mark: Some(mark()),
        published_by: None,
    };
    let live_endpoint = LivePrivateEndpoint {
        endpoint: endpoint(Target::Id(link_id())),
        status: ConnectionStatus::Approved,
        status_description: String::new(),
        private_address: Some(IpAddr::V4(private)),
        network_interface: Some(id(1, "rg-apps", "networkInterfaces/orders-pe.nic")),
        provisioning: Provisioning::Succeeded,
        mark: Some(mark()),
        seen: seen(),
    };
    let known = Addresses::Known(BTreeSet::from([private]));
    let live_record = LiveDnsRecord { record: record(known), auto_registered: false, mark: Some(mark()), seen: seen() };
    let live_dns_link = LiveDnsLink {
        link: dns_link(),
        completed: true,
        provisioning: Provisioning::Succeeded,
        mark: Some(mark()),
        seen: seen(),
    };
    let frontend = LoadBalancerFrontend {
        id: frontend_id(),
        address: Some(address),
        subnet: Some(nodes()),
        rules: vec![BalancingRule {
            name: format!("{BASE}-TCP-443"),
            protocol: "Tcp".to_owned(),
            port: 443,
            settings: None,
        }],
    };
    let subnet = LiveSubnet {
        id: nodes(),
        prefixes: vec!["10.224.0.0/16".parse().unwrap()],
        policy_enabled: false,
        provisioning: Provisioning::Succeeded,
        seen: seen(),
    };
    Observed {
        cluster: Some(cluster()),
        services: BTreeMap::from([(orders(), service)]),
        subnets: BTreeMap::from([(nodes(), subnet)]),
        frontends: BTreeMap::from([(frontend.id.clone(), frontend)]),
        private_link_services: BTreeMap::from([(link_id(), live_link())]),
        private_endpoints: BTreeMap::from([(endpoint_id(), live_endpoint)]),
        dns_zones: BTreeSet::from([id(1, "rg-dns", "privateDnsZones/orders.internal")]),
        dns_records: BTreeMap::from([(record_id(), live_record)]),
        dns_links: BTreeMap::from([(dns_link_id(), live_dns_link)]),
        ..Observed::default()
    }
}

#[test]
fn a_converged_world_plans_to_nothing() {
    let plan = World::converged().plan();
    assert!(!plan.has_changes() && plan.notes.is_empty() && plan.blockers.is_empty(), "{plan:#?}");
    assert_eq!(plan.unchanged, 5);
    let plan = World::with_document().plan();
    assert!(!plan.has_changes() && plan.notes.is_empty() && plan.blockers.is_empty(), "{plan:#?}");
}
