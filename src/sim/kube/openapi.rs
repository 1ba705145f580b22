//! OpenAPI documents, made from the schemas: what `kubectl explain` prints and `kubectl apply` asks before it validates.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::kind::{KINDS, Kind};
use super::path_of;
use super::schema::{Field, Schema, Shape};

const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";

fn int_or_string(flavour: Flavour) -> Value {
    let about = "A number or a name.";
    match flavour {
        Flavour::V2 => json!({"type": "string", "format": "int-or-string", "description": about}),
        Flavour::V3 => {
            let either = json!([{"type": "integer"}, {"type": "string"}]);
            json!({"format": "int-or-string", "oneOf": either, "description": about})
        }
    }
}

/// How a document names its schemas.
#[derive(Clone, Copy)]
enum Flavour {
    V2,
    V3,
}

impl Flavour {
    fn reference(self, name: &str) -> Value {
        match self {
            Self::V2 => json!({"$ref": format!("#/definitions/{name}")}),
            Self::V3 => json!({"$ref": format!("#/components/schemas/{name}")}),
        }
    }
}

/// The index of the v3 documents.
pub(crate) fn index(groups: &[&str]) -> Value {
    let mut paths = Map::new();
    paths.insert("api/v1".to_owned(), json!({"serverRelativeURL": "/openapi/v3/api/v1?hash=1"}));
    for group in groups {
        let url = format!("/openapi/v3/apis/{group}/v1?hash=1");
        paths.insert(format!("apis/{group}/v1"), json!({"serverRelativeURL": url}));
    }
    json!({"paths": paths})
}

/// The v3 document of a group.
pub(crate) fn v3(group: &str) -> Value {
    let kinds = || KINDS.iter().filter(|kind| kind.group == group);
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": kinds().flat_map(paths).collect::<Map<String, Value>>(),
        "components": {"schemas": schemas(kinds(), Flavour::V3)},
    })
}

/// The v2 document of everything.
pub(crate) fn v2(version: &str) -> Value {
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": format!("v{version}")},
        "paths": {},
        "definitions": schemas(KINDS.iter(), Flavour::V2),
    })
}

fn schemas(kinds: impl Iterator<Item = &'static Kind>, flavour: Flavour) -> BTreeMap<&'static str, Value> {
    let mut found = BTreeMap::new();
    for kind in kinds {
        if let Schema::Struct(shape) = kind.schema {
            collect(shape, flavour, &mut found);
            let own = json!([{"group": kind.group, "version": kind.version, "kind": kind.name}]);
            if let Some(schema) = found.get_mut(shape.name) {
                schema["x-kubernetes-group-version-kind"] = own;
            }
        }
    }
    found
}

fn collect(shape: &'static Shape, flavour: Flavour, found: &mut BTreeMap<&'static str, Value>) {
    if found.contains_key(shape.name) {
        return;
    }
    let properties: Map<String, Value> =
        shape.fields.iter().map(|field| (field.name.to_owned(), property(field, flavour))).collect();
    found.insert(shape.name, json!({"type": "object", "description": shape.about, "properties": properties}));
    for field in shape.fields {
        if let Some(inner) = inner_shape(&field.schema) {
            collect(inner, flavour, found);
        }
        if matches!(field.schema, Schema::WholeOrText) {
            found.insert(INT_OR_STRING, int_or_string(flavour));
        }
    }
}

fn inner_shape(schema: &'static Schema) -> Option<&'static Shape> {
    match schema {
        Schema::Struct(shape) => Some(shape),
        Schema::List(item) | Schema::MapOf(item) => inner_shape(item),
        Schema::Keyed(keyed) => inner_shape(&keyed.item),
        _ => None,
    }
}

fn property(field: &'static Field, flavour: Flavour) -> Value {
    let mut described = match &field.schema {
        // What stands beside a reference is ignored, so v3 wraps it.
        Schema::Struct(shape) if matches!(flavour, Flavour::V3) => json!({"allOf": [flavour.reference(shape.name)]}),
        Schema::WholeOrText if matches!(flavour, Flavour::V3) => json!({"allOf": [flavour.reference(INT_OR_STRING)]}),
        schema => type_of(schema, flavour),
    };
    described["description"] = json!(field.about);
    described
}

fn type_of(schema: &'static Schema, flavour: Flavour) -> Value {
    match schema {
        Schema::Text | Schema::Quantity => json!({"type": "string"}),
        Schema::Time(_) => json!({"type": "string", "format": "date-time"}),
        Schema::Bytes => json!({"type": "string", "format": "byte"}),
        Schema::Whole => json!({"type": "integer", "format": "int64"}),
        Schema::Flag => json!({"type": "boolean"}),
        Schema::WholeOrText => flavour.reference(INT_OR_STRING),
        Schema::Free | Schema::Embedded => json!({"type": "object"}),
        Schema::Struct(shape) => flavour.reference(shape.name),
        Schema::Map => json!({"type": "object", "additionalProperties": {"type": "string"}}),
        Schema::MapOf(value) => json!({"type": "object", "additionalProperties": type_of(value, flavour)}),
        Schema::AtomicMap => {
            let entries = json!({"type": "string"});
            json!({"type": "object", "additionalProperties": entries, "x-kubernetes-map-type": "atomic"})
        }
        Schema::List(item) => {
            json!({"type": "array", "items": type_of(item, flavour), "x-kubernetes-list-type": "atomic"})
        }
        Schema::Set => json!({
            "type": "array", "items": {"type": "string"},
            "x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge",
        }),
        Schema::Keyed(keyed) => {
            let keys: Vec<&str> = keyed.keys.iter().map(|(key, _)| *key).collect();
            json!({
                "type": "array", "items": type_of(&keyed.item, flavour),
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys,
                "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": keyed.merge_key,
            })
        }
    }
}

/// The paths of a kind, with what clients look for there: that the server validates fields and knows dry runs.
fn paths(kind: &'static Kind) -> Vec<(String, Value)> {
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
    let parameters = ["dryRun", "fieldManager", "fieldValidation"].map(parameter);
    let operation = |verb: &str| {
        json!({
            "operationId": format!("{verb}{}", kind.name),
            "parameters": parameters,
            "responses": {"200": {"description": "OK"}},
            "x-kubernetes-action": verb,
            "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.name},
        })
    };
    let collection = path_of(kind, Some("{namespace}"));
    vec![
        (collection.clone(), json!({"get": operation("list"), "post": operation("post")})),
        (
            format!("{collection}/{{name}}"),
            json!({"get": operation("get"), "put": operation("put"), "patch": operation("patch"), "delete": operation("delete")}),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_of_a_document_leads_somewhere() {
        for group in ["", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io"] {
            let document = v3(group);
            let text = document.to_string();
            for part in text.split("#/components/schemas/").skip(1) {
                let name = part.split('"').next().unwrap();
                assert!(document["components"]["schemas"][name]["description"].is_string(), "{name}");
            }
        }
        let text = v2("1.36.2").to_string();
        assert!(text.contains("#/definitions/io.k8s.api.core.v1.ServiceSpec"));
    }

    #[test]
    fn lists_say_how_they_merge() {
        let ports = &v3("")["components"]["schemas"]["io.k8s.api.core.v1.ServiceSpec"]["properties"]["ports"];
        assert_eq!(ports["x-kubernetes-list-map-keys"], json!(["port", "protocol"]));
        assert_eq!(ports["x-kubernetes-patch-merge-key"], "port");
    }
}
