//! Tenants, subscriptions, locations and resource providers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::sim::arm::Reply;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::request::{Caller, Request};
use crate::sim::arm::state::{State, Subscription};

fn show(own: &Subscription) -> Value {
    json!({
        "id": format!("/subscriptions/{}", own.id),
        "subscriptionId": own.id,
        "tenantId": own.tenant,
        "displayName": own.name,
        "state": "Enabled",
        "managedByTenants": [],
        "authorizationSource": "RoleBased",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    })
}

/// The subscriptions that the caller sees.
pub(crate) fn list(state: &State, request: &Request) -> Reply {
    let sees = |own: &&Subscription| match &request.caller {
        Caller::Platform => true,
        Caller::Identity(principal) => principal.subscriptions.contains(&own.id.to_ascii_lowercase()),
    };
    let value: Vec<Value> = state.subscriptions.values().filter(sees).map(show).collect();
    Reply::ok(json!({ "count": { "type": "Total", "value": value.len() }, "value": value }))
}

pub(crate) fn get(state: &State, subscription: &str) -> Result<Reply, ArmError> {
    match state.subscriptions.get(&subscription.to_ascii_lowercase()) {
        Some(own) => Ok(Reply::ok(show(own))),
        None => Err(ArmError::new(
            404,
            "SubscriptionNotFound",
            format!("The subscription '{subscription}' could not be found."),
        )),
    }
}

pub(crate) fn tenants(state: &State) -> Reply {
    let tenants: BTreeSet<&str> = state.subscriptions.values().map(|own| own.tenant.as_str()).collect();
    let show = |tenant: &str| {
        json!({
            "id": format!("/tenants/{tenant}"),
            "tenantId": tenant,
            "countryCode": "US",
            "displayName": "Simulation",
            "defaultDomain": "simulation.example",
            "domains": ["simulation.example"],
            "tenantCategory": "Home",
        })
    };
    Reply::ok(json!({ "value": tenants.into_iter().map(show).collect::<Vec<_>>() }))
}

/// `East US 2` for `eastus2`: Azure's lists speak of regions by display name.
fn display_name(location: &str) -> String {
    let (base, number) = location.split_at(location.find(|c: char| c.is_ascii_digit()).unwrap_or(location.len()));
    let mut words = Vec::new();
    let mut rest = base;
    const WORDS: [&str; 12] = [
        "east",
        "west",
        "north",
        "south",
        "central",
        "us",
        "europe",
        "uk",
        "france",
        "germany",
        "sweden",
        "switzerland",
    ];
    while !rest.is_empty() {
        let word = WORDS.iter().find(|word| rest.starts_with(**word)).map_or(rest.len(), |word| word.len());
        let (head, tail) = rest.split_at(word);
        words.push(match head {
            "us" | "uk" => head.to_ascii_uppercase(),
            _ => capitalised(head),
        });
        rest = tail;
    }
    if !number.is_empty() {
        words.push(number.to_owned());
    }
    words.join(" ")
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

pub(crate) fn locations(state: &State, subscription: &str) -> Reply {
    let mut names: BTreeSet<&str> = state.store.groups().map(|group| group.location.as_str()).collect();
    names.insert(&state.location);
    let show = |name: &str| {
        json!({
            "id": format!("/subscriptions/{subscription}/locations/{name}"),
            "name": name,
            "displayName": display_name(name),
            "regionalDisplayName": display_name(name),
            "type": "Region",
            "metadata": { "regionType": "Physical", "regionCategory": "Recommended" },
        })
    };
    Reply::ok(json!({ "value": names.into_iter().map(show).collect::<Vec<_>>() }))
}

const API_VERSIONS: [&str; 4] = ["2026-03-01", "2025-05-01", "2024-05-01", "2021-04-01"];

fn show_provider(state: &State, subscription: &str, namespace: &str) -> Value {
    let location = display_name(&state.location);
    let resource_type = |name: &str| {
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
    let types: &[&str] = match namespace.to_ascii_lowercase().as_str() {
        "microsoft.compute" => {
            &["virtualMachines", "virtualMachineScaleSets", "virtualMachineScaleSets/virtualMachines"]
        }
        "microsoft.containerservice" => &["managedClusters"],
        "microsoft.resources" => &["subscriptions", "resourceGroups", "tags"],
        _ => &["virtualNetworks", "loadBalancers", "privateLinkServices", "privateEndpoints", "privateDnsZones"],
    };
    json!({
        "id": format!("/subscriptions/{subscription}/providers/{namespace}"),
        "namespace": namespace,
        "registrationPolicy": "RegistrationRequired",
        "registrationState": "Registered",
        "authorizations": [],
        "resourceTypes": types.iter().map(|name| resource_type(name)).collect::<Vec<_>>(),
    })
}

pub(crate) fn provider(state: &State, subscription: &str, namespace: &str) -> Reply {
    Reply::ok(show_provider(state, subscription, namespace))
}

pub(crate) fn providers(state: &State, subscription: &str) -> Reply {
    let namespaces = ["Microsoft.Network", "Microsoft.Compute", "Microsoft.ContainerService", "Microsoft.Resources"];
    let all: Vec<Value> = namespaces.iter().map(|own| show_provider(state, subscription, own)).collect();
    Reply::ok(json!({ "value": all }))
}
