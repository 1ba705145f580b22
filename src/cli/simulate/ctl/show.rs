//! Answers of the admin API as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::render::count;

/// JSON over several lines.
pub(super) fn json(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// One line a request.
pub(super) fn requests(found: &Value) -> String {
    let mut out = String::new();
    for request in items(&found["value"]) {
        let query = text(&request["query"]);
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        let (method, path, client) = (text(&request["method"]), text(&request["path"]), text(&request["client"]));
        let inside = if request["is-internal"] == true { " (internal)" } else { "" };
        let (sequence, status) = (&request["sequence"], &request["status"]);
        let _ = writeln!(out, "{sequence:>6} {status:>3} {method:<6} {path}{query}  {client}{inside}");
    }
    out
}

/// One line a resource or object.
pub(super) fn list(found: &Value) -> String {
    let mut out = String::new();
    for resource in items(&found["resources"]) {
        let state = resource["properties"]["provisioningState"].as_str().unwrap_or("-");
        let _ = writeln!(out, "{state:<10} {}", text(&resource["id"]));
    }
    for found in items(&found["objects"]) {
        let (cluster, object) = (text(&found["cluster"]), &found["object"]);
        let kind = text(&object["kind"]).to_ascii_lowercase();
        let metadata = &object["metadata"];
        let namespace = metadata["namespace"].as_str().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        let _ = writeln!(out, "{cluster:<10} {kind}/{namespace}{}", text(&metadata["name"]));
    }
    out
}

/// One line a fault.
pub(super) fn faults(found: &Value) -> String {
    let mut out = String::new();
    for rule in items(&found["value"]) {
        let _ = writeln!(out, "{}  hit {} of {}  {}", rule["id"], rule["hits"], rule["seen"], rule["fault"]);
    }
    if out.is_empty() { "no faults\n".to_owned() } else { out }
}

/// The time, and how far it was moved.
pub(super) fn clock(found: &Value) -> String {
    let seconds = |name: &str| found[name].as_f64().unwrap_or(0.0) / 1000.0;
    let (elapsed, ahead) = (seconds("elapsed-milliseconds"), seconds("ahead-milliseconds"));
    format!("{}, {elapsed:.1} s since the start, {ahead:.1} s ahead of real time\n", text(&found["now"]))
}

/// How much there is of everything.
pub(super) fn state(found: &Value) -> String {
    let mut out = clock(&found["clock"]);
    let azure = &found["azure"];
    let _ = writeln!(out, "{}", count(items(&azure["groups"]).len(), "resource group"));
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for resource in items(&azure["resources"]) {
        *kinds.entry(resource_type(text(&resource["id"]))).or_default() += 1;
    }
    for (kind, number) in kinds {
        let _ = writeln!(out, "{number:>6} {kind}");
    }
    let operations = azure["operations"].as_object().into_iter().flatten();
    let running = operations.filter(|(_, own)| own["status"] == "InProgress").count();
    let _ = writeln!(out, "{}", count(running, "running operation"));
    for (name, cluster) in found["clusters"].as_object().into_iter().flatten() {
        let objects = count(items(&cluster["objects"]).len(), "object");
        let _ = writeln!(out, "cluster {name}: {objects}, version {}", cluster["version"]);
    }
    out + &faults(&serde_json::json!({ "value": found["faults"] }))
}

/// `…/providers/N/a/x/b/y` is of type `N/a/b`.
fn resource_type(id: &str) -> String {
    let Some((_, rest)) = id.rsplit_once("/providers/") else { return String::new() };
    let mut parts = rest.split('/');
    let namespace = parts.next().unwrap_or_default().to_owned();
    parts.step_by(2).fold(namespace, |kind, part| format!("{kind}/{part}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_a_resource_is_in_its_id() {
        assert_eq!(resource_type("/subscriptions/s/resourceGroups/g/providers/N/a/x/b/y"), "N/a/b");
        assert_eq!(resource_type("nothing"), "");
    }
}
