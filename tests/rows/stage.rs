//! Worlds in which cases begin: converged once, and taken up again for each case.

use std::collections::BTreeMap;
use std::sync::Mutex;

use privlink::cli::Exit;
use serde_json::Value;
use serde_json::json;

use super::script::Edit;
use super::script::Script;
use crate::runner::Kept;
use crate::runner::Stage;
use crate::runner::worlds;
use crate::runner::worlds::CONSUMER;
use crate::runner::worlds::NODE_GROUP;
use crate::runner::worlds::PROVIDER;

const ORDERS: &str = include_str!("start/orders.yaml");
const OTHER: &str = include_str!("start/other.yaml");

/// Converged worlds by the edits that led to them.
static KEPT: Mutex<BTreeMap<String, &'static Kept>> = Mutex::new(BTreeMap::new());

/// A world as a case finds it.
pub(super) fn begin(script: &Script) -> Stage {
    let name = format!("{:?}", script.start);
    let known = KEPT.lock().unwrap().get(&name).copied();
    let kept = known.unwrap_or_else(|| {
        let kept: &'static Kept = Box::leak(Box::new(converged(&script.start).keep()));
        KEPT.lock().unwrap().insert(name, kept);
        kept
    });
    let stage = Stage::resume(kept);
    stage.idle();
    for line in &script.before {
        act(&stage, &line.split_whitespace().collect::<Vec<_>>());
        stage.idle();
    }
    stage
}

fn converged(edits: &[Edit]) -> Stage {
    let stage = Stage::new();
    let consumers = format!("\n[consumers.\"{CONSUMER}\"]\nname = \"ACME trading\"\ncontact = \"net@acme.example\"\n");
    let settings =
        worlds::settings().replacen("\n[approvers.alice]\n", &format!("{consumers}\n[approvers.alice]\n"), 1);
    stage.repo.commit(&[
        ("privlink.toml", &settings),
        ("environments/prod/orders.yaml", ORDERS),
        ("environments/prod/other.yaml", OTHER),
    ]);
    // What is shared belongs to who came first.
    for edits in [&[], edits] {
        commit(&stage, edits);
        stage.apply().ends(Exit::Done);
        stage.idle();
    }
    if link(&stage, "pls-orders").is_some() {
        connect(&stage, "acme-pe", "pls-orders");
    }
    stage
}

/// Commits edits as one.
pub(super) fn commit(stage: &Stage, edits: &[Edit]) {
    let mut files: BTreeMap<&str, Option<String>> = BTreeMap::new();
    for edit in edits {
        match edit {
            Edit::Add { file, text } => files.insert(file, Some(text.clone())),
            Edit::Remove { file } => files.insert(file, None),
            Edit::Lines { file, hunks } => {
                let had = files.get(file.as_str()).cloned().flatten().unwrap_or_else(|| stage.repo.read(file));
                let edited = hunks.iter().fold(had, |text, (old, new)| {
                    assert_eq!(text.matches(old.as_str()).count(), 1, "{file} has once:\n{old}\nin\n{text}");
                    text.replacen(old.as_str(), new, 1)
                });
                files.insert(file, Some(edited))
            }
        };
    }
    let files: Vec<(&str, Option<&str>)> = files.iter().map(|(path, text)| (*path, text.as_deref())).collect();
    if !files.is_empty() {
        stage.repo.edit("main", "main", &files);
    }
}

/// What somebody does past the program.
fn act(stage: &Stage, words: &[&str]) {
    match words {
        ["connect", endpoint, "to", link] => connect(stage, endpoint, link),
        ["tag", name, pair] => tag(stage, name, pair),
        ["make", name, "in", group, "on", service] => make(stage, (name, group), service),
        ["take", address] => take(stage, address),
        ["unlink", name] => unlink(stage, name),
        ["widen", prefix] => widen(stage, prefix),
        ["subnet", name, prefixes] => subnet(stage, name, prefixes),
        ["delete", service] => drop(stage.cluster().delete("services", "default", service).unwrap()),
        other => panic!("nobody can do {other:?}"),
    }
}

fn network(subscription: &str, group: &str, rest: &str) -> String {
    format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/{rest}")
}

fn link(stage: &Stage, name: &str) -> Option<Value> {
    stage.azure(&network(PROVIDER, NODE_GROUP, &format!("privateLinkServices/{name}")))
}

fn connect(stage: &Stage, name: &str, link: &str) {
    let theirs = |rest: &str| network(CONSUMER, "myOtherResourceGroup", rest);
    let target = network(PROVIDER, NODE_GROUP, &format!("privateLinkServices/{link}"));
    let body = json!({"location": "eastus2", "properties": {
        "subnet": {"id": theirs("virtualNetworks/myOtherVNET/subnets/pe-subnet")},
        "privateLinkServiceConnections": [{"name": name, "properties": {"privateLinkServiceId": target}}],
    }});
    stage.azure_does("PUT", &theirs(&format!("privateEndpoints/{name}")), Some(body));
}

fn tag(stage: &Stage, name: &str, pair: &str) {
    let (key, value) = pair.split_once('=').unwrap();
    let mut body = link(stage, name).unwrap();
    match value {
        "" => drop(body["tags"].as_object_mut().unwrap().remove(key)),
        value => body["tags"][key] = json!(value),
    }
    stage.azure_does("PUT", &network(PROVIDER, NODE_GROUP, &format!("privateLinkServices/{name}")), Some(body));
}

/// A Private Link Service that nobody tagged, on the frontend of a Service.
fn make(stage: &Stage, (name, group): (&str, &str), service: &str) {
    let group = if group == "node-group" { NODE_GROUP } else { group };
    let uid = stage.cluster().get("services", "default", service).unwrap()["metadata"]["uid"].clone();
    let frontend: String = format!("a{}", uid.as_str().unwrap().replace('-', "")).chars().take(32).collect();
    let balancer = network(PROVIDER, NODE_GROUP, "loadBalancers/kubernetes-internal");
    let subnet = network(PROVIDER, NODE_GROUP, "virtualNetworks/aks-vnet/subnets/pls-subnet");
    let mut policy = stage.azure(&subnet).unwrap();
    policy["properties"]["privateLinkServiceNetworkPolicies"] = json!("Disabled");
    stage.azure_does("PUT", &subnet, Some(policy));
    let body = json!({"location": "eastus2", "properties": {
        "loadBalancerFrontendIpConfigurations": [{"id": format!("{balancer}/frontendIPConfigurations/{frontend}")}],
        "ipConfigurations": [{"name": "nat", "properties": {"primary": true, "subnet": {"id": subnet}}}],
        "visibility": {"subscriptions": [CONSUMER]}, "autoApproval": {"subscriptions": [CONSUMER]},
    }});
    stage.azure_does("PUT", &network(PROVIDER, group, &format!("privateLinkServices/{name}")), Some(body));
}

/// Somebody deletes a Private Link Service, its connections first.
fn unlink(stage: &Stage, name: &str) {
    let body = link(stage, name).unwrap();
    for connection in body["properties"]["privateEndpointConnections"].as_array().unwrap() {
        stage.azure_does("DELETE", connection["id"].as_str().unwrap(), None);
    }
    stage.azure_does("DELETE", body["id"].as_str().unwrap(), None);
}

/// One range more for the network of the nodes.
fn widen(stage: &Stage, prefix: &str) {
    let id = network(PROVIDER, NODE_GROUP, "virtualNetworks/aks-vnet");
    let mut body = stage.azure(&id).unwrap();
    body["properties"]["addressSpace"]["addressPrefixes"].as_array_mut().unwrap().push(json!(prefix));
    stage.azure_does("PUT", &id, Some(body));
}

/// A subnet more in the network of the nodes; its prefixes stand side by side with commas.
fn subnet(stage: &Stage, name: &str, prefixes: &str) {
    let id = network(PROVIDER, NODE_GROUP, &format!("virtualNetworks/aks-vnet/subnets/{name}"));
    let prefixes: Vec<&str> = prefixes.split(',').collect();
    stage.azure_does("PUT", &id, Some(json!({"properties": {"addressPrefixes": prefixes}})));
}

/// Somebody's private endpoint in the subnet of the nodes.
fn take(stage: &Stage, address: &str) {
    let subnet = network(PROVIDER, NODE_GROUP, "virtualNetworks/aks-vnet/subnets/aks-subnet");
    let alias = "foreign-ledger.5ca1ab1e-0000-4000-8000-00000000abcd.eastus2.azure.privatelinkservice";
    let body = json!({"location": "eastus2", "properties": {
        "subnet": {"id": subnet},
        "ipConfigurations": [{"name": "static", "properties": {"privateIPAddress": address}}],
        "manualPrivateLinkServiceConnections": [{"name": "ledger", "properties": {"privateLinkServiceId": alias}}],
    }});
    stage.azure_does("PUT", &network(PROVIDER, "myResourceGroup", "privateEndpoints/ledger-pe"), Some(body));
}

/// Puts the manifests of a commit into the cluster as kubectl does.
pub(super) fn kubectl(stage: &Stage, before: &BTreeMap<String, String>) {
    let after = stage.repo.files("main");
    let (had, has) = (services(before), services(&after));
    for name in had.keys().filter(|name| !has.contains_key(*name)) {
        let _ = stage.cluster().delete("services", "default", name);
    }
    for (name, manifest) in &has {
        if had.get(name) == Some(manifest) {
            continue;
        }
        match had.get(name) {
            Some(old) => {
                let patch = merge_patch(old, manifest);
                stage.cluster().patch_service("default", name, (&patch, "kubectl")).unwrap();
            }
            None => {
                stage.cluster().apply_raw(manifest).unwrap();
            }
        }
    }
}

fn services(files: &BTreeMap<String, String>) -> BTreeMap<String, Value> {
    let texts = files.iter().filter(|(path, _)| path.ends_with(".yaml")).flat_map(|(_, text)| text.split("\n---\n"));
    let documents = texts.map(|text| serde_yaml::from_str::<Value>(text).unwrap());
    let services = documents.filter(|document| document["kind"] == "Service").map(|mut document| {
        document["metadata"]["namespace"] = json!("default");
        (document["metadata"]["name"].as_str().unwrap().to_owned(), document)
    });
    services.collect()
}

/// What makes one object the other, as RFC 7386 says it.
fn merge_patch(old: &Value, new: &Value) -> Value {
    let (Some(had), Some(has)) = (old.as_object(), new.as_object()) else { return new.clone() };
    let gone = had.keys().filter(|key| !has.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let differs = has.iter().filter(|(key, value)| had.get(*key) != Some(value));
    let set = differs
        .map(|(key, value)| (key.clone(), had.get(key).map_or_else(|| value.clone(), |old| merge_patch(old, value))));
    gone.chain(set).collect::<serde_json::Map<String, Value>>().into()
}
