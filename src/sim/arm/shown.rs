//! A resource as it goes over the wire, written straight from the store.
//!
//! Clients see more than they sent: ids, types, etags and states, on the resource and on each of its children. A list of
//! a thousand resources is written without a copy of any of them.

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq as _, Serializer};
use serde_json::Value;

use crate::sim::arm::kind::Kind;
use crate::sim::arm::store::Resource;

/// The wire form of a resource, but for what follows from other resources.
pub(crate) struct Shown<'a>(pub(crate) &'a Resource);

/// The fields that are stamped on: what a body says under these names is not shown.
const STAMPED: [&str; 4] = ["id", "name", "type", "etag"];

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Resource { path, etag, body, .. } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", path.name())?;
        map.serialize_entry("id", &path.id())?;
        map.serialize_entry("type", path.resource_type)?;
        map.serialize_entry("etag", etag)?;
        rest(&mut map, body, &["properties"])?;
        map.serialize_entry("properties", &Properties(self.0))?;
        map.end()
    }
}

/// Writes what a body has beside the stamped fields and those in `apart`.
fn rest<M: SerializeMap>(map: &mut M, body: &Value, apart: &[&str]) -> Result<(), M::Error> {
    for (key, value) in body.as_object().into_iter().flatten() {
        if !STAMPED.contains(&key.as_str()) && !apart.contains(&key.as_str()) {
            map.serialize_entry(key, value)?;
        }
    }
    Ok(())
}

struct Properties<'a>(&'a Resource);

impl Serialize for Properties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let resource = self.0;
        let lists = resource.path.kind.child_lists();
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in resource.body["properties"].as_object().into_iter().flatten() {
            match value {
                _ if key == "provisioningState" => {}
                Value::Array(children) => match lists.iter().find(|list| *list == key) {
                    Some(list) => map.serialize_entry(key, &Children { parent: resource, list, children })?,
                    None => map.serialize_entry(key, value)?,
                },
                value => map.serialize_entry(key, value)?,
            }
        }
        // Record sets are the only type that is never on its way.
        if resource.path.kind != Kind::RecordSet {
            map.serialize_entry("provisioningState", &resource.state)?;
        }
        map.end()
    }
}

/// The children in one list: they share their parent's etag and state.
struct Children<'a> {
    parent: &'a Resource,
    list: &'static str,
    children: &'a [Value],
}

impl Serialize for Children<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { parent, list, children } = self;
        let id = format!("{}/{list}", parent.path.id());
        let resource_type = format!("{}/{list}", parent.path.resource_type);
        let mut items = serializer.serialize_seq(Some(children.len()))?;
        for body in *children {
            items.serialize_element(&Child { parent, body, list: (&id, &resource_type) })?;
        }
        items.end()
    }
}

struct Child<'a> {
    parent: &'a Resource,
    body: &'a Value,
    /// Id and type of the list.
    list: (&'a str, &'a str),
}

impl Serialize for Child<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { parent, body, list: (id, resource_type) } = self;
        let name = body["name"].as_str().unwrap_or_default();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", name)?;
        map.serialize_entry("id", &format!("{id}/{name}"))?;
        map.serialize_entry("type", resource_type)?;
        map.serialize_entry("etag", &parent.etag)?;
        rest(&mut map, body, &["properties"])?;
        map.serialize_entry("properties", &ChildProperties(&body["properties"], &parent.state))?;
        map.end()
    }
}

struct ChildProperties<'a>(&'a Value, &'a str);

impl Serialize for ChildProperties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.0.as_object().into_iter().flatten() {
            map.serialize_entry(key, value)?;
        }
        // Only a child that is being deleted has a state of its own.
        if self.0["provisioningState"].is_null() {
            map.serialize_entry("provisioningState", self.1)?;
        }
        map.end()
    }
}
