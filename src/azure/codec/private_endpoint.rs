//! Private endpoints, with the addresses of their network interfaces.

use std::net::IpAddr;

use serde_json::Value as Json;
use serde_json::json;

use crate::azure::codec::Incomplete;
use crate::azure::codec::Malformed;
use crate::azure::codec::base;
use crate::azure::codec::connection;
use crate::azure::codec::item_named;
use crate::azure::codec::items;
use crate::azure::codec::parsed;
use crate::azure::codec::provisioning;
use crate::azure::codec::references;
use crate::azure::codec::required;
use crate::azure::codec::seen;
use crate::azure::codec::text;
use crate::azure::codec::text_map;
use crate::domain::azure::ResourceId;
use crate::domain::cluster::HeldAddress;
use crate::domain::mark::Mark;
use crate::domain::resource::Seen;
use crate::domain::resource::private_endpoint::LivePrivateEndpoint;
use crate::domain::resource::private_endpoint::PrivateEndpoint;
use crate::domain::resource::private_endpoint::Request;
use crate::domain::resource::private_endpoint::Target;

const AUTOMATIC: &str = "privateLinkServiceConnections";
const MANUAL: &str = "manualPrivateLinkServiceConnections";
const STATE: &str = "/properties/privateLinkServiceConnectionState";

/// Reads a private endpoint; its address is on its network interface and is filled in by the caller.
pub(crate) fn decode(body: &Json) -> Result<LivePrivateEndpoint, Malformed> {
    let id: ResourceId = required(body, "/id")?;
    let (connection, is_manual) = connection_of(body, &id)?;
    let request = if is_manual {
        let message = text(connection, "/properties/requestMessage").unwrap_or_default().to_owned();
        Request::Manual { message }
    } else {
        Request::Automatic
    };
    let tags = text_map(body, "/tags");
    let address = items(body, "/properties/ipConfigurations")?.first();
    let address = address.map(|item| parsed(item, "/properties/privateIPAddress")).transpose()?.flatten();
    let groups = references(body, "/properties/applicationSecurityGroups")?;
    Ok(LivePrivateEndpoint {
        endpoint: PrivateEndpoint {
            id,
            location: required(body, "/location")?,
            subnet: required(body, "/properties/subnet/id")?,
            target: target(connection)?,
            connection_name: required(connection, "/name")?,
            request,
            address,
            network_interface_name: parsed(body, "/properties/customNetworkInterfaceName")?,
            application_security_groups: groups.into_iter().collect(),
            tags: tags.clone(),
        },
        status: connection::status(connection, STATE),
        status_description: connection::description(connection, STATE).to_owned(),
        private_address: None,
        network_interface: references(body, "/properties/networkInterfaces")?.into_iter().next(),
        provisioning: provisioning(body),
        mark: Mark::from_tags(&tags),
        seen: seen(body)?,
    })
}

/// The one connection, and whether it is in the manual list.
fn connection_of<'a>(body: &'a Json, id: &ResourceId) -> Result<(&'a Json, bool), Malformed> {
    if let Some(connection) = items(body, &format!("/properties/{AUTOMATIC}"))?.first() {
        return Ok((connection, false));
    }
    match items(body, &format!("/properties/{MANUAL}"))?.first() {
        Some(connection) => Ok((connection, true)),
        None => Err(Malformed(format!("{id} has no connection"))),
    }
}

/// True if the endpoint has a connection whose target is an id or an alias. Other services may have neither.
pub(crate) fn has_known_target(body: &Json) -> bool {
    let Ok(id) = required::<ResourceId>(body, "/id") else { return true };
    connection_of(body, &id).is_ok_and(|(connection, _)| target(connection).is_ok())
}

fn target(connection: &Json) -> Result<Target, Malformed> {
    let pointer = "/properties/privateLinkServiceId";
    let is_id = text(connection, pointer).is_some_and(|text| text.starts_with('/'));
    Ok(if is_id { Target::Id(required(connection, pointer)?) } else { Target::Alias(required(connection, pointer)?) })
}

/// Reads id and private address of a network interface; the primary configuration counts.
pub(crate) fn addresses_of_interface(body: &Json) -> Result<(ResourceId, Option<IpAddr>), Malformed> {
    let configurations = items(body, "/properties/ipConfigurations")?;
    let is_primary = |item: &&Json| item.pointer("/properties/primary").and_then(Json::as_bool).unwrap_or_default();
    let configuration = configurations.iter().find(is_primary).or_else(|| configurations.first());
    let address = configuration.map(|item| parsed(item, "/properties/privateIPAddress")).transpose()?;
    Ok((required(body, "/id")?, address.flatten()))
}

/// Reads the addresses that a network interface holds, and for whom.
pub(crate) fn held_by_interface(body: &Json) -> Result<Vec<HeldAddress>, Malformed> {
    let owner = |name: &str| parsed::<ResourceId>(body, &format!("/properties/{name}/id"));
    let holder = match owner("privateLinkService")?.or(owner("privateEndpoint")?) {
        Some(owner) => owner,
        None => required(body, "/id")?,
    };
    let held = |item: &Json| {
        let address = parsed(item, "/properties/privateIPAddress")?;
        let subnet = parsed(item, "/properties/subnet/id")?;
        let of = |(address, subnet)| HeldAddress { subnet, address, holder: holder.clone() };
        Ok(address.zip(subnet).map(of))
    };
    items(body, "/properties/ipConfigurations")?.iter().filter_map(|item| held(item).transpose()).collect()
}

/// Writes a private endpoint.
pub(crate) fn encode(endpoint: &PrivateEndpoint, seen: Option<&Seen>) -> Result<Json, Incomplete> {
    let PrivateEndpoint {
        id: _,
        location,
        subnet,
        target,
        connection_name,
        request,
        address,
        network_interface_name,
        application_security_groups,
        tags,
    } = endpoint;
    let (list, empty, message) = match request {
        Request::Automatic => (AUTOMATIC, MANUAL, None),
        Request::Manual { message } => (MANUAL, AUTOMATIC, Some(message).filter(|message| !message.is_empty())),
    };
    let target = target_text(target, request)?;
    let mut body = base(seen, &["customDnsConfigs", "networkInterfaces"]);
    let mut connection = existing(&body, list, connection_name.as_str());
    connection["properties"]["privateLinkServiceId"] = json!(target);
    // Without a message of ours none is sent: the property must not be empty.
    set_or_remove(&mut connection["properties"], "requestMessage", message.map(|message| json!(message)));
    body["location"] = json!(location);
    body["tags"] = json!(tags);
    let ip_configurations = ip_configurations(*address, &body);
    let properties = &mut body["properties"];
    properties["subnet"] = json!({ "id": subnet });
    properties[list] = json!([connection]);
    properties[empty] = json!([]);
    properties["ipConfigurations"] = ip_configurations;
    set_or_remove(properties, "customNetworkInterfaceName", network_interface_name.as_ref().map(|name| json!(name)));
    let groups: Vec<Json> = application_security_groups.iter().map(|id| json!({ "id": id })).collect();
    let has_groups = !groups.is_empty() || properties.get("applicationSecurityGroups").is_some();
    set_or_remove(properties, "applicationSecurityGroups", has_groups.then(|| json!(groups)));
    Ok(body)
}

fn set_or_remove(object: &mut Json, key: &str, value: Option<Json>) {
    if let Some(value) = value {
        object[key] = value;
    } else if let Some(map) = object.as_object_mut() {
        map.remove(key);
    }
}

fn target_text(target: &Target, request: &Request) -> Result<String, Incomplete> {
    match (target, request) {
        (Target::Id(id) | Target::Produced { known: Some(id), .. }, _) => Ok(id.to_string()),
        (Target::Produced { publisher, known: None }, _) => {
            Err(Incomplete(format!("the Private Link Service of {publisher} does not exist yet; wait until it does")))
        }
        (Target::Alias(alias), Request::Manual { .. }) => Ok(alias.to_string()),
        (Target::Alias(alias), Request::Automatic) => {
            Err(Incomplete(format!("the alias {alias} can only be asked for with request: manual")))
        }
    }
}

/// The connection as it was seen, without what the provider decides; a new one if there was none of that name.
fn existing(body: &Json, list: &str, name: &str) -> Json {
    let items = items(body, &format!("/properties/{list}")).unwrap_or_default();
    let mut connection = item_named(items, name).cloned().unwrap_or_else(|| json!({ "name": name }));
    if !connection["properties"].is_object() {
        connection["properties"] = json!({});
    }
    for computed in ["privateLinkServiceConnectionState", "provisioningState"] {
        set_or_remove(&mut connection["properties"], computed, None);
    }
    connection
}

/// The static address, under the name it has already. A Private Link Service has no group and no member.
fn ip_configurations(address: Option<IpAddr>, body: &Json) -> Json {
    let Some(address) = address else { return json!([]) };
    let existing = items(body, "/properties/ipConfigurations").unwrap_or_default().first();
    let name = existing.and_then(|item| text(item, "/name")).unwrap_or("ip-1");
    json!([{ "name": name, "properties": { "groupId": "", "memberName": "", "privateIPAddress": address.to_string() } }])
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::resource::connection::ConnectionStatus;

    const NETWORK: &str =
        "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg1/providers/Microsoft.Network";

    fn id(tail: &str) -> ResourceId {
        format!("{NETWORK}/{tail}").parse().unwrap()
    }

    pub(crate) fn example() -> PrivateEndpoint {
        PrivateEndpoint {
            id: id("privateEndpoints/pe1"),
            location: "eastus2".parse().unwrap(),
            subnet: id("virtualNetworks/vnet1/subnets/pe"),
            target: Target::Id(id("privateLinkServices/pls1")),
            connection_name: "conn1".parse().unwrap(),
            request: Request::Automatic,
            address: Some("10.0.2.20".parse().unwrap()),
            network_interface_name: Some("nic-pe".parse().unwrap()),
            application_security_groups: BTreeSet::from([id("applicationSecurityGroups/asg")]),
            tags: BTreeMap::new(),
        }
    }

    /// `pe-get.json` of the wire samples, shortened.
    fn wire() -> Json {
        json!({
            "name": "pe1", "id": id("privateEndpoints/pe1"), "etag": "W/\"2\"", "location": "eastus2",
            "properties": {
                "provisioningState": "Succeeded", "resourceGuid": "g", "customNetworkInterfaceName": "",
                "privateLinkServiceConnections": [{"name": "conn1", "etag": "W/\"2\"", "properties": {
                    "provisioningState": "Succeeded", "privateLinkServiceId": id("privateLinkServices/pls1"),
                    "privateLinkServiceConnectionState": {"status": "Approved", "description": "Auto-Approved"}}}],
                "manualPrivateLinkServiceConnections": [], "ipConfigurations": [], "customDnsConfigs": [],
                "ipVersionType": "IPv4", "subnet": {"id": id("virtualNetworks/vnet1/subnets/pe")},
                "networkInterfaces": [{"id": id("networkInterfaces/pe1.nic.e")}]
            }
        })
    }

    #[test]
    fn the_wire_is_read_whole() {
        let live = decode(&wire()).unwrap();
        assert_eq!(live.endpoint.request, Request::Automatic);
        assert_eq!(live.endpoint.target, Target::Id(id("privateLinkServices/PLS1")));
        assert_eq!((live.endpoint.address, &live.endpoint.network_interface_name), (None, &None));
        assert_eq!(live.status, ConnectionStatus::Approved);
        assert_eq!(live.network_interface.unwrap().name(), "pe1.nic.e");
    }

    #[test]
    fn an_update_keeps_what_it_does_not_know() {
        let live = decode(&wire()).unwrap();
        let mut endpoint = live.endpoint.clone();
        endpoint.tags.insert("a".to_owned(), "b".to_owned());
        let body = encode(&endpoint, Some(&live.seen)).unwrap();
        assert_eq!(body["properties"]["ipVersionType"], "IPv4");
        assert_eq!(
            body["properties"]["privateLinkServiceConnections"],
            json!([{"name": "conn1", "properties": {"privateLinkServiceId": id("privateLinkServices/pls1")}}])
        );
        assert!(body["properties"].get("networkInterfaces").is_none());
        assert_eq!(decode(&body).unwrap().endpoint, endpoint);
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut endpoint = example();
        let round_trip = |endpoint: &PrivateEndpoint| {
            let mut body = encode(endpoint, None).unwrap();
            body["id"] = json!(endpoint.id);
            decode(&body).unwrap().endpoint
        };
        assert_eq!(round_trip(&endpoint), endpoint);
        let alias = "pls1.dddddddd-0000-4000-8000-000000000005.eastus2.azure.privatelinkservice";
        endpoint.target = Target::Alias(alias.parse().unwrap());
        assert!(encode(&endpoint, None).unwrap_err().0.contains("manual"));
        endpoint.request = Request::Manual { message: "please".to_owned() };
        endpoint.address = None;
        assert_eq!(round_trip(&endpoint), endpoint);
    }

    #[test]
    fn an_interface_tells_its_primary_address() {
        let nic = json!({"id": id("networkInterfaces/n"), "properties": {"ipConfigurations": [
            {"properties": {"privateIPAddress": "10.0.2.5", "primary": false}},
            {"properties": {"privateIPAddress": "10.0.2.4", "primary": true}}]}});
        assert_eq!(addresses_of_interface(&nic).unwrap().1, Some("10.0.2.4".parse().unwrap()));
    }

    #[test]
    fn an_interface_holds_its_addresses_for_whom_it_was_made() {
        let subnet = id("virtualNetworks/v/subnets/pe");
        let mut nic = json!({"id": id("networkInterfaces/n"), "properties": {"ipConfigurations": [
            {"properties": {"privateIPAddress": "10.0.2.5", "subnet": {"id": subnet}}},
            {"properties": {"subnet": {"id": subnet}}}]}});
        let held = held_by_interface(&nic).unwrap();
        assert_eq!((held.len(), held[0].holder.name()), (1, "n"));
        nic["properties"]["privateLinkService"] = json!({"id": id("privateLinkServices/p")});
        assert_eq!(held_by_interface(&nic).unwrap()[0].holder.name(), "p");
    }
}
