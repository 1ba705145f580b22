//! The shape of the objects we serve: field types, and which lists and maps merge by key.
//!
//! One description feeds four readers: strict decoding, server-side apply (ownership per field), strategic merge patch,
//! and the pruning of unknown fields. Transcribed from the Kubernetes API reference (`listType`, `mapType`, patch keys).

use std::collections::BTreeMap;

use serde_json::Value;

/// The type of a field and how it merges.
#[derive(Debug)]
pub(crate) enum Schema {
    /// A string.
    Text,
    /// An integer.
    Whole,
    /// A boolean.
    Flag,
    /// An integer or a string (`targetPort`).
    WholeOrText,
    /// Anything, unchecked: objects merge per field, lists are replaced.
    Free,
    /// An object with known fields.
    Struct(&'static [(&'static str, Self)]),
    /// A map whose entries are owned one by one (labels, annotations).
    Map,
    /// A map of strings owned as a whole (selectors).
    AtomicMap,
    /// A list owned as a whole.
    List(&'static Self),
    /// A list of distinct strings (finalizers).
    Set,
    /// A list of objects told apart by keys.
    Keyed(&'static Keyed),
}

/// A list whose items have keys.
#[derive(Debug)]
pub(crate) struct Keyed {
    /// Fields that identify an item for apply, each with the value that a missing field stands for.
    pub(crate) keys: &'static [(&'static str, Option<&'static str>)],
    /// The single key of strategic merge patch.
    pub(crate) merge_key: &'static str,
    /// The items.
    pub(crate) item: Schema,
}

impl Keyed {
    /// The key of an item, defaults filled in; canonical JSON, as it stands in `managedFields`.
    pub(crate) fn key_of(&self, item: &Value) -> String {
        let parts: Vec<String> = self
            .keys
            .iter()
            .filter_map(|(key, default)| {
                let value = item.get(*key).cloned().or_else(|| default.map(Value::from))?;
                Some(format!("{}:{value}", Value::from(*key)))
            })
            .collect();
        format!("{{{}}}", parts.join(","))
    }
}

use Schema::{AtomicMap, Flag, Free, List, Map, Set, Struct, Text, Whole, WholeOrText};

const OWNER_REFERENCE: Schema = Struct(&[
    ("apiVersion", Text),
    ("kind", Text),
    ("name", Text),
    ("uid", Text),
    ("controller", Flag),
    ("blockOwnerDeletion", Flag),
]);

static OWNER_REFERENCES: Keyed = Keyed { keys: &[("uid", None)], merge_key: "uid", item: OWNER_REFERENCE };

const METADATA: Schema = Struct(&[
    ("annotations", Map),
    ("creationTimestamp", Text),
    ("deletionGracePeriodSeconds", Whole),
    ("deletionTimestamp", Text),
    ("finalizers", Set),
    ("generateName", Text),
    ("generation", Whole),
    ("labels", Map),
    ("managedFields", List(&Free)),
    ("name", Text),
    ("namespace", Text),
    ("ownerReferences", Schema::Keyed(&OWNER_REFERENCES)),
    ("resourceVersion", Text),
    ("selfLink", Text),
    ("uid", Text),
]);

static SERVICE_PORTS: Keyed = Keyed {
    keys: &[("port", None), ("protocol", Some("TCP"))],
    merge_key: "port",
    item: Struct(&[
        ("appProtocol", Text),
        ("name", Text),
        ("nodePort", Whole),
        ("port", Whole),
        ("protocol", Text),
        ("targetPort", WholeOrText),
    ]),
};

static CONDITIONS: Keyed = Keyed { keys: &[("type", None)], merge_key: "type", item: Free };

const SERVICE_SPEC: Schema = Struct(&[
    ("allocateLoadBalancerNodePorts", Flag),
    ("clusterIP", Text),
    ("clusterIPs", List(&Text)),
    ("externalIPs", List(&Text)),
    ("externalName", Text),
    ("externalTrafficPolicy", Text),
    ("healthCheckNodePort", Whole),
    ("internalTrafficPolicy", Text),
    ("ipFamilies", List(&Text)),
    ("ipFamilyPolicy", Text),
    ("loadBalancerClass", Text),
    ("loadBalancerIP", Text),
    ("loadBalancerSourceRanges", List(&Text)),
    ("ports", Schema::Keyed(&SERVICE_PORTS)),
    ("publishNotReadyAddresses", Flag),
    ("selector", AtomicMap),
    ("sessionAffinity", Text),
    ("sessionAffinityConfig", Struct(&[("clientIP", Struct(&[("timeoutSeconds", Whole)]))])),
    ("trafficDistribution", Text),
    ("type", Text),
]);

const SERVICE_STATUS: Schema =
    Struct(&[("conditions", Schema::Keyed(&CONDITIONS)), ("loadBalancer", Struct(&[("ingress", List(&Free))]))]);

/// `v1/Service`.
pub(crate) static SERVICE: Schema = Struct(&[
    ("apiVersion", Text),
    ("kind", Text),
    ("metadata", METADATA),
    ("spec", SERVICE_SPEC),
    ("status", SERVICE_STATUS),
]);

/// Kinds we only keep: metadata is checked, the rest is not.
pub(crate) static KEPT: Schema =
    Struct(&[("apiVersion", Text), ("kind", Text), ("metadata", METADATA), ("spec", Free), ("status", Free)]);

/// As [`KEPT`], with free fields at the top (Events, ConfigMaps, EndpointSlices).
pub(crate) static FLAT: Schema = Free;

/// What strict decoding found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Paths of fields that the schema does not have.
    pub(crate) unknown: Vec<String>,
    /// Paths of values of a wrong type, with what was expected.
    pub(crate) mistyped: Vec<Mistyped>,
}

/// A value of the wrong type.
#[derive(Debug)]
pub(crate) struct Mistyped {
    /// Where it stands.
    pub(crate) path: String,
    /// The type that the field has.
    pub(crate) expected: &'static str,
    /// What was sent.
    pub(crate) got: Value,
}

impl Schema {
    /// The schema of a field or map entry.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Struct(fields) => fields.iter().find(|(field, _)| *field == name).map(|(_, schema)| schema),
            Map | AtomicMap => Some(&Text),
            Free => Some(&Free),
            Text | Whole | Flag | WholeOrText | List(_) | Set | Self::Keyed(_) => None,
        }
    }

    /// Returns the value without unknown fields and nulls, and notes everything that does not fit.
    pub(crate) fn decode(&self, value: &Value, path: &str, findings: &mut Findings) -> Value {
        match (self, value) {
            (Free, _) => value.clone(),
            (Struct(_) | Map | AtomicMap, Value::Object(fields)) => {
                let mut kept = serde_json::Map::new();
                for (name, field) in fields.iter().filter(|(_, field)| !field.is_null()) {
                    let here = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    match self.field(name) {
                        Some(schema) => drop(kept.insert(name.clone(), schema.decode(field, &here, findings))),
                        None => findings.unknown.push(here),
                    }
                }
                Value::Object(kept)
            }
            (List(item), Value::Array(items)) => item.decode_all(items, path, findings),
            (Set, Value::Array(items)) => Text.decode_all(items, path, findings),
            (Self::Keyed(keyed), Value::Array(items)) => keyed.item.decode_all(items, path, findings),
            _ => {
                if !self.takes(value) {
                    let path = path.to_owned();
                    findings.mistyped.push(Mistyped { path, expected: self.type_name(), got: value.clone() });
                }
                value.clone()
            }
        }
    }

    fn decode_all(&self, items: &[Value], path: &str, findings: &mut Findings) -> Value {
        let decode = |(index, item)| self.decode(item, &format!("{path}[{index}]"), findings);
        items.iter().enumerate().map(decode).collect()
    }

    fn takes(&self, value: &Value) -> bool {
        match self {
            Text => value.is_string(),
            Whole => value.is_i64() || value.is_u64(),
            Flag => value.is_boolean(),
            WholeOrText => value.is_string() || value.is_i64() || value.is_u64(),
            Free => true,
            Struct(_) | Map | AtomicMap | List(_) | Set | Self::Keyed(_) => false,
        }
    }

    fn type_name(&self) -> &'static str {
        match self {
            Text => "string",
            Whole => "integer",
            Flag => "boolean",
            WholeOrText => "integer or string",
            Free => "anything",
            Struct(_) | Map | AtomicMap => "map",
            List(_) | Set | Self::Keyed(_) => "list",
        }
    }
}

/// Removes empty maps and lists below `metadata` and `spec`, which Go's `omitempty` never writes.
pub(crate) fn omit_empty(object: &mut Value) {
    for part in ["metadata", "spec"] {
        if let Some(fields) = object.get_mut(part).and_then(Value::as_object_mut) {
            fields.retain(|_, value| {
                !value.is_null()
                    && !value.as_object().is_some_and(serde_json::Map::is_empty)
                    && !value.as_array().is_some_and(Vec::is_empty)
            });
        }
    }
}

/// Entries of a string map, for labels and selectors.
pub(crate) fn text_map(value: Option<&Value>) -> BTreeMap<String, String> {
    let entries = value.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_fields_and_wrong_types_are_found_with_their_paths() {
        let service = json!({
            "metadata": {"annotations": {"x": true}, "labels": null},
            "spec": {"prots": [], "ports": [{"port": "80", "nam": 1}]},
        });
        let mut findings = Findings::default();
        let kept = SERVICE.decode(&service, "", &mut findings);
        assert_eq!(findings.unknown, ["spec.ports[0].nam", "spec.prots"]);
        let mistyped: Vec<_> = findings.mistyped.iter().map(|m| (m.path.as_str(), m.expected)).collect();
        assert_eq!(mistyped, [("metadata.annotations.x", "string"), ("spec.ports[0].port", "integer")]);
        assert_eq!(kept["spec"], json!({"ports": [{"port": "80"}]}));
        assert_eq!(kept["metadata"].get("labels"), None);
    }

    #[test]
    fn a_port_without_protocol_has_the_key_of_tcp() {
        assert_eq!(SERVICE_PORTS.key_of(&json!({"port": 80})), r#"{"port":80,"protocol":"TCP"}"#);
    }
}
