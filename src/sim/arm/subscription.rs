//! Tenants, subscriptions and their regions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::sim::arm::Reply;
use crate::sim::arm::authorization::Grants;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::read;
use crate::sim::arm::request::{Caller, Request};
use crate::sim::arm::state::{State, Subscription};

fn show(own: &Subscription) -> Value {
    json!({
        "id": format!("/subscriptions/{}", own.id),
        "subscriptionId": own.id,
        "tenantId": own.tenant,
        "displayName": own.name,
        "state": own.state(),
        "managedByTenants": [],
        "authorizationSource": "RoleBased",
        "subscriptionPolicies": policies(),
    })
}

/// What a subscription may use and spend.
pub(crate) fn policies() -> Value {
    json!({ "locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off" })
}

impl Subscription {
    /// The word that Azure has for its state.
    pub(crate) fn state(&self) -> &'static str {
        if self.is_disabled { "Disabled" } else { "Enabled" }
    }
}

pub(crate) fn not_found(subscription: &str) -> ArmError {
    ArmError::new(404, "SubscriptionNotFound", format!("The subscription '{subscription}' could not be found."))
}

/// The subscriptions that the caller sees.
pub(crate) fn list(state: &State, request: &Request, grants: &Grants) -> Reply {
    let items: Vec<Value> = state.subscriptions.values().filter(|own| grants.reaches(&own.id)).map(show).collect();
    let count = items.len();
    let mut reply = read::page(state, request, items, |own| own).into_json();
    reply.body["count"] = json!({ "type": "Total", "value": count });
    reply
}

pub(crate) fn get(state: &State, subscription: &str) -> Result<Reply, ArmError> {
    let own = state.subscriptions.get(&subscription.to_ascii_lowercase());
    own.map(|own| Reply::ok(show(own))).ok_or_else(|| not_found(subscription))
}

/// The caller's own tenant, and those of the subscriptions that it sees.
pub(crate) fn tenants(state: &State, caller: &Caller, grants: &Grants) -> Reply {
    let seen = state.subscriptions.values().filter(|own| grants.reaches(&own.id));
    let mut tenants: BTreeSet<&str> = seen.map(|own| own.tenant.as_str()).collect();
    if let Caller::Identity(principal) = caller {
        tenants.insert(&principal.tenant);
    }
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
pub(crate) fn display_name(location: &str) -> String {
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
