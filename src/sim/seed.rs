//! From a world to what is in the simulated Azure, through the same requests that any client would send.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::sim::SimError;
use crate::sim::arm::{Arm, Assignment, RoleDefinition};
use crate::sim::entra::cloud_provider;
use crate::sim::machine::{Machine, machines, scale_set_id};
use crate::sim::world::{
    BackendPoolType, Cluster, Identity, PrivateDnsZone, RawResource, Subnet, VirtualNetwork, World,
};

/// The security group that AKS makes for the nodes.
pub(crate) const SECURITY_GROUP: &str = "aks-agentpool-nsg";

/// Puts everything a world lists.
pub(crate) fn sow(arm: &Arm, world: &World) -> Result<(), SimError> {
    for group in &world.resource_groups {
        let location = group.location.as_ref().unwrap_or(&world.location);
        let id = format!("/subscriptions/{}/resourceGroups/{}", group.subscription, group.name);
        put(arm, &id, json!({ "location": location }))?;
    }
    for network in &world.virtual_networks {
        virtual_network(arm, world, network)?;
    }
    for cluster in &world.clusters {
        sow_cluster(arm, world, cluster)?;
    }
    for zone in &world.private_dns_zones {
        private_dns_zone(arm, zone)?;
    }
    for RawResource { id, body, alias_guid } in &world.resources {
        arm.set_next_alias(alias_guid.clone());
        put(arm, id, body.clone())?;
        arm.set_next_alias(None);
    }
    roles(arm, world);
    Ok(())
}

/// Makes the world's own roles and its principals known; who has which role is not said yet.
pub(crate) fn directory(arm: &Arm, world: &World) {
    let mut state = arm.state();
    for own in &world.role_definitions {
        let id = state.chance.guid(&format!("role {}", own.name)).to_string();
        state.authorization.define(RoleDefinition {
            id,
            name: own.name.clone(),
            description: own.description.clone(),
            is_built_in: false,
            actions: own.actions.clone(),
            not_actions: own.not_actions.clone(),
        });
    }
    principals(world).iter().for_each(|own| state.authorization.admit(&own.object_id()));
}

/// Everybody who may have a role: the identities that the world lists, and those of its clusters.
fn principals(world: &World) -> Vec<Identity> {
    let clusters = world.clusters.iter().map(|cluster| cloud_provider(world, cluster));
    world.identities.iter().cloned().chain(clusters).collect()
}

/// Gives every identity its roles.
fn roles(arm: &Arm, world: &World) {
    for identity in &principals(world) {
        for (role, scope) in held_roles(world, identity) {
            assign(arm, &identity.object_id(), (&role, scope));
        }
    }
}

/// The roles of an identity with their scopes: its shorthand spelled out, and its assignments.
fn held_roles(world: &World, identity: &Identity) -> Vec<(String, String)> {
    let tenant = identity.tenant.as_ref().unwrap_or(&world.tenant);
    let whole: Vec<String> = match &identity.subscriptions {
        Some(listed) => listed.iter().map(|id| format!("/subscriptions/{id}")).collect(),
        None => {
            let own = world.subscriptions.iter().filter(|own| world.tenant_of(own) == *tenant);
            own.map(|own| format!("/subscriptions/{}", own.id)).collect()
        }
    };
    let names = identity.role.map(|role| role.names()).unwrap_or_default();
    let mut held: Vec<(String, String)> = Vec::new();
    for scope in &whole {
        held.extend(names.iter().map(|name| ((*name).to_owned(), scope.clone())));
    }
    held.extend(identity.assignments.iter().map(|own| (own.role.clone(), own.scope.clone())));
    held
}

fn assign(arm: &Arm, principal: &str, (role, scope): (&str, String)) {
    let mut state = arm.state();
    // The world was checked: its roles are there.
    let Some(role) = state.authorization.role_named(role).map(|role| role.id.clone()) else { return };
    let id = state.chance.guid(&format!("role assignment {principal} {role} {scope}")).to_string();
    let created_at = state.clock.unix_seconds();
    state.authorization.assign(Assignment {
        id,
        scope,
        role,
        principal: principal.to_owned(),
        principal_type: "ServicePrincipal".to_owned(),
        description: None,
        created_at,
        created_by: String::new(),
    });
}

fn put(arm: &Arm, id: &str, body: Value) -> Result<(), SimError> {
    let accepted = arm.call("PUT", id, &[("User-Agent", "world")], Some(body));
    let settled = arm.settle(&accepted);
    if settled.is_success() {
        return Ok(());
    }
    Err(SimError::Seed {
        id: id.to_owned(),
        code: settled.error_code().to_owned(),
        message: settled.body["error"]["message"].as_str().unwrap_or_default().to_owned(),
    })
}

fn virtual_network(arm: &Arm, world: &World, network: &VirtualNetwork) -> Result<(), SimError> {
    let id = format!(
        "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Network/virtualNetworks/{}",
        network.subscription, network.resource_group, network.name
    );
    let subnet = |own: &Subnet| {
        let mut properties = match own.prefixes.as_slice() {
            [one] => json!({ "addressPrefix": one }),
            many => json!({ "addressPrefixes": many }),
        };
        if let Some(policies) = &own.private_link_service_network_policies {
            properties["privateLinkServiceNetworkPolicies"] = policies.clone().into();
        }
        json!({ "name": own.name, "properties": properties })
    };
    let body = json!({
        "location": network.location.as_ref().unwrap_or(&world.location),
        "properties": {
            "addressSpace": { "addressPrefixes": network.address_space },
            "subnets": network.subnets.iter().map(subnet).collect::<Vec<_>>(),
        },
    });
    put(arm, &id, body)
}

/// The cluster itself, and in its node resource group the security group and the scale sets that AKS makes.
fn sow_cluster(arm: &Arm, world: &World, cluster: &Cluster) -> Result<(), SimError> {
    let group =
        format!("/subscriptions/{}/resourceGroups/{}/providers", cluster.subscription, cluster.node_resource_group);
    let subnet = format!("{}/subnets/{}", cluster.network_id(), cluster.subnet);
    let security_group = format!("{group}/Microsoft.Network/networkSecurityGroups/{SECURITY_GROUP}");
    let place = MachinePlace { subnet: &subnet, security_group: &security_group, has_v6: has_v6(world, cluster) };
    let rules = json!({ "securityRules": [], "defaultSecurityRules": [] });
    put(arm, &security_group, json!({ "location": world.location, "properties": rules }))?;
    put(arm, &cluster.id(), managed_cluster(world, cluster, &subnet))?;
    let all = machines(cluster);
    let mut scale_sets: BTreeMap<&str, usize> = BTreeMap::new();
    all.iter().for_each(|machine| *scale_sets.entry(machine.scale_set).or_default() += 1);
    for (name, capacity) in scale_sets {
        let body = scale_set_body(world, name, capacity, &place);
        put(arm, &scale_set_id(cluster, name), body)?;
    }
    all.iter().try_for_each(|machine| sow_machine(arm, world, (cluster, machine), &place))
}

/// What the interfaces of machines are attached to.
struct MachinePlace<'a> {
    subnet: &'a str,
    security_group: &'a str,
    /// True if the subnet has a range of IPv6.
    has_v6: bool,
}

fn has_v6(world: &World, cluster: &Cluster) -> bool {
    let networks = world.virtual_networks.iter().filter(|own| own.name.eq_ignore_ascii_case(&cluster.virtual_network));
    let subnets = networks.flat_map(|own| &own.subnets).filter(|own| own.name.eq_ignore_ascii_case(&cluster.subnet));
    subnets.flat_map(|own| &own.prefixes).any(|prefix| prefix.to_string().contains(':'))
}

fn sow_machine(
    arm: &Arm,
    world: &World,
    (cluster, machine): (&Cluster, &Machine<'_>),
    place: &MachinePlace<'_>,
) -> Result<(), SimError> {
    let Machine { scale_set, instance, node } = machine;
    let mut interface = interface(scale_set, place);
    interface["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"] = node.address.to_string().into();
    let id = format!("{}/virtualMachines/{instance}", scale_set_id(cluster, scale_set));
    let body = json!({
        "location": world.location,
        "instanceId": instance.to_string(),
        "properties": {
            "latestModelApplied": true,
            "osProfile": { "computerName": node.name },
            "networkProfile": {
                "networkInterfaces": [
                    { "id": format!("{id}/networkInterfaces/{scale_set}"), "properties": { "primary": true } },
                ],
            },
            "networkProfileConfiguration": { "networkInterfaceConfigurations": [interface] },
            "instanceView": {
                "statuses": [{ "code": "ProvisioningState/succeeded" }, { "code": "PowerState/running" }],
            },
        },
    });
    put(arm, &id, body)
}

/// An interface with a configuration for each family of its subnet; the one for IPv4 is primary.
fn interface(name: &str, place: &MachinePlace<'_>) -> Value {
    let configuration = |name: &str, version: &str| {
        json!({
            "name": name,
            "properties": {
                "primary": version == "IPv4",
                "subnet": { "id": place.subnet },
                "privateIPAddressVersion": version,
                "loadBalancerBackendAddressPools": [],
            },
        })
    };
    let mut configurations = vec![configuration("ipconfig1", "IPv4")];
    if place.has_v6 {
        configurations.push(configuration("ipconfig-v6", "IPv6"));
    }
    json!({
        "name": name,
        "properties": {
            "primary": true,
            "enableIPForwarding": true,
            "networkSecurityGroup": { "id": place.security_group },
            "ipConfigurations": configurations,
        },
    })
}

fn scale_set_body(world: &World, prefix: &str, capacity: usize, place: &MachinePlace<'_>) -> Value {
    json!({
        "location": world.location,
        "sku": { "name": "Standard_DS2_v2", "tier": "Standard", "capacity": capacity },
        "properties": {
            "orchestrationMode": "Uniform",
            "singlePlacementGroup": false,
            "overprovision": false,
            "upgradePolicy": { "mode": "Manual" },
            "virtualMachineProfile": {
                "osProfile": { "computerNamePrefix": prefix },
                "networkProfile": {
                    "networkInterfaceConfigurations": [interface(prefix, place)],
                },
            },
        },
    })
}

fn managed_cluster(world: &World, cluster: &Cluster, subnet: &str) -> Value {
    let dns = cluster.name.to_ascii_lowercase();
    let pool_type = match cluster.backend_pool_type {
        BackendPoolType::NodeIpConfiguration => "nodeIPConfiguration",
        BackendPoolType::NodeIp => "nodeIP",
    };
    let mut body = json!({
        "location": world.location,
        "sku": { "name": "Base", "tier": "Free" },
        "identity": {
            "type": "SystemAssigned",
            "tenantId": world.tenant,
            "principalId": cloud_provider(world, cluster).object_id(),
        },
        "properties": {
            "kubernetesVersion": cluster.version,
            "currentKubernetesVersion": cluster.version,
            "nodeResourceGroup": cluster.node_resource_group,
            "dnsPrefix": dns,
            "fqdn": format!("{dns}.hcp.{}.azmk8s.io", world.location),
            "powerState": { "code": "Running" },
            "disableLocalAccounts": cluster.entra,
            "networkProfile": {
                "networkPlugin": "azure",
                "ipFamilies": cluster.ip_families.iter().map(|family| family.as_str()).collect::<Vec<_>>(),
                "loadBalancerSku": "standard",
                "outboundType": "loadBalancer",
                "loadBalancerProfile": { "backendPoolType": pool_type },
            },
            "agentPoolProfiles": [{
                "name": "nodepool1",
                "mode": "System",
                "count": cluster.nodes.len(),
                "vnetSubnetID": subnet,
                "type": "VirtualMachineScaleSets",
            }],
        },
    });
    if cluster.entra {
        body["properties"]["aadProfile"] =
            json!({ "managed": true, "enableAzureRBAC": false, "tenantID": world.tenant });
    }
    body
}

fn private_dns_zone(arm: &Arm, zone: &PrivateDnsZone) -> Result<(), SimError> {
    let id = format!(
        "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Network/privateDnsZones/{}",
        zone.subscription, zone.resource_group, zone.name
    );
    put(arm, &id, json!({ "location": "global" }))?;
    for (name, addresses) in &zone.records {
        let records: Vec<Value> = addresses.iter().map(|address| json!({ "ipv4Address": address })).collect();
        put(arm, &format!("{id}/A/{name}"), json!({ "properties": { "ttl": 300, "aRecords": records } }))?;
    }
    Ok(())
}
