//! One edit of a published Service at a time: what the model says, in words.
//!
//! `shop/orders` is published at 10.224.0.10 of the nodes' subnet, as `pls-orders`, with one consumer; `shop/other` is not
//! published and has 10.224.0.20.

mod frontends;
mod links;
mod services;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value as Json;
use serde_json::json;

use super::service::Service;
use super::state::State;
use super::version::Behaviour;
use super::*;
use crate::domain::annotation::PREFIX;
use crate::domain::azure::ResourceId;
use crate::domain::cluster::Balancing;
use crate::domain::cluster::BalancingRule;
use crate::domain::cluster::HealthProbe;
use crate::domain::cluster::HeldAddress;
use crate::domain::cluster::LoadBalancerFrontend;
use crate::domain::cluster::ManagedCluster;
use crate::domain::cluster::RuleSettings;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::resource::Provisioning;
use crate::domain::resource::Seen;
use crate::domain::resource::connection::ConnectionStatus;
use crate::domain::resource::connection::LiveConnection;
use crate::domain::resource::private_link_service::AutoApproval;
use crate::domain::resource::private_link_service::Exposure;
use crate::domain::resource::private_link_service::Frontend;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::domain::resource::private_link_service::Nat;
use crate::domain::resource::private_link_service::PrivateLinkService;
use crate::domain::resource::private_link_service::Visibility;
use crate::domain::resource::service::LiveService;
use crate::domain::resource::subnet::LiveSubnet;
use crate::observed::Area;
use crate::observed::Gap;
use crate::observed::Observed;

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";

fn id(group: &str, rest: &str) -> ResourceId {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Network/{rest}").parse().unwrap()
}

fn subnet(name: &str) -> ResourceId {
    id("rg", &format!("virtualNetworks/v/subnets/{name}"))
}

fn seen() -> Seen {
    Seen { etag: None, body: Json::Null }
}

fn uid(name: &str) -> String {
    let digit = if name == "orders" { 1 } else { 2 };
    format!("{digit}0000000-0000-4000-8000-000000000000")
}

fn base(name: &str) -> String {
    name::base(&format!("shop/{name}").parse().unwrap(), Some(&uid(name).parse().unwrap()))
}

fn frontend_id(name: &str) -> ResourceId {
    id("MC", &format!("loadBalancers/kubernetes-internal/frontendIPConfigurations/{name}"))
}

fn service(name: &str, annotations: &[(&str, &str)], port: u16) -> LiveService {
    let annotations: serde_json::Map<String, Json> =
        annotations.iter().map(|(key, value)| (format!("{PREFIX}{key}"), json!(value))).collect();
    LiveService {
        key: format!("shop/{name}").parse().unwrap(),
        uid: uid(name).parse().unwrap(),
        resource_version: "1".parse().unwrap(),
        manifest: json!({
            "metadata": { "annotations": annotations },
            "spec": { "type": "LoadBalancer", "ipFamilies": ["IPv4"], "externalTrafficPolicy": "Cluster",
                "ports": [{ "port": port, "protocol": "TCP", "nodePort": 30000 + port, "targetPort": 8443 }] },
        }),
        owned: BTreeSet::new(),
        managers: BTreeMap::new(),
        addresses: vec![if name == "orders" { "10.224.0.10" } else { "10.224.0.20" }.parse().unwrap()],
        deleting: false,
        mark: None,
        published_by: None,
    }
}

fn frontend(name: &str, address: &str, port: u16) -> LoadBalancerFrontend {
    LoadBalancerFrontend {
        id: frontend_id(name),
        address: Some(address.parse().unwrap()),
        subnet: Some(subnet("nodes")),
        rules: vec![BalancingRule {
            name: format!("{name}-TCP-{port}"),
            protocol: "Tcp".to_owned(),
            port,
            settings: Some(settings(port)),
        }],
    }
}

/// What a rule says if no annotation says otherwise.
fn settings(port: u16) -> RuleSettings {
    RuleSettings {
        backend_port: port,
        floating_ip: true,
        idle_timeout: 4,
        tcp_reset: true,
        distribution: "Default".to_owned(),
        probe: Some(HealthProbe {
            protocol: "tcp".to_owned(),
            port: 30000 + port,
            path: None,
            interval: 5,
            threshold: 2,
        }),
    }
}

fn link(name: &str, owner: &str, on: &str) -> LivePrivateLinkService {
    let link = id("MC", &format!("privateLinkServices/{name}"));
    let connection = LiveConnection {
        id: link.child("privateEndpointConnections", "acme.1"),
        endpoint: Some(id("consumer", "privateEndpoints/acme-pe")),
        status: ConnectionStatus::Approved,
        description: String::new(),
        link_identifier: None,
        seen: seen(),
    };
    let tags = [("k8s-azure-cluster-name", "kubernetes"), ("k8s-azure-owner-service", owner)];
    LivePrivateLinkService {
        service: PrivateLinkService {
            id: link,
            location: "eastus2".parse().unwrap(),
            frontend: Frontend::Id(frontend_id(on)),
            exposure: Exposure {
                nat: Nat { subnet: Some(subnet("nodes")), count: 1, addresses: Vec::new() },
                visibility: Visibility::RoleBased,
                auto_approval: AutoApproval::default(),
                fqdns: BTreeSet::new(),
                proxy_protocol: false,
            },
            tags: tags.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        },
        alias: Some(format!("{name}.guid.eastus2.azure.privatelinkservice").parse().unwrap()),
        connections: vec![connection],
        provisioning: Provisioning::Succeeded,
        mark: None,
        seen: seen(),
    }
}

fn cluster() -> ManagedCluster {
    let id = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/c"
    );
    ManagedCluster {
        id: id.parse().unwrap(),
        location: "eastus2".parse().unwrap(),
        node_resource_group: "MC".parse().unwrap(),
        node_subnet: Some(subnet("nodes")),
        version: Some("1.36.2".to_owned()),
        ip_families: Vec::new(),
        balancing: Balancing::default(),
        principal: None,
    }
}

/// The world, and the Service that is edited.
struct Case {
    observed: Observed,
    name: &'static str,
    manifest: Json,
}

impl Case {
    fn new() -> Self {
        let pins = |address| [("azure-load-balancer-internal", "true"), ("azure-load-balancer-ipv4", address)];
        let publishes = [("azure-pls-create", "true"), ("azure-pls-name", "pls-orders")];
        let orders = service("orders", &[pins("10.224.0.10").as_slice(), publishes.as_slice()].concat(), 443);
        let other = service("other", &pins("10.224.0.20"), 80);
        let manifest = orders.manifest.clone();
        let frontends = [frontend(&base("orders"), "10.224.0.10", 443), frontend(&base("other"), "10.224.0.20", 80)];
        let networks = [("nodes", "10.224.0.0/24"), ("apps", "10.225.0.0/24")].map(|(name, prefix)| LiveSubnet {
            id: subnet(name),
            prefixes: vec![prefix.parse().unwrap()],
            policy_enabled: name != "nodes",
            provisioning: Provisioning::Succeeded,
            seen: seen(),
        });
        let link = link("pls-orders", "shop/orders", &base("orders"));
        let observed = Observed {
            cluster: Some(cluster()),
            services: [orders, other].into_iter().map(|live| (live.key.clone(), live)).collect(),
            frontends: frontends.into_iter().map(|frontend| (frontend.id.clone(), frontend)).collect(),
            subnets: networks.into_iter().map(|subnet| (subnet.id.clone(), subnet)).collect(),
            private_link_services: BTreeMap::from([(link.service.id.clone(), link)]),
            ..Observed::default()
        };
        Self { observed, name: "orders", manifest }
    }

    /// `shop/other` pins the address of `shop/orders` instead, and has joined it.
    fn shared() -> Self {
        let mut case = Self::new();
        case.observed.frontends.remove(&frontend_id(&base("other")));
        let shared = case.observed.frontends.get_mut(&frontend_id(&base("orders"))).unwrap();
        let rule = BalancingRule {
            name: format!("{}-TCP-80", base("other")),
            protocol: "Tcp".to_owned(),
            port: 80,
            settings: None,
        };
        shared.rules.push(rule);
        let other = case.observed.services.get_mut(&"shop/other".parse().unwrap()).unwrap();
        other.manifest["metadata"]["annotations"][format!("{PREFIX}azure-load-balancer-ipv4")] = json!("10.224.0.10");
        other.addresses = vec!["10.224.0.10".parse().unwrap()];
        case
    }

    /// Edits the other Service.
    fn on(mut self, name: &'static str) -> Self {
        self.name = name;
        self.manifest = self.live().manifest.clone();
        self
    }

    fn key(&self) -> ObjectKey {
        format!("shop/{}", self.name).parse().unwrap()
    }

    fn live(&self) -> &LiveService {
        &self.observed.services[&self.key()]
    }

    /// Sets an annotation.
    fn with(mut self, key: &str, value: &str) -> Self {
        self.manifest["metadata"]["annotations"][format!("{PREFIX}{key}")] = json!(value);
        self
    }

    /// Takes an annotation away.
    fn without(mut self, key: &str) -> Self {
        let annotations = self.manifest["metadata"]["annotations"].as_object_mut().unwrap();
        annotations.remove(&format!("{PREFIX}{key}")).expect("it was there");
        self
    }

    /// Sets a field of the spec.
    fn spec(mut self, key: &str, value: Json) -> Self {
        self.manifest["spec"][key] = value;
        self
    }

    fn live_link(&mut self) -> &mut LivePrivateLinkService {
        self.observed.private_link_services.values_mut().next().unwrap()
    }

    fn read(&self, manifest: &Json) -> Service {
        let live = self.live();
        Service::read(&live.key, Some(&live.uid), manifest, &live.addresses)
    }

    fn told(&self, after: Option<&Service>) -> String {
        let before = self.read(&self.live().manifest);
        let mut state = State::of(&self.observed, Behaviour::default()).unwrap();
        match predict(&mut state, Some(&before), after) {
            Ok(prediction) => words(&prediction),
            Err(unknown) => format!("not known: {unknown}"),
        }
    }

    /// What the edit does.
    fn says(&self) -> String {
        self.told(Some(&self.read(&self.manifest)))
    }

    /// What another edit does that is made right after this one, before anything is read again.
    fn then(&self, next: &Self) -> String {
        let mut state = State::of(&self.observed, Behaviour::default()).unwrap();
        let mut tell = |case: &Self| {
            let (before, after) = (case.read(&case.live().manifest), case.read(&case.manifest));
            words(&predict(&mut state, Some(&before), Some(&after)).unwrap())
        };
        tell(self);
        tell(next)
    }

    /// What a deletion does.
    fn deleted(&self) -> String {
        self.told(None)
    }
}

fn words(prediction: &Prediction) -> String {
    let effects = prediction.effects.iter().map(|effect| format!("{} ({})", effect.what, effect.rule.id));
    let failure = prediction.failure.as_ref().map(|failure| {
        format!("FAILS {}: {} [{}] ({})", failure.stage, failure.problem, failure.code, failure.rule.id)
    });
    effects.chain(failure).collect::<Vec<_>>().join("\n")
}
