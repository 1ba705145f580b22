//! Managed clusters: what `az aks show` reads, and the credentials of the simulated API server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::sim::arm::Reply;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::request::Request;
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::state::{ClusterAccess, State};

/// The application that tokens for API servers are for, the same in every cloud.
pub(crate) const SERVER: &str = "6dae42f8-4368-4678-94ff-3960e28e3630";

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
    let takes_tokens = state.store.get(path).is_some_and(|own| own.property("aadProfile").is_object());
    let entry = kubeconfig_entry(path.name(), access);
    let text = match (takes_tokens, user) {
        (true, "clusterUser") => kubeconfig(path.name(), without_account(entry, request.query.get("format"))),
        _ => kubeconfig(path.name(), entry),
    };
    Ok(Reply::ok(json!({ "kubeconfigs": [{ "name": user, "value": STANDARD.encode(text) }] })))
}

/// A kubeconfig with one context, named like the cluster.
fn kubeconfig(name: &str, entry: Value) -> String {
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

/// What is said of a user of whom the API server wants a token of Entra: the tool that gets one.
fn without_account(mut entry: Value, format: Option<&String>) -> Value {
    entry["user"]["user"] = if format.is_some_and(|format| format.eq_ignore_ascii_case("exec")) {
        json!({ "exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "kubelogin",
            "args": ["get-token", "--environment", "AzurePublicCloud", "--server-id", SERVER, "--login", "devicecode"],
            "env": null,
            "provideClusterInfo": false,
        } })
    } else {
        json!({ "auth-provider": { "name": "azure", "config": {
            "apiserver-id": SERVER, "config-mode": "1", "environment": "AzurePublicCloud",
        } } })
    };
    entry
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
