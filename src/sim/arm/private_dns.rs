//! Private DNS: zones, record sets, links to virtual networks, and the zone groups of private endpoints.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::sim::arm::error::ArmError;
use crate::sim::arm::kind::Kind;
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::state::State;
use crate::sim::arm::store::{Resource, list_mut, properties_mut};
use crate::sim::arm::write::Draft;

/// Records per set [Microsoft's limits page].
const RECORDS_PER_SET: usize = 20;

pub(crate) fn prepare_zone(draft: &Draft, mut body: Value) -> Result<Value, ArmError> {
    let labels = draft.path.name().split('.').count();
    if !(2..=34).contains(&labels) || draft.path.name().split('.').any(str::is_empty) {
        let message = format!("The zone name '{}' must have 2 to 34 labels.", draft.path.name());
        return Err(ArmError::invalid("BadRequest", message));
    }
    properties_mut(&mut body);
    Ok(body)
}

pub(crate) fn prepare_record_set(draft: &Draft, mut body: Value) -> Result<Value, ArmError> {
    let properties = properties_mut(&mut body);
    for computed in ["fqdn", "isAutoRegistered"] {
        properties.remove(computed);
    }
    let ttl = properties.entry("ttl").or_insert(3600.into());
    if !ttl.as_i64().is_some_and(|ttl| (1..=2_147_483_647).contains(&ttl)) {
        let message = format!("The TTL {ttl} of record set '{}' is not between 1 and 2147483647.", draft.path.name());
        return Err(ArmError::invalid("BadRequest", message));
    }
    if draft.path.segment() == "A" {
        check_addresses(&draft.path, list_mut(properties, "aRecords"))?;
    }
    Ok(body)
}

fn check_addresses(path: &ResourcePath, records: &[Value]) -> Result<(), ArmError> {
    if records.len() > RECORDS_PER_SET {
        let message = format!("The record set '{}' has more than {RECORDS_PER_SET} records.", path.name());
        return Err(ArmError::invalid("BadRequest", message));
    }
    let mut seen = BTreeSet::new();
    for record in records {
        let text = record["ipv4Address"].as_str().unwrap_or_default();
        let Ok(address) = text.parse::<Ipv4Addr>() else {
            let message = format!("'{text}' of record set '{}' is not an IPv4 address.", path.name());
            return Err(ArmError::invalid("BadRequest", message));
        };
        if !seen.insert(address) {
            let message = format!("The record set '{}' has the address {address} twice.", path.name());
            return Err(ArmError::invalid("BadRequest", message));
        }
    }
    Ok(())
}

pub(crate) fn prepare_link(state: &mut State, draft: &Draft, mut body: Value) -> Result<Value, ArmError> {
    let id = body["properties"]["virtualNetwork"]["id"].as_str().unwrap_or_default().to_owned();
    if let Some(before) = &draft.before {
        let held = before.property("virtualNetwork")["id"].as_str().unwrap_or_default();
        if !held.eq_ignore_ascii_case(&id) {
            return Err(ArmError::immutable("properties.virtualNetwork", &draft.path.id()));
        }
    }
    let network = state.referenced(&id, &draft.path)?;
    let prefix = draft.path.parent().map(|zone| format!("{}/", zone.key())).unwrap_or_default();
    let mut links = state.store.referrers(&network.id(), Kind::VirtualNetworkLink);
    let twin = links.find(|own| own.path.key() != draft.path.key() && own.path.key().starts_with(&prefix));
    if let Some(twin) = twin {
        let message =
            format!("The virtual network {} is already linked to the zone by {}.", network.id(), twin.path.id());
        return Err(ArmError::new(409, "Conflict", message));
    }
    let properties = properties_mut(&mut body);
    properties.remove("virtualNetworkLinkState");
    properties.insert("virtualNetwork".to_owned(), json!({ "id": network.id() }));
    properties.entry("registrationEnabled").or_insert(false.into());
    Ok(body)
}

/// The SOA record set that every zone has from the start.
pub(crate) fn after_put_zone(state: &mut State, draft: &Draft) {
    let Some(path) = draft.path.child("SOA", "@").filter(|_| draft.is_new()) else { return };
    let etag = state.next_etag(&path);
    let body = json!({ "properties": { "ttl": 3600, "soaRecord": {
        "host": "azureprivatedns.net", "email": "azureprivatedns-host.microsoft.com", "serialNumber": 1,
        "refreshTime": 3600, "retryTime": 300, "expireTime": 2_419_200, "minimumTtl": 10,
    } } });
    state.store.put(Resource { path, etag, state: "Succeeded".to_owned(), body });
}

/// The SOA record set lives and dies with its zone.
pub(crate) fn may_delete_record_set(path: &ResourcePath) -> Result<(), ArmError> {
    if path.segment() != "SOA" {
        return Ok(());
    }
    Err(ArmError::invalid("BadRequest", format!("The record set {} of type SOA cannot be deleted.", path.id())))
}

pub(crate) fn prepare_zone_group(state: &mut State, draft: &Draft, mut body: Value) -> Result<Value, ArmError> {
    only_zone_group(state, draft)?;
    let configurations = list_mut(properties_mut(&mut body), "privateDnsZoneConfigs");
    if configurations.len() > 5 {
        let message = format!("The zone group {} has more than 5 zones.", draft.path.id());
        return Err(ArmError::invalid("InvalidRequestFormat", message));
    }
    for configuration in configurations {
        let own = properties_mut(configuration);
        let id = own.get("privateDnsZoneId").and_then(Value::as_str).unwrap_or_default().to_owned();
        let zone = state.referenced(&id, &draft.path)?;
        own.insert("privateDnsZoneId".to_owned(), zone.id().into());
        own.insert("recordSets".to_owned(), json!([]));
    }
    Ok(body)
}

/// One zone group per private endpoint [Microsoft's limits page]; the code is unseen.
fn only_zone_group(state: &State, draft: &Draft) -> Result<(), ArmError> {
    let Some(endpoint) = draft.path.parent() else { return Ok(()) };
    let prefix = format!("{}/", endpoint.key());
    let mut groups = state.store.of_kind(Kind::PrivateDnsZoneGroup).map(|own| &own.path);
    match groups.find(|own| own.key().starts_with(&prefix) && own.key() != draft.path.key()) {
        None => Ok(()),
        Some(other) => {
            let message = format!("Private endpoint {} already has the zone group {}.", endpoint.id(), other.name());
            Err(ArmError::invalid("PrivateEndpointCannotHaveMoreThanOnePrivateDnsZoneGroup", message))
        }
    }
}

/// A zone with links cannot be deleted; its record sets go with it.
pub(crate) fn may_delete_zone(state: &State, path: &ResourcePath) -> Result<(), ArmError> {
    let prefix = format!("{}/", path.key());
    let link = state.store.of_kind_below(Kind::VirtualNetworkLink, &prefix).next();
    match link {
        None => Ok(()),
        Some(link) => {
            let message = format!(
                "Can not delete resource before nested resources are deleted: {} still has {}.",
                path.id(),
                link.path.id()
            );
            Err(ArmError::new(409, "CannotDeleteResource", message))
        }
    }
}
