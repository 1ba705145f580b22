//! Worlds to start from, and settings files that fit them.

use privlink::sim::world::Node;
use privlink::sim::world::World;

pub(crate) const TENANT: &str = "11111111-1111-1111-1111-111111111111";
pub(crate) const PROVIDER: &str = "00000000-0000-0000-0000-000000000001";
pub(crate) const CONSUMER: &str = "00000000-0000-0000-0000-000000000002";
pub(crate) const NODE_GROUP: &str = "MC_myResourceGroup_myAKSCluster_eastus2";

/// The world of the example; a failed reconcile is tried again soon.
pub(crate) fn example() -> World {
    // Tests poll a hundred times as fast as people do, and would wait for Azure's buckets to refill.
    let mut world = World::parse(&format!("{}\nthrottling: \"off\"\n", privlink::cli::demo::WORLD)).unwrap();
    world.controller.retry_milliseconds = 10;
    world.operations.polls = 1;
    world
}

/// The world of the AKS documentation's article, where `aks-subnet` is 10.240.0.0/16.
pub(crate) fn article() -> World {
    let mut world = example();
    let network = &mut world.virtual_networks[0];
    network.address_space = vec!["10.240.0.0/12".parse().unwrap()];
    for (subnet, prefix) in network.subnets.iter_mut().zip(["10.240.0.0/16", "10.241.0.0/24", "10.241.1.0/24"]) {
        subnet.prefixes = vec![prefix.parse().unwrap()];
    }
    world.clusters[0].nodes[0].address = "10.240.0.4".parse().unwrap();
    world
}

/// The article's world with an IPv6 range on network and node subnet.
pub(crate) fn dual_stack() -> World {
    let mut world = article();
    let network = &mut world.virtual_networks[0];
    network.address_space.push("fd00:10::/48".parse().unwrap());
    network.subnets[0].prefixes.push("fd00:10::/64".parse().unwrap());
    let name = "aks-nodepool1-12345678-vmss000001".to_owned();
    world.clusters[0].nodes.push(Node { name, address: "fd00:10::4".parse().unwrap() });
    world
}

/// Settings like those of the example, for documents of a test's own: one person must approve anything but what is safe.
pub(crate) fn settings() -> String {
    settings_of("6f1c2b9e-4d3a-4c57-9a1e-0b7d5f8c2a10")
}

/// The same for another owner.
pub(crate) fn settings_of(owner: &str) -> String {
    format!(
        r#"version = 1
owner = "{owner}"

[status]
branch = "privlink/status/{{environment}}"
author = "privlink <privlink@example.com>"

[approvers.alice]

[approvers.bob]

[environments.prod]
path = "environments/prod"
cloud = "simulator"
subscription = "{PROVIDER}"
prune = true
max-deletes = 10

[environments.prod.identity]
tenant = "{TENANT}"
plan-client-id = "00000000-0000-0000-0000-0000000000a1"
apply-client-id = "00000000-0000-0000-0000-0000000000a2"

[environments.prod.cluster]
aks = "/subscriptions/{PROVIDER}/resourceGroups/myResourceGroup/providers/Microsoft.ContainerService/managedClusters/myAKSCluster"
context = "myAKSCluster"

[environments.prod.scope]
subscriptions = ["{PROVIDER}", "{CONSUMER}"]

[environments.prod.approval]
notable = 1
disruptive = 1
severing = 1
"#
    )
}
