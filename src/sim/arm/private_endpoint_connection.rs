//! Connections on a Private Link Service: what the provider decides about a consumer's endpoint.

use serde_json::{Value, json};

use crate::sim::arm::error::ArmError;
use crate::sim::arm::private_endpoint;
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::state::State;
use crate::sim::arm::store::properties_mut;
use crate::sim::arm::write::Draft;

/// Approves or rejects: only the connection state can be written.
pub(crate) fn prepare(state: &State, draft: &Draft, element: &Value) -> Result<Value, ArmError> {
    let Some(held) = state.store.element(&draft.path).cloned() else {
        return Err(ArmError::child_not_found(&draft.path.id()));
    };
    let sent = &element["properties"]["privateLinkServiceConnectionState"];
    let status = sent["status"].as_str().unwrap_or_default();
    let known = ["Pending", "Approved", "Rejected", "Removed"];
    let Some(status) = known.into_iter().find(|own| own.eq_ignore_ascii_case(status)) else {
        let message =
            format!("'{status}' is not a status of connection {}: use Approved or Rejected.", draft.path.id());
        return Err(ArmError::invalid("InvalidRequestFormat", message));
    };
    let text = |name: &str, default: &str| sent[name].as_str().unwrap_or(default).to_owned();
    let mut out = held;
    properties_mut(&mut out).insert(
        "privateLinkServiceConnectionState".to_owned(),
        json!({
            "status": status,
            "description": text("description", ""),
            "actionsRequired": text("actionsRequired", "None"),
        }),
    );
    Ok(out)
}

/// Carries the provider's decision to the consumer's endpoint.
pub(crate) fn after_put(state: &mut State, path: &ResourcePath) {
    let Some(connection) = state.store.element(path) else { return };
    let endpoint = connection["properties"]["privateEndpoint"]["id"].as_str().unwrap_or_default().to_owned();
    let decision = connection["properties"]["privateLinkServiceConnectionState"].clone();
    private_endpoint::decide(state, &endpoint, decision);
}

/// A connection that the provider deleted cannot be revived: the endpoint is disconnected for good.
pub(crate) fn after_delete(state: &mut State, element: &Value) {
    let endpoint = element["properties"]["privateEndpoint"]["id"].as_str().unwrap_or_default().to_owned();
    let decision = json!({ "status": "Disconnected", "description": "Deleted state", "actionsRequired": "None" });
    private_endpoint::decide(state, &endpoint, decision);
}
