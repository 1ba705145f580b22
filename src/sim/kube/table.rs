//! Tables, which `kubectl get` asks for instead of objects.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::kind::Kind;
use super::row::cells;

/// A column: its name, its type, and how much it matters (0 is always shown, 1 with `-o wide`).
type Column = (&'static str, &'static str, u8);

const NAME: Column = ("Name", "string", 0);
const AGE: Column = ("Age", "string", 0);

fn columns(kind: &Kind) -> &'static [Column] {
    match kind.plural {
        "configmaps" => &[NAME, ("Data", "string", 0), AGE],
        "endpoints" => &[NAME, ("Endpoints", "string", 0), AGE],
        "endpointslices" => {
            &[NAME, ("AddressType", "string", 0), ("Ports", "string", 0), ("Endpoints", "string", 0), AGE]
        }
        "events" => &[
            ("Last Seen", "string", 0),
            ("Type", "string", 0),
            ("Reason", "string", 0),
            ("Object", "string", 0),
            ("Subobject", "string", 1),
            ("Source", "string", 1),
            ("Message", "string", 0),
            ("First Seen", "string", 1),
            ("Count", "string", 1),
            ("Name", "string", 1),
        ],
        "leases" => &[NAME, ("Holder", "string", 0), AGE],
        "namespaces" => &[NAME, ("Status", "string", 0), AGE],
        "nodes" => &[
            NAME,
            ("Status", "string", 0),
            ("Roles", "string", 0),
            AGE,
            ("Version", "string", 0),
            ("Internal-IP", "string", 1),
            ("External-IP", "string", 1),
            ("OS-Image", "string", 1),
            ("Kernel-Version", "string", 1),
            ("Container-Runtime", "string", 1),
        ],
        "services" => &[
            NAME,
            ("Type", "string", 0),
            ("Cluster-IP", "string", 0),
            ("External-IP", "string", 0),
            ("Port(s)", "string", 0),
            AGE,
            ("Selector", "string", 1),
        ],
        _ => &[NAME, AGE],
    }
}

/// Renders objects as a `Table`. `include` says how much of each object goes along: `None`, `Metadata` or `Object`.
pub(crate) fn table(
    (kind, include): (&Kind, Option<&str>),
    items: &[Value],
    (metadata, now): (Value, Timestamp),
) -> Value {
    let definitions: Vec<Value> = columns(kind)
        .iter()
        .map(|(name, kind, priority)| {
            let format = if *name == "Name" { "name" } else { "" };
            json!({"name": name, "type": kind, "format": format, "description": "", "priority": priority})
        })
        .collect();
    let rows: Vec<Value> = items
        .iter()
        .map(|object| json!({"cells": cells(kind, object, now), "object": part(object, include)}))
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": definitions, "rows": rows,
    })
}

fn part(object: &Value, include: Option<&str>) -> Value {
    match include {
        Some("None") => Value::Null,
        Some("Object") => object.clone(),
        _ => json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::kube::kind::KINDS;

    #[test]
    fn every_kind_has_as_many_cells_as_columns() {
        for kind in &KINDS {
            let object = json!({"metadata": {"name": "a"}});
            assert_eq!(cells(kind, &object, Timestamp::UNIX_EPOCH).len(), columns(kind).len(), "{}", kind.plural);
        }
    }
}
