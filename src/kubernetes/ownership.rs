//! Who owns which field of a Service: `metadata.managedFields` in the names that differences use.
//!
//! The server writes ownership as a tree (`f:` a field, `k:` an item of a merged list, `v:` a value of a set, `.` the thing
//! itself). An empty node owns everything below it: that is how an atomic map such as a selector looks.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::domain::resource::service::port_path;
use crate::kubernetes::FIELD_MANAGER;
use crate::value::Fields;

/// Who owns the live leaves.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ownership {
    /// Those that we own by apply.
    pub(crate) ours: BTreeSet<String>,
    /// Leaf to its other manager, the last one in the server's order.
    pub(crate) others: BTreeMap<String, String>,
}

/// Reads the ownership of the leaves that are there.
pub(crate) fn read(managed: &[Json], leaves: &Fields) -> Ownership {
    let mut ownership = Ownership::default();
    for entry in managed {
        let text = |name: &str| entry.get(name).and_then(Json::as_str).unwrap_or_default();
        let (manager, operation) = (text("manager"), text("operation"));
        let names = leaves_of(entry.get("fieldsV1").unwrap_or(&Json::Null), leaves);
        if manager == FIELD_MANAGER && operation == "Apply" && text("subresource").is_empty() {
            ownership.ours.extend(names);
        } else {
            ownership.others.extend(names.into_iter().map(|name| (name, manager.to_owned())));
        }
    }
    ownership
}

/// The live leaves under a tree of fields.
fn leaves_of(fields: &Json, leaves: &Fields) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for map in ["labels", "annotations"] {
        let Some(node) = fields.pointer(&format!("/f:metadata/f:{map}")) else { continue };
        let prefix = format!("metadata.{map}[");
        if is_whole(node) {
            found.extend(leaves.keys().filter(|name| name.starts_with(&prefix)).cloned());
        }
        for (key, _) in children(node) {
            found.extend(key.strip_prefix("f:").map(|key| format!("{prefix}{key}]")));
        }
    }
    if let Some(spec) = fields.get("f:spec") {
        walk("spec", spec, leaves, &mut found);
    }
    found.retain(|name| leaves.contains_key(name));
    found
}

fn children(node: &Json) -> impl Iterator<Item = (&String, &Json)> {
    node.as_object().into_iter().flatten()
}

/// True for a node that owns all below it.
fn is_whole(node: &Json) -> bool {
    node.as_object().is_none_or(serde_json::Map::is_empty)
}

fn walk(path: &str, node: &Json, leaves: &Fields, found: &mut BTreeSet<String>) {
    if is_whole(node) {
        found.extend(leaves.keys().filter(|name| is_at_or_below(name, path)).cloned());
        return;
    }
    for (key, child) in children(node) {
        if let Some(field) = key.strip_prefix("f:") {
            // The two keys of a port are part of its own name.
            if !(path.ends_with(']') && (field == "port" || field == "protocol")) {
                walk(&format!("{path}.{field}"), child, leaves, found);
            }
        } else if let Some(port) = key.strip_prefix("k:").and_then(port) {
            // Whoever owns any field of a port keeps the port itself open.
            found.insert(port.clone());
            if !is_whole(child) {
                walk(&port, child, leaves, found);
            }
        } else if key.starts_with("v:") {
            // A difference treats a set as one leaf.
            found.insert(path.to_owned());
        }
    }
}

fn is_at_or_below(name: &str, path: &str) -> bool {
    name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The path of the port that a list key such as `{"port":80,"protocol":"TCP"}` names.
fn port(key: &str) -> Option<String> {
    let key: Json = serde_json::from_str(key).ok()?;
    let protocol = key.get("protocol").and_then(Json::as_str).unwrap_or("TCP");
    Some(port_path(key.get("port")?.as_i64()?, protocol))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::resource::service::leaves;

    fn manifest() -> Json {
        json!({"metadata": {"labels": {"app": "x"}, "annotations": {"a/b": "1", "c": "2"}},
            "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
                "selector": {"app": "x", "tier": "y"}, "loadBalancerSourceRanges": ["10.0.0.0/8"],
                "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10}},
                "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080, "nodePort": 30000},
                          {"port": 53, "protocol": "UDP", "targetPort": 53}]}})
    }

    fn managed() -> Json {
        json!([
            {"manager": "privlink", "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": {
                "f:metadata": {"f:annotations": {"f:a/b": {}}, "f:labels": {"f:app": {}}},
                "f:spec": {"f:selector": {}, "f:type": {}, "f:loadBalancerSourceRanges": {},
                    "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}":
                        {".": {}, "f:name": {}, "f:port": {}, "f:targetPort": {}}}}}},
            {"manager": "helm", "operation": "Update", "fieldsV1": {
                "f:metadata": {"f:annotations": {".": {}, "f:c": {}, "f:gone": {}}},
                "f:spec": {"f:selector": {}, "f:sessionAffinityConfig": {"f:clientIP": {"f:timeoutSeconds": {}}}}}},
            {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:selector": {}}}},
            {"manager": "privlink", "operation": "Apply", "subresource": "status", "fieldsV1": {"f:spec": {"f:clusterIP": {}}}}
        ])
    }

    #[test]
    fn owned_leaves_have_the_names_of_differences() {
        let ownership = read(managed().as_array().unwrap(), &leaves(&manifest()));
        let ours: Vec<&str> = ownership.ours.iter().map(String::as_str).collect();
        assert_eq!(
            ours,
            [
                "metadata.annotations[a/b]",
                "metadata.labels[app]",
                "spec.loadBalancerSourceRanges",
                "spec.ports[80/TCP]",
                "spec.ports[80/TCP].name",
                "spec.ports[80/TCP].targetPort",
                "spec.selector.app",
                "spec.selector.tier",
                "spec.type",
            ]
        );
    }

    #[test]
    fn the_last_other_manager_counts() {
        let ownership = read(managed().as_array().unwrap(), &leaves(&manifest()));
        let others: Vec<(&str, &str)> = ownership.others.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(
            others,
            [
                ("metadata.annotations[c]", "helm"),
                ("spec.clusterIP", "privlink"),
                ("spec.selector.app", "kubectl-edit"),
                ("spec.selector.tier", "kubectl-edit"),
                ("spec.sessionAffinityConfig.clientIP.timeoutSeconds", "helm"),
            ]
        );
    }

    fn any_tree() -> impl Strategy<Value = Json> {
        let key = prop::sample::select(vec![
            "f:metadata",
            "f:labels",
            "f:annotations",
            "f:app",
            "f:spec",
            "f:ports",
            "f:type",
            "f:selector",
            ".",
            "v:\"x\"",
            "k:{\"port\":80,\"protocol\":\"TCP\"}",
            "k:{\"port\":53}",
            "k:nonsense",
            "f:clusterIPs",
        ]);
        prop_oneof![Just(json!({})), Just(Json::Null), Just(json!(1))].prop_recursive(5, 40, 6, move |inner| {
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
        })
    }

    proptest! {
        #[test]
        fn only_live_leaves_are_owned(tree in any_tree()) {
            let live = leaves(&manifest());
            let entry = json!({"manager": "privlink", "operation": "Apply", "fieldsV1": tree});
            prop_assert!(read(&[entry], &live).ours.iter().all(|name| live.contains_key(name)));
        }
    }
}
