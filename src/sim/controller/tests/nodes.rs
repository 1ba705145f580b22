//! Which machines are in the backend pools, and what that costs in requests.

use serde_json::{Value, json};

use super::*;
use crate::sim::world::{BackendPoolType, Node};

fn node(number: u8) -> Node {
    let name = format!("aks-nodepool1-12345678-vmss00000{number}");
    Node { name, address: format!("10.224.0.25{number}").parse().unwrap() }
}

fn pool(world: &World) -> Value {
    world.balancer()["properties"]["backendAddressPools"][0]["properties"].clone()
}

fn members(world: &World) -> usize {
    pool(world)["backendIPConfigurations"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn every_machine_of_a_node_joins_once_and_leaves_with_the_last_service() {
    let world = World::with(|world| world.clusters[0].nodes = vec![node(0), node(1)]).await;
    let mark = world.mark();
    world.apply(&service("first", &[(INTERNAL, "true")])).await;
    let joined = [
        "PUT loadBalancers 201",
        "PUT virtualMachineScaleSets 200",
        "PUT virtualMachines 200",
        "PUT virtualMachines 200",
    ];
    assert_eq!(world.writes_since(mark), joined);
    assert_eq!(members(&world), 2);
    let mark = world.mark();
    world.apply(&service("second", &[(INTERNAL, "true")])).await;
    assert_eq!(world.writes_since(mark), ["PUT loadBalancers 200"], "they are members already");
    world.delete("second").await;
    assert_eq!(members(&world), 2);
    let mark = world.mark();
    world.delete("first").await;
    let left = [
        "PUT virtualMachineScaleSets 200",
        "PUT virtualMachines 200",
        "PUT virtualMachines 200",
        "DELETE loadBalancers 202",
    ];
    assert_eq!(world.writes_since(mark), left);
}

#[tokio::test]
async fn a_scale_set_keeps_what_the_cloud_provider_does_not_send() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true")])).await;
    let path = network("").replace("Microsoft.Network", "Microsoft.Compute");
    let id = format!("{path}virtualMachineScaleSets/aks-nodepool1-12345678-vmss");
    let scale_set = world.arm.raw_get(&id).unwrap();
    assert_eq!(scale_set["sku"]["capacity"], 1);
    assert_eq!(scale_set["properties"]["orchestrationMode"], "Uniform");
    let machine = world.arm.raw_get(&format!("{id}/virtualMachines/0")).unwrap();
    assert_eq!(machine["properties"]["osProfile"]["computerName"], "aks-nodepool1-12345678-vmss000000");
    assert_eq!(machine["instanceId"], "0");
}

#[tokio::test]
async fn pools_of_addresses_are_written_instead_of_machines() {
    let world = World::with(|world| world.clusters[0].backend_pool_type = BackendPoolType::NodeIp).await;
    let mark = world.mark();
    world.apply(&service("first", &[(INTERNAL, "true")])).await;
    assert_eq!(world.writes_since(mark), ["PUT loadBalancers 201", "PUT backendAddressPools 200"]);
    let member = &pool(&world)["loadBalancerBackendAddresses"][0];
    assert_eq!(member["properties"]["ipAddress"], "10.224.0.250");
    let mark = world.mark();
    world.apply(&service("second", &[(INTERNAL, "true")])).await;
    assert_eq!(world.writes_since(mark), ["PUT loadBalancers 200"]);
    let mark = world.mark();
    let more = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "aks-nodepool1-1"},
        "status": {"addresses": [{"type": "InternalIP", "address": "10.224.0.251"}]}});
    world.cluster.create_raw(&more).unwrap();
    world.cluster.idle().await;
    assert_eq!(world.writes_since(mark), ["PUT backendAddressPools 200"]);
    world.delete("second").await;
    let mark = world.mark();
    world.delete("first").await;
    assert_eq!(world.writes_since(mark), ["DELETE loadBalancers 202"], "no machine was ever a member");
}

#[tokio::test]
async fn without_nodes_there_is_a_warning_and_a_load_balancer_without_backends() {
    let world = World::with(|world| world.clusters[0].nodes.clear()).await;
    let mark = world.mark();
    let own = world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    assert_ne!(address(&own), "", "{}", world.failure("app"));
    assert!(world.reasons("app").contains(&"UnAvailableLoadBalancer".to_owned()));
    assert_eq!(world.writes_since(mark), ["PUT loadBalancers 201", "PUT subnets 200", "PUT privateLinkServices 201"]);
    assert_eq!(members(&world), 0);
}

#[tokio::test]
async fn node_pools_have_scale_sets_of_their_own() {
    let gpu = Node { name: "aks-gpu-87654321-vmss000000".to_owned(), address: "10.224.0.240".parse().unwrap() };
    let world = World::with(|world| world.clusters[0].nodes = vec![node(0), gpu]).await;
    let mark = world.mark();
    world.apply(&service("app", &[(INTERNAL, "true")])).await;
    let joined = [
        "PUT loadBalancers 201",
        "PUT virtualMachineScaleSets 200",
        "PUT virtualMachineScaleSets 200",
        "PUT virtualMachines 200",
        "PUT virtualMachines 200",
    ];
    assert_eq!(world.writes_since(mark), joined);
    assert_eq!(members(&world), 2);
    world.delete("app").await;
    assert!(world.get("loadBalancers/kubernetes-internal").is_none(), "{}", world.failure("app"));
}

#[tokio::test]
async fn each_family_has_a_pool_and_a_configuration_of_its_own() {
    let world = World::new().await;
    let mut dual = service("dual", &[(INTERNAL, "true")]);
    dual["spec"]["ipFamilyPolicy"] = json!("RequireDualStack");
    world.apply(&dual).await;
    let balancer = world.balancer();
    let pools = balancer["properties"]["backendAddressPools"].as_array().unwrap();
    let ends: Vec<(&str, &str)> = pools
        .iter()
        .map(|own| {
            let member = own["properties"]["backendIPConfigurations"][0]["id"].as_str().unwrap();
            (own["name"].as_str().unwrap(), member.rsplit('/').next().unwrap())
        })
        .collect();
    assert_eq!(ends, [("kubernetes", "ipconfig1"), ("kubernetes-IPv6", "ipconfig-v6")]);
    world.delete("dual").await;
    assert!(world.get("loadBalancers/kubernetes-internal").is_none(), "{}", world.failure("dual"));
}

#[test]
fn a_world_says_how_load_balancers_know_the_nodes() {
    let text = WORLD.replace("    subnet: aks-subnet\n", "    subnet: aks-subnet\n    backend-pool-type: node-ip\n");
    assert_eq!(world::World::parse(&text).unwrap().clusters[0].backend_pool_type, BackendPoolType::NodeIp);
    assert!(world::World::parse(&text.replace("node-ip", "pod-ip")).is_err());
}
