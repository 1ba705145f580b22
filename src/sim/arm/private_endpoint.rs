//! Private endpoints: how they find their service, who approves them, and what can never change.
//!
//! ```text
//!  automatic (by id only)   the service lists the subscription, or the caller may approve on it ─▶ Approved
//!                           otherwise 403 LinkedAuthorizationFailed
//!  manual (by id or alias)  the service lists the subscription ─▶ Approved, otherwise ─▶ Pending
//!  Pending ─▶ Approved | Rejected by the provider;  connection or service deleted ─▶ Disconnected, for good
//! ```

use serde_json::{Value, json};

use crate::sim::arm::address::Pool;
use crate::sim::arm::authorization::Grants;
use crate::sim::arm::authorization::linked::{self, APPROVAL};
use crate::sim::arm::error::ArmError;
use crate::sim::arm::kind::Kind;
use crate::sim::arm::request::Caller;
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::state::State;
use crate::sim::arm::store::{Resource, is_named, list_mut, properties_mut};
use crate::sim::arm::write::Draft;
use crate::sim::arm::{network_interface, private_link_service, reach};

const AUTOMATIC: &str = "privateLinkServiceConnections";
const MANUAL: &str = "manualPrivateLinkServiceConnections";

pub(crate) fn prepare(state: &mut State, draft: &Draft, mut body: Value) -> Result<Value, ArmError> {
    private_link_service::check_name(&draft.path)?;
    defaults(&mut body);
    let subnet = subnet(state, draft, &mut body)?;
    let list = check_connections(&draft.path, &body)?;
    if let Some(before) = &draft.before {
        unchanged(draft, before, &body)?;
        carry_over(before, &mut body, list);
        return Ok(body);
    }
    let service = find_service(state, draft, &body, list)?;
    let decision = decide_at_creation(state, draft, &body, (list, &service))?;
    claim_addresses(state, draft, &body, &subnet)?;
    let connection = &mut list_mut(properties_mut(&mut body), list)[0];
    properties_mut(connection).insert("privateLinkServiceConnectionState".to_owned(), decision);
    if list == AUTOMATIC {
        properties_mut(connection).insert("privateLinkServiceId".to_owned(), service.path.id().into());
    }
    let guid = state.chance.guid(&format!("endpoint {}", draft.path.key())).to_string();
    let interface = interface_name(state, draft, &body);
    let properties = properties_mut(&mut body);
    properties.insert("resourceGuid".to_owned(), guid.into());
    properties.insert("networkInterfaces".to_owned(), json!([{ "id": interface.id() }]));
    Ok(body)
}

fn defaults(body: &mut Value) {
    let properties = properties_mut(body);
    let computed = [
        (AUTOMATIC, json!([])),
        (MANUAL, json!([])),
        ("ipConfigurations", json!([])),
        ("customNetworkInterfaceName", json!("")),
        ("ipVersionType", json!("IPv4")),
    ];
    for (key, default) in computed {
        let value = properties.entry(key).or_insert(Value::Null);
        if value.is_null() {
            *value = default;
        }
    }
    properties.insert("customDnsConfigs".to_owned(), json!([]));
    for list in [AUTOMATIC, MANUAL] {
        for connection in list_mut(properties, list) {
            let own = properties_mut(connection);
            own.remove("privateLinkServiceConnectionState");
            if own.get("groupIds").is_some_and(|groups| groups.as_array().is_none_or(Vec::is_empty)) {
                own.remove("groupIds");
            }
        }
    }
}

fn subnet(state: &mut State, draft: &Draft, body: &mut Value) -> Result<ResourcePath, ArmError> {
    let location = body["location"].as_str().unwrap_or_default().to_owned();
    let id = body["properties"]["subnet"]["id"].as_str().unwrap_or_default().to_owned();
    if id.is_empty() {
        let message = format!("Private endpoint {} has no subnet.", draft.path.id());
        return Err(ArmError::invalid("InvalidRequestFormat", message));
    }
    if let Some(before) = &draft.before {
        let held = before.property("subnet")["id"].as_str().unwrap_or_default();
        if !held.eq_ignore_ascii_case(&id) {
            let message = format!("Subnet of private endpoint {} cannot be changed.", draft.path.id());
            return Err(ArmError::invalid("CannotChangeSubnetOnExistingPrivateEndpoint", message));
        }
    }
    let path = state.referenced(&id, &draft.path)?;
    if state.holder(&path).is_some_and(|network| network.location() != location) {
        return Err(ArmError::dangling(&path.id(), &draft.path.id()));
    }
    properties_mut(body).insert("subnet".to_owned(), json!({ "id": path.id() }));
    Ok(path)
}

/// One connection in total, with a name (in practice Azure demands it, whatever its examples show).
fn check_connections(path: &ResourcePath, body: &Value) -> Result<&'static str, ArmError> {
    let count = |list: &str| body["properties"][list].as_array().map_or(0, Vec::len);
    let list = match (count(AUTOMATIC), count(MANUAL)) {
        (1, 0) => AUTOMATIC,
        (0, 1) => MANUAL,
        (automatic, manual) => {
            let total = automatic + manual;
            let message = format!("Private endpoint {} must have exactly one connection, not {total}.", path.id());
            return Err(ArmError::invalid("InvalidRequestFormat", message));
        }
    };
    let connection = &body["properties"][list][0];
    if connection["name"].as_str().is_none_or(str::is_empty) {
        let message =
            format!("Cannot parse the request: required property 'name' of a connection of {} is missing.", path.id());
        return Err(ArmError::invalid("InvalidRequestFormat", message));
    }
    let message_length = connection["properties"]["requestMessage"].as_str().map_or(0, |text| text.chars().count());
    if message_length > 140 {
        let message = format!("The request message of {} is longer than 140 characters.", path.id());
        return Err(ArmError::invalid("InvalidRequestFormat", message));
    }
    Ok(list)
}

fn is_alias(target: &str) -> bool {
    target.to_ascii_lowercase().ends_with(".azure.privatelinkservice")
}

fn target_of(body: &Value, list: &str) -> String {
    body["properties"][list][0]["properties"]["privateLinkServiceId"].as_str().unwrap_or_default().to_owned()
}

/// The service that the connection names. One that the consumer may not see is not there for it.
fn find_service(state: &mut State, draft: &Draft, body: &Value, list: &str) -> Result<Resource, ArmError> {
    let target = target_of(body, list);
    let unknown = || {
        let message = format!(
            "Private link service id {target} of private endpoint {} is invalid: there is no such service, or it is not \
             visible to this subscription.",
            draft.path.id()
        );
        ArmError::invalid("InvalidPrivateLinkServiceId", message)
    };
    let service = match is_alias(&target) {
        true if list == AUTOMATIC => return Err(unknown()),
        true => state.store.by_alias(&target),
        false => state.store.by_id(&target).filter(|own| own.path.kind == Kind::PrivateLinkService),
    };
    let service = service.cloned().ok_or_else(unknown)?;
    let grants = Grants::of(&state.authorization, &draft.caller);
    // By id and automatically the service answers with its own refusal, which says more than "not found".
    if list == MANUAL && !reach::is_visible(&service, &draft.path.subscription, &grants) {
        return Err(unknown());
    }
    if state.operations.running_id(&service.path.key()).is_some() {
        state.tick(&service.path.key());
        return Err(ArmError::referenced_not_provisioned(&service.path.id()));
    }
    Ok(service)
}

fn decide_at_creation(
    state: &State,
    draft: &Draft,
    body: &Value,
    (list, service): (&str, &Resource),
) -> Result<Value, ArmError> {
    let grants = Grants::of(&state.authorization, &draft.caller);
    let may_approve = list == AUTOMATIC && grants.allows(APPROVAL, &service.path.id());
    if may_approve || reach::is_auto_approved(service, &draft.path.subscription) {
        return Ok(json!({ "status": "Approved", "description": "Auto-Approved", "actionsRequired": "None" }));
    }
    if let (AUTOMATIC, Caller::Identity(principal)) = (list, &draft.caller) {
        return Err(linked::refusal(principal, &draft.path, &[(APPROVAL, service.path.id())]));
    }
    let request = body["properties"][list][0]["properties"]["requestMessage"].as_str().unwrap_or_default();
    Ok(json!({ "status": "Pending", "description": request, "actionsRequired": "None" }))
}

/// Static addresses, if the endpoint asks for any.
fn static_addresses(body: &Value) -> Vec<String> {
    let configurations = body["properties"]["ipConfigurations"].as_array().into_iter().flatten();
    configurations.filter_map(|own| own["properties"]["privateIPAddress"].as_str().map(str::to_owned)).collect()
}

fn claim_addresses(state: &State, draft: &Draft, body: &Value, subnet: &ResourcePath) -> Result<(), ArmError> {
    let mut pool = Pool::of(&state.store, subnet, &[]);
    let wanted = static_addresses(body);
    for address in &wanted {
        pool.claim(address, &draft.path)?;
    }
    if wanted.is_empty() {
        pool.allocate(false, &draft.path)?;
    }
    Ok(())
}

fn interface_name(state: &mut State, draft: &Draft, body: &Value) -> ResourcePath {
    let guid = state.chance.guid(&format!("nic {}", draft.path.key()));
    let custom = body["properties"]["customNetworkInterfaceName"].as_str().unwrap_or_default();
    let name = if custom.is_empty() { format!("{}.nic.{guid}", draft.path.name()) } else { custom.to_owned() };
    let mut path = draft.path.clone();
    (path.resource_type, path.kind) = ("Microsoft.Network/networkInterfaces", Kind::NetworkInterface);
    path.names = vec![name];
    path
}

/// What decides about the endpoint is fixed when it is made; the code is ours, except for the subnet's.
fn unchanged(draft: &Draft, before: &Resource, body: &Value) -> Result<(), ArmError> {
    for list in [AUTOMATIC, MANUAL] {
        let identity = |connections: Option<&Vec<Value>>| {
            let own = connections.into_iter().flatten();
            own.map(|own| {
                let target =
                    own["properties"]["privateLinkServiceId"].as_str().unwrap_or_default().to_ascii_lowercase();
                let name = own["name"].as_str().unwrap_or_default().to_ascii_lowercase();
                (name, target, own["properties"]["groupIds"].clone())
            })
            .collect::<Vec<_>>()
        };
        if identity(before.property(list).as_array()) != identity(body["properties"][list].as_array()) {
            return Err(ArmError::immutable(&format!("properties.{list}"), &draft.path.id()));
        }
    }
    let held = |name: &str| before.property(name) == &body["properties"][name];
    if static_addresses(&before.body) != static_addresses(body) {
        return Err(ArmError::immutable("properties.ipConfigurations", &draft.path.id()));
    }
    if !held("customNetworkInterfaceName") {
        return Err(ArmError::immutable("properties.customNetworkInterfaceName", &draft.path.id()));
    }
    Ok(())
}

fn carry_over(before: &Resource, body: &mut Value, list: &str) {
    let held = before.list(list).first().map(|own| own["properties"].clone()).unwrap_or_default();
    let properties = properties_mut(body);
    for key in ["resourceGuid", "networkInterfaces"] {
        properties.insert(key.to_owned(), before.property(key).clone());
    }
    if let Some(connection) = list_mut(properties, list).first_mut() {
        let own = properties_mut(connection);
        for key in ["privateLinkServiceConnectionState", "privateLinkServiceId"] {
            own.insert(key.to_owned(), held[key].clone());
        }
    }
}

/// Makes the interface and, for a new endpoint, its connection on the service.
pub(crate) fn after_put(state: &mut State, draft: &Draft) {
    if !draft.is_new() {
        return;
    }
    let Some(endpoint) = state.store.get(&draft.path).cloned() else { return };
    let subnet_id = endpoint.property("subnet")["id"].as_str().unwrap_or_default().to_owned();
    place_interface(state, &endpoint, &subnet_id);
    state.touch_id(&subnet_id);
    connect(state, &endpoint);
}

fn place_interface(state: &mut State, endpoint: &Resource, subnet_id: &str) {
    let interface = endpoint.list("networkInterfaces").first().and_then(|own| ResourcePath::parse(own["id"].as_str()?));
    let (Some(interface), Some(subnet)) = (interface, ResourcePath::parse(subnet_id)) else { return };
    let mut addresses = static_addresses(&endpoint.body);
    let method = if addresses.is_empty() { "Dynamic" } else { "Static" };
    if addresses.is_empty() {
        let mut pool = Pool::of(&state.store, &subnet, &[]);
        addresses.extend(pool.allocate(false, &endpoint.path).ok().map(|address| address.to_string()));
    }
    let mut configurations = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        let guid = state.chance.guid(&format!("nic configuration {}", endpoint.path.key()));
        configurations.push(json!({
            "name": format!("privateEndpointIpConfig.{guid}"),
            "properties": {
                "privateIPAddress": address,
                "privateIPAllocationMethod": method,
                "privateIPAddressVersion": "IPv4",
                "primary": index == 0,
                "subnet": { "id": subnet_id },
                "privateLinkConnectionProperties": { "groupId": "", "requiredMemberName": "", "fqdns": [] },
            },
        }));
    }
    network_interface::place(state, &interface, ("privateEndpoint", endpoint), configurations);
}

/// The connection that an endpoint asked for, and the service it asked.
fn connection_of(state: &State, endpoint: &Resource) -> Option<(Value, ResourcePath)> {
    let connection = endpoint.list(AUTOMATIC).iter().chain(endpoint.list(MANUAL)).next()?.clone();
    let target = connection["properties"]["privateLinkServiceId"].as_str()?;
    let service = match is_alias(target) {
        true => state.store.by_alias(target)?.path.clone(),
        false => state.store.by_id(target)?.path.clone(),
    };
    Some((connection, service))
}

/// `{endpoint}.{its resourceGuid}`, as Azure names connections.
fn connection_name(endpoint: &Resource) -> String {
    format!("{}.{}", endpoint.path.name(), endpoint.property("resourceGuid").as_str().unwrap_or_default())
}

fn connect(state: &mut State, endpoint: &Resource) {
    let Some((connection, service)) = connection_of(state, endpoint) else { return };
    let draw = state.chance.guid(&format!("link {}", endpoint.path.key()));
    let link_identifier = draw.as_fields().0 & 0x3fff_ffff;
    let entry = json!({
        "name": connection_name(endpoint),
        "properties": {
            "privateEndpoint": { "id": endpoint.path.id() },
            "privateLinkServiceConnectionState": connection["properties"]["privateLinkServiceConnectionState"],
            "linkIdentifier": link_identifier.to_string(),
            "privateEndpointLocation": endpoint.location(),
        },
    });
    state.store.update(&service, |own| own.list_mut("privateEndpointConnections").push(entry));
    state.touch(&service);
}

/// Writes the provider's decision on the endpoint's own copy of the connection state.
pub(crate) fn decide(state: &mut State, endpoint_id: &str, decision: Value) {
    let Some(path) = ResourcePath::parse(endpoint_id) else { return };
    let decided = state.store.update(&path, |endpoint| {
        for list in [AUTOMATIC, MANUAL] {
            for connection in endpoint.list_mut(list) {
                properties_mut(connection).insert("privateLinkServiceConnectionState".to_owned(), decision.clone());
            }
        }
    });
    if decided.is_some() {
        state.touch(&path);
    }
}

pub(crate) fn after_delete(state: &mut State, gone: &Resource) {
    for interface in gone.list("networkInterfaces") {
        if let Some(path) = interface["id"].as_str().and_then(ResourcePath::parse) {
            state.store.remove(&path);
        }
    }
    state.touch_id(gone.property("subnet")["id"].as_str().unwrap_or_default());
    let name = connection_name(gone);
    if let Some((_, service)) = connection_of(state, gone) {
        state.store.update(&service, |own| {
            own.list_mut("privateEndpointConnections").retain(|entry| !is_named(entry, &name));
        });
        state.touch(&service);
    }
}
