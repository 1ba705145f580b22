//! Who reaches a Private Link Service: visibility, auto-approval, and the right that a role gives.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::sim::arm::Reply;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::kind::Kind;
use crate::sim::arm::request::Request;
use crate::sim::arm::state::{ConnectRights, State};
use crate::sim::arm::store::{Resource, object_mut};

/// The subscriptions of `visibility` or `autoApproval`.
pub(crate) fn listed(body: &Value, property: &str) -> BTreeSet<String> {
    let list = body["properties"][property]["subscriptions"].as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_ascii_lowercase).collect()
}

/// True if a consumer's role lets it approve on the services of a subscription.
pub(crate) fn has_rights(state: &State, provider: &str, consumer: &str) -> bool {
    let (provider, consumer) = (provider.to_ascii_lowercase(), consumer.to_ascii_lowercase());
    if provider == consumer {
        return true;
    }
    let Some(subscription) = state.subscriptions.get(&provider) else { return false };
    match &subscription.rights {
        ConnectRights::Subscriptions(list) => list.contains(&consumer),
        ConnectRights::SameTenant => {
            state.subscriptions.get(&consumer).is_some_and(|own| own.tenant == subscription.tenant)
        }
    }
}

/// True if a consumer sees a service: it is listed, everybody is, or its role lets it look.
pub(crate) fn is_visible(state: &State, service: &Resource, consumer: &str) -> bool {
    let visible = listed(&service.body, "visibility");
    visible.contains("*")
        || visible.contains(&consumer.to_ascii_lowercase())
        || has_rights(state, &service.path.subscription, consumer)
}

/// True if the service approves the consumer by itself.
pub(crate) fn is_auto_approved(service: &Resource, consumer: &str) -> bool {
    let approved = listed(&service.body, "autoApproval");
    approved.contains("*") || approved.contains(&consumer.to_ascii_lowercase())
}

/// `autoApprovedPrivateLinkServices`.
pub(crate) fn auto_approved(state: &State, consumer: &str) -> Vec<Value> {
    let services = state.store.of_kind(Kind::PrivateLinkService);
    let approved = services.filter(|own| is_auto_approved(own, consumer) && is_visible(state, own, consumer));
    approved.map(|own| json!({ "privateLinkService": own.path.id() })).collect()
}

/// `checkPrivateLinkServiceVisibility`.
pub(crate) fn act_at_location(
    state: &State,
    request: &Request,
    consumer: &str,
    action: &str,
) -> Result<Reply, ArmError> {
    if action != "checkprivatelinkservicevisibility" {
        return Err(ArmError::not_found(&request.path));
    }
    let mut body = request.body.clone().ok_or_else(ArmError::body_is_not_an_object)?;
    let body = object_mut(&mut body);
    let alias = body.get("privateLinkServiceAlias").and_then(Value::as_str).unwrap_or_default();
    let visible = state.store.by_alias(alias).is_some_and(|service| is_visible(state, service, consumer));
    Ok(Reply::ok(json!({ "visible": visible })))
}
