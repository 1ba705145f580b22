//! Azure resources behind everybody's back: no rules, no operations, a new etag.

use serde_json::{Map, Value, json};

use super::{AdminRequest, Answer, problem};
use crate::sim::arm::Arm;

/// Answers a request below `resources`.
pub(super) fn answer(arm: &Arm, request: &AdminRequest<'_>, id: &str) -> Answer {
    if id.is_empty() {
        let wanted = request.query.get("type").map_or("", String::as_str);
        return (200, json!({ "value": arm.raw_list(wanted) }));
    }
    let id = format!("/{id}");
    let held = arm.raw_get(&id);
    let done = match (request.method, held.clone(), &request.body) {
        ("GET", Some(own), _) => return (200, own),
        ("GET" | "PATCH", None, _) => false,
        ("PUT", _, Some(body)) => arm.raw_put(&id, body.clone()),
        ("PATCH", Some(mut own), Some(patch)) => {
            merge(&mut own, patch);
            arm.raw_put(&id, own)
        }
        ("PUT" | "PATCH", _, None) => return problem(400, "Send the resource, or what is to change in it, as JSON."),
        ("DELETE", _, _) => arm.raw_delete(&id),
        _ => return problem(405, "Use GET, PUT, PATCH or DELETE."),
    };
    match done {
        // What was deleted is shown as it was.
        true => (200, arm.raw_get(&id).or(held).unwrap_or(Value::Null)),
        false => {
            problem(404, format!("There is no resource {id}, or it is of a type that the simulator does not have."))
        }
    }
}

/// A merge patch: objects are merged, null removes, everything else replaces.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(own) = target.as_object_mut() else { return };
    for (name, value) in fields {
        if value.is_null() {
            own.remove(name);
        } else {
            merge(own.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_merges_and_null_removes() {
        let mut target = json!({ "a": { "b": 1, "c": [1, 2] }, "d": 4 });
        merge(&mut target, &json!({ "a": { "b": null, "c": [3] }, "e": { "f": null } }));
        assert_eq!(target, json!({ "a": { "c": [3] }, "d": 4, "e": {} }));
    }
}
