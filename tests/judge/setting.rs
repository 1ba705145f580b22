//! Random worlds: networks with room and without, policies on and off, foreign parties on addresses and frontends.

use privlink::sim::world::World;
use serde_json::Value;
use serde_json::json;

use super::chance::Chance;
use super::edit;
use super::stage::Beginning;
use super::stage::Stage;
use crate::runner::worlds::NODE_GROUP;
use crate::runner::worlds::PROVIDER;

/// How many of ten worlds' parts are unusual.
const RARE: usize = 4;

pub(crate) fn network(group: &str) -> String {
    format!("/subscriptions/{PROVIDER}/resourceGroups/{group}/providers/Microsoft.Network")
}

pub(crate) fn subnet(name: &str) -> String {
    format!("{}/virtualNetworks/aks-vnet/subnets/{name}", network(NODE_GROUP))
}

/// A world without Services.
pub(crate) fn beginning(chance: &mut Chance) -> Beginning {
    let mut world = World::parse(privlink::cli::demo::WORLD).unwrap();
    world.private_dns_zones.clear();
    let network = &mut world.virtual_networks[0];
    network.address_space.push("fd00:10::/48".parse().unwrap());
    for (at, tight) in [(1, "10.225.0.0/29"), (2, "10.225.1.0/29")] {
        if chance.once_in(RARE) {
            network.subnets[at].prefixes = vec![tight.parse().unwrap()];
        }
    }
    for (at, subnet) in network.subnets.iter_mut().enumerate() {
        subnet.prefixes.push(format!("fd00:10:0:{at}::/64").parse().unwrap());
        subnet.private_link_service_network_policies = chance.once_in(2).then(|| "Disabled".to_owned());
    }
    Beginning { world, refuses_taken_names: chance.once_in(2), prune: chance.once_in(2) }
}

/// Somebody else's load balancer takes an address of a subnet.
pub(crate) fn take_address(stage: &Stage, subnet_name: &str, address: &str) {
    let id = format!("{}/loadBalancers/foreign-{}", network("rg-pls"), address.replace('.', "-"));
    stage.put(
        &id,
        json!({"location": "eastus2", "sku": {"name": "Standard"}, "properties": {"frontendIPConfigurations": [
            {"name": "f", "properties": {"privateIPAllocationMethod": "Static", "privateIPAddress": address,
                "subnet": {"id": subnet(subnet_name)}}}]}}),
    );
}

/// Somebody puts a Private Link Service on a frontend by hand, without the cloud provider's tags.
pub(crate) fn put_link(stage: &Stage, (group, name): (&str, &str), frontend: &str, tags: Value) {
    let id = format!("{}/privateLinkServices/{name}", network(group));
    if stage.get(&id).is_some() {
        return;
    }
    let policy = subnet("pls-subnet");
    let Some(mut body) = stage.get(&policy) else { return };
    body["properties"]["privateLinkServiceNetworkPolicies"] = json!("Disabled");
    stage.put(&policy, body);
    stage.put(
        &id,
        json!({"location": "eastus2", "tags": tags, "properties": {
            "loadBalancerFrontendIpConfigurations": [{"id": frontend}],
            "ipConfigurations": [{"name": "nat", "properties": {"subnet": {"id": policy}, "primary": true}}],
            "visibility": {"subscriptions": [crate::runner::worlds::CONSUMER]},
            "autoApproval": {"subscriptions": [crate::runner::worlds::CONSUMER]}}}),
    );
}

/// How many Services a world begins with: few, or so many that Private Link Services do not fit on one load balancer.
pub(crate) fn first_services(chance: &mut Chance) -> Vec<edit::Edit> {
    let is_full = chance.once_in(6);
    let count = if is_full { 8 } else { 1 + chance.below(5) };
    (0..count)
        .map(|at| {
            let key = edit::key(at);
            let mut manifest = edit::fresh(chance, &key);
            if is_full {
                edit::publish(&mut manifest, &key);
            }
            edit::Edit { key, manifest: Some(manifest), what: "first".to_owned() }
        })
        .collect()
}
