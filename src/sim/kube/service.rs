//! What the API server fills into a Service: defaults, cluster addresses, node ports.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::sim::world::IpFamily;

/// Node ports: the default `--service-node-port-range`.
pub(crate) const NODE_PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;

/// Cluster addresses: AKS' default `10.0.0.0/16`, and a unique local range for IPv6.
const CLUSTER_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);
const CLUSTER_V6: Ipv6Addr = Ipv6Addr::new(0xfd12, 0x3456, 0x789a, 1, 0, 0, 0, 0);

/// The type of a Service; a missing one means `ClusterIP`.
pub(crate) fn type_of(service: &Value) -> &str {
    service["spec"]["type"].as_str().unwrap_or("ClusterIP")
}

fn ports(service: &Value) -> &[Value] {
    service["spec"]["ports"].as_array().map_or(&[], Vec::as_slice)
}

fn spec_mut(service: &mut Value) -> &mut Map<String, Value> {
    if !service["spec"].is_object() {
        service["spec"] = json!({});
    }
    service["spec"].as_object_mut().expect("the line above made it an object")
}

fn default(spec: &mut Map<String, Value>, field: &str, value: Value) {
    spec.entry(field).or_insert(value);
}

/// Writes the defaults that the API server's decoder writes (`SetDefaults_Service`).
pub(crate) fn set_defaults(service: &mut Value) {
    let kind = type_of(service).to_owned();
    let spec = spec_mut(service);
    default(spec, "type", json!("ClusterIP"));
    default(spec, "sessionAffinity", json!("None"));
    if spec["sessionAffinity"] == "None" {
        spec.remove("sessionAffinityConfig");
    } else if spec["sessionAffinity"] == "ClientIP" {
        // Three hours: the default of the API.
        default(spec, "sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": 10_800}}));
    }
    if kind == "LoadBalancer" || kind == "NodePort" {
        default(spec, "externalTrafficPolicy", json!("Cluster"));
    }
    if kind != "ExternalName" {
        default(spec, "internalTrafficPolicy", json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        default(spec, "allocateLoadBalancerNodePorts", json!(true));
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let number = port["port"].clone();
        let Some(port) = port.as_object_mut() else { continue };
        default(port, "protocol", json!("TCP"));
        if port.get("targetPort").is_none_or(|target| *target == 0 || *target == "") {
            port.insert("targetPort".to_owned(), number);
        }
    }
    if !service["status"].is_object() {
        service["status"] = json!({"loadBalancer": {}});
    }
}

/// Takes allocated values over from the stored Service where an update leaves them out, and drops those that the new
/// type cannot have.
pub(crate) fn keep_allocated(new: &mut Value, old: &Value) {
    let kind = type_of(new).to_owned();
    if kind != "ExternalName" && type_of(old) != "ExternalName" {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            copy_missing(new, old, field);
        }
    }
    if needs_health_check_port(new) && needs_health_check_port(old) {
        copy_missing(new, old, "healthCheckNodePort");
    }
    let keeps_ports = takes_node_ports(&kind) && takes_node_ports(type_of(old));
    for port in new["spec"]["ports"].as_array_mut().into_iter().flatten() {
        let twin = ports(old).iter().find(|old| old["port"] == port["port"] && old["protocol"] == port["protocol"]);
        let Some(allocated) = twin.and_then(|twin| twin.get("nodePort")) else { continue };
        if keeps_ports && port.get("nodePort").is_none() {
            port["nodePort"] = allocated.clone();
        } else if !takes_node_ports(&kind) && port.get("nodePort") == Some(allocated) {
            port.as_object_mut().map(|port| port.remove("nodePort"));
        }
    }
    drop_fields_of_other_types(new, old);
}

fn copy_missing(new: &mut Value, old: &Value, field: &str) {
    if let (None, Some(value)) = (new["spec"].get(field), old["spec"].get(field)) {
        new["spec"][field] = value.clone();
    }
}

/// A field of the old type that the client sent back unchanged is dropped, not refused.
fn drop_fields_of_other_types(new: &mut Value, old: &Value) {
    let kind = type_of(new).to_owned();
    let mut stale = Vec::new();
    if kind != "LoadBalancer" {
        stale.extend(["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
    }
    if !takes_node_ports(&kind) {
        stale.push("externalTrafficPolicy");
    }
    if !needs_health_check_port(new) {
        stale.push("healthCheckNodePort");
    }
    for field in stale {
        if new["spec"].get(field).is_some() && new["spec"].get(field) == old["spec"].get(field) {
            spec_mut(new).remove(field);
        }
    }
    if kind == "ExternalName" {
        spec_mut(new)
            .retain(|field, _| !matches!(field.as_str(), "clusterIP" | "clusterIPs" | "ipFamilies" | "ipFamilyPolicy"));
    }
}

fn takes_node_ports(kind: &str) -> bool {
    kind == "LoadBalancer" || kind == "NodePort"
}

fn needs_health_check_port(service: &Value) -> bool {
    type_of(service) == "LoadBalancer" && service["spec"]["externalTrafficPolicy"] == "Local"
}

/// How many stored Services hold each address and node port.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    addresses: BTreeMap<IpAddr, usize>,
    ports: BTreeMap<u16, usize>,
}

impl Claims {
    /// Those of one Service.
    pub(crate) fn of(service: &Value) -> Self {
        let mut claims = Self::default();
        claims.add(service);
        claims
    }

    /// Notes what a Service holds from now on.
    pub(crate) fn add(&mut self, service: &Value) {
        addresses_of(service).for_each(|address| *self.addresses.entry(address).or_default() += 1);
        ports_of(service).for_each(|port| *self.ports.entry(port).or_default() += 1);
    }

    /// Forgets what a Service held.
    pub(crate) fn remove(&mut self, service: &Value) {
        addresses_of(service).for_each(|address| release(&mut self.addresses, address));
        ports_of(service).for_each(|port| release(&mut self.ports, port));
    }
}

fn release<K: Ord>(held: &mut BTreeMap<K, usize>, key: K) {
    if let Entry::Occupied(mut entry) = held.entry(key) {
        *entry.get_mut() -= 1;
        if *entry.get() == 0 {
            entry.remove();
        }
    }
}

fn addresses_of(service: &Value) -> impl Iterator<Item = IpAddr> {
    let addresses = service["spec"]["clusterIPs"].as_array().into_iter().flatten();
    addresses.filter_map(|ip| ip.as_str()?.parse::<IpAddr>().ok())
}

fn ports_of(service: &Value) -> impl Iterator<Item = u16> {
    let node_ports = ports(service).iter().map(|port| &port["nodePort"]);
    let node_ports = node_ports.chain([&service["spec"]["healthCheckNodePort"]]);
    node_ports.filter_map(|port| u16::try_from(port.as_u64()?).ok())
}

/// What is taken already, for one Service that is being written.
#[derive(Debug)]
pub(crate) struct Taken<'a> {
    /// By all that are stored.
    all: &'a Claims,
    /// By the Service as it is stored: its own.
    own: Claims,
    addresses: BTreeSet<IpAddr>,
    ports: BTreeSet<u16>,
    /// The families that the cluster has addresses of, the first one for who asks for none.
    families: &'a [IpFamily],
}

impl<'a> Taken<'a> {
    /// What others hold than this Service, as it is stored.
    pub(crate) fn beside(live: Option<&Value>, all: &'a Claims, families: &'a [IpFamily]) -> Self {
        let own = live.map(Claims::of).unwrap_or_default();
        Self { all, own, addresses: BTreeSet::new(), ports: BTreeSet::new(), families }
    }

    /// True if the cluster has addresses of a family.
    pub(crate) fn has_family(&self, family: &str) -> bool {
        self.families.iter().any(|own| own.as_str() == family)
    }

    /// True if the cluster has addresses of both families.
    pub(crate) fn is_dual_stack(&self) -> bool {
        self.families.len() > 1
    }

    /// True if another Service has the node port.
    pub(crate) fn has_port(&self, port: u16) -> bool {
        let count = |claims: &Claims| claims.ports.get(&port).copied().unwrap_or_default();
        self.ports.contains(&port) || count(self.all) > count(&self.own)
    }

    /// True if another Service has the cluster address.
    pub(crate) fn has_address(&self, address: IpAddr) -> bool {
        let count = |claims: &Claims| claims.addresses.get(&address).copied().unwrap_or_default();
        self.addresses.contains(&address) || count(self.all) > count(&self.own)
    }

    fn next_port(&mut self, chance: u32) -> u16 {
        let span = u32::from(NODE_PORTS.end() - NODE_PORTS.start()) + 1;
        let candidate = |step: u32| NODE_PORTS.start() + u16::try_from((chance + step) % span).unwrap_or_default();
        let port = (0..span).map(candidate).find(|port| !self.has_port(*port)).unwrap_or(*NODE_PORTS.start());
        self.ports.insert(port);
        port
    }

    fn next_address(&mut self, family: &str, chance: u32) -> IpAddr {
        // 1 is the `kubernetes` Service and 10 is kube-dns on AKS; the rest of the first hundred stays for people.
        let host = |step: u32| 256 + (chance + step) % 65_000;
        let candidate = |step: u32| match family {
            "IPv6" => IpAddr::V6(Ipv6Addr::from(u128::from(CLUSTER_V6) + u128::from(host(step)))),
            _ => IpAddr::V4(Ipv4Addr::from(u32::from(CLUSTER_V4) + host(step))),
        };
        let free = (0..65_000).map(candidate).find(|address| !self.has_address(*address));
        let address = free.unwrap_or_else(|| candidate(0));
        self.addresses.insert(address);
        address
    }
}

/// Fills in families, cluster addresses and node ports. A dry run gets the fake address of the real server's dry run.
pub(crate) fn allocate(service: &mut Value, taken: &mut Taken<'_>, dry_run: bool) {
    if type_of(service) == "ExternalName" {
        return;
    }
    set_families(service, taken);
    let name = format!("{}/{}", service["metadata"]["namespace"], service["metadata"]["name"]);
    allocate_addresses(service, taken, (&name, dry_run));
    allocate_ports(service, taken, &name);
}

fn set_families(service: &mut Value, taken: &Taken<'_>) {
    let spec = spec_mut(service);
    let given = spec.get("ipFamilies").and_then(Value::as_array).cloned().unwrap_or_default();
    let policy = spec.get("ipFamilyPolicy").and_then(Value::as_str).unwrap_or(match given.len() {
        2 => "RequireDualStack",
        _ => "SingleStack",
    });
    let policy = policy.to_owned();
    let first = match spec.get("clusterIP").and_then(Value::as_str) {
        Some(address) if address.contains(':') => json!("IPv6"),
        Some(address) if address != "None" && !address.is_empty() => json!("IPv4"),
        _ => json!(taken.families.first().map_or("IPv4", |family| family.as_str())),
    };
    let mut families = if given.is_empty() { vec![first] } else { given };
    if policy == "SingleStack" {
        families.truncate(1);
    } else if families.len() == 1 && taken.is_dual_stack() {
        families.push(if families[0] == "IPv6" { json!("IPv4") } else { json!("IPv6") });
    }
    spec.insert("ipFamilies".to_owned(), json!(families));
    spec.insert("ipFamilyPolicy".to_owned(), json!(policy));
}

fn allocate_addresses(service: &mut Value, taken: &mut Taken<'_>, (name, dry_run): (&str, bool)) {
    let spec = spec_mut(service);
    if spec.get("clusterIP").is_some_and(|address| address == "None") {
        spec.insert("clusterIPs".to_owned(), json!(["None"]));
        return;
    }
    let families = spec["ipFamilies"].as_array().cloned().unwrap_or_default();
    let mut addresses = spec.get("clusterIPs").and_then(Value::as_array).cloned().unwrap_or_default();
    if addresses.is_empty() {
        addresses.extend(spec.get("clusterIP").filter(|address| *address != "").cloned());
    }
    addresses.truncate(families.len());
    for family in families.iter().skip(addresses.len()) {
        let family = family.as_str().unwrap_or("IPv4");
        let fake = if family == "IPv6" { IpAddr::V6(CLUSTER_V6) } else { IpAddr::V4(CLUSTER_V4) };
        let address = if dry_run { fake } else { taken.next_address(family, chance(&format!("{name}/{family}"))) };
        addresses.push(json!(address.to_string()));
    }
    spec.insert("clusterIP".to_owned(), addresses.first().cloned().unwrap_or_default());
    spec.insert("clusterIPs".to_owned(), json!(addresses));
}

fn allocate_ports(service: &mut Value, taken: &mut Taken<'_>, name: &str) {
    let kind = type_of(service).to_owned();
    let wants =
        kind == "NodePort" || (kind == "LoadBalancer" && service["spec"]["allocateLoadBalancerNodePorts"] != false);
    if wants {
        for port in service["spec"]["ports"].as_array_mut().into_iter().flatten() {
            if port["nodePort"].as_u64().unwrap_or_default() == 0 {
                let number = taken.next_port(chance(&format!("{name}/{}/{}", port["protocol"], port["port"])));
                port["nodePort"] = json!(number);
            }
        }
    }
    if needs_health_check_port(service) && service["spec"]["healthCheckNodePort"].as_u64().unwrap_or_default() == 0 {
        service["spec"]["healthCheckNodePort"] = json!(taken.next_port(chance(&format!("{name}/health"))));
    }
}

/// A number that depends on nothing but the name, so that worlds repeat.
fn chance(text: &str) -> u32 {
    let digest = Sha256::digest(text.as_bytes());
    u32::from_be_bytes([0, digest[0], digest[1], digest[2]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(spec: Value) -> Value {
        finished_among(&[IpFamily::IPv4, IpFamily::IPv6], spec)
    }

    fn finished_among(families: &[IpFamily], spec: Value) -> Value {
        let mut service = json!({"metadata": {"namespace": "shop", "name": "web"}, "spec": spec});
        set_defaults(&mut service);
        allocate(&mut service, &mut Taken::beside(None, &Claims::default(), families), false);
        service["spec"].clone()
    }

    #[test]
    fn a_load_balancer_gets_the_defaults_of_the_api_server() {
        let spec = finished(json!({"type": "LoadBalancer", "ports": [{"port": 80}]}));
        assert_eq!(spec["ports"][0]["protocol"], "TCP");
        assert_eq!(spec["ports"][0]["targetPort"], 80);
        assert!(NODE_PORTS.contains(&u16::try_from(spec["ports"][0]["nodePort"].as_u64().unwrap()).unwrap()));
        assert_eq!(spec["allocateLoadBalancerNodePorts"], true);
        assert_eq!(spec["externalTrafficPolicy"], "Cluster");
        assert_eq!(spec["internalTrafficPolicy"], "Cluster");
        assert_eq!(spec["ipFamilies"], json!(["IPv4"]));
        assert_eq!(spec["ipFamilyPolicy"], "SingleStack");
        assert_eq!(spec["clusterIPs"][0], spec["clusterIP"]);
    }

    #[test]
    fn two_families_get_two_addresses() {
        let spec = finished(json!({"ipFamilyPolicy": "PreferDualStack", "ports": [{"port": 80}]}));
        assert_eq!(spec["ipFamilies"], json!(["IPv4", "IPv6"]));
        assert!(spec["clusterIPs"][1].as_str().unwrap().starts_with("fd12:"));
    }

    #[test]
    fn a_second_family_comes_only_where_the_cluster_has_one() {
        let prefers = json!({"ipFamilyPolicy": "PreferDualStack", "ports": [{"port": 80}]});
        assert_eq!(finished_among(&[IpFamily::IPv4], prefers.clone())["ipFamilies"], json!(["IPv4"]));
        assert_eq!(finished_among(&[IpFamily::IPv6], json!({"ports": [{"port": 80}]}))["ipFamilies"], json!(["IPv6"]));
        let both = finished_among(&[IpFamily::IPv6, IpFamily::IPv4], prefers);
        assert_eq!(both["ipFamilies"], json!(["IPv6", "IPv4"]));
    }

    #[test]
    fn local_traffic_gets_a_health_check_port() {
        let spec = finished(json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{"port": 80}]}));
        assert!(spec["healthCheckNodePort"].is_u64());
    }
}
