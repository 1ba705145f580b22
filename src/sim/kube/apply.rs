//! Server-side apply: merge what is applied, drop what is no longer applied, refuse what belongs to others.
//!
//! The rules are those of `structured-merge-diff`: a manager that stops applying a field removes it unless somebody else
//! owns it too; changing a field that another manager owns is a conflict; applying the same value is shared ownership.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::field_path::{self, FieldPath, FieldSet, applied_set, difference};
use super::managed_fields::{ManagedFields, Writer};
use super::schema::{Findings, Keyed, Schema, omit_empty};
use super::status_error::ApiError;

/// One apply request.
pub(crate) struct Apply<'a> {
    pub(crate) schema: &'static Schema,
    pub(crate) config: &'a Value,
    pub(crate) writer: &'a Writer,
    pub(crate) force: bool,
    pub(crate) now: &'a str,
}

impl Apply<'_> {
    /// Returns the live object with the configuration applied, `managedFields` included.
    ///
    /// # Errors
    /// 500 if the configuration does not fit the schema, 409 if another manager owns a field that would change.
    pub(crate) fn onto(&self, live: &Value) -> Result<Value, ApiError> {
        self.check_types(live)?;
        let mut managers = ManagedFields::of(live);
        let wanted = applied_set(self.schema, self.config);
        let mut merged = merge(self.schema, live, self.config);
        self.prune(&mut merged, &managers, &wanted);
        omit_empty(&mut merged);
        let diff = difference(self.schema, live, &merged);
        let conflicts = self.conflicts(&managers, &diff.changed);
        if !conflicts.is_empty() && !self.force {
            return Err(conflict_error(&conflicts));
        }
        let mut lost: FieldSet = conflicts.into_iter().map(|conflict| conflict.path).collect();
        lost.extend(diff.removed);
        managers.take_from_others(self.writer, &lost);
        managers.set(self.writer, wanted, self.now);
        managers.write_to(&mut merged);
        Ok(merged)
    }

    fn check_types(&self, live: &Value) -> Result<(), ApiError> {
        let mut findings = Findings::default();
        self.schema.decode(self.config, "", &mut findings);
        let problem = match (findings.mistyped.first(), findings.unknown.first()) {
            (_, Some(path)) => format!(".{path}: field not declared in schema"),
            (Some(wrong), None) => format!(".{}: expected {}, got {}", wrong.path, wrong.expected, wrong.got),
            (None, None) => return Ok(()),
        };
        let text = |object: &Value, name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        let source = if text(live, "name").is_empty() { self.config } else { live };
        let kind = self.config["kind"].as_str().unwrap_or_default();
        let version = &self.writer.api_version;
        let version = if version.contains('/') { version.clone() } else { format!("/{version}") };
        Err(ApiError::untyped_patch(format!(
            "failed to create typed patch object ({}/{}; {version}, Kind={kind}): {problem}",
            text(source, "namespace"),
            text(source, "name"),
        )))
    }

    /// Removes what this manager applied before, does not apply now, and nobody else owns.
    fn prune(&self, merged: &mut Value, managers: &ManagedFields, wanted: &FieldSet) {
        let mut kept: BTreeSet<&FieldPath> = wanted.iter().collect();
        kept.extend(managers.others(self.writer).flat_map(|entry| &entry.fields));
        let before = managers.owned_by(self.writer);
        // Sets are sorted, so an item goes as a whole before its key fields could go and make it unrecognisable.
        for path in &before {
            if !kept.iter().any(|kept| kept.starts_with(path)) {
                field_path::remove(self.schema, merged, path);
            }
        }
    }

    fn conflicts(&self, managers: &ManagedFields, changed: &FieldSet) -> Vec<Conflict> {
        let of_entry = |entry: &super::managed_fields::Entry| {
            let manager = entry.writer.describe();
            let paths = entry.fields.intersection(changed).cloned();
            paths.map(|path| Conflict { manager: manager.clone(), path }).collect::<Vec<_>>()
        };
        managers.others(self.writer).flat_map(of_entry).collect()
    }
}

struct Conflict {
    manager: String,
    path: FieldPath,
}

fn conflict_error(conflicts: &[Conflict]) -> ApiError {
    let mut by_manager: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for Conflict { manager, path } in conflicts {
        by_manager.entry(manager).or_default().push(field_path::display(path));
    }
    let causes = conflicts.iter().map(|Conflict { manager, path }| {
        json!({
            "reason": "FieldManagerConflict",
            "message": format!("conflict with {manager}"),
            "field": field_path::display(path),
        })
    });
    let message = match conflicts {
        [Conflict { manager, path }] => {
            format!("Apply failed with 1 conflict: conflict with {manager}: {}", field_path::display(path))
        }
        _ => {
            let mut lines = Vec::new();
            for (manager, paths) in by_manager {
                lines.push(format!("conflicts with {manager}:"));
                lines.extend(paths.iter().map(|path| format!("- {path}")));
            }
            format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
        }
    };
    ApiError::apply_conflict(message, causes.collect())
}

/// Merges a configuration into a live value: by field, by key, by member; everything else is replaced.
pub(crate) fn merge(schema: &Schema, live: &Value, config: &Value) -> Value {
    match (schema, live, config) {
        (_, live, Value::Null) => live.clone(),
        (
            Schema::Struct(_) | Schema::Map | Schema::MapOf(_) | Schema::Free,
            Value::Object(live),
            Value::Object(config),
        ) => Value::Object(merge_fields(schema, live, config)),
        (Schema::Keyed(keyed), Value::Array(live), Value::Array(config)) => merge_items(keyed, live, config),
        (Schema::Set, Value::Array(live), Value::Array(config)) => {
            let mut members = live.clone();
            members.extend(config.iter().filter(|member| !live.contains(member)).cloned());
            Value::Array(members)
        }
        (_, _, config) => config.clone(),
    }
}

fn merge_fields(schema: &Schema, live: &Map<String, Value>, config: &Map<String, Value>) -> Map<String, Value> {
    let mut fields = live.clone();
    for (name, value) in config {
        let schema = schema.field(name).unwrap_or(&Schema::Free);
        let merged = merge(schema, live.get(name).unwrap_or(&Value::Null), value);
        fields.insert(name.clone(), merged);
    }
    fields
}

fn merge_items(keyed: &Keyed, live: &[Value], config: &[Value]) -> Value {
    let mut items = live.to_vec();
    for wanted in config {
        let key = keyed.key_of(wanted);
        match items.iter_mut().find(|item| keyed.key_of(item) == key) {
            Some(item) => *item = merge(&keyed.item, item, wanted),
            None => items.push(wanted.clone()),
        }
    }
    Value::Array(items)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sim::kube::schema::service::SERVICE;

    fn writer(manager: &str) -> Writer {
        Writer { manager: manager.to_owned(), is_apply: true, api_version: "v1".to_owned(), subresource: None }
    }

    fn apply(live: &Value, manager: &str, config: &Value) -> Value {
        let writer = writer(manager);
        let apply = Apply { schema: &SERVICE, config, writer: &writer, force: true, now: "2026-01-01T00:00:00Z" };
        apply.onto(live).unwrap()
    }

    fn configs() -> impl Strategy<Value = Value> {
        let annotations = prop::collection::btree_map("[abc]", "[12]", 0..3);
        let ports = prop::collection::btree_map(1_u16..4, 8080_u16..8082, 0..3);
        (annotations, ports).prop_map(|(annotations, ports)| {
            let ports: Vec<Value> =
                ports.into_iter().map(|(port, target)| json!({"port": port, "targetPort": target})).collect();
            json!({"metadata": {"annotations": annotations}, "spec": {"ports": ports}})
        })
    }

    proptest! {
        #[test]
        fn an_apply_gives_exactly_what_somebody_still_applies(
            steps in prop::collection::vec((prop::sample::select(vec!["one", "two"]), configs()), 1..6),
        ) {
            let mut live = json!({"metadata": {}, "spec": {}});
            let mut latest: BTreeMap<&str, Value> = BTreeMap::new();
            for (manager, config) in &steps {
                live = apply(&live, manager, config);
                prop_assert_eq!(&apply(&live, manager, config), &live, "the same apply again changes nothing");
                latest.insert(manager, config.clone());
                // Whoever applies last has its values; the other keeps what does not clash.
                let values = |object: &Value| object["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
                for (key, value) in values(config) {
                    prop_assert_eq!(&live["metadata"]["annotations"][&key], &value);
                }
                for key in values(&live).keys() {
                    prop_assert!(latest.values().any(|config| values(config).contains_key(key)), "{} is left over", key);
                }
                let owned = ManagedFields::of(&live).owned_by(&writer(manager));
                prop_assert_eq!(field_path::decode(&field_path::encode(&owned)), owned);
            }
        }
    }
}
