//! Managed clusters: what `az aks show` reads, and the credentials of the simulated API server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::sim::arm::Reply;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::request::Request;
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::state::{ClusterAccess, State};

/// `listClusterUserCredential` and `listClusterAdminCredential`.
pub(crate) fn act(state: &State, request: &Request, path: &ResourcePath, action: &str) -> Result<Reply, ArmError> {
    let user = match action {
        "listclusterusercredential" => "clusterUser",
        "listclusteradmincredential" => "clusterAdmin",
        _ => return Err(ArmError::not_found(&request.path)),
    };
    let disabled = state.store.get(path).is_some_and(|own| own.property("disableLocalAccounts") == &json!(true));
    if user == "clusterAdmin" && disabled {
        let message = "Getting static credential is not allowed because this cluster is set to disable local accounts.";
        return Err(ArmError::invalid("BadRequest", message));
    }
    let Some(access) = state.clusters.get(&path.key()) else {
        let message = format!("The cluster {} has no API server in this simulation.", path.id());
        return Err(ArmError::new(409, "OperationNotAllowed", message));
    };
    let text = kubeconfig(path.name(), access);
    Ok(Reply::ok(json!({ "kubeconfigs": [{ "name": user, "value": STANDARD.encode(text) }] })))
}

/// A kubeconfig with one context, named like the cluster.
pub(crate) fn kubeconfig(name: &str, access: &ClusterAccess) -> String {
    let entry = kubeconfig_entry(name, access);
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "current-context": name,
        "clusters": [entry["cluster"]],
        "users": [entry["user"]],
        "contexts": [entry["context"]],
    });
    serde_yaml::to_string(&config).expect("a JSON value of strings is YAML")
}

/// The parts of a kubeconfig for one cluster.
pub(crate) fn kubeconfig_entry(name: &str, access: &ClusterAccess) -> Value {
    let user = format!("clusterUser_{name}");
    json!({
        "cluster": {
            "name": name,
            "cluster": { "server": access.server, "certificate-authority-data": STANDARD.encode(&access.ca_pem) },
        },
        "user": { "name": user, "user": { "token": access.token } },
        "context": { "name": name, "context": { "cluster": name, "user": user } },
    })
}
