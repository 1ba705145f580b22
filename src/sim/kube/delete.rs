//! Deletion: at once, or marked until the last finalizer is gone; a namespace takes everything in it along.

use serde_json::{Value, json};

use super::kind::{KINDS, Kind};
use super::status_error::{ApiError, Cause};
use super::store::Key;
use super::write::{State, Write, not_found};

impl State {
    /// A DELETE: at once, or by a deletion timestamp while finalizers are left.
    pub(crate) fn delete(&mut self, write: &Write, options: &Value) -> Result<Value, ApiError> {
        let name = write.name.clone().unwrap_or_default();
        let key = write.key(&name);
        let live = self.store.get(&key).cloned().ok_or_else(|| not_found(write, &name))?;
        check_propagation(&options["propagationPolicy"])?;
        check_delete_preconditions(write, &live, &options["preconditions"])?;
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {"name": name, "kind": write.kind.plural, "uid": live["metadata"]["uid"]},
        });
        let holds = finalizers(&live) || (write.kind.plural == "namespaces" && !self.is_empty_namespace(&name));
        if write.dry_run {
            return Ok(if holds { live } else { status });
        }
        if !holds {
            self.remove(&key);
            return Ok(status);
        }
        let mut marked = live;
        if marked["metadata"].get("deletionTimestamp").is_none() {
            marked["metadata"]["deletionTimestamp"] = json!(write.now);
            marked["metadata"]["deletionGracePeriodSeconds"] = json!(0);
            if write.kind.plural == "namespaces" {
                marked["status"]["phase"] = json!("Terminating");
            }
            marked = self.store.put(&key, marked);
        }
        if write.kind.plural == "namespaces" {
            self.empty_namespace(write, &name);
        }
        Ok(marked)
    }

    fn is_empty_namespace(&self, namespace: &str) -> bool {
        KINDS.iter().all(|kind| !kind.is_namespaced || self.store.list(kind, Some(namespace)).next().is_none())
    }

    fn empty_namespace(&mut self, write: &Write, namespace: &str) {
        for kind in KINDS.iter().filter(|kind| kind.is_namespaced) {
            let names: Vec<String> = self.store.list(kind, Some(namespace)).map(|(key, _)| key.name.clone()).collect();
            for name in names {
                let namespace = Some(namespace.to_owned());
                let inner = Write { kind, namespace, name: Some(name), ..write.clone() };
                // An object with finalizers stays; its last update removes it, and the namespace after it.
                let _ = self.delete(&inner, &Value::Null);
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &Key) {
        self.store.remove(key);
        let namespaces = Kind::find("namespaces").expect("namespaces are always served");
        let home = Key::new(namespaces, None, &key.namespace);
        let is_ending = self.store.get(&home).is_some_and(|found| found["metadata"].get("deletionTimestamp").is_some());
        if is_ending && self.is_empty_namespace(&key.namespace) {
            self.store.remove(&home);
        }
    }
}

fn finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty())
}

pub(crate) fn is_ready_to_go(object: &Value) -> bool {
    object["metadata"].get("deletionTimestamp").is_some() && !finalizers(object) && object["kind"] != "Namespace"
}

/// Nothing here has dependents, so all policies do the same; one that does not exist is still refused.
fn check_propagation(policy: &Value) -> Result<(), ApiError> {
    let supported = ["Background", "Foreground", "Orphan"];
    if policy.is_null() || policy.as_str().is_some_and(|policy| supported.contains(&policy)) {
        return Ok(());
    }
    let cause = Cause::unsupported("propagationPolicy", policy, &supported);
    Err(ApiError::invalid("DeleteOptions.meta.k8s.io", "", &[cause]))
}

fn check_delete_preconditions(write: &Write, live: &Value, preconditions: &Value) -> Result<(), ApiError> {
    for (field, label) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
        let Some(given) = preconditions[field].as_str() else { continue };
        let actual = live["metadata"][field].as_str().unwrap_or_default();
        if given != actual {
            let why =
                format!("Precondition failed: {label} in precondition: {given}, {label} in object meta: {actual}");
            let name = live["metadata"]["name"].as_str().unwrap_or_default();
            return Err(ApiError::conflict(&write.kind.qualified(), name, &why));
        }
    }
    Ok(())
}
