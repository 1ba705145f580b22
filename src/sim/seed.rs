//! From a world to what is in the simulated Azure, through the same requests that any client would send.

use serde_json::{Value, json};

use crate::sim::SimError;
use crate::sim::arm::{Arm, Assignment, RoleDefinition};
use crate::sim::world::{Cluster, Identity, PrivateDnsZone, RawResource, Subnet, VirtualNetwork, World};

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
    world.identities.iter().for_each(|own| state.authorization.admit(&own.object_id()));
}

/// Gives every identity its roles.
fn roles(arm: &Arm, world: &World) {
    for identity in &world.identities {
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

/// The cluster itself, and in its node resource group the security group and the scale set that AKS makes.
fn sow_cluster(arm: &Arm, world: &World, cluster: &Cluster) -> Result<(), SimError> {
    let group =
        format!("/subscriptions/{}/resourceGroups/{}/providers", cluster.subscription, cluster.node_resource_group);
    let subnet = format!("{}/subnets/{}", cluster.network_id(), cluster.subnet);
    let security_group = format!("{group}/Microsoft.Network/networkSecurityGroups/aks-agentpool-nsg");
    let rules = json!({ "securityRules": [], "defaultSecurityRules": [] });
    put(arm, &security_group, json!({ "location": world.location, "properties": rules }))?;
    put(arm, &cluster.id(), managed_cluster(world, cluster, &subnet))?;
    let Some(first) = cluster.nodes.first() else { return Ok(()) };
    let prefix = first.name.trim_end_matches(|c: char| c.is_ascii_digit());
    let scale_set = format!("{group}/Microsoft.Compute/virtualMachineScaleSets/{prefix}");
    put(arm, &scale_set, scale_set_body(world, prefix, cluster.nodes.len(), (&subnet, &security_group)))?;
    for (index, node) in cluster.nodes.iter().enumerate() {
        let mut interface = interface(prefix, &subnet, &security_group);
        interface["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"] =
            node.address.to_string().into();
        let machine = format!("{scale_set}/virtualMachines/{index}");
        let body = json!({
            "location": world.location,
            "instanceId": index.to_string(),
            "properties": {
                "latestModelApplied": true,
                "osProfile": { "computerName": node.name },
                "networkProfile": {
                    "networkInterfaces": [
                        { "id": format!("{machine}/networkInterfaces/{prefix}"), "properties": { "primary": true } },
                    ],
                },
                "networkProfileConfiguration": { "networkInterfaceConfigurations": [interface] },
                "instanceView": {
                    "statuses": [{ "code": "ProvisioningState/succeeded" }, { "code": "PowerState/running" }],
                },
            },
        });
        put(arm, &machine, body)?;
    }
    Ok(())
}

fn interface(name: &str, subnet: &str, security_group: &str) -> Value {
    json!({
        "name": name,
        "properties": {
            "primary": true,
            "enableIPForwarding": true,
            "networkSecurityGroup": { "id": security_group },
            "ipConfigurations": [{
                "name": "ipconfig1",
                "properties": {
                    "primary": true,
                    "subnet": { "id": subnet },
                    "privateIPAddressVersion": "IPv4",
                    "loadBalancerBackendAddressPools": [],
                },
            }],
        },
    })
}

fn scale_set_body(world: &World, prefix: &str, capacity: usize, (subnet, security_group): (&str, &str)) -> Value {
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
                    "networkInterfaceConfigurations": [interface(prefix, subnet, security_group)],
                },
            },
        },
    })
}

fn managed_cluster(world: &World, cluster: &Cluster, subnet: &str) -> Value {
    let dns = cluster.name.to_ascii_lowercase();
    json!({
        "location": world.location,
        "sku": { "name": "Base", "tier": "Free" },
        "identity": {
            "type": "SystemAssigned",
            "tenantId": world.tenant,
            "principalId": "00000000-0000-0000-0000-0000000000c1",
        },
        "properties": {
            "kubernetesVersion": cluster.version,
            "currentKubernetesVersion": cluster.version,
            "nodeResourceGroup": cluster.node_resource_group,
            "dnsPrefix": dns,
            "fqdn": format!("{dns}.hcp.{}.azmk8s.io", world.location),
            "powerState": { "code": "Running" },
            "disableLocalAccounts": false,
            "networkProfile": {
                "networkPlugin": "azure",
                "loadBalancerSku": "standard",
                "outboundType": "loadBalancer",
                "loadBalancerProfile": { "backendPoolType": "nodeIPConfiguration" },
            },
            "agentPoolProfiles": [{
                "name": "nodepool1",
                "mode": "System",
                "count": cluster.nodes.len(),
                "vnetSubnetID": subnet,
                "type": "VirtualMachineScaleSets",
            }],
        },
    })
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
