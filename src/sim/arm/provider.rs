//! Resource providers: what they serve, and whether a subscription is registered to use them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::sim::arm::Reply;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::kind::Kind;
use crate::sim::arm::request::Request;
use crate::sim::arm::route::Route;
use crate::sim::arm::state::State;
use crate::sim::arm::subscription::display_name;

const API_VERSIONS: [&str; 4] = ["2026-03-01", "2025-05-01", "2024-05-01", "2021-04-01"];

/// What the resource manager serves itself: nobody has to register for it.
const FREE: [(&str, &[&str]); 3] = [
    ("Microsoft.Authorization", &["permissions", "roleAssignments", "roleDefinitions"]),
    ("Microsoft.ResourceGraph", &["resources"]),
    ("Microsoft.Resources", &["deployments", "resourceGroups", "resources", "subscriptions", "tags", "tenants"]),
];

/// What the real cloud provider looks up although nothing of it is simulated: the zones of machines.
const LOOKED_UP: (&str, &str) = ("Microsoft.Compute", "virtualMachines");

/// Every namespace with its types, in Azure's spelling.
fn namespaces() -> Vec<(&'static str, Vec<&'static str>)> {
    let served: BTreeSet<&str> =
        Kind::types().filter_map(|own| own.split('/').next()).filter(|own| !is_free(own)).collect();
    let served = served.into_iter().map(|namespace| {
        let types = Kind::types().filter_map(|own| own.strip_prefix(namespace)?.strip_prefix('/'));
        let looked_up = (namespace == LOOKED_UP.0).then_some(LOOKED_UP.1);
        (namespace, looked_up.into_iter().chain(types).collect())
    });
    let free = FREE.iter().map(|(namespace, types)| (*namespace, types.to_vec()));
    served.chain(free).collect()
}

fn is_free(namespace: &str) -> bool {
    FREE.iter().any(|(own, _)| *own == namespace)
}

fn find(namespace: &str) -> Result<(&'static str, Vec<&'static str>), ArmError> {
    namespaces().into_iter().find(|(own, _)| own.eq_ignore_ascii_case(namespace)).ok_or_else(|| {
        let message = format!("The resource namespace '{namespace}' is invalid.");
        ArmError::new(404, "InvalidResourceNamespace", message)
    })
}

/// Looks at a registration. One that was asked for is done at the next look.
fn registration(state: &mut State, subscription: &str, namespace: &str) -> &'static str {
    let Some(own) = state.subscriptions.get_mut(&subscription.to_ascii_lowercase()) else { return "NotRegistered" };
    let namespace = namespace.to_ascii_lowercase();
    if own.registering.remove(&namespace) {
        own.unregistered.remove(&namespace);
    }
    if own.unregistered.contains(&namespace) { "NotRegistered" } else { "Registered" }
}

fn show(state: &State, subscription: &str, (namespace, types): (&str, &[&str]), registration: &str) -> Value {
    let location = display_name(&state.location);
    let resource_type = |name: &&str| {
        json!({
            "resourceType": name,
            "locations": [location],
            "apiVersions": API_VERSIONS,
            "defaultApiVersion": API_VERSIONS[0],
            // The cloud provider copies these zones into the frontends of internal load balancers.
            "zoneMappings": [{ "location": location, "zones": ["1", "2", "3"] }],
            "capabilities": "CrossResourceGroupResourceMove, CrossSubscriptionResourceMove, SupportsTags, SupportsLocation",
        })
    };
    json!({
        "id": format!("/subscriptions/{subscription}/providers/{namespace}"),
        "namespace": namespace,
        "registrationPolicy": if is_free(namespace) { "RegistrationFree" } else { "RegistrationRequired" },
        "registrationState": registration,
        "authorizations": [],
        "resourceTypes": types.iter().map(resource_type).collect::<Vec<_>>(),
    })
}

pub(crate) fn get(state: &mut State, subscription: &str, namespace: &str) -> Result<Reply, ArmError> {
    let (namespace, types) = find(namespace)?;
    let registration = registration(state, subscription, namespace);
    Ok(Reply::ok(show(state, subscription, (namespace, &types), registration)))
}

pub(crate) fn list(state: &mut State, subscription: &str) -> Vec<Value> {
    let one = |(namespace, types): (&str, Vec<&str>)| {
        let registration = registration(state, subscription, namespace);
        show(state, subscription, (namespace, &types), registration)
    };
    namespaces().into_iter().map(one).collect()
}

/// `register`: takes a while, which here ends with the next look.
pub(crate) fn register(state: &mut State, subscription: &str, namespace: &str) -> Result<Reply, ArmError> {
    let (namespace, types) = find(namespace)?;
    let mut registration = registration(state, subscription, namespace);
    if let (Some(own), "NotRegistered") =
        (state.subscriptions.get_mut(&subscription.to_ascii_lowercase()), registration)
    {
        own.registering.insert(namespace.to_ascii_lowercase());
        registration = "Registering";
    }
    Ok(Reply::ok(show(state, subscription, (namespace, &types), registration)))
}

/// Refuses writes to a disabled subscription, and new resources of a provider that it is not registered for.
pub(crate) fn accepts(state: &mut State, request: &Request, route: &Route) -> Result<(), ArmError> {
    let is_register = matches!(route, Route::Providers { registers: true, .. });
    let is_write = matches!(request.method.as_str(), "PUT" | "PATCH" | "DELETE") || is_register;
    let (true, Some(subscription)) = (is_write, route.subscription()) else { return Ok(()) };
    if state.subscriptions.get(&subscription.to_ascii_lowercase()).is_some_and(|own| own.is_disabled) {
        let message = format!(
            "The subscription '{subscription}' is disabled and therefore marked as read only. You cannot perform any \
             write actions on this subscription until it is re-enabled."
        );
        return Err(ArmError::new(409, "ReadOnlyDisabledSubscription", message));
    }
    let (Route::Resource(path), "PUT") = (route, request.method.as_str()) else { return Ok(()) };
    let namespace = path.resource_type.split('/').next().unwrap_or_default();
    if registration(state, subscription, namespace) == "Registered" {
        return Ok(());
    }
    let message = format!(
        "The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for how to \
         register subscriptions."
    );
    let mut error = ArmError::new(409, "MissingSubscriptionRegistration", message);
    error.detail = Some("MissingSubscriptionRegistration".to_owned());
    Err(error)
}
