//! The cells of a table's rows, as kubectl has always shown them.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::kind::Kind;

/// The cells of one object, one per column.
pub(crate) fn cells(kind: &Kind, object: &Value, now: Timestamp) -> Vec<String> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = text("/metadata/name");
    let age = age(&text("/metadata/creationTimestamp"), now);
    match kind.plural {
        "configmaps" => {
            let count = count_of(&object["data"]) + count_of(&object["binaryData"]);
            vec![name, count.to_string(), age]
        }
        "endpoints" => vec![name, old_endpoints(object), age],
        "endpointslices" => slice_cells(object, (name, age)),
        "events" => event_cells(object, name, now),
        "leases" => vec![name, text("/spec/holderIdentity"), age],
        "namespaces" => vec![name, text("/status/phase"), age],
        "nodes" => node_cells(object, (name, age)),
        "services" => service_cells(object, (name, age)),
        _ => vec![name, age],
    }
}

fn node_cells(node: &Value, (name, age): (String, String)) -> Vec<String> {
    let prefix = "node-role.kubernetes.io/";
    let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
    let roles: Vec<&str> = labels.filter_map(|(key, _)| key.strip_prefix(prefix)).collect();
    let address = |kind: &str| {
        let mut addresses = node["status"]["addresses"].as_array().into_iter().flatten();
        let found = addresses.find(|address| address["type"] == kind);
        or_none(found.and_then(|found| found["address"].as_str()).unwrap_or_default().to_owned())
    };
    let info = |field: &str| node["status"]["nodeInfo"][field].as_str().unwrap_or("<unknown>").to_owned();
    let mut status = node_status(node).to_owned();
    if node["spec"]["unschedulable"] == true {
        status.push_str(",SchedulingDisabled");
    }
    vec![
        name,
        status,
        or_none(roles.join(",")),
        age,
        node["status"]["nodeInfo"]["kubeletVersion"].as_str().unwrap_or_default().to_owned(),
        address("InternalIP"),
        address("ExternalIP"),
        info("osImage"),
        info("kernelVersion"),
        info("containerRuntimeVersion"),
    ]
}

fn event_cells(event: &Value, name: String, now: Timestamp) -> Vec<String> {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let first_of = |pointers: &[&str]| pointers.iter().map(|pointer| text(pointer)).find(|text| !text.is_empty());
    let age = |pointers: &[&str]| self::age(&first_of(pointers).unwrap_or_default(), now);
    let about = format!("{}/{}", text("/involvedObject/kind").to_ascii_lowercase(), text("/involvedObject/name"));
    let source = first_of(&["/source/component", "/reportingComponent"]).unwrap_or_default();
    let count = event["series"]["count"].as_u64().or(event["count"].as_u64()).unwrap_or(1);
    vec![
        age(&["/series/lastObservedTime", "/lastTimestamp", "/eventTime"]),
        text("/type"),
        text("/reason"),
        about,
        text("/involvedObject/fieldPath"),
        [source, text("/source/host")].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "),
        text("/message").trim().to_owned(),
        age(&["/firstTimestamp", "/eventTime"]),
        count.to_string(),
        name,
    ]
}

fn count_of(map: &Value) -> usize {
    map.as_object().map_or(0, serde_json::Map::len)
}

/// The first three, and how many more there are.
fn shortened(mut items: Vec<String>) -> String {
    let more = items.len().saturating_sub(3);
    items.truncate(3);
    let shown = items.join(",");
    if more == 0 { shown } else { format!("{shown} + {more} more...") }
}

fn texts(items: &Value) -> Vec<&Value> {
    items.as_array().into_iter().flatten().collect()
}

fn old_endpoints(object: &Value) -> String {
    let mut all = Vec::new();
    for subset in texts(&object["subsets"]) {
        for address in texts(&subset["addresses"]) {
            let ip = address["ip"].as_str().unwrap_or_default();
            all.extend(texts(&subset["ports"]).iter().map(|port| format!("{ip}:{}", port["port"])));
        }
    }
    or_none(shortened(all))
}

fn slice_cells(slice: &Value, (name, age): (String, String)) -> Vec<String> {
    let ports = texts(&slice["ports"]).iter().map(|port| port["port"].to_string()).collect();
    let addresses: Vec<String> = texts(&slice["endpoints"])
        .iter()
        .flat_map(|endpoint| texts(&endpoint["addresses"]))
        .filter_map(|address| address.as_str().map(str::to_owned))
        .collect();
    let unset = |text: String| if text.is_empty() { "<unset>".to_owned() } else { text };
    let kind = slice["addressType"].as_str().unwrap_or_default().to_owned();
    vec![name, kind, unset(shortened(ports)), unset(shortened(addresses)), age]
}

fn or_none(text: String) -> String {
    if text.is_empty() { "<none>".to_owned() } else { text }
}

fn node_status(node: &Value) -> &'static str {
    let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
    let ready =
        conditions.filter(|condition| condition["type"] == "Ready").any(|condition| condition["status"] == "True");
    if ready { "Ready" } else { "NotReady" }
}

fn service_cells(service: &Value, (name, age): (String, String)) -> Vec<String> {
    let spec = &service["spec"];
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
    use serde_json::json;

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
