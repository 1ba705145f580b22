//! Tables, which `kubectl get` asks for instead of objects.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::kind::Kind;

/// A column: its name and how much it matters (0 is always shown).
type Column = (&'static str, u8);

fn columns(kind: &Kind) -> &'static [Column] {
    match kind.plural {
        "services" => &[
            ("Name", 0),
            ("Type", 0),
            ("Cluster-IP", 0),
            ("External-IP", 0),
            ("Port(s)", 0),
            ("Age", 0),
            ("Selector", 1),
        ],
        "nodes" => &[("Name", 0), ("Status", 0), ("Roles", 0), ("Age", 0), ("Version", 0), ("Internal-IP", 1)],
        "events" => &[("Last Seen", 0), ("Type", 0), ("Reason", 0), ("Object", 0), ("Message", 0)],
        "namespaces" => &[("Name", 0), ("Status", 0), ("Age", 0)],
        "leases" => &[("Name", 0), ("Holder", 0), ("Age", 0)],
        _ => &[("Name", 0), ("Age", 0)],
    }
}

/// Renders objects as a `Table`.
pub(crate) fn table(kind: &Kind, items: &[Value], (metadata, now): (Value, Timestamp)) -> Value {
    let definitions: Vec<Value> = columns(kind)
        .iter()
        .map(|(name, priority)| {
            let format = if *name == "Name" { "name" } else { "" };
            json!({"name": name, "type": "string", "format": format, "description": "", "priority": priority})
        })
        .collect();
    let rows: Vec<Value> = items
        .iter()
        .map(|object| {
            json!({
                "cells": cells(kind, object, now),
                "object": {
                    "kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": object["metadata"],
                },
            })
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": definitions, "rows": rows,
    })
}

fn cells(kind: &Kind, object: &Value, now: Timestamp) -> Vec<String> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = text("/metadata/name");
    let age = age(&text("/metadata/creationTimestamp"), now);
    match kind.plural {
        "services" => service_cells(object, (name, age)),
        "nodes" => {
            let address = text("/status/addresses/0/address");
            vec![
                name,
                node_status(object).to_owned(),
                "<none>".to_owned(),
                age,
                text("/status/nodeInfo/kubeletVersion"),
                address,
            ]
        }
        "events" => {
            let about =
                format!("{}/{}", text("/involvedObject/kind").to_ascii_lowercase(), text("/involvedObject/name"));
            vec![self::age(&text("/lastTimestamp"), now), text("/type"), text("/reason"), about, text("/message")]
        }
        "namespaces" => vec![name, text("/status/phase"), age],
        "leases" => vec![name, text("/spec/holderIdentity"), age],
        _ => vec![name, age],
    }
}

fn node_status(node: &Value) -> &'static str {
    let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
    let ready =
        conditions.filter(|condition| condition["type"] == "Ready").any(|condition| condition["status"] == "True");
    if ready { "Ready" } else { "NotReady" }
}

fn service_cells(service: &Value, (name, age): (String, String)) -> Vec<String> {
    let spec = &service["spec"];
    let or_none = |text: String| if text.is_empty() { "<none>".to_owned() } else { text };
    let selector = spec["selector"].as_object().into_iter().flatten();
    let selector: Vec<String> =
        selector.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    vec![
        name,
        spec["type"].as_str().unwrap_or("ClusterIP").to_owned(),
        or_none(spec["clusterIP"].as_str().unwrap_or_default().to_owned()),
        external_address(service),
        or_none(ports(spec)),
        age,
        or_none(selector.join(",")),
    ]
}

fn external_address(service: &Value) -> String {
    let ingress = service["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten();
    let addresses: Vec<&str> =
        ingress.filter_map(|entry| entry["ip"].as_str().or(entry["hostname"].as_str())).collect();
    match service["spec"]["type"].as_str() {
        Some("LoadBalancer") if addresses.is_empty() => "<pending>".to_owned(),
        Some("LoadBalancer") => addresses.join(","),
        Some("ExternalName") => service["spec"]["externalName"].as_str().unwrap_or_default().to_owned(),
        _ => "<none>".to_owned(),
    }
}

fn ports(spec: &Value) -> String {
    let show = |port: &Value| {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        match port["nodePort"].as_u64().filter(|number| *number != 0) {
            Some(node_port) => format!("{}:{node_port}/{protocol}", port["port"]),
            None => format!("{}/{protocol}", port["port"]),
        }
    };
    spec["ports"].as_array().into_iter().flatten().map(show).collect::<Vec<_>>().join(",")
}

/// An age as kubectl writes it: `45s`, `12m`, `5h3m`, `2d`.
fn age(since: &str, now: Timestamp) -> String {
    let Ok(since) = since.parse::<Timestamp>() else { return "<unknown>".to_owned() };
    let seconds = now.duration_since(since).max(SignedDuration::ZERO).as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 if seconds % 60 != 0 => format!("{minutes}m{}s", seconds % 60),
        120..10_800 => format!("{minutes}m"),
        10_800..28_800 if minutes % 60 != 0 => format!("{hours}h{}m", minutes % 60),
        10_800..172_800 => format!("{hours}h"),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_balancer_row_reads_as_in_kubectl() {
        let service = json!({
            "metadata": {"name": "internal-app", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"type": "LoadBalancer", "clusterIP": "10.0.248.59", "ports": [{"port": 80, "nodePort": 30555, "protocol": "TCP"}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "10.240.0.7"}]}},
        });
        let kind = Kind::find("svc").unwrap();
        let now = "2026-01-01T00:02:00Z".parse().unwrap();
        let row = cells(kind, &service, now);
        assert_eq!(
            row[..6],
            ["internal-app", "LoadBalancer", "10.0.248.59", "10.240.0.7", "80:30555/TCP", "2m"].map(str::to_owned)
        );
    }
}
