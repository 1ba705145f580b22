//! The wire structs, one file per kind, and the JSON Schemas made from them.
//!
//! A wire struct is what a person may write: unknown keys are refused, ids and names are checked as they are read, and an
//! absent field stays absent where its default depends on something else. `desired` turns wire into intent.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::repo::settings::Settings;

mod annotations;
pub mod own;
pub mod private_endpoint;
pub mod private_link_service;
pub mod service;
pub(crate) mod service_rule;
pub mod word;

/// The JSON Schemas (2020-12) of everything people write, by file name.
pub fn schemas() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        ("private-endpoint.json", schema_of::<private_endpoint::PrivateEndpoint>()),
        ("private-link-service.json", schema_of::<private_link_service::PrivateLinkService>()),
        ("privlink-toml.json", schema_of::<Settings>()),
        ("service.json", schema_of::<service::Service>()),
    ])
}

fn schema_of<T: JsonSchema>() -> Value {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    let mut value = schema.to_value();
    without_null(&mut value);
    sort(&mut value);
    value
}

// `Option` means that a key may be left out, not that it may stand there without a value.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(object) => {
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [single] = types.as_slice() {
                    let single = single.clone();
                    object.insert("type".to_owned(), single);
                }
            }
            if let Some(Value::Array(words)) = object.get_mut("enum") {
                words.retain(|word| !word.is_null());
            }
            if let Some(Value::Array(any)) = object.get_mut("anyOf") {
                any.retain(|one| one.get("type").is_none_or(|name| name != "null"));
                if any.len() == 1
                    && let Some(Value::Object(single)) = any.pop()
                {
                    object.remove("anyOf");
                    // What the field says about itself wins over what its type says.
                    for (key, value) in single {
                        object.entry(key).or_insert(value);
                    }
                }
            }
            object.values_mut().for_each(without_null);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

// Any crate may switch on `serde_json/preserve_order`; the files must not change with it.
fn sort(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(sort),
        Value::Object(object) => {
            let sorted: BTreeMap<String, Value> = std::mem::take(object).into_iter().collect();
            object.extend(sorted);
            object.values_mut().for_each(sort);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_object(schema: &Value, check: &mut dyn FnMut(&serde_json::Map<String, Value>)) {
        match schema {
            Value::Object(object) => {
                check(object);
                object.values().for_each(|value| every_object(value, check));
            }
            Value::Array(items) => items.iter().for_each(|value| every_object(value, check)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn schemas_are_closed_and_never_allow_null() {
        for (name, schema) in schemas() {
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
            assert!(!schema.to_string().contains("null"), "{name}");
            every_object(&schema, &mut |object| {
                let open = object.get("properties").is_some_and(Value::is_object)
                    && object.get("type").is_some_and(|it| it == "object")
                    && object.get("additionalProperties").is_none_or(|others| *others == Value::Bool(true));
                assert!(!open, "{name}: {object:?}");
            });
        }
    }

    #[test]
    fn every_field_is_described() {
        for (name, schema) in schemas() {
            every_object(&schema, &mut |object| {
                for (field, value) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
                    assert!(value.get("description").is_some(), "{name}: {field}");
                }
            });
        }
    }
}
