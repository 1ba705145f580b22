//! The step of the Private Link Service against a simulated Azure with given services, and nothing else running.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::super::azure::Azure;
use super::super::super::cloud::Cloud;
use super::super::super::event::Recorder;
use super::super::super::{AzureAccess, CloudConfig};
use super::Case;
use super::simulated::short;
use crate::sim::clock::Clock;
use crate::sim::fault::Fault;
use crate::sim::world::{BackendPoolType, World};
use crate::sim::{Options, Simulator, entra};

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";

/// A network and a cluster without nodes; what the cases are about is put there behind everybody's back.
const WORLD: &str = "
location: westus
tenant: 00000000-0000-0000-0000-0000000000aa
subscriptions: [{ id: 00000000-0000-0000-0000-000000000001, name: one }]
resource-groups: [{ subscription: 00000000-0000-0000-0000-000000000001, name: rg }]
virtual-networks:
  - subscription: 00000000-0000-0000-0000-000000000001
    resource-group: rg
    name: vnet
    address-space: [10.2.0.0/16]
    subnets:
      - { name: subnet, prefixes: [10.2.0.0/24], private-link-service-network-policies: Disabled }
      - { name: plsSubnet, prefixes: [10.2.1.0/24] }
clusters:
  - subscription: 00000000-0000-0000-0000-000000000001
    resource-group: rg
    node-resource-group: rg
    name: testCluster
    virtual-network: vnet
    subnet: subnet
";

struct Rig {
    sim: Simulator,
    cloud: Cloud,
}

fn network(path: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/{path}")
}

fn frontend_id(name: &str) -> String {
    network(&format!("loadBalancers/testCluster-internal/frontendIPConfigurations/{name}"))
}

/// The frontend that a row calls `fip` has the name that the case's names follow from.
fn frontend_name(word: &str) -> &str {
    if word == "fip" { "fipConfig" } else { word }
}

impl Rig {
    async fn start(case: &Case) -> Self {
        let mut world = World::parse(WORLD).unwrap();
        if let Some(policy) = case.given()["policy"].as_str() {
            world.virtual_networks[0].subnets[1].private_link_service_network_policies = Some(policy.to_owned());
        }
        let sim = Simulator::start(&world, Options::default()).await.unwrap();
        sim.arm().log().keep_bodies();
        let cluster = sim.cluster("testCluster").unwrap().clone();
        let access = AzureAccess {
            origin: sim.endpoints().resource_manager_http.clone(),
            client_id: entra::cloud_provider(&world, &world.clusters[0]).client_id.to_string(),
        };
        let clock: Clock = cluster.clock().clone();
        let azure = Azure::new(access, clock.clone());
        let cloud = Cloud::new(azure, config(), (Recorder::new(cluster), clock));
        let rig = Self { sim, cloud };
        rig.put_balancer();
        case.given()["services"].as_array().into_iter().flatten().for_each(|own| rig.put_service(own));
        rig
    }

    fn put_balancer(&self) {
        let frontend = |name: &str, address: &str| {
            json!({"name": name, "properties": {"privateIPAddress": address, "privateIPAllocationMethod": "Static",
                "subnet": {"id": network("virtualNetworks/vnet/subnets/subnet")}}})
        };
        let frontends = [frontend("fipConfig", "10.2.0.100"), frontend("other", "10.2.0.101")];
        let body = json!({"location": "westus", "sku": {"name": "Standard"}, "properties": {
            "frontendIPConfigurations": frontends}});
        assert!(self.sim.arm().raw_put(&network("loadBalancers/testCluster-internal"), body));
    }

    fn put_service(&self, given: &Value) {
        let words = |list: &Value| -> Vec<String> {
            list.as_array().into_iter().flatten().map(|own| own.as_str().unwrap().to_owned()).collect()
        };
        let name = given["name"].as_str().unwrap();
        let frontends: Vec<Value> =
            words(&given["frontends"]).iter().map(|own| json!({"id": frontend_id(frontend_name(own))})).collect();
        let configuration = |index: u64| {
            json!({"name": format!("nat-{index}"), "properties": {"primary": index == 0,
                "privateIPAllocationMethod": "Dynamic", "privateIPAddressVersion": "IPv4",
                "subnet": {"id": network("virtualNetworks/vnet/subnets/subnet")}}})
        };
        let configurations: Vec<Value> =
            (0..given["configurations"].as_u64().unwrap_or(0)).map(configuration).collect();
        let connections: Vec<Value> =
            words(&given["connections"]).iter().map(|own| json!({"name": own, "properties": {}})).collect();
        let body = json!({"location": "westus", "tags": given["tags"], "properties": {
            "loadBalancerFrontendIpConfigurations": frontends, "ipConfigurations": configurations,
            "privateEndpointConnections": connections}});
        assert!(self.sim.arm().raw_put(&network(&format!("privateLinkServices/{name}")), body));
    }

    fn frontend(&self) -> Value {
        json!({"name": "fipConfig", "id": frontend_id("fipConfig")})
    }
}

fn config() -> CloudConfig {
    CloudConfig {
        subscription: SUBSCRIPTION.to_owned(),
        resource_group: "rg".to_owned(),
        location: "westus".to_owned(),
        network_group: "rg".to_owned(),
        network: "vnet".to_owned(),
        subnet: "subnet".to_owned(),
        security_group_group: "rg".to_owned(),
        security_group: "nsg".to_owned(),
        backend_pool_type: BackendPoolType::NodeIpConfiguration,
        cluster_name: "testCluster".to_owned(),
        rejects_foreign_names: false,
        retry: Duration::from_secs(5),
        delay: Duration::ZERO,
        cache: Duration::from_secs(60),
    }
}

/// Runs a case and compares what was sent, and what became of it.
pub(super) async fn run(case: &Case, step: &str) {
    let rig = Rig::start(case).await;
    let (service, frontend) = (case.service(), rig.frontend());
    let mark = rig.sim.requests().len();
    if let Some(method) = case.given()["fault"].as_str() {
        let path = if method == "GET" { "privateLinkServices" } else { "privateEndpointConnections" };
        let (method, path) = (Some(method.to_owned()), path.to_owned());
        rig.sim.add_fault(Fault { method, path, status: 409, ..Fault::default() });
    }
    let (mut error, mut is_deleted, mut found) = (None, false, None);
    match step {
        "link-service" => {
            error = rig.cloud.ensure_link_service(&service, &frontend).await.err();
        }
        "link-services-group" => {}
        "link-service-cleanup" => is_deleted = rig.cloud.delete_link_services_of(&service, &[frontend]).await,
        _ => {
            for _ in 0..case.given()["reads"].as_u64().unwrap() {
                match rig.cloud.attached(&service, &frontend).await {
                    Ok(attached) => found = attached,
                    Err(failure) => error = Some(failure),
                }
            }
        }
    }
    let requests = rig.sim.requests().split_off(mark);
    let own = || requests.iter().filter(|own| own.client.starts_with("kubernetes-cloudprovider"));
    let name = case.name();
    let writes = own().filter(|own| own.method != "GET").map(|own| {
        let path = own.path.split("Microsoft.Network/").nth(1).unwrap_or_default();
        format!("{} {}", own.method, path.trim_start_matches("virtualNetworks/vnet/"))
    });
    for (key, expected) in case.expected().as_object().unwrap() {
        match key.as_str() {
            "error" => {
                let error = error.as_ref().map(ToString::to_string).unwrap_or_default();
                assert!(error.contains(expected.as_str().unwrap()), "{name}: {error}");
            }
            "writes" => assert_eq!(json!(writes.clone().collect::<Vec<_>>()), *expected, "{name}"),
            "value" => {
                let path = rig.cloud.link_services_path(&service);
                let group = path.split('/').nth(4).unwrap_or_default();
                assert_eq!(json!(group), *expected, "{name}");
            }
            "deleted" => assert_eq!(json!(is_deleted), *expected, "{name}"),
            "requests" => {
                let lists = own().filter(|own| own.path.ends_with("/privateLinkServices"));
                assert_eq!(json!(lists.count()), *expected, "{name}");
            }
            "found" => assert_eq!(found.as_ref().map_or(Value::Null, |own| own["name"].clone()), *expected, "{name}"),
            "policy" => {
                let subnet = rig.sim.arm().raw_get(&network("virtualNetworks/vnet/subnets/plsSubnet")).unwrap();
                assert_eq!(subnet["properties"]["privateLinkServiceNetworkPolicies"], *expected, "{name}");
            }
            "body" => {
                let body = own().find_map(|own| own.body.as_ref()).unwrap();
                for (field, value) in expected.as_object().unwrap() {
                    assert_eq!(body["properties"][field], *value, "{name}");
                }
            }
            "configurations" => {
                let body = own().find_map(|own| own.body.as_ref()).unwrap();
                let list = body["properties"]["ipConfigurations"].as_array().unwrap().iter().map(short);
                assert_eq!(json!(list.collect::<Vec<_>>()), *expected, "{name}");
            }
            other => panic!("{name}: nothing compares {other}"),
        }
    }
    if case.expected().get("error").is_none() {
        assert!(error.is_none(), "{name}: {error:?}");
    }
}
