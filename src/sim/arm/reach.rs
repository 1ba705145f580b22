//! Who reaches a Private Link Service: visibility by list or by role, and auto-approval.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::sim::arm::Reply;
use crate::sim::arm::authorization::Grants;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::kind::Kind;
use crate::sim::arm::request::Request;
use crate::sim::arm::state::State;
use crate::sim::arm::store::{Resource, object_mut};

/// The subscriptions of `visibility` or `autoApproval`.
pub(crate) fn listed(body: &Value, property: &str) -> BTreeSet<String> {
    let list = body["properties"][property]["subscriptions"].as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_ascii_lowercase).collect()
}

/// True if a service shows itself: to the consumer's subscription, to everybody, or to whoever may read it.
pub(crate) fn is_visible(service: &Resource, consumer: &str, grants: &Grants) -> bool {
    let visible = listed(&service.body, "visibility");
    visible.contains("*")
        || visible.contains(&consumer.to_ascii_lowercase())
        || grants.allows("Microsoft.Network/privateLinkServices/read", &service.path.id())
}

/// True if the service approves the consumer by itself.
pub(crate) fn is_auto_approved(service: &Resource, consumer: &str) -> bool {
    let approved = listed(&service.body, "autoApproval");
    approved.contains("*") || approved.contains(&consumer.to_ascii_lowercase())
}

/// `autoApprovedPrivateLinkServices`.
pub(crate) fn auto_approved(state: &State, consumer: &str, grants: &Grants) -> Vec<Value> {
    let services = state.store.of_kind(Kind::PrivateLinkService);
    let approved = services.filter(|own| is_auto_approved(own, consumer) && is_visible(own, consumer, grants));
    approved.map(|own| json!({ "privateLinkService": own.path.id() })).collect()
}

/// `checkPrivateLinkServiceVisibility`.
pub(crate) fn act_at_location(
    state: &State,
    request: &Request,
    (consumer, action): (&str, &str),
    grants: &Grants,
) -> Result<Reply, ArmError> {
    if action != "checkprivatelinkservicevisibility" {
        return Err(ArmError::not_found(&request.path));
    }
    let mut body = request.body.clone().ok_or_else(ArmError::body_is_not_an_object)?;
    let body = object_mut(&mut body);
    let alias = body.get("privateLinkServiceAlias").and_then(Value::as_str).unwrap_or_default();
    let visible = state.store.by_alias(alias).is_some_and(|service| is_visible(service, consumer, grants));
    Ok(Reply::ok(json!({ "visible": visible })))
}
