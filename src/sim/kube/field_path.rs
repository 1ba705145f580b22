//! Paths of fields inside an object, and sets of them in the `fieldsV1` form of `managedFields`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::schema::{Keyed, Schema};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// A field or map entry.
    Field(String),
    /// An item of a keyed list: its key as canonical JSON.
    Item(String),
    /// A member of a set, as JSON.
    Member(String),
}

/// A path from the root of an object.
pub(crate) type FieldPath = Vec<Step>;

/// A set of owned paths.
pub(crate) type FieldSet = BTreeSet<FieldPath>;

/// What stands at a path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// A scalar, or a list or map that is owned as a whole.
    Leaf(Value),
    /// An item of a keyed list, as far as it exists.
    Item,
    /// A map, list or object, as far as it exists.
    Container,
    /// The same without content: an apply owns it like a leaf.
    Empty,
}

/// Every path of a value, by what stands there.
pub(crate) type Nodes = BTreeMap<FieldPath, Node>;

/// Fields that nobody owns: identity and what the server itself writes.
fn is_unowned(path: &[Step]) -> bool {
    let field = |index: usize| match path.get(index) {
        Some(Step::Field(name)) => name.as_str(),
        _ => "",
    };
    match path.len() {
        1 => matches!(field(0), "apiVersion" | "kind" | "metadata"),
        _ if field(0) != "metadata" => false,
        _ => matches!(
            field(1),
            "name"
                | "namespace"
                | "creationTimestamp"
                | "deletionTimestamp"
                | "deletionGracePeriodSeconds"
                | "selfLink"
                | "uid"
                | "generation"
                | "managedFields"
                | "resourceVersion"
        ),
    }
}

/// The paths of an object.
pub(crate) fn nodes_of(schema: &Schema, object: &Value) -> Nodes {
    let mut nodes = Nodes::new();
    collect(schema, object, &mut Vec::new(), &mut nodes);
    nodes.retain(|path, _| !path.is_empty() && !is_unowned(path));
    nodes
}

/// The paths that an apply of this object owns: leaves and list items, not the containers around them.
pub(crate) fn applied_set(schema: &Schema, object: &Value) -> FieldSet {
    let nodes = nodes_of(schema, object).into_iter();
    nodes.filter(|(_, node)| !matches!(node, Node::Container)).map(|(path, _)| path).collect()
}

fn collect(schema: &Schema, value: &Value, path: &mut FieldPath, nodes: &mut Nodes) {
    let node = match (schema, value) {
        (Schema::Struct(_) | Schema::Map | Schema::MapOf(_) | Schema::Free, Value::Object(fields)) => {
            for (name, field) in fields {
                if let Some(schema) = schema.field(name) {
                    descend(schema, field, Step::Field(name.clone()), (path, nodes));
                }
            }
            container(fields.is_empty())
        }
        (Schema::Keyed(keyed), Value::Array(items)) => {
            for item in items {
                path.push(Step::Item(keyed.key_of(item)));
                collect(&keyed.item, item, path, nodes);
                nodes.insert(path.clone(), Node::Item);
                path.pop();
            }
            container(items.is_empty())
        }
        (Schema::Set, Value::Array(items)) => {
            for item in items {
                descend(&Schema::Text, item, Step::Member(item.to_string()), (path, nodes));
            }
            container(items.is_empty())
        }
        _ => Node::Leaf(value.clone()),
    };
    nodes.insert(path.clone(), node);
}

fn descend(schema: &Schema, value: &Value, step: Step, (path, nodes): (&mut FieldPath, &mut Nodes)) {
    path.push(step);
    collect(schema, value, path, nodes);
    path.pop();
}

fn container(is_empty: bool) -> Node {
    if is_empty { Node::Empty } else { Node::Container }
}

/// What an edit did, as paths.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    /// Paths that are new or have another value.
    pub(crate) changed: FieldSet,
    /// Paths that are gone.
    pub(crate) removed: FieldSet,
}

/// Compares two versions of an object.
pub(crate) fn difference(schema: &Schema, before: &Value, after: &Value) -> Difference {
    let (before, after) = (nodes_of(schema, before), nodes_of(schema, after));
    let is_container = |node: &Node| matches!(node, Node::Container | Node::Empty);
    let same = |a: &Node, b: &Node| a == b || (is_container(a) && is_container(b));
    let changed = after.iter().filter(|(path, node)| !before.get(*path).is_some_and(|old| same(old, node)));
    let removed = before.keys().filter(|path| !after.contains_key(*path));
    Difference { changed: changed.map(|(path, _)| path.clone()).collect(), removed: removed.cloned().collect() }
}

/// Writes a path as the API server's messages do: `.spec.ports[port=80,protocol="TCP"].targetPort`.
pub(crate) fn display(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        // Writing to a String cannot fail.
        let _ = match step {
            Step::Field(name) => write!(text, ".{name}"),
            Step::Item(key) => write!(text, "[{}]", display_key(key)),
            Step::Member(value) => write!(text, "[={value}]"),
        };
    }
    text
}

fn display_key(key: &str) -> String {
    let fields: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
    fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

/// Encodes a set as `fieldsV1`.
pub(crate) fn encode(set: &FieldSet) -> Value {
    let mut root = Value::Object(Map::new());
    for path in set {
        let mut node = &mut root;
        for step in path {
            let name = match step {
                Step::Field(name) => format!("f:{name}"),
                Step::Item(key) => format!("k:{key}"),
                Step::Member(value) => format!("v:{value}"),
            };
            node = entry(node, &name);
        }
        // A set is sorted, so whatever lies below this path comes later and turns the leaf into a branch.
        entry(node, ".");
    }
    drop_leaf_dots(&mut root);
    root
}

fn entry<'a>(node: &'a mut Value, name: &str) -> &'a mut Value {
    let fields = node.as_object_mut().expect("encode only ever puts objects into the tree");
    fields.entry(name).or_insert_with(|| Value::Object(Map::new()))
}

fn drop_leaf_dots(node: &mut Value) {
    let Some(fields) = node.as_object_mut() else { return };
    if fields.len() == 1 {
        fields.remove(".");
    }
    fields.values_mut().for_each(drop_leaf_dots);
}

/// Decodes `fieldsV1`; what cannot be read is not owned.
pub(crate) fn decode(fields: &Value) -> FieldSet {
    let mut set = FieldSet::new();
    decode_into(fields, &mut Vec::new(), &mut set);
    set.remove(&Vec::new());
    set
}

fn decode_into(node: &Value, path: &mut FieldPath, set: &mut FieldSet) {
    let Some(fields) = node.as_object() else { return };
    if fields.is_empty() || fields.contains_key(".") {
        set.insert(path.clone());
    }
    for (name, child) in fields {
        let step = match name.split_once(':') {
            Some(("f", name)) => Step::Field(name.to_owned()),
            Some(("k", key)) => Step::Item(key.to_owned()),
            Some(("v", value)) => Step::Member(value.to_owned()),
            _ => continue,
        };
        path.push(step);
        decode_into(child, path, set);
        path.pop();
    }
}

/// Removes what stands at a path; parents stay, even when empty.
pub(crate) fn remove(schema: &Schema, value: &mut Value, path: &[Step]) {
    let [step, rest @ ..] = path else { return };
    match (step, schema) {
        (Step::Field(name), _) => {
            let Some(fields) = value.as_object_mut() else { return };
            match (rest.is_empty(), schema.field(name), fields.get_mut(name)) {
                (true, _, _) => drop(fields.remove(name)),
                (false, Some(schema), Some(field)) => remove(schema, field, rest),
                _ => {}
            }
        }
        (Step::Item(key), Schema::Keyed(keyed)) => remove_item(keyed, value, (key, rest)),
        (Step::Member(member), _) => {
            if let Some(items) = value.as_array_mut() {
                let gone: Option<Value> = serde_json::from_str(member).ok();
                items.retain(|item| Some(item) != gone.as_ref());
            }
        }
        (Step::Item(_), _) => {}
    }
}

fn remove_item(keyed: &Keyed, list: &mut Value, (key, rest): (&str, &[Step])) {
    let Some(items) = list.as_array_mut() else { return };
    if rest.is_empty() {
        items.retain(|item| keyed.key_of(item) != key);
    } else if let Some(item) = items.iter_mut().find(|item| keyed.key_of(item) == key) {
        remove(&keyed.item, item, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::kube::schema::service::SERVICE;
    use serde_json::json;

    #[test]
    fn fields_v1_round_trips_and_marks_items_with_a_dot() {
        let service = json!({
            "apiVersion": "v1", "metadata": {"name": "a", "annotations": {"x": "1"}, "finalizers": ["f"]},
            "spec": {"ports": [{"port": 80}], "selector": {"app": "a"}},
        });
        let set = applied_set(&SERVICE, &service);
        let encoded = encode(&set);
        let expected = json!({
            "f:metadata": {"f:annotations": {"f:x": {}}, "f:finalizers": {"v:\"f\"": {}}},
            "f:spec": {"f:ports": {r#"k:{"port":80,"protocol":"TCP"}"#: {".": {}, "f:port": {}}}, "f:selector": {}},
        });
        assert_eq!(encoded, expected);
        assert_eq!(decode(&encoded), set);
    }

    #[test]
    fn paths_are_written_as_the_api_server_writes_them() {
        let set = applied_set(&SERVICE, &json!({"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}));
        let texts: Vec<String> = set.iter().map(|path| display(path)).collect();
        assert!(texts.contains(&r#".spec.ports[port=80,protocol="TCP"].targetPort"#.to_owned()), "{texts:?}");
    }
}
