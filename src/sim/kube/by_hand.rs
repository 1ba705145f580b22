//! What somebody does with kubectl: merge a patch into any object, apply a manifest under a name.

use serde_json::{Value, json};

use super::call::Call;
use super::kind::Kind;
use super::status_error::ApiError;
use super::{Cluster, path_of};

impl Cluster {
    /// Merges a patch into any object as `kubectl patch --type merge` would.
    ///
    /// # Errors
    /// What the API server refuses.
    pub fn patch(&self, (kind, namespace, name): (&str, &str, &str), patch: &Value) -> Result<Value, ApiError> {
        let kind = Kind::find(kind).ok_or_else(ApiError::unknown_path)?;
        let path = format!("{}/{name}?fieldManager=kubectl-patch", path_of(kind, Some(namespace)));
        let call = Call::new("PATCH", &path).content_type("application/merge-patch+json").body(patch.clone());
        self.call(&call.agent("kubectl/v1.36.0")).into_result()
    }

    /// Applies a manifest as [`Cluster::apply_raw`] does, under this name whatever it says; its namespace is made too.
    ///
    /// # Errors
    /// What the API server refuses.
    pub fn put(&self, (kind, namespace, name): (&str, &str, &str), mut manifest: Value) -> Result<Value, ApiError> {
        let kind = Kind::find(kind).ok_or_else(ApiError::unknown_path)?;
        if !manifest.is_object() {
            return Err(ApiError::bad_request("the manifest is not an object"));
        }
        if !manifest["metadata"].is_object() {
            manifest["metadata"] = json!({});
        }
        manifest["apiVersion"] = kind.api_version().into();
        manifest["kind"] = kind.name.into();
        manifest["metadata"]["name"] = name.into();
        if kind.is_namespaced {
            manifest["metadata"]["namespace"] = namespace.into();
            if self.get("namespaces", "", namespace).is_none() {
                self.apply_raw(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))?;
            }
        }
        self.apply_raw(&manifest)
    }
}
