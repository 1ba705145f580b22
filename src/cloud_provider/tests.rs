//! One edit of a published Service at a time: what the model says, in words.
//!
//! `shop/orders` is published at 10.224.0.10 of the nodes' subnet, as `pls-orders`, with one consumer; `shop/other` is not
//! published and has 10.224.0.20.

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
                auto_approval: BTreeSet::new(),
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

#[test]
fn dif001_another_pinned_address_destroys_and_rebuilds() {
    insta::assert_snapshot!(Case::new().with("azure-load-balancer-ipv4", "10.224.0.11").says(), @r"
    the connection of acme-pe to pls-orders is cut (CCM-FIP-ADDRESS)
    pls-orders is deleted (CCM-FIP-ADDRESS)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-ADDRESS)
    the frontend moves from 10.224.0.10 to 10.224.0.11 (CCM-FIP-ADDRESS)
    pls-orders is built anew, with another alias and without connections (CCM-FIP-ADDRESS)
    ");
}

#[test]
fn dif001_the_deprecated_field_does_the_same() {
    let case = Case::new().without("azure-load-balancer-ipv4").spec("loadBalancerIP", json!("10.224.0.11"));
    insta::assert_snapshot!(case.says(), @r"
    the connection of acme-pe to pls-orders is cut (CCM-FIP-ADDRESS)
    pls-orders is deleted (CCM-FIP-ADDRESS)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-ADDRESS)
    the frontend moves from 10.224.0.10 to 10.224.0.11 (CCM-FIP-ADDRESS)
    pls-orders is built anew, with another alias and without connections (CCM-FIP-ADDRESS)
    ");
}

#[test]
fn dif002_an_address_that_azure_refuses_destroys_first() {
    let mut case = Case::new();
    let holder = id("rg", "privateEndpoints/somebody");
    let held = HeldAddress { subnet: subnet("nodes"), address: "10.224.0.30".parse().unwrap(), holder };
    case.observed.held.insert(held);
    let mut said = Vec::new();
    for address in ["10.9.9.9", "10.224.0.3", "10.224.0.30", "10.224.0.300"] {
        let all =
            Case { observed: case.observed.clone(), ..Case::new() }.with("azure-load-balancer-ipv4", address).says();
        said.push(all);
    }
    insta::assert_snapshot!(said.join("\n\n"), @r#"
    the connection of acme-pe to pls-orders is cut (CCM-FIP-ADDRESS)
    pls-orders is deleted (CCM-FIP-ADDRESS)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-ADDRESS)
    FAILS when the load balancer is written: the address 10.9.9.9 is outside the subnet nodes (10.224.0.0/24) [PrivateIPAddressNotInSubnet] (CCM-IP-OUTSIDE)

    the connection of acme-pe to pls-orders is cut (CCM-FIP-ADDRESS)
    pls-orders is deleted (CCM-FIP-ADDRESS)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-ADDRESS)
    FAILS when the load balancer is written: Azure keeps 10.224.0.3 of the subnet nodes for itself [PrivateIPAddressInReservedRange] (CCM-IP-RESERVED)

    the connection of acme-pe to pls-orders is cut (CCM-FIP-ADDRESS)
    pls-orders is deleted (CCM-FIP-ADDRESS)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-ADDRESS)
    FAILS when the load balancer is written: the address 10.224.0.30 is taken by privateendpoints/somebody in rg [PrivateIPAddressIsAllocated] (CCM-IP-TAKEN)

    the connection of acme-pe to pls-orders is cut (CCM-FIP-ADDRESS)
    pls-orders is deleted (CCM-FIP-ADDRESS)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-ADDRESS)
    FAILS when the load balancer is written: the address "10.224.0.300" is no address [InvalidRequestFormat] (CCM-IP-SYNTAX)
    "#);
}

#[test]
fn a_full_subnet_is_found_out_after_the_deletion() {
    let mut case = Case::new();
    let apps = case.observed.subnets.get_mut(&subnet("apps")).unwrap();
    apps.prefixes = vec!["10.225.0.0/29".parse().unwrap()];
    for last in 4..7 {
        let holder = id("rg", &format!("networkInterfaces/n{last}"));
        let address = format!("10.225.0.{last}").parse().unwrap();
        case.observed.held.insert(HeldAddress { subnet: subnet("apps"), address, holder });
    }
    let nat = Case { observed: case.observed.clone(), ..Case::new() }.with("azure-pls-ip-configuration-subnet", "apps");
    let mut pinned = Case { observed: case.observed.clone(), ..Case::new() }
        .with("azure-pls-ip-configuration-subnet", "apps")
        .with("azure-pls-ip-configuration-ip-address-count", "2")
        .with("azure-pls-ip-configuration-ip-address", "10.225.0.6");
    // Room for one: the one that is pinned, and not for the second as well.
    pinned.observed.held.retain(|held| held.address.to_string() != "10.225.0.6");
    let moved = case.with("azure-load-balancer-internal-subnet", "apps").without("azure-load-balancer-ipv4").says();
    insta::assert_snapshot!([nat.says(), pinned.says(), moved].join("\n\n"), @"
    the policy for Private Link Services of apps is switched off, for good (CCM-PLS-POLICY)
    FAILS at the Private Link Service, after the load balancer is done: the subnet apps has room for 0 more, and 1 are asked for [SubnetIsFull] (CCM-IP-FULL)

    the policy for Private Link Services of apps is switched off, for good (CCM-PLS-POLICY)
    FAILS at the Private Link Service, after the load balancer is done: the subnet apps has room for 1 more, and 2 are asked for [SubnetIsFull] (CCM-IP-FULL)

    the connection of acme-pe to pls-orders is cut (CCM-FIP-SUBNET)
    pls-orders is deleted (CCM-FIP-SUBNET)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-SUBNET)
    FAILS when the load balancer is written: the subnet apps has room for 0 more, and 1 are asked for [SubnetIsFull] (CCM-IP-FULL)
    ");
}

#[test]
fn dif003_a_subnet_annotation_replaces_the_frontend_even_where_the_address_stays() {
    let same = Case::new().with("azure-load-balancer-internal-subnet", "nodes").says();
    let moved =
        Case::new().with("azure-load-balancer-internal-subnet", "apps").without("azure-load-balancer-ipv4").says();
    let both =
        Case::new().with("azure-load-balancer-internal-subnet", "apps").with("azure-load-balancer-ipv4", "10.225.0.9");
    let missing = Case::new().with("azure-load-balancer-internal-subnet", "nowhere").says();
    insta::assert_snapshot!([same, moved, both.says(), missing].join("\n\n"), @r"
    the connection of acme-pe to pls-orders is cut (CCM-FIP-SUBNET)
    pls-orders is deleted (CCM-FIP-SUBNET)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-SUBNET)
    the frontend is replaced and keeps 10.224.0.10 (CCM-FIP-SUBNET)
    pls-orders is built anew, with another alias and without connections (CCM-FIP-SUBNET)

    the connection of acme-pe to pls-orders is cut (CCM-FIP-SUBNET)
    pls-orders is deleted (CCM-FIP-SUBNET)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-SUBNET)
    the frontend at 10.224.0.10 is replaced by one at an address that Azure picks (CCM-FIP-SUBNET)
    the policy for Private Link Services of apps is switched off, for good (CCM-PLS-POLICY)
    pls-orders is built anew, with another alias and without connections (CCM-FIP-SUBNET)

    the connection of acme-pe to pls-orders is cut (CCM-FIP-SUBNET)
    pls-orders is deleted (CCM-FIP-SUBNET)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-SUBNET)
    the frontend at 10.224.0.10 is replaced by one at 10.225.0.9 (CCM-FIP-SUBNET)
    the policy for Private Link Services of apps is switched off, for good (CCM-PLS-POLICY)
    pls-orders is built anew, with another alias and without connections (CCM-FIP-SUBNET)

    FAILS before anything is written: the network v has no subnet nowhere [failed to get subnet] (CCM-FIP-NO-SUBNET)
    ");
}

#[test]
fn dif004_who_shares_the_address_moves_along_or_is_left_dangling() {
    let moved = Case::shared().with("azure-load-balancer-ipv4", "10.224.0.11").says();
    let renamed = Case::shared().with("azure-load-balancer-internal-subnet", "nodes").says();
    insta::assert_snapshot!([moved, renamed].join("\n\n"), @r"
    the connection of acme-pe to pls-orders is cut (CCM-FIP-ADDRESS)
    pls-orders is deleted (CCM-FIP-ADDRESS)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-ADDRESS)
    the frontend moves from 10.224.0.10 to 10.224.0.11 (CCM-FIP-ADDRESS)
    shop/other moves along to 10.224.0.11 without having asked (CCM-SHARE-MOVE)
    pls-orders is built anew, with another alias and without connections (CCM-FIP-ADDRESS)

    the connection of acme-pe to pls-orders is cut (CCM-FIP-SUBNET)
    pls-orders is deleted (CCM-FIP-SUBNET)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-SUBNET)
    FAILS when the load balancer is written: shop/other still uses the frontend that would go [InvalidResourceReference] (CCM-SHARE-DANGLE)
    ");
}

#[test]
fn dif005_internal_to_public_exposes_and_fails_where_a_link_is_still_asked_for() {
    let kept = Case::new().without("azure-load-balancer-ipv4").without("azure-load-balancer-internal").says();
    let dropped = Case::new()
        .without("azure-load-balancer-ipv4")
        .with("azure-load-balancer-internal", "True")
        .without("azure-pls-create")
        .says();
    let pinned = Case::new().without("azure-load-balancer-internal").says();
    insta::assert_snapshot!([kept, dropped, pinned].join("\n\n"), @r"
    the Service gets a public address: the internet reaches it (CCM-FIP-PUBLIC)
    FAILS at the Private Link Service, after the load balancer is done: a Private Link Service is asked for on a public Service [must be internal or disable floating ip] (CCM-PLS-PUBLIC)

    the Service gets a public address: the internet reaches it (CCM-FIP-PUBLIC)
    the connection of acme-pe to pls-orders is cut (CCM-FIP-PUBLIC)
    pls-orders is deleted (CCM-FIP-PUBLIC)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-PUBLIC)

    FAILS before anything is written: the private address 10.224.0.10 is pinned on a Service that would be public [cannot use non-public LoadBalancer IP] (CCM-FIP-PUBLIC-PIN)
    ");
}

#[test]
fn dif006_public_to_internal_releases_the_public_address() {
    let mut case = Case::new().on("other");
    case.observed.frontends.remove(&frontend_id(&base("other")));
    let public = id("MC", &format!("loadBalancers/kubernetes/frontendIPConfigurations/{}", base("other")));
    let rules = vec![BalancingRule {
        name: format!("{}-TCP-80", base("other")),
        protocol: "Tcp".to_owned(),
        port: 80,
        settings: None,
    }];
    let frontend = LoadBalancerFrontend { id: public.clone(), address: None, subnet: None, rules };
    case.observed.frontends.insert(public, frontend);
    let live = case.observed.services.get_mut(&"shop/other".parse().unwrap()).unwrap();
    live.manifest["metadata"]["annotations"] = json!({});
    insta::assert_snapshot!(case.says(), @r"
    a frontend is made at 10.224.0.20 (CCM-FIP-NEW)
    the public address is released (CCM-FIP-INTERNAL)
    ");
}

#[test]
fn dif007_switching_the_link_off_changes_nothing() {
    let off = Case::new().with("azure-pls-create", "false").says();
    let gone = Case::new().without("azure-pls-create").says();
    insta::assert_snapshot!([off, gone].join("\n\n"), @r"
    nothing happens (CCM-PLS-STAYS)

    nothing happens (CCM-PLS-STAYS)
    ");
}

#[test]
fn dif008_and_009_a_name_is_for_ever_and_not_needed_any_more() {
    let renamed = Case::new().with("azure-pls-name", "pls-new").says();
    let dropped = Case::new().without("azure-pls-name").says();
    assert_eq!(dropped, "nothing happens (CCM-PLS-NAME-KEPT)");
    insta::assert_snapshot!(renamed, @"FAILS at the Private Link Service, after the load balancer is done: pls-orders cannot be renamed to pls-new [cannot change existing private link service name] (CCM-PLS-NAME)");
}

#[test]
fn dif010_another_resource_group_makes_a_second_one() {
    let moved = Case::new().with("azure-pls-resource-group", "rg-pls").says();
    let both = Case::new().with("azure-pls-resource-group", "rg-pls").with("azure-load-balancer-ipv4", "10.224.0.11");
    insta::assert_snapshot!([moved, both.says()].join("\n\n"), @"
    FAILS at the Private Link Service, after the load balancer is done: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/MC/providers/Microsoft.Network/privateLinkServices/pls-orders stands on the frontend, and the Service looks for it in rg-pls [] (CCM-PLS-GROUP)

    the frontend moves from 10.224.0.10 to 10.224.0.11 (CCM-FIP-ADDRESS)
    pls-orders stands on the frontend that moves: it is not proven that its connections survive (CCM-PLS-MOVED)
    FAILS at the Private Link Service, after the load balancer is done: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/MC/providers/Microsoft.Network/privateLinkServices/pls-orders stands on the frontend, and the Service looks for it in rg-pls [] (CCM-PLS-GROUP)
    ");
}

#[test]
fn dif011_nat_addresses_are_added_or_replaced_in_place() {
    let added = Case::new().with("azure-pls-ip-configuration-ip-address-count", "2").says();
    let moved = Case::new().with("azure-pls-ip-configuration-subnet", "apps").says();
    let fixed = Case::new().with("azure-pls-ip-configuration-ip-address", "10.224.0.40").says();
    let taken = Case::new().with("azure-pls-ip-configuration-ip-address", "10.224.0.20").says();
    let many = Case::new().with("azure-pls-ip-configuration-ip-address-count", "9").says();
    let mut held = Case::new().with("azure-pls-ip-configuration-ip-address", "10.224.0.40");
    let holder = held.live_link().service.id.clone();
    let address = "10.224.0.40".parse().unwrap();
    held.observed.held.insert(HeldAddress { subnet: subnet("nodes"), address, holder });
    insta::assert_snapshot!([added, moved, fixed, held.says(), taken, many].join("\n\n"), @r#"
    pls-orders gets more NAT addresses (CCM-PLS-NAT-ADD)

    the policy for Private Link Services of apps is switched off, for good (CCM-PLS-POLICY)
    the NAT addresses of pls-orders are written anew: connections through one that goes break (CCM-PLS-NAT)

    the NAT addresses of pls-orders are written anew: connections through one that goes break (CCM-PLS-NAT)

    allocation of NAT addresses of pls-orders change in place (CCM-PLS-TUNE)

    FAILS at the Private Link Service, after the load balancer is done: the NAT address 10.224.0.20 is taken by shop/other [PrivateIPAddressIsAllocated] (CCM-IP-TAKEN)

    FAILS at the Private Link Service, after the load balancer is done: service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address-count is "9": write a whole number from 1 to 8 [] (CCM-PLS-REFUSED)
    "#);
}

#[test]
fn dif012_and_013_proxy_protocol_and_visibility_change_in_place() {
    let proxy = Case::new().with("azure-pls-proxy-protocol", "true").says();
    let seen = Case::new().with("azure-pls-visibility", "*").with("azure-pls-fqdns", "a.example b.example").says();
    insta::assert_snapshot!([proxy, seen].join("\n\n"), @r"
    pls-orders begins to send PROXY protocol headers: backends and probes must follow (CCM-PLS-PROXY)

    fqdns, visibility of pls-orders change in place (CCM-PLS-TUNE)
    ");
}

#[test]
fn dif014_a_sharer_must_not_tune() {
    let shares = Case::shared().on("other").with("azure-pls-create", "true");
    let tunes = Case::shared().on("other").with("azure-pls-create", "true").with("azure-pls-visibility", "");
    insta::assert_snapshot!([shares.says(), tunes.says()].join("\n\n"), @r"
    nothing happens (CCM-PLS-SHARED)

    FAILS at the Private Link Service, after the load balancer is done: service.beta.kubernetes.io/azure-pls-visibility tunes pls-orders, which belongs to the Service shop/orders [already has existing private link service] (CCM-PLS-OWNER)
    ");
}

#[test]
fn dif015_to_017_what_goes_with_a_service_and_what_stays_for_its_sharers() {
    let deleted = Case::new().deleted();
    let typed = Case::new().spec("type", json!("ClusterIP")).says();
    let owner = Case::shared().deleted();
    let sharer = Case::shared().on("other").deleted();
    // An address that it was never at: nothing is told of those who are.
    let elsewhere = Case::new().on("other").spec("type", json!("ClusterIP"));
    let elsewhere = elsewhere.with("azure-load-balancer-ipv4", "10.224.0.10").says();
    insta::assert_snapshot!([deleted, typed, owner, sharer, elsewhere].join("\n\n"), @"
    the connection of acme-pe to pls-orders is cut (CCM-FIP-GONE)
    pls-orders is deleted (CCM-FIP-GONE)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-GONE)
    the frontend at 10.224.0.10 goes (CCM-FIP-GONE)

    the connection of acme-pe to pls-orders is cut (CCM-FIP-TYPE)
    pls-orders is deleted (CCM-FIP-TYPE)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-TYPE)
    the frontend at 10.224.0.10 goes (CCM-FIP-TYPE)

    the frontend at 10.224.0.10 stays for shop/other (CCM-SHARE-STAY)
    pls-orders stays with the name of an owner that is gone (CCM-SHARE-OWNER)

    the frontend at 10.224.0.10 stays for shop/orders (CCM-SHARE-STAY)

    the frontend at 10.224.0.20 goes (CCM-FIP-TYPE)
    ");
}

#[test]
fn dif018_a_second_family_is_refused_beside_a_link() {
    insta::assert_snapshot!(Case::new().spec("ipFamilies", json!(["IPv4", "IPv6"])).says(), @"FAILS when the load balancer is written: an IPv6 frontend is asked for beside a Private Link Service [] (CCM-PLS-IPV6)");
}

#[test]
fn dif019_the_traffic_policy_changes_the_probe() {
    insta::assert_snapshot!(Case::new().spec("externalTrafficPolicy", json!("Local")).says(), @"rule or probe of 443/TCP is written anew (CCM-RULE-CHANGED)");
}

#[test]
fn dif020_labels_and_selectors_are_not_looked_at() {
    let mut case = Case::new().spec("selector", json!({"app": "x"}));
    case.manifest["metadata"]["labels"] = json!({"a": "b"});
    insta::assert_snapshot!(case.says(), @"nothing happens (CCM-NO-SYNC)");
}

#[test]
fn dif021_ports_come_and_go_by_name() {
    let port = |number: u16| json!({"port": number, "protocol": "TCP", "nodePort": 30000 + u32::from(number)});
    let more = Case::new().spec("ports", json!([port(443), port(8080)])).says();
    let other = Case::new().spec("ports", json!([port(444)])).says();
    let clash = Case::shared().spec("ports", json!([port(443), port(80)])).says();
    let probe = Case::new().with("azure-load-balancer-health-probe-protocol", "http").says();
    let path = Case::new().with("azure-load-balancer-health-probe-request-path", "/x").says();
    assert_eq!(path, "", "a tcp probe has no path");
    let idle = Case::new().with("azure-load-balancer-tcp-idle-timeout", "200").says();
    insta::assert_snapshot!([more, other, clash, probe, idle].join("\n\n"), @"
    8080/TCP opens (CCM-RULE-ADDED)

    444/TCP opens (CCM-RULE-ADDED)
    443/TCP closes (CCM-RULE-REMOVED)

    FAILS before anything is written: 80/TCP of 10.224.0.10 is shop/other's already [which is being referenced by an existing loadBalancing rule] (CCM-RULE-CLASH)

    rule or probe of 443/TCP is written anew (CCM-RULE-CHANGED)

    FAILS before anything is written: service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout is 200: it must be 4 to 100 minutes [] (CCM-RULE-REFUSED)
    ");
}

#[test]
fn dif022_a_pin_that_goes_changes_nothing() {
    insta::assert_snapshot!(Case::new().without("azure-load-balancer-ipv4").says(), @"nothing happens (CCM-FIP-UNPINNED)");
}

#[test]
fn dif023_a_service_made_anew_gets_everything_anew() {
    let case = Case::new();
    let mut state = State::of(&case.observed, Behaviour::default()).unwrap();
    let before = case.read(&case.manifest);
    let gone = predict(&mut state, Some(&before), None).unwrap();
    let after = Service::read(&case.key(), None, &case.manifest, &[]);
    let made = predict(&mut state, None, Some(&after)).unwrap();
    insta::assert_snapshot!([words(&gone), words(&made)].join("\n\n"), @r"
    the connection of acme-pe to pls-orders is cut (CCM-FIP-GONE)
    pls-orders is deleted (CCM-FIP-GONE)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-GONE)
    the frontend at 10.224.0.10 goes (CCM-FIP-GONE)

    a frontend is made at 10.224.0.10 (CCM-FIP-NEW)
    443/TCP opens (CCM-RULE-ADDED)
    pls-orders is built (CCM-PLS-NEW)
    ");
}

#[test]
fn a_name_that_another_service_has_is_taken_over() {
    let case = Case::new().on("other").with("azure-pls-create", "true").with("azure-pls-name", "PLS-orders");
    let after = case.read(&case.manifest);
    let before = case.read(&case.live().manifest);
    let mut newer = State::of(&case.observed, Behaviour { refuses_taken_names: true }).unwrap();
    let refused = predict(&mut newer, Some(&before), Some(&after)).unwrap();
    assert_eq!(refused.failure.unwrap().rule, &rule::LINK_NAME_TAKEN);
    insta::assert_snapshot!(case.says(), @"pls-orders is taken from shop/orders: its consumers reach this Service instead (CCM-PLS-TAKEN)");
}

#[test]
fn the_ninth_link_and_a_foreign_one_are_refused() {
    let publishes = |case: Case| case.on("other").with("azure-pls-create", "true");
    let mut case = Case::new();
    for number in 0..7 {
        let link = link(&format!("pls-{number}"), "x/y", &format!("f{number}"));
        case.observed.private_link_services.insert(link.service.id.clone(), link);
    }
    let ninth = publishes(case).says();
    let mut case = Case::new();
    case.live_link().service.tags.clear();
    let foreign = case.with("azure-pls-fqdns", "a.example").says();
    insta::assert_snapshot!([ninth, foreign].join("\n\n"), @r"
    FAILS at the Private Link Service, after the load balancer is done: the load balancer carries 8 Private Link Services already [] (CCM-PLS-NINTH)

    FAILS at the Private Link Service, after the load balancer is done: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/MC/providers/Microsoft.Network/privateLinkServices/pls-orders stands on the frontend, and the cluster did not make it [already has unmanaged private link service] (CCM-PLS-UNMANAGED)
    ");
}

#[test]
fn a_link_in_another_group_is_not_seen_and_what_comes_of_it_is_not_proven() {
    let elsewhere = || {
        let mut case = Case::new();
        let mut link = case.live_link().clone();
        link.service.id = id("rg-pls", "privateLinkServices/pls-orders");
        link.service.tags.clear();
        case.observed.private_link_services = BTreeMap::from([(link.service.id.clone(), link)]);
        case.without("azure-pls-create")
    };
    let moved = elsewhere().with("azure-load-balancer-ipv4", "10.224.0.11").says();
    let renamed = elsewhere().with("azure-load-balancer-internal-subnet", "nodes").says();
    insta::assert_snapshot!([moved, renamed].join("\n\n"), @"
    nothing happens (CCM-PLS-STAYS)
    the frontend moves from 10.224.0.10 to 10.224.0.11 (CCM-FIP-ADDRESS)
    pls-orders stands on the frontend that moves: it is not proven that its connections survive (CCM-PLS-MOVED)

    nothing happens (CCM-PLS-STAYS)
    FAILS when the load balancer is written: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-pls/providers/Microsoft.Network/privateLinkServices/pls-orders stands on the frontend that would go, and the Service looks for it in the resource group MC [InUseFrontendIPConfigurationCannotBeDeleted] (CCM-PLS-GROUP)
    ");
}

#[test]
fn joining_and_leaving_a_shared_address_hurts_nobody() {
    let joins = Case::new().on("other").with("azure-load-balancer-ipv4", "10.224.0.10").says();
    let leaves = Case::shared().on("other").with("azure-load-balancer-ipv4", "10.224.0.20").says();
    insta::assert_snapshot!([joins, leaves].join("\n\n"), @r"
    the frontend at 10.224.0.20 goes (CCM-FIP-ADDRESS)
    it shares 10.224.0.10 with shop/orders (CCM-SHARE-JOIN)

    a frontend is made at 10.224.0.20 (CCM-FIP-NEW)
    it leaves 10.224.0.10 to shop/orders (CCM-SHARE-LEAVE)
    ");
}

#[test]
fn what_was_not_read_is_not_guessed() {
    let mut case = Case::new().with("azure-load-balancer-ipv4", "10.224.0.11");
    case.observed.subnets.clear();
    let area = Area::Networks(SUBSCRIPTION.parse().unwrap());
    case.observed.gaps.insert(Gap { area, reason: "403".to_owned() });
    insta::assert_snapshot!(case.says(), @"not known: whether 10.224.0.11 is free: the virtual network of the cluster could not be read");
}

#[test]
fn free_addresses_are_looked_for_around_the_wanted_one() {
    let state = State::of(&Case::new().observed, Behaviour::default()).unwrap();
    let near = address::nearest_free(&state, &subnet("nodes"), "10.224.0.10".parse().unwrap(), 3);
    assert_eq!(near.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.224.0.11", "10.224.0.9", "10.224.0.12"]);
    let near = address::nearest_free(&state, &subnet("nodes"), "10.224.0.2".parse().unwrap(), 1);
    assert_eq!(near[0].to_string(), "10.224.0.4", "the first four are Azure's");
}
