//! The model of the cloud provider, judged by the simulated one: the same edit on both, and what comes of it compared.
//!
//! The two share no code. `shop/orders` is published and has one consumer; `shop/other` shares its address, or has its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod chance;
mod edit;
mod imports;
mod loss;
mod outcome;
mod random;
mod setting;
mod stage;
mod tally;
mod trial;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use privlink::azure::Azure;
use privlink::cloud_provider::effect::What;
use privlink::cloud_provider::predict;
use privlink::cloud_provider::service::Service;
use privlink::cloud_provider::state::State;
use privlink::cloud_provider::version::Behaviour;
use privlink::domain::annotation::PREFIX;
use privlink::domain::kubernetes::ObjectKey;
use privlink::domain::resource::service::LiveService;
use privlink::observed::Observed;
use privlink::sim::Options;
use privlink::sim::Simulator;
use serde_json::Value;
use serde_json::json;

use crate::adapters;
use crate::runner::worlds;
use crate::runner::worlds::CONSUMER;
use crate::runner::worlds::NODE_GROUP;
use crate::runner::worlds::PROVIDER;
use tally::Tally;

/// What the other Service is like before the edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Other {
    /// It has an address of its own.
    Apart,
    /// It pins the address of `shop/orders`, and joined it.
    Sharing,
}

/// An edit of one Service.
#[derive(Clone, Debug)]
struct Edit {
    service: &'static str,
    annotations: Vec<(&'static str, Option<&'static str>)>,
    spec: Value,
    deletes: bool,
}

impl Edit {
    fn of(service: &'static str) -> Self {
        Self { service, annotations: Vec::new(), spec: json!({}), deletes: false }
    }

    fn set(mut self, key: &'static str, value: &'static str) -> Self {
        self.annotations.push((key, Some(value)));
        self
    }

    fn unset(mut self, key: &'static str) -> Self {
        self.annotations.push((key, None));
        self
    }

    fn spec(mut self, spec: Value) -> Self {
        self.spec = spec;
        self
    }

    fn delete(mut self) -> Self {
        self.deletes = true;
        self
    }
}

/// What comes of an edit, as far as others notice it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    /// Endpoints whose connection is gone.
    cut: BTreeSet<String>,
    /// Aliases that no Private Link Service has any more.
    lost: BTreeSet<String>,
    /// The Private Link Services that there are.
    links: BTreeSet<String>,
    /// The addresses of internal frontends.
    addresses: BTreeSet<String>,
    /// True if the sync fails.
    fails: bool,
}

struct Judge {
    simulator: Simulator,
    azure: Azure,
}

const CLUSTER: &str = "myAKSCluster";

fn manifest(name: &str, port: u16, annotations: &[(&str, &str)]) -> Value {
    let annotations: serde_json::Map<String, Value> =
        annotations.iter().map(|(key, value)| (format!("{PREFIX}{key}"), json!(value))).collect();
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": name, "namespace": "default", "annotations": annotations },
        "spec": { "type": "LoadBalancer", "selector": { "app": name }, "ports": [{ "port": port, "protocol": "TCP" }] },
    })
}

impl Judge {
    async fn new(other: Other) -> Self {
        let simulator = Simulator::start(&worlds::example(), Options::default()).await.unwrap();
        let azure = Azure::new(adapters::settings(&simulator, adapters::PLANNER)).unwrap();
        let judge = Self { simulator, azure };
        let internal = ("azure-load-balancer-internal", "true");
        let publishes = [("azure-pls-create", "true"), ("azure-pls-name", "pls-orders")];
        let pinned = |address| ("azure-load-balancer-ipv4", address);
        judge
            .apply(&manifest("orders", 443, &[&[internal, pinned("10.224.1.10")], publishes.as_slice()].concat()))
            .await;
        let address = if other == Other::Sharing { "10.224.1.10" } else { "10.224.1.20" };
        judge.apply(&manifest("other", 80, &[internal, pinned(address)])).await;
        judge.connect("acme-pe");
        judge
    }

    fn cluster(&self) -> &privlink::sim::kube::Cluster {
        self.simulator.cluster(CLUSTER).unwrap()
    }

    async fn apply(&self, manifest: &Value) {
        self.cluster().apply_raw(manifest).unwrap();
        self.simulator.idle().await;
    }

    /// Connects an endpoint of the consumer to `pls-orders`.
    fn connect(&self, name: &str) {
        let group = format!("/subscriptions/{PROVIDER}/resourceGroups/{NODE_GROUP}/providers/Microsoft.Network");
        let theirs =
            format!("/subscriptions/{CONSUMER}/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network");
        let body = json!({"location": "eastus2", "properties": {
            "subnet": {"id": format!("{theirs}/virtualNetworks/myOtherVNET/subnets/pe-subnet")},
            "privateLinkServiceConnections": [{"name": name, "properties": {
                "privateLinkServiceId": format!("{group}/privateLinkServices/pls-orders")}}],
        }});
        let arm = self.simulator.arm();
        let path = format!("{theirs}/privateEndpoints/{name}?api-version=2025-05-01");
        let reply = arm.call("PUT", &path, &[], Some(body));
        assert!(arm.settle(&reply).status < 300, "{:?}", reply.body);
    }

    async fn observe(&self) -> Observed {
        let provider = PROVIDER.parse().unwrap();
        let id = format!(
            "/subscriptions/{PROVIDER}/resourceGroups/myResourceGroup/providers/\
             Microsoft.ContainerService/managedClusters/{CLUSTER}"
        );
        let frontends =
            self.azure.load_balancer_frontends(&provider, Some(&NODE_GROUP.parse().unwrap())).await.unwrap();
        let links = self.azure.private_link_services(&provider).await.unwrap();
        let subnets = self.azure.subnets(&provider).await.unwrap();
        Observed {
            cluster: Some(self.azure.managed_cluster(&id.parse().unwrap()).await.unwrap()),
            services: self.services(),
            subnets: subnets.into_iter().map(|subnet| (subnet.id.clone(), subnet)).collect(),
            frontends: frontends.into_iter().map(|frontend| (frontend.id.clone(), frontend)).collect(),
            private_link_services: links.into_iter().map(|live| (live.service.id.clone(), live)).collect(),
            held: self.azure.private_endpoints(&provider).await.unwrap().held.into_iter().collect(),
            ..Observed::default()
        }
    }

    fn services(&self) -> BTreeMap<ObjectKey, LiveService> {
        let all = self.cluster().list("services", Some("default")).into_iter();
        let balanced = all.filter(|service| service["spec"]["type"] == "LoadBalancer");
        balanced.map(|service| live(&service)).map(|live| (live.key.clone(), live)).collect()
    }

    /// How often the syncs of a Service failed.
    fn failures(&self, service: &str) -> u64 {
        let events = self.cluster().events("default", service);
        let failed = events.iter().filter(|event| event["reason"] == "SyncLoadBalancerFailed");
        failed.map(|event| event["count"].as_u64().unwrap_or(1)).sum()
    }

    fn edit(&self, edit: &Edit) -> Option<Value> {
        if edit.deletes {
            self.cluster().delete("services", "default", edit.service).unwrap();
            return None;
        }
        let annotations: serde_json::Map<String, Value> = edit
            .annotations
            .iter()
            .map(|(key, value)| (format!("{PREFIX}{key}"), value.map_or(Value::Null, Value::from)))
            .collect();
        let patch = json!({ "metadata": { "annotations": annotations }, "spec": edit.spec });
        Some(self.cluster().patch_service("default", edit.service, (&patch, "kubectl-edit")).unwrap())
    }
}

fn live(service: &Value) -> LiveService {
    let text = |pointer: &str| service.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let ingress = service.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
    let ip = |entry: &Value| entry["ip"].as_str().and_then(|ip| ip.parse().ok());
    LiveService {
        key: format!("{}/{}", text("/metadata/namespace"), text("/metadata/name")).parse().unwrap(),
        uid: text("/metadata/uid").parse().unwrap(),
        resource_version: text("/metadata/resourceVersion").parse().unwrap(),
        manifest: service.clone(),
        owned: BTreeSet::new(),
        managers: BTreeMap::new(),
        addresses: ingress.into_iter().flatten().filter_map(ip).collect(),
        deleting: false,
        mark: None,
        published_by: None,
    }
}

fn endpoints(observed: &Observed) -> BTreeSet<String> {
    let connections = observed.private_link_services.values().flat_map(|live| &live.connections);
    connections.filter_map(|connection| connection.endpoint.as_ref()).map(|id| id.name().to_owned()).collect()
}

fn aliases(observed: &Observed) -> BTreeSet<String> {
    let links = observed.private_link_services.values();
    links.filter_map(|live| live.alias.as_ref()).map(ToString::to_string).collect()
}

fn predicted(observed: &Observed, edit: &Edit, after: Option<&Value>) -> Outcome {
    let live = &observed.services[&format!("default/{}", edit.service).parse::<ObjectKey>().unwrap()];
    // The simulated one is of the newest version, unless its world says otherwise.
    let read = |manifest: &Value| Service::read(&live.key, Some(&live.uid), manifest, &live.addresses);
    let mut state = State::of(observed, Behaviour { refuses_taken_names: true }).unwrap();
    let before = read(&live.manifest);
    let prediction = predict(&mut state, Some(&before), after.map(read).as_ref()).unwrap();
    let mut outcome = Outcome {
        cut: BTreeSet::new(),
        lost: BTreeSet::new(),
        links: state.links().iter().map(|link| link.id.name().to_owned()).collect(),
        addresses: state.addresses().iter().map(ToString::to_string).collect(),
        fails: prediction.failure.is_some(),
    };
    for effect in &prediction.effects {
        match &effect.what {
            What::ConnectionCut { connection, .. } => {
                outcome.cut.insert(connection.endpoint.as_ref().unwrap().name().to_owned());
            }
            What::AliasLost { alias } => {
                outcome.lost.insert(alias.to_string());
            }
            _ => {}
        }
    }
    outcome
}

/// Makes the edit in a new world, and compares.
async fn compare(other: Other, edit: &Edit) -> (Outcome, Outcome) {
    let judge = Judge::new(other).await;
    let before = judge.observe().await;
    let failures = judge.failures(edit.service);
    let edited = judge.edit(edit);
    judge.simulator.idle().await;
    let after = judge.observe().await;
    let predicted = predicted(&before, edit, edited.as_ref());
    let internal = after.frontends.values().filter_map(|frontend| frontend.address);
    let happened = Outcome {
        cut: endpoints(&before).difference(&endpoints(&after)).cloned().collect(),
        lost: aliases(&before).difference(&aliases(&after)).cloned().collect(),
        links: after.private_link_services.keys().map(|id| id.name().to_owned()).collect(),
        addresses: internal.map(|address| address.to_string()).collect(),
        fails: judge.failures(edit.service) > failures,
    };
    judge.simulator.stop().await;
    (predicted, happened)
}

const IPV4: &str = "azure-load-balancer-ipv4";
const SUBNET: &str = "azure-load-balancer-internal-subnet";

/// The edits that are tried, by what they are.
fn edits() -> Vec<(&'static str, Edit)> {
    let orders = || Edit::of("orders");
    let other = || Edit::of("other");
    let ports = |numbers: &[u16]| {
        let port = |number: &u16| json!({"name": format!("p{number}"), "port": number, "protocol": "TCP"});
        json!({ "ports": numbers.iter().map(port).collect::<Vec<_>>() })
    };
    vec![
        ("another address", orders().set(IPV4, "10.224.1.11")),
        ("an address outside", orders().set(IPV4, "10.9.9.9")),
        ("a reserved address", orders().set(IPV4, "10.224.0.3")),
        ("the same subnet by name", orders().set(SUBNET, "aks-subnet")),
        ("another subnet", orders().set(SUBNET, "apps-subnet").set(IPV4, "10.225.0.9")),
        ("another subnet, and the old address", orders().set(SUBNET, "apps-subnet")),
        ("a subnet that is not there", orders().set(SUBNET, "nowhere")),
        ("no pin", orders().unset(IPV4)),
        ("not published any more", orders().set("azure-pls-create", "false")),
        ("another name", orders().set("azure-pls-name", "pls-new")),
        ("no name", orders().unset("azure-pls-name")),
        ("another resource group", orders().set("azure-pls-resource-group", "rg-pls")),
        ("more NAT addresses", orders().set("azure-pls-ip-configuration-ip-address-count", "2")),
        ("a count that is none", orders().set("azure-pls-ip-configuration-ip-address-count", "9")),
        ("NAT addresses elsewhere", orders().set("azure-pls-ip-configuration-subnet", "pls-subnet")),
        ("a NAT address that is taken", orders().set("azure-pls-ip-configuration-ip-address", "10.224.1.10")),
        ("proxy protocol", orders().set("azure-pls-proxy-protocol", "true")),
        ("visible to all", orders().set("azure-pls-visibility", "*")),
        ("public, and still published", orders().unset(IPV4).set("azure-load-balancer-internal", "false")),
        (
            "public, and not published",
            orders().unset(IPV4).set("azure-load-balancer-internal", "false").unset("azure-pls-create"),
        ),
        ("a private address on a public one", orders().set("azure-load-balancer-internal", "True")),
        ("one more port", orders().spec(ports(&[443, 8443]))),
        ("another port", orders().spec(ports(&[444]))),
        ("the other's port", orders().spec(ports(&[443, 80]))),
        ("no load balancer", orders().spec(json!({ "type": "ClusterIP" }))),
        ("a long idle timeout", orders().set("azure-load-balancer-tcp-idle-timeout", "101")),
        ("an unknown annotation", orders().set("azure-nothing", "1")),
        ("deleted", orders().delete()),
        ("the other joins, or moves", other().set(IPV4, "10.224.1.10")),
        ("the other leaves, or stays", other().set(IPV4, "10.224.1.20")),
        ("the other publishes", other().set("azure-pls-create", "true")),
        ("the other tunes", other().set("azure-pls-create", "true").set("azure-pls-visibility", "*")),
        ("the other takes the name", other().set("azure-pls-create", "true").set("azure-pls-name", "pls-orders")),
        ("the other is deleted", other().delete()),
    ]
}

#[tokio::test]
async fn every_edit_ends_as_foreseen() {
    let mut wrong = Vec::new();
    for other in [Other::Apart, Other::Sharing] {
        for (name, edit) in edits() {
            let (predicted, happened) = compare(other, &edit).await;
            if predicted != happened {
                wrong.push(format!("{name} ({other:?}):\n  foreseen {predicted:?}\n  happened {happened:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Two edits of one Service as one.
fn both(first: &Edit, second: &Edit) -> Edit {
    let spec = if second.spec == json!({}) { first.spec.clone() } else { second.spec.clone() };
    let annotations = [first.annotations.as_slice(), second.annotations.as_slice()].concat();
    Edit { service: first.service, annotations, spec, deletes: false }
}

/// How many pairs of edits are drawn.
const DRAWN: usize = 60;

#[tokio::test]
async fn two_edits_at_once_end_as_foreseen() {
    let all: Vec<(&str, Edit)> = edits().into_iter().filter(|(_, edit)| !edit.deletes).collect();
    let mut seed: u64 = 0x2545_F491_4F6C_DD1D;
    let mut draw = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % u64::try_from(below).unwrap()).unwrap()
    };
    let mut wrong = Vec::new();
    let mut tried = 0;
    while tried < DRAWN {
        let (first, second) = (&all[draw(all.len())], &all[draw(all.len())]);
        let other = if draw(2) == 0 { Other::Apart } else { Other::Sharing };
        if first.0 == second.0 || first.1.service != second.1.service {
            continue;
        }
        tried += 1;
        let (predicted, happened) = compare(other, &both(&first.1, &second.1)).await;
        if predicted != happened {
            let names = format!("{} + {}", first.0, second.0);
            wrong.push(format!("{names} ({other:?}):\n  foreseen {predicted:?}\n  happened {happened:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {DRAWN} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// How many random edits every run of the tests tries.
const RANDOM: usize = 250;
/// How many the long run tries, and how often each rule and each effect has to occur in it.
const LONG: (usize, usize) = (10_000, 20);
/// How many threads share the long run.
const WORKERS: usize = 2;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// `PRIVLINK_SEED` and `PRIVLINK_EDITS` try others, or more.
#[tokio::test]
async fn random_edits_of_random_worlds_end_as_foreseen() {
    let edits = number("PRIVLINK_EDITS").map_or(RANDOM, |edits| usize::try_from(edits).unwrap());
    let (tally, problems) = random::run(number("PRIVLINK_SEED").unwrap_or(1), edits).await;
    println!("{}", tally.table());
    assert!(problems.is_empty(), "{} of {}:\n{}", problems.len(), tally.edits, problems.join("\n"));
    assert!(tally.edits >= edits && tally.harmless > 0, "{}", tally.table());
}

/// Prints how often each rule and each effect occurred.
#[test]
#[ignore = "takes ten minutes: cargo test ten_thousand -- --ignored --nocapture"]
fn ten_thousand_random_edits_end_as_foreseen_and_bring_every_rule_twenty_times() {
    let (edits, least) = LONG;
    let seed = number("PRIVLINK_SEED").unwrap_or(1);
    // Each worker has worlds of its own.
    let worker = |at: u64| move || alone(random::run(seed + at * 1_000_000, edits / WORKERS));
    let workers: Vec<_> = (0..).take(WORKERS).map(|at| std::thread::spawn(worker(at))).collect();
    let (mut tally, mut problems) = (Tally::default(), Vec::new());
    for worker in workers {
        let (counted, found) = worker.join().unwrap();
        tally.merge(&counted);
        problems.extend(found);
    }
    println!("{}", tally.table());
    assert!(problems.is_empty(), "{} of {}:\n{}", problems.len(), tally.edits, problems.join("\n"));
    let rare: Vec<_> = tally.all().into_iter().filter(|(_, count)| *count < least).collect();
    assert!(rare.is_empty(), "{rare:?}");
}

/// Runs a future on this thread.
fn alone<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
