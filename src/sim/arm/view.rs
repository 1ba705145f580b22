//! Resources as clients see them: read-only fields stamped on, back-references worked out.
//!
//! The store keeps each fact once. Who uses a subnet, which rules use a frontend, how many links a zone has: all of that
//! follows from other resources, so it is computed when a resource is shown and can never be stale.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::sim::arm::kind::Kind;
use crate::sim::arm::public_ip_address;
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::shown::Shown;
use crate::sim::arm::store::{Resource, Store, is_named, properties_mut};

/// The whole resource on the wire.
pub(crate) fn present(store: &Store, resource: &Resource) -> Value {
    let mut out = serde_json::to_value(Shown(resource)).expect("strings and JSON values are JSON");
    let properties = properties_mut(&mut out);
    match resource.path.kind {
        Kind::VirtualNetwork => subnets(store, resource, properties),
        Kind::LoadBalancer => load_balancer(store, resource, properties),
        Kind::PrivateDnsZone => zone(store, resource, properties),
        Kind::VirtualNetworkLink => {
            let state = if resource.state == "Succeeded" { "Completed" } else { "InProgress" };
            properties.insert("virtualNetworkLinkState".to_owned(), state.into());
        }
        Kind::RecordSet => record_set(resource, properties),
        Kind::PublicIpAddress => {
            if let Some(user) = public_ip_address::user(store, &resource.path) {
                properties.insert("ipConfiguration".to_owned(), reference(&user));
            }
        }
        _ => {}
    }
    out
}

/// A resource in a list: as it is where nothing follows from other resources, made where something does.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Item<'a> {
    Kept(Shown<'a>),
    Made(Value),
}

impl<'a> Item<'a> {
    pub(crate) fn of(store: &Store, resource: &'a Resource) -> Self {
        match resource.path.kind {
            Kind::VirtualNetwork
            | Kind::LoadBalancer
            | Kind::PrivateDnsZone
            | Kind::VirtualNetworkLink
            | Kind::RecordSet
            | Kind::PublicIpAddress => Self::Made(present(store, resource)),
            _ => Self::Kept(Shown(resource)),
        }
    }
}

/// What one path addresses, or `None`.
pub(crate) fn show(store: &Store, path: &ResourcePath) -> Option<Value> {
    let holder_path = Store::holder_path(path);
    let holder = store.get(&holder_path)?;
    let shown = present(store, holder);
    if holder_path == *path {
        return Some(shown);
    }
    let children = shown["properties"][path.segment()].as_array()?;
    children.iter().find(|child| is_named(child, path.name())).cloned()
}

fn reference(id: &str) -> Value {
    json!({ "id": id })
}

fn same_id(value: &Value, id: &str) -> bool {
    value["id"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(id))
}

fn subnets(store: &Store, network: &Resource, properties: &mut Map<String, Value>) {
    let Some(Value::Array(subnets)) = properties.get_mut("subnets") else { return };
    for subnet in subnets {
        let id = format!("{}/subnets/{}", network.path.id(), subnet["name"].as_str().unwrap_or_default());
        let users: Vec<Value> = users_of_subnet(store, &id).iter().map(|user| reference(user)).collect();
        let endpoints = store.referrers(&id, Kind::PrivateEndpoint);
        let endpoints: Vec<Value> = endpoints.map(|endpoint| reference(&endpoint.path.id())).collect();
        let own = properties_mut(subnet);
        for (key, list) in [("ipConfigurations", users), ("privateEndpoints", endpoints)] {
            own.remove(key);
            if !list.is_empty() {
                own.insert(key.to_owned(), list.into());
            }
        }
    }
}

/// The ids of everything that has an address in a subnet.
pub(crate) fn users_of_subnet(store: &Store, subnet: &str) -> Vec<String> {
    let mut users = Vec::new();
    let lists = [(Kind::LoadBalancer, "frontendIPConfigurations"), (Kind::NetworkInterface, "ipConfigurations")];
    for (kind, list) in lists {
        for resource in store.referrers(subnet, kind) {
            for element in resource.list(list) {
                if same_id(&element["properties"]["subnet"], subnet) {
                    let name = element["name"].as_str().unwrap_or_default();
                    users.push(format!("{}/{list}/{name}", resource.path.id()));
                }
            }
        }
    }
    for machine in store.referrers(subnet, Kind::ScaleSetVm) {
        for (id, configuration) in machine_configurations(machine) {
            if same_id(&configuration["properties"]["subnet"], subnet) {
                users.push(id);
            }
        }
    }
    users
}

/// The IP configurations of a scale set's machine, with their ids.
pub(crate) fn machine_configurations(machine: &Resource) -> Vec<(String, &Value)> {
    let interfaces = machine.property("networkProfileConfiguration")["networkInterfaceConfigurations"].as_array();
    let mut found = Vec::new();
    for interface in interfaces.into_iter().flatten() {
        let interface_name = interface["name"].as_str().unwrap_or_default();
        for configuration in interface["properties"]["ipConfigurations"].as_array().into_iter().flatten() {
            let name = configuration["name"].as_str().unwrap_or_default();
            let id = format!("{}/networkInterfaces/{interface_name}/ipConfigurations/{name}", machine.path.id());
            found.push((id, configuration));
        }
    }
    found
}

/// Fills what rules say about the parts they name.
fn load_balancer(store: &Store, balancer: &Resource, properties: &mut Map<String, Value>) {
    const BACK_REFERENCES: &[(&str, &str, &str)] = &[
        ("frontendIPConfigurations", "loadBalancingRules", "frontendIPConfiguration"),
        ("frontendIPConfigurations", "inboundNatRules", "frontendIPConfiguration"),
        ("backendAddressPools", "loadBalancingRules", "backendAddressPool"),
        ("probes", "loadBalancingRules", "probe"),
    ];
    let id = balancer.path.id();
    for (parts, rules, field) in BACK_REFERENCES {
        let Some(Value::Array(elements)) = properties.get_mut(*parts) else { continue };
        for element in elements {
            let part = format!("{id}/{parts}/{}", element["name"].as_str().unwrap_or_default());
            let users: Vec<Value> = balancer
                .list(rules)
                .iter()
                .filter(|rule| same_id(&rule["properties"][*field], &part))
                .map(|rule| reference(&format!("{id}/{rules}/{}", rule["name"].as_str().unwrap_or_default())))
                .collect();
            let own = properties_mut(element);
            own.remove(*rules);
            if !users.is_empty() {
                own.insert((*rules).to_owned(), users.into());
            }
        }
    }
    let Some(Value::Array(pools)) = properties.get_mut("backendAddressPools") else { return };
    for pool in pools {
        let part = format!("{id}/backendAddressPools/{}", pool["name"].as_str().unwrap_or_default());
        let members = pool_members(store, &part);
        let own = properties_mut(pool);
        own.remove("backendIPConfigurations");
        if !members.is_empty() {
            own.insert("backendIPConfigurations".to_owned(), members.into());
        }
    }
}

/// The machines' configurations that joined a pool.
fn pool_members(store: &Store, pool: &str) -> Vec<Value> {
    let joined = |configuration: &Value| {
        let pools = configuration["properties"]["loadBalancerBackendAddressPools"].as_array();
        pools.into_iter().flatten().any(|entry| same_id(entry, pool))
    };
    let machines = store.referrers(pool, Kind::ScaleSetVm).flat_map(machine_configurations);
    machines.filter(|(_, configuration)| joined(configuration)).map(|(id, _)| reference(&id)).collect()
}

fn children<'a>(store: &'a Store, parent: &Resource, kind: Kind) -> Vec<&'a Resource> {
    store.of_kind_below(kind, &format!("{}/", parent.path.key())).collect()
}

fn zone(store: &Store, zone: &Resource, properties: &mut Map<String, Value>) {
    let links = children(store, zone, Kind::VirtualNetworkLink);
    let registering = links.iter().filter(|link| link.property("registrationEnabled") == &json!(true)).count();
    let counts = [
        ("maxNumberOfRecordSets", 25_000),
        ("maxNumberOfVirtualNetworkLinks", 1000),
        ("maxNumberOfVirtualNetworkLinksWithRegistration", 100),
        ("numberOfRecordSets", children(store, zone, Kind::RecordSet).len()),
        ("numberOfVirtualNetworkLinks", links.len()),
        ("numberOfVirtualNetworkLinksWithRegistration", registering),
    ];
    for (name, count) in counts {
        properties.insert(name.to_owned(), count.into());
    }
}

fn record_set(record: &Resource, properties: &mut Map<String, Value>) {
    let zone = record.path.names.first().map_or("", String::as_str);
    let fqdn = match record.path.name() {
        "@" => format!("{zone}."),
        name => format!("{name}.{zone}."),
    };
    properties.insert("fqdn".to_owned(), fqdn.into());
    properties.insert("isAutoRegistered".to_owned(), false.into());
}
