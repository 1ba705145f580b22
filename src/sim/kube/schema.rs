//! The shape of the objects we serve: field types, numbers on the wire, and which lists and maps merge by key.
//!
//! One description feeds all readers: strict decoding, server-side apply (ownership per field), strategic merge patch,
//! pruning of unknown fields, protobuf bodies, and the OpenAPI documents behind `kubectl explain`. Names, numbers, list
//! types and patch keys are facts of the Kubernetes API; the sentences are ours.

pub(crate) mod config_map;
pub(crate) mod endpoint;
pub(crate) mod event;
pub(crate) mod lease;
pub(crate) mod metadata;
pub(crate) mod namespace;
pub(crate) mod node;
pub(crate) mod review;
pub(crate) mod service;

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
    /// A time: RFC 3339 in JSON, seconds and nanoseconds in protobuf; with microseconds if the flag is set.
    Time(bool),
    /// Bytes, base64 in JSON.
    Bytes,
    /// An amount such as `2` or `512Mi`: a string or a number.
    Quantity,
    /// JSON that protobuf carries as bytes (`fieldsV1`).
    Embedded,
    /// An object with known fields.
    Struct(&'static Shape),
    /// A map whose entries are owned one by one (labels, annotations).
    Map,
    /// The same with values of another type.
    MapOf(&'static Self),
    /// A map of strings owned as a whole (selectors).
    AtomicMap,
    /// A list owned as a whole.
    List(&'static Self),
    /// A list of distinct strings (finalizers).
    Set,
    /// A list of objects told apart by keys.
    Keyed(&'static Keyed),
}

/// An object type: its name in OpenAPI and its fields.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Such as `io.k8s.api.core.v1.ServiceSpec`.
    pub(crate) name: &'static str,
    /// What it is, for `kubectl explain`.
    pub(crate) about: &'static str,
    /// The fields, sorted by name.
    pub(crate) fields: &'static [Field],
}

/// A field of an object type.
#[derive(Debug)]
pub(crate) struct Field {
    /// Its number in protobuf; 0 if it has none there.
    pub(crate) number: u32,
    /// Its name in JSON.
    pub(crate) name: &'static str,
    /// Its type.
    pub(crate) schema: Schema,
    /// What it is, for `kubectl explain`.
    pub(crate) about: &'static str,
    /// True if 0 and false differ from absence (a pointer in Go).
    pub(crate) keeps_zero: bool,
}

/// A field whose zero is the same as its absence.
const fn field(number: u32, name: &'static str, schema: Schema, about: &'static str) -> Field {
    Field { number, name, schema, about, keeps_zero: false }
}

/// A field whose zero says something.
const fn exact(number: u32, name: &'static str, schema: Schema, about: &'static str) -> Field {
    Field { number, name, schema, about, keeps_zero: true }
}

const API_VERSION: Field = field(0, "apiVersion", Text, "Group and version of the kind of object.");
const KIND: Field = field(0, "kind", Text, "The kind of object.");

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

use Schema::{
    AtomicMap, Bytes, Embedded, Flag, Free, List, Map, MapOf, Quantity, Set, Struct, Text, Time, Whole, WholeOrText,
};

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
            Struct(shape) => shape.fields.iter().find(|field| field.name == name).map(|field| &field.schema),
            Map | AtomicMap => Some(&Text),
            MapOf(value) => Some(value),
            Free | Embedded => Some(&Free),
            Text | Whole | Flag | WholeOrText | Time(_) | Bytes | Quantity | List(_) | Set | Self::Keyed(_) => None,
        }
    }

    /// Returns the value without unknown fields and nulls, and notes everything that does not fit.
    pub(crate) fn decode(&self, value: &Value, path: &str, findings: &mut Findings) -> Value {
        match (self, value) {
            (Free | Embedded, _) => value.clone(),
            (Struct(_) | Map | MapOf(_) | AtomicMap, Value::Object(fields)) => {
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
            Text | Time(_) | Bytes => value.is_string(),
            Quantity => value.is_string() || value.is_number(),
            Whole => value.is_i64() || value.is_u64(),
            Flag => value.is_boolean(),
            WholeOrText => value.is_string() || value.is_i64() || value.is_u64(),
            Free | Embedded => true,
            Struct(_) | Map | MapOf(_) | AtomicMap | List(_) | Set | Self::Keyed(_) => false,
        }
    }

    fn type_name(&self) -> &'static str {
        match self {
            Text | Time(_) | Bytes | Quantity => "string",
            Whole => "integer",
            Flag => "boolean",
            WholeOrText => "integer or string",
            Free | Embedded => "anything",
            Struct(_) | Map | MapOf(_) | AtomicMap => "map",
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
        let kept = service::SERVICE.decode(&service, "", &mut findings);
        assert_eq!(findings.unknown, ["spec.ports[0].nam", "spec.prots"]);
        let mistyped: Vec<_> = findings.mistyped.iter().map(|m| (m.path.as_str(), m.expected)).collect();
        assert_eq!(mistyped, [("metadata.annotations.x", "string"), ("spec.ports[0].port", "integer")]);
        assert_eq!(kept["spec"], json!({"ports": [{"port": "80"}]}));
        assert_eq!(kept["metadata"].get("labels"), None);
    }

    #[test]
    fn a_port_without_protocol_has_the_key_of_tcp() {
        let Some(Schema::Keyed(ports)) = service::SERVICE.field("spec").and_then(|spec| spec.field("ports")) else {
            panic!("the ports are a keyed list");
        };
        assert_eq!(ports.key_of(&json!({"port": 80})), r#"{"port":80,"protocol":"TCP"}"#);
    }
}
