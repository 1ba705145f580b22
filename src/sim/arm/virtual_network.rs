//! Virtual networks and subnets: ranges, network policies, and who is in the way of a delete.
//!
//! A subnet is an element of its network's list and shares the network's etag, so a write to one of them is a write to the
//! other, as in Azure.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::domain::cidr::Cidr;
use crate::sim::arm::Reply;
use crate::sim::arm::address::{self, Pool};
use crate::sim::arm::error::ArmError;
use crate::sim::arm::kind::Kind;
use crate::sim::arm::request::Request;
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::state::State;
use crate::sim::arm::store::{is_named, list_mut, properties_mut};
use crate::sim::arm::view;
use crate::sim::arm::write::Draft;

pub(crate) fn prepare(state: &mut State, draft: &Draft, mut body: Value) -> Result<Value, ArmError> {
    let space = address_space(&body);
    if space.is_empty() {
        let message = format!("The virtual network {} has no valid address space.", draft.path.id());
        return Err(ArmError::invalid("InvalidRequestFormat", message));
    }
    // A network that is written without `subnets` keeps them; with the list, what is missing from it is deleted.
    let kept = draft.before.as_ref().map(|before| before.list("subnets").to_vec()).unwrap_or_default();
    if body["properties"]["subnets"].is_null() {
        properties_mut(&mut body).insert("subnets".to_owned(), kept.clone().into());
    }
    for gone in kept.iter().filter(|own| !contains(&body, own)) {
        subnet_is_unused(state, &format!("{}/subnets/{}", draft.path.id(), name_of(gone)))?;
    }
    let mut subnets = std::mem::take(list_mut(properties_mut(&mut body), "subnets"));
    let mut done: Vec<Value> = Vec::new();
    for subnet in &mut subnets {
        let before = kept.iter().find(|own| is_named(own, name_of(subnet)));
        let id = format!("{}/subnets/{}", draft.path.id(), name_of(subnet));
        let ready = check_subnet(state, &id, subnet.take(), before)?;
        subnet_fits(&space, &done, &ready, &id)?;
        done.push(ready);
    }
    let guid = match &draft.before {
        Some(before) => before.property("resourceGuid").clone(),
        None => state.chance.guid("resource").to_string().into(),
    };
    let properties = properties_mut(&mut body);
    properties.insert("subnets".to_owned(), done.into());
    properties.insert("resourceGuid".to_owned(), guid);
    properties.entry("virtualNetworkPeerings").or_insert_with(|| json!([]));
    properties.entry("enableDdosProtection").or_insert(false.into());
    Ok(body)
}

pub(crate) fn prepare_subnet(state: &mut State, draft: &Draft, element: Value) -> Result<Value, ArmError> {
    let Some(network) = draft.before.clone() else { return Err(ArmError::not_found(&draft.path.id())) };
    let before = network.list("subnets").iter().find(|own| is_named(own, draft.path.name()));
    let ready = check_subnet(state, &draft.path.id(), element, before)?;
    let others: Vec<Value> =
        network.list("subnets").iter().filter(|own| !is_named(own, draft.path.name())).cloned().collect();
    subnet_fits(&address_space(&network.body), &others, &ready, &draft.path.id())?;
    Ok(ready)
}

fn name_of(element: &Value) -> &str {
    element["name"].as_str().unwrap_or_default()
}

fn contains(body: &Value, subnet: &Value) -> bool {
    body["properties"]["subnets"].as_array().into_iter().flatten().any(|own| is_named(own, name_of(subnet)))
}

fn address_space(body: &Value) -> Vec<Cidr> {
    let prefixes = body["properties"]["addressSpace"]["addressPrefixes"].as_array();
    prefixes.into_iter().flatten().filter_map(|prefix| prefix.as_str()?.parse().ok()).collect()
}

/// Fills the defaults of a subnet and refuses to switch network policies back on while somebody needs them off.
fn check_subnet(state: &State, id: &str, mut subnet: Value, before: Option<&Value>) -> Result<Value, ArmError> {
    let prefixes = address::prefixes(&subnet);
    if prefixes.is_empty() || name_of(&subnet).is_empty() {
        let message = format!("The subnet {id} has no name or no valid address prefix.");
        return Err(ArmError::invalid("NetcfgInvalidSubnet", message));
    }
    let is_moved = before.is_some_and(|before| address::prefixes(before) != prefixes);
    if is_moved && !view::users_of_subnet(&state.store, id).is_empty() {
        let message = format!("Subnet {id} is in use and cannot be updated.");
        return Err(ArmError::invalid("InUsePrefixCannotBeDeleted", message));
    }
    let properties = properties_mut(&mut subnet);
    for back_reference in ["ipConfigurations", "privateEndpoints"] {
        properties.remove(back_reference);
    }
    properties.entry("delegations").or_insert_with(|| json!([]));
    properties.entry("privateEndpointNetworkPolicies").or_insert("Disabled".into());
    let policy = properties.entry("privateLinkServiceNetworkPolicies").or_insert("Enabled".into());
    if policy != "Disabled" && has_service(state, id) {
        let message = format!(
            "Private link service network policies of subnet {id} cannot be enabled: a private link service uses it."
        );
        return Err(ArmError::invalid(
            "PrivateLinkServiceNetworkPoliciesCannotBeEnabledOnPrivateLinkServiceSubnet",
            message,
        ));
    }
    Ok(subnet)
}

fn has_service(state: &State, subnet: &str) -> bool {
    state.store.referrers(subnet, Kind::PrivateLinkService).next().is_some()
}

fn subnet_fits(space: &[Cidr], others: &[Value], subnet: &Value, id: &str) -> Result<(), ArmError> {
    for prefix in address::prefixes(subnet) {
        let inside =
            |outer: &Cidr| outer.contains(prefix.network().addr()) && outer.contains(prefix.network().broadcast());
        if !space.iter().any(inside) {
            let message =
                format!("Subnet {id} is not valid: its prefix {prefix} is outside the network's address space.");
            return Err(ArmError::invalid("NetcfgInvalidSubnet", message));
        }
        for other in others {
            if address::prefixes(other).iter().any(|own| own.overlaps(&prefix)) {
                let message = format!("Subnet {id} is not valid: it overlaps with subnet {}.", name_of(other));
                return Err(ArmError::invalid("NetcfgSubnetRangesOverlap", message));
            }
        }
    }
    Ok(())
}

fn subnet_is_unused(state: &State, id: &str) -> Result<(), ArmError> {
    match view::users_of_subnet(&state.store, id).first() {
        None => Ok(()),
        Some(user) => {
            let message = format!("Subnet {id} is in use by {user} and cannot be deleted.");
            Err(ArmError::invalid("InUseSubnetCannotBeDeleted", message))
        }
    }
}

pub(crate) fn may_delete_subnet(state: &State, path: &ResourcePath) -> Result<(), ArmError> {
    subnet_is_unused(state, &path.id())
}

pub(crate) fn may_delete(state: &State, path: &ResourcePath) -> Result<(), ArmError> {
    let subnets = state.store.get(path).map(|network| network.list("subnets").to_vec()).unwrap_or_default();
    subnets.iter().try_for_each(|subnet| subnet_is_unused(state, &format!("{}/subnets/{}", path.id(), name_of(subnet))))
}

/// `checkIPAddressAvailability`.
pub(crate) fn check_address(state: &State, request: &Request, path: &ResourcePath) -> Result<Reply, ArmError> {
    let asked = request.query.get("ipaddress").map(String::as_str).unwrap_or_default();
    let Ok(address) = asked.parse::<IpAddr>() else {
        return Err(ArmError::invalid("InvalidRequestFormat", format!("'{asked}' is not an IP address.")));
    };
    let network = state.store.get(path).ok_or_else(|| ArmError::not_found(&path.id()))?;
    let holds = |subnet: &&Value| address::prefixes(subnet).iter().any(|prefix| prefix.contains(address));
    let Some(subnet) = network.list("subnets").iter().find(holds) else {
        let message = format!("IP address {address} does not belong to any subnet of {}.", path.id());
        return Err(ArmError::invalid("PrivateIPAddressNotInAnySubnet", message));
    };
    let subnet_path = path.child("subnets", name_of(subnet)).ok_or_else(|| ArmError::not_found(&path.id()))?;
    let pool = Pool::of(&state.store, &subnet_path, &[]);
    let mut body = json!({ "available": pool.is_free(address), "isPlatformReserved": pool.is_reserved(address) });
    if !pool.is_free(address) {
        let others: Vec<String> = pool.suggestions(5).iter().map(ToString::to_string).collect();
        body["availableIPAddresses"] = others.into();
    }
    Ok(Reply::ok(body))
}

/// `usages`: addresses in use and available, per subnet.
pub(crate) fn usages(state: &State, path: &ResourcePath) -> Reply {
    let subnets = state.store.get(path).map(|network| network.list("subnets").to_vec()).unwrap_or_default();
    let usage = |subnet: &Value| {
        let id = format!("{}/subnets/{}", path.id(), name_of(subnet));
        let bits = address::prefixes(subnet).iter().map(|own| own.network()).find(|own| own.addr().is_ipv4());
        let limit = bits.map_or(0, |own| (1_u64 << (32 - u32::from(own.prefix_len()))).saturating_sub(5));
        json!({
            "currentValue": view::users_of_subnet(&state.store, &id).len(),
            "id": id,
            "limit": limit,
            "name": { "localizedValue": "Subnet size and usage", "value": "SubnetSpace" },
            "unit": "Count",
        })
    };
    Reply::ok(json!({ "value": subnets.iter().map(usage).collect::<Vec<_>>() }))
}
