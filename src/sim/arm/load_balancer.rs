//! Load balancers: frontends get addresses, references must hold, what a Private Link Service uses stays.
//!
//! Codes of the address rules are Azure's (issues of azure-docs and of the cloud provider). No client is known to have
//! recorded what Azure says when a frontend that a Private Link Service uses is removed or changed; the code for that,
//! `InUseFrontendIPConfigurationCannotBeDeleted`, follows the pattern of its siblings.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::sim::arm::address::Pool;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::kind::Kind;
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::state::State;
use crate::sim::arm::store::{Resource, Store, is_named, list_mut, object_mut, properties_mut};
use crate::sim::arm::write::Draft;

const LISTS: [&str; 6] = [
    "frontendIPConfigurations",
    "backendAddressPools",
    "loadBalancingRules",
    "probes",
    "inboundNatRules",
    "outboundRules",
];

pub(crate) fn prepare(state: &mut State, draft: &Draft, mut body: Value) -> Result<Value, ArmError> {
    object_mut(&mut body).entry("sku").or_insert_with(|| json!({ "name": "Standard", "tier": "Regional" }));
    for list in LISTS {
        names_are_unique(&draft.path, list, list_mut(properties_mut(&mut body), list))?;
    }
    frontends(state, draft, &mut body)?;
    references(draft, &mut body)?;
    rules_do_not_clash(draft, &body)?;
    used_frontends_stay(state, draft, &body)?;
    families_stay_apart(state, draft, &body)?;
    let guid = match &draft.before {
        Some(before) => before.property("resourceGuid").clone(),
        None => state.chance.guid("resource").to_string().into(),
    };
    properties_mut(&mut body).insert("resourceGuid".to_owned(), guid);
    Ok(body)
}

fn names_are_unique(path: &ResourcePath, list: &str, elements: &[Value]) -> Result<(), ArmError> {
    let mut seen = BTreeSet::new();
    for element in elements {
        let Some(name) = element["name"].as_str().filter(|name| !name.is_empty()) else {
            let message = format!("An element of {list} of {} has no name.", path.id());
            return Err(ArmError::invalid("InvalidRequestFormat", message));
        };
        if !seen.insert(name.to_ascii_lowercase()) {
            let message = format!("{list} of {} has two elements named {name}.", path.id());
            return Err(ArmError::invalid("InvalidRequestFormat", message));
        }
    }
    Ok(())
}

/// Gives every internal frontend its address. Static ones claim theirs first, then those that had one keep it.
fn frontends(state: &mut State, draft: &Draft, body: &mut Value) -> Result<(), ArmError> {
    let location = body["location"].as_str().unwrap_or_default().to_owned();
    let mut frontends = std::mem::take(list_mut(properties_mut(body), "frontendIPConfigurations"));
    let mut pools: BTreeMap<String, Pool> = BTreeMap::new();
    let mut subnets: Vec<Option<ResourcePath>> = Vec::new();
    for frontend in &mut frontends {
        let subnet = subnet_of(state, draft, frontend, &location)?;
        if let Some(subnet) = &subnet {
            let ignored = std::slice::from_ref(&draft.path);
            pools.entry(subnet.key()).or_insert_with(|| Pool::of(&state.store, subnet, ignored));
        }
        subnets.push(subnet);
    }
    for phase in [assign_static, assign_kept, assign_new] {
        for (frontend, subnet) in frontends.iter_mut().zip(&subnets) {
            if let Some(pool) = subnet.as_ref().and_then(|subnet| pools.get_mut(&subnet.key())) {
                phase(draft, frontend, pool)?;
            }
        }
    }
    *list_mut(properties_mut(body), "frontendIPConfigurations") = frontends;
    Ok(())
}

/// The subnet of an internal frontend, with its reference normalised; `None` for a public one.
fn subnet_of(
    state: &mut State,
    draft: &Draft,
    frontend: &mut Value,
    location: &str,
) -> Result<Option<ResourcePath>, ArmError> {
    let by = &draft.path;
    let name = frontend["name"].as_str().unwrap_or_default().to_owned();
    let properties = properties_mut(frontend);
    let id = |value: Option<&Value>| value.and_then(|value| value["id"].as_str()).map(str::to_owned);
    let public = id(properties.get("publicIPAddress")).or_else(|| id(properties.get("publicIPPrefix")));
    let (subnet, public) = match (id(properties.get("subnet")), public) {
        (Some(_), Some(_)) => {
            let message = format!("Frontend IP configuration {name} of {} has both a subnet and a public IP.", by.id());
            return Err(ArmError::invalid("FrontendIPConfigHasBothSubnetAndPublicIP", message));
        }
        (None, None) => {
            let message = format!("Frontend IP configuration {name} of {} has neither subnet nor public IP.", by.id());
            return Err(ArmError::invalid("InvalidRequestFormat", message));
        }
        (subnet, public) => (subnet, public),
    };
    properties.entry("privateIPAllocationMethod").or_insert("Dynamic".into());
    if let Some(public) = public {
        state.referenced(&public, by)?;
        return Ok(None);
    }
    let subnet = subnet.unwrap_or_default();
    let path = state.referenced(&subnet, by)?;
    if state.holder(&path).is_some_and(|network| network.location() != location) {
        return Err(ArmError::dangling(&path.id(), &by.id()));
    }
    properties.insert("subnet".to_owned(), json!({ "id": path.id() }));
    properties.entry("privateIPAddressVersion").or_insert("IPv4".into());
    Ok(Some(path))
}

fn is_static(frontend: &Value) -> bool {
    frontend["properties"]["privateIPAllocationMethod"].as_str().is_some_and(|own| own.eq_ignore_ascii_case("Static"))
}

fn is_v6(frontend: &Value) -> bool {
    frontend["properties"]["privateIPAddressVersion"].as_str().is_some_and(|own| own.eq_ignore_ascii_case("IPv6"))
}

fn assign_static(draft: &Draft, frontend: &mut Value, pool: &mut Pool) -> Result<(), ArmError> {
    if !is_static(frontend) {
        return Ok(());
    }
    let wanted = frontend["properties"]["privateIPAddress"].as_str().unwrap_or_default().to_owned();
    let address = pool.claim(&wanted, &draft.path)?;
    properties_mut(frontend).insert("privateIPAddress".to_owned(), address.to_string().into());
    Ok(())
}

/// A dynamic frontend keeps its address for as long as it lives in its subnet; what the client sends is ignored.
fn assign_kept(draft: &Draft, frontend: &mut Value, pool: &mut Pool) -> Result<(), ArmError> {
    if is_static(frontend) {
        return Ok(());
    }
    properties_mut(frontend).remove("privateIPAddress");
    let name = frontend["name"].as_str().unwrap_or_default();
    let before = draft.before.as_ref().map_or(&[][..], |before| before.list("frontendIPConfigurations"));
    let own = before.iter().find(|own| is_named(own, name));
    let same_subnet = |own: &&Value| own["properties"]["subnet"]["id"] == frontend["properties"]["subnet"]["id"];
    let held = own.filter(same_subnet).and_then(|own| own["properties"]["privateIPAddress"].as_str());
    let Some(held) = held else { return Ok(()) };
    if held.parse().is_ok_and(|held| pool.is_claimed(held)) {
        return Err(pool.twice(held, &draft.path));
    }
    if let Some(address) = pool.keep(held) {
        properties_mut(frontend).insert("privateIPAddress".to_owned(), address.to_string().into());
    }
    Ok(())
}

fn assign_new(draft: &Draft, frontend: &mut Value, pool: &mut Pool) -> Result<(), ArmError> {
    if frontend["properties"]["privateIPAddress"].is_string() {
        return Ok(());
    }
    let address = pool.allocate(is_v6(frontend), &draft.path)?;
    properties_mut(frontend).insert("privateIPAddress".to_owned(), address.to_string().into());
    Ok(())
}

/// Rules name parts of their own load balancer; the names must exist, and come back in Azure's spelling.
fn references(draft: &Draft, body: &mut Value) -> Result<(), ArmError> {
    const FIELDS: [(&str, &str, &str); 6] = [
        ("loadBalancingRules", "frontendIPConfiguration", "frontendIPConfigurations"),
        ("loadBalancingRules", "backendAddressPool", "backendAddressPools"),
        ("loadBalancingRules", "probe", "probes"),
        ("inboundNatRules", "frontendIPConfiguration", "frontendIPConfigurations"),
        ("inboundNatRules", "backendAddressPool", "backendAddressPools"),
        ("outboundRules", "backendAddressPool", "backendAddressPools"),
    ];
    let whole = body.clone();
    for (list, field, parts) in FIELDS {
        for rule in list_mut(properties_mut(body), list) {
            let properties = properties_mut(rule);
            let Some(id) = properties.get(field).and_then(|value| value["id"].as_str()).map(str::to_owned) else {
                continue;
            };
            let name = id.rsplit('/').next().unwrap_or_default();
            let part = whole["properties"][parts].as_array().into_iter().flatten().find(|part| is_named(part, name));
            let Some(name) = part.and_then(|part| part["name"].as_str()) else {
                return Err(ArmError::dangling(&id, &draft.path.id()));
            };
            properties.insert(field.to_owned(), json!({ "id": format!("{}/{parts}/{name}", draft.path.id()) }));
        }
    }
    Ok(())
}

fn rules_do_not_clash(draft: &Draft, body: &Value) -> Result<(), ArmError> {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for rule in body["properties"]["loadBalancingRules"].as_array().into_iter().flatten() {
        let own = &rule["properties"];
        let key = format!(
            "{} {} {}",
            own["frontendIPConfiguration"]["id"].as_str().unwrap_or_default(),
            own["protocol"].as_str().unwrap_or_default(),
            own["frontendPort"]
        );
        let name = rule["name"].as_str().unwrap_or_default();
        if let Some(other) = seen.insert(key.to_ascii_lowercase(), name.to_owned()) {
            let message = format!(
                "Load balancing rules {other} and {name} of {} must use unique frontend port, protocol and frontend IP \
                 configuration.",
                draft.path.id()
            );
            return Err(ArmError::invalid("RulesUseSameFrontendPortProtocolAndIPConfig", message));
        }
    }
    Ok(())
}

/// The services that use a frontend of this load balancer, with the name of the frontend.
pub(crate) fn services_on<'a>(store: &'a Store, balancer: &ResourcePath) -> Vec<(&'a Resource, String)> {
    let prefix = format!("{}/", balancer.key());
    let name = |service: &Resource| {
        let frontend = service.list("loadBalancerFrontendIpConfigurations").first()?;
        let id = frontend["id"].as_str()?;
        id.to_ascii_lowercase().starts_with(&prefix).then(|| id.rsplit('/').next().unwrap_or_default().to_owned())
    };
    let users = store.referrers_below(&prefix, Kind::PrivateLinkService);
    users.filter_map(|service| Some((service, name(service)?))).collect()
}

/// Documented: a Private Link Service is on no load balancer with IPv6 frontends. That the refusal holds both ways is taken
/// for likely, and its code is unseen.
fn families_stay_apart(state: &State, draft: &Draft, body: &Value) -> Result<(), ArmError> {
    let before = draft.before.as_ref().map_or(&[][..], |before| before.list("frontendIPConfigurations"));
    let is_new = |own: &&Value| !before.iter().any(|other| is_named(other, own["name"].as_str().unwrap_or_default()));
    let frontends = body["properties"]["frontendIPConfigurations"].as_array().into_iter().flatten();
    if frontends.filter(is_new).any(is_v6) && !services_on(&state.store, &draft.path).is_empty() {
        let message = format!(
            "Load balancer {} carries private link services and cannot have an IPv6 frontend.",
            draft.path.id()
        );
        return Err(ArmError::invalid("PrivateLinkServiceNotSupportedOnIPv6LoadBalancer", message));
    }
    Ok(())
}

fn used_frontends_stay(state: &State, draft: &Draft, body: &Value) -> Result<(), ArmError> {
    let Some(before) = &draft.before else { return Ok(()) };
    for (service, frontend) in services_on(&state.store, &draft.path) {
        let held = before.list("frontendIPConfigurations").iter().find(|own| is_named(own, &frontend));
        let kept = body["properties"]["frontendIPConfigurations"].as_array().into_iter().flatten();
        let kept = kept.into_iter().find(|own| is_named(own, &frontend));
        let place = |own: Option<&Value>| {
            own.map(|own| (own["properties"]["subnet"]["id"].clone(), own["properties"]["privateIPAddress"].clone()))
        };
        if kept.is_none() || place(held) != place(kept) {
            let message = format!(
                "Frontend IP configuration {frontend} of {} is in use by private link service {} and can neither be \
                 deleted nor moved.",
                draft.path.id(),
                service.path.id()
            );
            return Err(ArmError::invalid("InUseFrontendIPConfigurationCannotBeDeleted", message));
        }
    }
    Ok(())
}

/// The subnets of a load balancer's frontends learn that their users changed.
pub(crate) fn after_put(state: &mut State, draft: &Draft) {
    let before = draft.before.as_ref().map(subnets_used).unwrap_or_default();
    let after = state.store.get(&draft.path).map(subnets_used).unwrap_or_default();
    for subnet in before.symmetric_difference(&after) {
        state.touch_id(subnet);
    }
}

pub(crate) fn after_delete(state: &mut State, gone: &Resource) {
    for subnet in subnets_used(gone) {
        state.touch_id(&subnet);
    }
}

fn subnets_used(balancer: &Resource) -> BTreeSet<String> {
    let frontends = balancer.list("frontendIPConfigurations").iter();
    frontends.filter_map(|own| own["properties"]["subnet"]["id"].as_str().map(str::to_owned)).collect()
}

pub(crate) fn may_delete(state: &State, path: &ResourcePath) -> Result<(), ArmError> {
    match services_on(&state.store, path).first() {
        None => Ok(()),
        Some((service, _)) => {
            let message = format!(
                "Cannot delete load balancer {} since it is referenced by private link service {}.",
                path.id(),
                service.path.id()
            );
            Err(ArmError::invalid("CannotDeleteLoadBalancerWithPrivateLinkService", message))
        }
    }
}
