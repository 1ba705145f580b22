//! Server-side apply on a manifest, as far as Services need it: maps merge, ports merge by key, what we drop goes.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use serde_json::json;

/// Applies our manifest to the live one: `owned` are the leaves we held before.
pub(crate) fn apply(live: &mut Json, owned: &BTreeSet<String>, ours: &Json) {
    let wanted = privlink::domain::resource::service::leaves(ours);
    for name in owned.iter().filter(|name| !wanted.contains_key(*name)) {
        remove(live, name);
    }
    merge(live, ours);
}

fn remove(live: &mut Json, name: &str) {
    for map in ["labels", "annotations"] {
        let prefix = format!("metadata.{map}[");
        if let Some(key) = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(']')) {
            live["metadata"][map].as_object_mut().unwrap().remove(key);
            return;
        }
    }
    if let Some(rest) = name.strip_prefix("spec.ports[") {
        let (key, field) = rest.split_once(']').unwrap();
        let ports = live["spec"]["ports"].as_array_mut().unwrap();
        match field.strip_prefix('.') {
            None => ports.retain(|port| port_key(port) != key),
            Some(field) => {
                let port = ports.iter_mut().find(|port| port_key(port) == key);
                port.and_then(Json::as_object_mut).map(|port| port.remove(field));
            }
        }
        return;
    }
    let mut path: Vec<&str> = name.split('.').collect();
    let last = path.pop().unwrap();
    let parent = path.into_iter().try_fold(live, |at, key| at.get_mut(key));
    if let Some(map) = parent.and_then(Json::as_object_mut) {
        map.remove(last);
    }
}

fn port_key(port: &Json) -> String {
    format!("{}/{}", port["port"], port["protocol"].as_str().unwrap_or("TCP"))
}

fn merge(live: &mut Json, ours: &Json) {
    match (live, ours) {
        (Json::Object(live), Json::Object(ours)) => {
            for (key, value) in ours {
                match live.get_mut(key) {
                    Some(Json::Array(ports)) if key == "ports" => merge_ports(ports, value),
                    Some(old) => merge(old, value),
                    None => {
                        live.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (live, ours) => *live = ours.clone(),
    }
}

fn merge_ports(live: &mut Vec<Json>, ours: &Json) {
    for port in ours.as_array().into_iter().flatten() {
        match live.iter_mut().find(|own| port_key(own) == port_key(port)) {
            Some(own) => merge(own, port),
            None => live.push(port.clone()),
        }
    }
}

/// Fills in what the API server fills in.
pub(crate) fn default(live: &mut Json) {
    let spec = live["spec"].as_object_mut().expect("a Service has a spec");
    for (name, value) in [
        ("clusterIP", json!("10.0.0.1")),
        ("sessionAffinity", json!("None")),
        ("internalTrafficPolicy", json!("Cluster")),
        ("externalTrafficPolicy", json!("Cluster")),
    ] {
        spec.entry(name).or_insert(value);
    }
    for (at, port) in spec.get_mut("ports").and_then(Json::as_array_mut).into_iter().flatten().enumerate() {
        let target = port["port"].clone();
        let port = port.as_object_mut().unwrap();
        port.entry("protocol").or_insert(json!("TCP"));
        port.entry("targetPort").or_insert(target);
        port.entry("nodePort").or_insert(json!(30_000 + at));
    }
}
