//! Random Services, and random edits of them: every annotation and field that the cloud provider reads, and some that it
//! does not.

use std::collections::BTreeMap;

use privlink::domain::annotation;
use privlink::domain::annotation::PREFIX;
use privlink::domain::kubernetes::ObjectKey;
use serde_json::Value;
use serde_json::json;

use super::chance::Chance;
use super::stage::Stage;
use crate::runner::worlds::CONSUMER;
use crate::runner::worlds::PROVIDER;

/// An edit of one Service.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) key: ObjectKey,
    /// `None` deletes it.
    pub(crate) manifest: Option<Value>,
    /// What is edited.
    pub(crate) what: String,
}

/// How many Services a world has at most.
pub(crate) const MOST: usize = 10;

const ADDRESSES: [&str; 16] = [
    "10.224.1.10",
    "10.224.1.11",
    "10.224.1.12",
    "10.224.1.13",
    "10.224.1.14",
    "10.224.1.66",
    "10.225.0.4",
    "10.225.0.5",
    "10.225.0.6",
    "10.224.0.3",
    "10.9.9.9",
    "10.224.1.300",
    "10.224.1.010",
    "10.224.1",
    "orders",
    "10.224.0.2",
];
/// The addresses above that are free in the beginning and fit the subnet of the nodes.
const GOOD: usize = 5;
/// What Azure keeps of the subnet of the nodes.
const RESERVED: [&str; 3] = ["10.224.0.1", "10.224.0.2", "10.224.0.3"];
/// Taken by somebody else in every world.
pub(crate) const TAKEN: [(&str, &str); 2] = [("aks-subnet", "10.224.1.66"), ("pls-subnet", "10.225.1.6")];
const SUBNETS: [&str; 6] = ["apps-subnet", "aks-subnet", "pls-subnet", "nowhere", "elsewhere", " "];
const FLAGS: [&str; 4] = ["true", "false", "True", " true "];

pub(crate) fn key(at: usize) -> ObjectKey {
    format!("default/s{at}").parse().unwrap()
}

fn annotations(manifest: &mut Value) -> &mut serde_json::Map<String, Value> {
    let metadata = &mut manifest["metadata"];
    if !metadata["annotations"].is_object() {
        metadata["annotations"] = json!({});
    }
    metadata["annotations"].as_object_mut().unwrap()
}

pub(crate) fn is_internal(manifest: &Value) -> bool {
    manifest["metadata"]["annotations"][format!("{PREFIX}azure-load-balancer-internal")] == "true"
}

pub(crate) fn set(manifest: &mut Value, name: &str, value: &str) {
    annotations(manifest).insert(format!("{PREFIX}{name}"), json!(value));
}

pub(crate) fn unset(manifest: &mut Value, name: &str) {
    annotations(manifest).remove(&format!("{PREFIX}{name}"));
}

/// Publishes a Service under a name of its own, with everything that could go wrong as it should be.
pub(crate) fn publish(manifest: &mut Value, key: &ObjectKey) {
    for name in ["azure-load-balancer-internal-subnet", "azure-pls-resource-group", "azure-load-balancer-ipv4"] {
        unset(manifest, name);
    }
    set(manifest, "azure-load-balancer-internal", "true");
    set(manifest, "azure-pls-create", "true");
    set(manifest, "azure-pls-name", &format!("pls-{}", key.name));
    set(manifest, "azure-pls-ip-configuration-subnet", "aks-subnet");
}

/// Publishes a Service that is on the public load balancer: only without floating IP does Azure take that.
fn publish_publicly(manifest: &mut Value) {
    set(manifest, "azure-disable-load-balancer-floating-ip", "true");
    set(manifest, "azure-load-balancer-internal", "false");
    for name in ["azure-load-balancer-ipv4", "azure-load-balancer-internal-subnet"] {
        unset(manifest, name);
    }
    manifest["spec"].as_object_mut().unwrap().remove("loadBalancerIP");
    set(manifest, "azure-pls-create", "true");
}

/// A Service that works in most worlds.
pub(crate) fn fresh(chance: &mut Chance, key: &ObjectKey) -> Value {
    let at: usize = key.name.as_str()[1..].parse().unwrap();
    let port = |at: usize| json!({"name": format!("p{at}"), "port": 80 + at, "protocol": "TCP"});
    let mut manifest = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": key.name.as_str(), "namespace": key.namespace.as_str(), "annotations": {}},
        "spec": {"type": "LoadBalancer", "selector": {"app": key.name.as_str()}, "ports": [port(at)]},
    });
    if chance.once_in(3) {
        manifest["spec"]["ports"] = json!([port(at), port(at + 20)]);
    }
    if !chance.once_in(12) {
        set(&mut manifest, "azure-load-balancer-internal", "true");
        match chance.below(5) {
            0 | 1 => set(&mut manifest, "azure-load-balancer-ipv4", ADDRESSES[chance.below(GOOD)]),
            2 => set(&mut manifest, "azure-load-balancer-internal-subnet", "apps-subnet"),
            _ => {}
        }
        if !chance.once_in(3) {
            set(&mut manifest, "azure-pls-create", "true");
            if chance.once_in(2) {
                set(&mut manifest, "azure-pls-name", &format!("pls-{}", key.name));
            }
            if chance.once_in(3) {
                tune(chance, &mut manifest);
            }
        }
    }
    manifest
}

/// A few words about a Service, for accounts of what went wrong.
pub(crate) fn told(manifest: &Value) -> String {
    let annotations = manifest["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    let annotations = annotations.iter().filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?, value)));
    let annotations: BTreeMap<_, _> = annotations.collect();
    let mut spec = manifest["spec"].clone();
    let defaults =
        ["allocateLoadBalancerNodePorts", "clusterIP", "clusterIPs", "internalTrafficPolicy", "ipFamilyPolicy"];
    for key in defaults {
        spec.as_object_mut().unwrap().remove(key);
    }
    format!("{} {spec}", json!(annotations))
}

/// Edits one thing, or two or three.
pub(crate) fn edited(chance: &mut Chance, key: &ObjectKey, manifest: &Value) -> Edit {
    let mut edited = manifest.clone();
    let mut told = Vec::new();
    let times = if chance.once_in(4) { 2 + chance.below(2) } else { 1 };
    for _ in 0..times {
        told.push(edit(chance, key, &mut edited));
    }
    Edit { key: key.clone(), manifest: Some(edited), what: told.join(" + ") }
}

fn edit(chance: &mut Chance, key: &ObjectKey, manifest: &mut Value) -> &'static str {
    match chance.below(20) {
        0..=3 => address(chance, manifest),
        4..=6 => link(chance, key, manifest),
        7..=10 => {
            tune(chance, manifest);
            "tuning of the Private Link Service"
        }
        11..=13 => ports(chance, manifest),
        14..=16 => probe(chance, manifest),
        _ => other(chance, manifest),
    }
}

/// Sets an annotation to one of some values, or takes it away.
fn put(chance: &mut Chance, manifest: &mut Value, name: &str, values: &[&str]) {
    match chance.below(values.len() + 1) {
        at if at < values.len() => set(manifest, name, values[at]),
        _ => unset(manifest, name),
    }
}

fn address(chance: &mut Chance, manifest: &mut Value) -> &'static str {
    match chance.below(10) {
        0..=2 => {
            let addresses = if chance.once_in(2) { &ADDRESSES[..] } else { &ADDRESSES[..GOOD] };
            put(chance, manifest, "azure-load-balancer-ipv4", addresses);
            "pinned address"
        }
        3 if chance.once_in(4) => {
            set(manifest, "azure-load-balancer-ipv4", chance.pick(&RESERVED));
            unset(manifest, "azure-load-balancer-internal-subnet");
            "pinned address that Azure keeps"
        }
        3 => {
            unset(manifest, "azure-load-balancer-ipv4");
            "no pin"
        }
        4 | 5 => {
            put(chance, manifest, "azure-load-balancer-internal-subnet", &SUBNETS);
            "subnet of the frontend"
        }
        6 => {
            put(chance, manifest, "azure-load-balancer-internal-subnet", &SUBNETS[..2]);
            unset(manifest, "azure-load-balancer-ipv4");
            "subnet of the frontend, and no pin"
        }
        7 => {
            put(chance, manifest, "azure-load-balancer-internal", &FLAGS);
            "internal"
        }
        8 => {
            put(chance, manifest, "azure-load-balancer-internal", &["true", "false"]);
            for name in ["azure-load-balancer-ipv4", "azure-pls-create"] {
                unset(manifest, name);
            }
            manifest["spec"].as_object_mut().unwrap().remove("loadBalancerIP");
            "internal, and neither pin nor Private Link Service"
        }
        _ => {
            match chance.below(ADDRESSES.len() + 6) {
                at if at < ADDRESSES.len() => manifest["spec"]["loadBalancerIP"] = json!(ADDRESSES[at]),
                _ => drop(manifest["spec"].as_object_mut().unwrap().remove("loadBalancerIP")),
            }
            "spec.loadBalancerIP"
        }
    }
}

fn link(chance: &mut Chance, key: &ObjectKey, manifest: &mut Value) -> &'static str {
    match chance.below(8) {
        0 | 1 => {
            put(chance, manifest, "azure-pls-create", &FLAGS);
            "azure-pls-create"
        }
        2 => {
            publish(manifest, key);
            "published"
        }
        3 | 4 => {
            let own = format!("pls-{}", key.name);
            let names = [own.as_str(), "pls-s0", "pls-s1", "pls-s2", "pls-new", "pls-foreign", "no/name", " "];
            put(chance, manifest, "azure-pls-name", &names);
            "azure-pls-name"
        }
        5 => {
            put(
                chance,
                manifest,
                "azure-pls-resource-group",
                &["rg-pls", crate::runner::worlds::NODE_GROUP, "rg-nowhere"],
            );
            "azure-pls-resource-group"
        }
        6 if chance.once_in(3) => {
            unset(manifest, "azure-pls-resource-group");
            "node resource group"
        }
        6 => {
            publish_publicly(manifest);
            "public without floating IP, and published"
        }
        _ => {
            put(chance, manifest, "azure-disable-load-balancer-floating-ip", &FLAGS);
            "floating IP"
        }
    }
}

fn tune(chance: &mut Chance, manifest: &mut Value) {
    match chance.below(13) {
        11 | 12 => {
            let count = "azure-pls-ip-configuration-ip-address-count";
            let has = annotations(manifest).get(&format!("{PREFIX}{count}")).and_then(Value::as_str);
            let other = if matches!(has, Some("2" | "3")) { "1" } else { "3" };
            unset(manifest, "azure-pls-ip-configuration-ip-address");
            set(manifest, count, other);
        }
        7 | 8 => {
            unset(manifest, "azure-pls-ip-configuration-ip-address");
            put(chance, manifest, "azure-pls-ip-configuration-ip-address-count", &["1", "2", "3"]);
            if chance.once_in(3) {
                put(chance, manifest, "azure-pls-ip-configuration-subnet", &["pls-subnet", "aks-subnet"]);
            }
        }
        0 => put(
            chance,
            manifest,
            "azure-pls-ip-configuration-subnet",
            &["pls-subnet", "aks-subnet", "apps-subnet", "nowhere", "nowhere", ""],
        ),
        1 => {
            put(chance, manifest, "azure-pls-ip-configuration-ip-address-count", &["1", "2", "3", " 4", "8", "9", "x"]);
        }
        2 => {
            set(manifest, "azure-pls-ip-configuration-subnet", "pls-subnet");
            set(manifest, "azure-pls-ip-configuration-ip-address-count", "2");
            let lists = [
                "10.225.1.4",
                "10.225.1.5",
                "10.225.1.4 10.225.1.5",
                "10.225.1.5 10.225.1.4",
                "10.225.1.6",
                "10.225.1.3",
                "10.224.1.50",
                "10.225.1.4,10.225.1.5",
                "fd00::1",
            ];
            put(chance, manifest, "azure-pls-ip-configuration-ip-address", &lists);
        }
        3 => put(chance, manifest, "azure-pls-fqdns", &["a.example", "a.example b.example", "b.example a.example", ""]),
        4 | 10 => put(chance, manifest, "azure-pls-proxy-protocol", &FLAGS),
        5 => {
            let both = format!("{PROVIDER} {CONSUMER}");
            put(chance, manifest, "azure-pls-visibility", &["*", PROVIDER, CONSUMER, &both, "nobody", ""]);
        }
        // Nobody knows whether Azure takes a star here.
        6 => put(chance, manifest, "azure-pls-auto-approval", &[PROVIDER, CONSUMER, ""]),
        _ => {
            set(manifest, "azure-pls-visibility", "*");
            put(chance, manifest, "azure-pls-auto-approval", &[PROVIDER, CONSUMER]);
        }
    }
}

/// Takes something from another Service: its address, its address and port, or the name of its Private Link Service.
fn beside(chance: &mut Chance, manifest: &mut Value, other: &Value) -> &'static str {
    let said = |name: &str| {
        let annotations = &other["metadata"]["annotations"];
        annotations[format!("{PREFIX}{name}")].as_str().map(ToOwned::to_owned)
    };
    set(manifest, "azure-load-balancer-internal", "true");
    if chance.once_in(3) {
        let name = other["metadata"]["name"].as_str().unwrap_or_default();
        set(manifest, "azure-pls-create", "true");
        set(manifest, "azure-pls-ip-configuration-subnet", "aks-subnet");
        unset(manifest, "azure-pls-resource-group");
        set(manifest, "azure-pls-name", &said("azure-pls-name").unwrap_or_else(|| format!("pls-{name}")));
        // On another frontend than now, where it has none.
        unset(manifest, "azure-load-balancer-ipv4");
        match chance.below(8) {
            0 => {
                publish_publicly(manifest);
                return "the name of another one's Private Link Service, on the public load balancer";
            }
            1 | 2 => set(manifest, "azure-load-balancer-internal-subnet", "apps-subnet"),
            3 | 4 => set(manifest, "azure-load-balancer-internal-subnet", "aks-subnet"),
            _ => unset(manifest, "azure-load-balancer-internal-subnet"),
        }
        return "the name of another one's Private Link Service";
    }
    let address = said("azure-load-balancer-ipv4").unwrap_or_else(|| ADDRESSES[0].to_owned());
    set(manifest, "azure-load-balancer-ipv4", &address);
    unset(manifest, "azure-load-balancer-internal-subnet");
    match chance.below(6) {
        0 => return "another one's address",
        2 => {
            for key in annotation::PLS_TUNING {
                annotations(manifest).remove(key);
            }
            set(manifest, "azure-pls-create", "true");
            return "another one's address and Private Link Service";
        }
        1 | 3 | 4 => {
            let own = manifest["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            set(manifest, "azure-pls-create", "true");
            set(manifest, "azure-pls-name", &format!("pls-{own}"));
            set(manifest, "azure-pls-ip-configuration-subnet", "aks-subnet");
            unset(manifest, "azure-pls-resource-group");
            return "another one's address, and published there";
        }
        _ => {}
    }
    manifest["spec"]["ports"] = other["spec"]["ports"].clone();
    "another one's address and ports"
}

fn ports(chance: &mut Chance, manifest: &mut Value) -> &'static str {
    let new = 80 + chance.below(12);
    let protocol = if chance.once_in(8) { "UDP" } else { "TCP" };
    let ports = manifest["spec"]["ports"].as_array_mut().unwrap();
    let at = chance.below(ports.len());
    match chance.below(9) {
        0 => {
            ports.retain(|port| port["port"] != json!(new));
            ports.push(
                json!({"name": format!("p{new}-{}", protocol.to_ascii_lowercase()), "port": new, "protocol": protocol}),
            );
            "one more port"
        }
        1 if ports.len() > 1 => {
            ports.remove(at);
            "one port less"
        }
        2 => {
            ports[at]["port"] = json!(new);
            "another port"
        }
        3 => {
            ports[at]["name"] = json!(format!("q{new}"));
            "another name of a port"
        }
        4 => {
            ports[at]["appProtocol"] = json!(chance.pick(&["http", "https", "tcp", "example.com/own"]));
            "appProtocol"
        }
        5 => {
            ports[at].as_object_mut().unwrap().remove("appProtocol");
            "no appProtocol"
        }
        6 => {
            ports[at]["targetPort"] = json!(8000 + new);
            "targetPort"
        }
        7 => {
            ports[at]["nodePort"] = json!(31_000 + chance.below(200));
            "nodePort"
        }
        _ => {
            ports[at]["protocol"] = json!(protocol);
            "protocol"
        }
    }
}

fn probe(chance: &mut Chance, manifest: &mut Value) -> &'static str {
    let port = manifest["spec"]["ports"][0]["port"].as_u64().unwrap_or(80);
    let own = |name: &str| format!("port_{port}_{name}");
    match chance.below(14) {
        0 => put(chance, manifest, "azure-load-balancer-tcp-idle-timeout", &["4", "30", " 5", "101", "x"]),
        1 => put(chance, manifest, "azure-load-balancer-disable-tcp-reset", &FLAGS),
        2 => put(chance, manifest, "azure-load-balancer-enable-high-availability-ports", &FLAGS),
        3 => put(chance, manifest, "azure-load-balancer-health-probe-protocol", &["tcp", "Http", "https", "x", ""]),
        4 => put(chance, manifest, "azure-load-balancer-health-probe-request-path", &["/", "/healthz"]),
        5 => put(chance, manifest, "azure-load-balancer-health-probe-interval", &["5", "6", "20", "4", "x"]),
        6 => put(chance, manifest, "azure-load-balancer-health-probe-num-of-probe", &["2", "3", "30", "1"]),
        7 => put(chance, manifest, &own("no_lb_rule"), &["true", "false"]),
        8 => put(chance, manifest, &own("no_probe_rule"), &["true", "false"]),
        9 => put(chance, manifest, &own("health-probe_protocol"), &["http", "tcp"]),
        10 => put(chance, manifest, &own("health-probe_interval"), &["5", "15"]),
        11 => put(chance, manifest, &own("health-probe_interval"), &["5", "7", "1"]),
        12 => put(chance, manifest, &own("health-probe_num-of-probe"), &["2", "4", "1"]),
        _ => put(chance, manifest, &own("health-probe_request-path"), &["/", "/own"]),
    }
    "rule or probe"
}

/// Sets a field of the spec to one of some words.
fn word(
    chance: &mut Chance,
    spec: &mut serde_json::Map<String, Value>,
    field: &'static str,
    words: &[&str],
) -> &'static str {
    spec.insert(field.to_owned(), json!(chance.pick(words)));
    field
}

fn other(chance: &mut Chance, manifest: &mut Value) -> &'static str {
    let spec = manifest["spec"].as_object_mut().unwrap();
    match chance.below(12) {
        0 => {
            spec.insert("selector".to_owned(), json!({"app": format!("x{}", chance.below(9))}));
            "selector"
        }
        1 => word(chance, spec, "sessionAffinity", &["ClientIP", "None"]),
        2 => word(chance, spec, "externalTrafficPolicy", &["Local", "Cluster"]),
        3 => {
            let ranges = [json!(["10.0.0.0/8"]), json!(["10.1.0.0/16"]), json!(["10.0.0.0/8", "192.168.0.0/16"])];
            match chance.below(4) {
                at @ 0..3 => drop(spec.insert("loadBalancerSourceRanges".to_owned(), ranges[at].clone())),
                _ => drop(spec.remove("loadBalancerSourceRanges")),
            }
            "spec.loadBalancerSourceRanges"
        }
        4 | 11 => word(chance, spec, "type", &["ClusterIP", "LoadBalancer"]),
        5 => word(chance, spec, "internalTrafficPolicy", &["Local", "Cluster"]),
        6 => {
            let (policy, families) = [("SingleStack", json!(["IPv4"])), ("RequireDualStack", json!(["IPv4", "IPv6"]))]
                [chance.below(2)]
            .clone();
            spec.insert("ipFamilyPolicy".to_owned(), json!(policy));
            spec.insert("ipFamilies".to_owned(), families);
            "address families"
        }
        7 => {
            manifest["metadata"]["labels"]["team"] = json!(format!("t{}", chance.below(9)));
            "label"
        }
        8 => {
            let names = ["azure-nothing", "azure-load-balancer-mode", "azure-pip-name", "azure-pls-creat"];
            put(chance, manifest, names[chance.clone().below(names.len())], &["a", "b"]);
            "annotation that does nothing"
        }
        9 => {
            let ranges = ["10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/8,192.168.0.0/16"];
            put(chance, manifest, "azure-allowed-ip-ranges", &ranges);
            "azure-allowed-ip-ranges"
        }
        _ => {
            spec.insert("loadBalancerSourceRanges".to_owned(), json!(["10.0.0.0/8"]));
            set(manifest, "azure-allowed-ip-ranges", "10.1.0.0/16");
            "both ways to list clients"
        }
    }
}

/// What a world's next edits are: mostly one, of a Service that is there.
pub(crate) fn next(chance: &mut Chance, stage: &Stage, failing: &[ObjectKey]) -> Vec<Edit> {
    let manifests = &stage.manifests;
    let times = if chance.once_in(10) { 2 } else { 1 };
    let mut edits: Vec<Edit> = Vec::new();
    while edits.len() < times {
        let next = one(chance, (manifests, stage.prune), failing);
        if !edits.iter().any(|edit| edit.key == next.key) {
            edits.push(next);
        } else if manifests.len() < 2 {
            break;
        }
    }
    edits
}

fn one(chance: &mut Chance, (manifests, prune): (&BTreeMap<ObjectKey, Value>, bool), failing: &[ObjectKey]) -> Edit {
    let keys: Vec<&ObjectKey> = manifests.keys().collect();
    let free: Vec<ObjectKey> = (0..MOST).map(key).filter(|key| !manifests.contains_key(key)).collect();
    if keys.is_empty() || (chance.once_in(12) && !free.is_empty()) {
        let key = free[chance.below(free.len())].clone();
        let mut manifest = fresh(chance, &key);
        let mut what = "created".to_owned();
        if chance.once_in(3) {
            what = format!("created with {}", edit(chance, &key, &mut manifest));
        }
        return Edit { key, manifest: Some(manifest), what };
    }
    // What fails is mended soon, or nothing but failures would be seen.
    if !failing.is_empty() && !chance.once_in(3) {
        let key = failing[chance.below(failing.len())].clone();
        let manifest = Some(fresh(chance, &key));
        return Edit { key, manifest, what: "mended".to_owned() };
    }
    let mut key = keys[chance.below(keys.len())].clone();
    let pins =
        |manifest: &Value| manifest["metadata"]["annotations"][format!("{PREFIX}azure-load-balancer-ipv4")].clone();
    let shares = |key: &ObjectKey| {
        let own = pins(&manifests[key]);
        own.is_string() && manifests.iter().any(|(other, manifest)| other != key && pins(manifest) == own)
    };
    let sharers: Vec<&ObjectKey> = keys.iter().copied().filter(|key| shares(key)).collect();
    if !sharers.is_empty() && chance.once_in(2) {
        key = sharers[chance.below(sharers.len())].clone();
    }
    if shares(&key) && chance.once_in(6) {
        let mut manifest = manifests[&key].clone();
        manifest["spec"]["type"] = json!("ClusterIP");
        let (manifest, what) = if prune { (None, "deleted") } else { (Some(manifest), "type") };
        return Edit { key, manifest, what: format!("{what}, beside others on its address") };
    }
    let names_one = |key: &ObjectKey| manifests[key]["metadata"]["annotations"].get(annotation::PLS_NAME).is_some();
    if shares(&key) && (if names_one(&key) { !chance.once_in(4) } else { chance.once_in(6) }) {
        let mut manifest = manifests[&key].clone();
        set(&mut manifest, "azure-load-balancer-ipv4", ADDRESSES[chance.below(GOOD)]);
        return Edit { key, manifest: Some(manifest), what: "leaves the shared address".to_owned() };
    }
    if chance.once_in(3) {
        let pinned: Vec<_> =
            keys.iter().filter(|other| **other != &key && pins(&manifests[**other]).is_string()).collect();
        let other = if pinned.is_empty() { keys[chance.below(keys.len())] } else { pinned[chance.below(pinned.len())] };
        let other = &manifests[other];
        let mut manifest = manifests[&key].clone();
        let what = beside(chance, &mut manifest, other).to_owned();
        return Edit { key, manifest: Some(manifest), what };
    }
    // Without prune, a manifest that goes deletes nothing.
    if prune && chance.once_in(if shares(&key) { 2 } else { 14 }) {
        return Edit { key, manifest: None, what: "deleted".to_owned() };
    }
    edited(chance, &key, &manifests[&key])
}
