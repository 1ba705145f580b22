//! The three patches that are not apply: merge patch, strategic merge patch, JSON patch.

use serde_json::{Map, Value};

use super::schema::{Keyed, Schema};
use super::status_error::ApiError;

/// RFC 7386: objects merge, null removes, everything else replaces.
pub(crate) fn merge_patch(target: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut fields = target.as_object().cloned().unwrap_or_default();
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(name);
        } else {
            let merged = merge_patch(fields.get(name).unwrap_or(&Value::Null), value);
            fields.insert(name.clone(), merged);
        }
    }
    Value::Object(fields)
}

/// Kubernetes' strategic merge patch: as merge patch, but lists with a merge key merge item by item.
pub(crate) fn strategic(schema: &Schema, target: &Value, patch: &Value) -> Value {
    match (schema, patch) {
        (Schema::Keyed(keyed), Value::Array(items)) => strategic_list(keyed, target, items),
        (Schema::Set, Value::Array(members)) => {
            let mut kept = target.as_array().cloned().unwrap_or_default();
            kept.extend(members.iter().filter(|member| !kept.contains(member)).cloned().collect::<Vec<_>>());
            Value::Array(kept)
        }
        (_, Value::Object(patch)) if patch.get("$patch").is_some_and(|directive| directive == "replace") => {
            let fields = patch.iter().filter(|(name, _)| !name.starts_with('$'));
            Value::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        (_, Value::Object(patch)) => strategic_object(schema, target, patch),
        _ => patch.clone(),
    }
}

fn strategic_object(schema: &Schema, target: &Value, patch: &Map<String, Value>) -> Value {
    let mut fields = target.as_object().cloned().unwrap_or_default();
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            let gone = value.as_array().cloned().unwrap_or_default();
            if let Some(members) = fields.get_mut(list).and_then(Value::as_array_mut) {
                members.retain(|member| !gone.contains(member));
            }
        } else if name.starts_with('$') {
            // Directives about the whole object or about an order: below.
        } else if value.is_null() {
            fields.remove(name);
        } else {
            let schema = schema.field(name).unwrap_or(&Schema::Free);
            let merged = strategic(schema, fields.get(name).unwrap_or(&Value::Null), value);
            fields.insert(name.clone(), merged);
        }
    }
    if let Some(kept) = patch.get("$retainKeys").and_then(Value::as_array) {
        fields.retain(|name, _| kept.iter().any(|kept| kept == name.as_str()));
    }
    for (name, order) in patch {
        let Some(list) = name.strip_prefix("$setElementOrder/") else { continue };
        if let (Some(Value::Array(items)), Value::Array(order)) = (fields.get_mut(list), order) {
            set_element_order(schema.field(list), items, order);
        }
    }
    Value::Object(fields)
}

/// Sorts the items that the order names as it names them; others keep their place behind them.
fn set_element_order(schema: Option<&Schema>, items: &mut [Value], order: &[Value]) {
    let place = |item: &Value| {
        let same = |wanted: &Value| match schema {
            Some(Schema::Keyed(keyed)) => wanted[keyed.merge_key] == item[keyed.merge_key],
            _ => wanted == item,
        };
        order.iter().position(same).unwrap_or(order.len())
    };
    items.sort_by_key(place);
}

fn strategic_list(keyed: &Keyed, target: &Value, patch: &[Value]) -> Value {
    if patch.iter().any(|item| item["$patch"] == "replace") {
        return patch.iter().filter(|item| item.get("$patch").is_none()).cloned().collect();
    }
    let mut items = target.as_array().cloned().unwrap_or_default();
    for wanted in patch {
        let same = |item: &Value| item[keyed.merge_key] == wanted[keyed.merge_key];
        if wanted["$patch"] == "delete" {
            items.retain(|item| !same(item));
        } else if let Some(item) = items.iter_mut().find(|item| same(item)) {
            *item = strategic(&keyed.item, item, wanted);
        } else {
            items.push(strategic(&keyed.item, &Value::Null, wanted));
        }
    }
    Value::Array(items)
}

/// RFC 6902.
///
/// # Errors
/// 400 if an operation is malformed, 422-like 400 if a path does not exist or a test fails.
pub(crate) fn json_patch(target: &Value, patch: &Value) -> Result<Value, ApiError> {
    let operations = patch.as_array().ok_or_else(|| ApiError::bad_request("a JSON patch is a list of operations"))?;
    let mut value = target.clone();
    for operation in operations {
        run(&mut value, operation)?;
    }
    Ok(value)
}

fn run(value: &mut Value, operation: &Value) -> Result<(), ApiError> {
    let path = operation["path"].as_str().ok_or_else(|| ApiError::bad_request("a patch operation has no path"))?;
    let from = operation["from"].as_str().unwrap_or_default();
    let missing = |path: &str| ApiError::bad_request(format!("the path {path:?} of the JSON patch does not exist"));
    match operation["op"].as_str().unwrap_or_default() {
        "add" => add(value, path, operation["value"].clone()),
        "remove" => take(value, path).map(drop).ok_or_else(|| missing(path)),
        "replace" => {
            *value.pointer_mut(path).ok_or_else(|| missing(path))? = operation["value"].clone();
            Ok(())
        }
        "move" => {
            let taken = take(value, from).ok_or_else(|| missing(from))?;
            add(value, path, taken)
        }
        "copy" => {
            let copied = value.pointer(from).cloned().ok_or_else(|| missing(from))?;
            add(value, path, copied)
        }
        "test" if value.pointer(path) == Some(&operation["value"]) => Ok(()),
        "test" => Err(ApiError::bad_request(format!("testing value {path} failed"))),
        other => Err(ApiError::bad_request(format!("unexpected kind of patch operation: {other:?}"))),
    }
}

fn parent<'a>(value: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    let last = last.replace("~1", "/").replace("~0", "~");
    Some((value.pointer_mut(parent)?, last))
}

fn add(value: &mut Value, path: &str, new: Value) -> Result<(), ApiError> {
    if path.is_empty() {
        *value = new;
        return Ok(());
    }
    let missing = || ApiError::bad_request(format!("the path {path:?} of the JSON patch does not exist"));
    let (parent, last) = parent(value, path).ok_or_else(missing)?;
    match parent {
        Value::Object(fields) => drop(fields.insert(last, new)),
        Value::Array(items) if last == "-" => items.push(new),
        Value::Array(items) => {
            let index = last.parse().ok().filter(|index| *index <= items.len()).ok_or_else(missing)?;
            items.insert(index, new);
        }
        _ => return Err(missing()),
    }
    Ok(())
}

fn take(value: &mut Value, path: &str) -> Option<Value> {
    let (parent, last) = parent(value, path)?;
    match parent {
        Value::Object(fields) => fields.remove(&last),
        Value::Array(items) => {
            let index = last.parse().ok().filter(|index: &usize| *index < items.len())?;
            Some(items.remove(index))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::kube::schema::service::SERVICE;
    use serde_json::json;

    #[test]
    fn strategic_merges_ports_by_number_and_deletes_by_directive() {
        let live = json!({"spec": {"ports": [{"port": 80, "nodePort": 30001}, {"port": 443}]}});
        let patch = json!({"spec": {"ports": [{"port": 80, "targetPort": 8080}, {"port": 443, "$patch": "delete"}]}});
        let expected = json!({"spec": {"ports": [{"port": 80, "nodePort": 30001, "targetPort": 8080}]}});
        assert_eq!(strategic(&SERVICE, &live, &patch), expected);
    }

    #[test]
    fn strategic_keeps_the_order_and_the_keys_that_the_client_wants() {
        let live = json!({"spec": {"ports": [{"port": 80}, {"port": 443}], "externalName": "x"}});
        let patch = json!({"spec": {
            "$setElementOrder/ports": [{"port": 443}, {"port": 80}], "$retainKeys": ["ports", "type"], "type": "ClusterIP",
        }});
        let expected = json!({"spec": {"ports": [{"port": 443}, {"port": 80}], "type": "ClusterIP"}});
        assert_eq!(strategic(&SERVICE, &live, &patch), expected);
    }

    #[test]
    fn json_patch_knows_escapes_and_refuses_missing_paths() {
        let live = json!({"metadata": {"annotations": {"a/b": "1"}}});
        let patched = json_patch(&live, &json!([{"op": "remove", "path": "/metadata/annotations/a~1b"}])).unwrap();
        assert_eq!(patched["metadata"]["annotations"], json!({}));
        assert_eq!(json_patch(&live, &json!([{"op": "remove", "path": "/spec/x"}])).unwrap_err().code, 400);
    }
}
