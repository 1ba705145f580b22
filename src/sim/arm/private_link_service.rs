//! Private Link Services: one frontend, up to eight NAT addresses, and an alias that lives as long as they do.
//!
//! Codes marked *unseen* below are ours: the rule is documented, what Azure calls it was never recorded.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::sim::arm::address::Pool;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::kind::Kind;
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::state::State;
use crate::sim::arm::store::{Resource, list_mut, properties_mut};
use crate::sim::arm::write::Draft;
use crate::sim::arm::{load_balancer, network_interface, private_endpoint_connection, reach};

/// Private Link Services per Standard load balancer, and NAT addresses per service [Microsoft's limits page].
const SERVICES_PER_BALANCER: usize = 8;
const NAT_ADDRESSES: usize = 8;
const LISTED_SUBSCRIPTIONS: usize = 100;

pub(crate) fn prepare(state: &mut State, draft: &Draft, mut body: Value) -> Result<Value, ArmError> {
    check_name(&draft.path)?;
    access_lists(&draft.path, &body)?;
    frontend(state, draft, &mut body)?;
    nat_configurations(state, draft, &mut body)?;
    let before = draft.before.as_ref();
    let (guid, alias) = match before {
        Some(before) => (before.property("resourceGuid").clone(), before.property("alias").clone()),
        None => (state.chance.guid("resource").to_string().into(), new_alias(state, draft, &body).into()),
    };
    let interface = before.map_or(Value::Null, |before| before.property("networkInterfaces").clone());
    let interface = if interface.is_array() { interface } else { new_interface(state, draft) };
    let connections = before.map(|before| before.list("privateEndpointConnections").to_vec()).unwrap_or_default();
    let properties = properties_mut(&mut body);
    properties.insert("resourceGuid".to_owned(), guid);
    properties.insert("alias".to_owned(), alias);
    properties.insert("networkInterfaces".to_owned(), interface);
    properties.insert("privateEndpointConnections".to_owned(), connections.into());
    for (key, default) in [("fqdns", json!([])), ("enableProxyProtocol", json!(false))] {
        let value = properties.entry(key).or_insert(Value::Null);
        if value.is_null() {
            *value = default;
        }
    }
    Ok(body)
}

/// The network resource provider's rule for names [as Terraform checks it].
pub(crate) fn check_name(path: &ResourcePath) -> Result<(), ArmError> {
    let name = path.name();
    let inner = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let fits = (1..=80).contains(&name.len())
        && name.chars().all(inner)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if fits {
        return Ok(());
    }
    let message = format!(
        "Resource name {name} is invalid. The name can be up to 80 characters long. It must begin with a word character, \
         and it must end with a word character or with '_'."
    );
    Err(ArmError::invalid("InvalidResourceName", message))
}

fn new_alias(state: &mut State, draft: &Draft, body: &Value) -> String {
    let name = draft.path.name().to_ascii_lowercase();
    let guid = match state.alias_guid.take() {
        Some(guid) => guid,
        None => state.chance.guid(&format!("alias {}", draft.path.key())).to_string(),
    };
    format!("{name}.{guid}.{}.azure.privatelinkservice", body["location"].as_str().unwrap_or_default())
}

fn new_interface(state: &mut State, draft: &Draft) -> Value {
    let guid = state.chance.guid(&format!("nic {}", draft.path.key()));
    let mut path = draft.path.clone();
    (path.resource_type, path.kind) = ("Microsoft.Network/networkInterfaces", Kind::NetworkInterface);
    path.names = vec![format!("{}.nic.{guid}", draft.path.name())];
    json!([{ "id": path.id() }])
}

fn access_lists(path: &ResourcePath, body: &Value) -> Result<(), ArmError> {
    let (visible, approved) = (reach::listed(body, "visibility"), reach::listed(body, "autoApproval"));
    for (property, list) in [("visibility", &visible), ("autoApproval", &approved)] {
        let is_guid = |text: &String| text == "*" || uuid::Uuid::try_parse(text).is_ok();
        if let Some(bad) = list.iter().find(|text| !is_guid(text)) {
            let message =
                format!("{property} of {} names '{bad}', which is neither a subscription id nor *.", path.id());
            return Err(ArmError::invalid("InvalidRequestFormat", message));
        }
        if list.len() > LISTED_SUBSCRIPTIONS {
            let message = format!("{property} of {} names more than {LISTED_SUBSCRIPTIONS} subscriptions.", path.id());
            return Err(ArmError::invalid("InvalidRequestFormat", message));
        }
    }
    // Documented: auto-approval is a subset of visibility. The code is unseen.
    match approved.difference(&visible).next() {
        Some(outside) if !visible.contains("*") => {
            let message = format!("autoApproval of {} names {outside}, which visibility does not name.", path.id());
            Err(ArmError::invalid("PrivateLinkServiceAutoApprovalNotSubsetOfVisibility", message))
        }
        _ => Ok(()),
    }
}

/// Exactly one frontend of a Standard load balancer, used by nobody else, unless a destination address replaces it.
fn frontend(state: &mut State, draft: &Draft, body: &mut Value) -> Result<(), ArmError> {
    let path = &draft.path;
    let location = body["location"].as_str().unwrap_or_default().to_owned();
    let properties = properties_mut(body);
    let frontends = list_mut(properties, "loadBalancerFrontendIpConfigurations").clone();
    let direct = properties.get("destinationIPAddress").is_some_and(Value::is_string);
    if direct && frontends.is_empty() {
        return Ok(());
    }
    let [only] = frontends.as_slice() else {
        let message = format!(
            "The number of load balancer frontend IP configurations of private link service {} must be exactly 1, not {}.",
            path.id(),
            frontends.len()
        );
        return Err(ArmError::invalid(
            "InvalidNumberOfPrivateLinkServiceLoadBalancerFrontendIpConfigurationsSpecified",
            message,
        ));
    };
    let id = only["id"].as_str().unwrap_or_default();
    let frontend = state.referenced(id, path)?;
    let balancer = frontend.parent().ok_or_else(|| ArmError::dangling(id, &path.id()))?;
    check_balancer(state, path, &balancer, &location)?;
    check_frontend(state, path, &frontend)?;
    if let Some(before) = &draft.before {
        // Within its load balancer a service may be pointed at another frontend (cloud-provider-azure pull request
        // 10943); to another load balancer it cannot move (terraform-provider-azurerm issue 12249).
        let held = before.list("loadBalancerFrontendIpConfigurations").first();
        let held = held.and_then(|own| ResourcePath::parse(own["id"].as_str()?)).and_then(|own| own.parent());
        if held.is_some_and(|held| held.key() != balancer.key()) {
            return Err(ArmError::immutable("properties.loadBalancerFrontendIpConfigurations", &path.id()));
        }
    }
    let reference = json!([{ "id": frontend.id() }]);
    properties_mut(body).insert("loadBalancerFrontendIpConfigurations".to_owned(), reference);
    Ok(())
}

fn check_balancer(state: &State, path: &ResourcePath, balancer: &ResourcePath, location: &str) -> Result<(), ArmError> {
    let Some(resource) = state.store.get(balancer) else { return Err(ArmError::dangling(&balancer.id(), &path.id())) };
    if resource.location() != location {
        return Err(ArmError::dangling(&balancer.id(), &path.id()));
    }
    let is_standard = resource.body["sku"]["name"].as_str().is_some_and(|sku| sku.eq_ignore_ascii_case("Standard"));
    let is_by_address = |pool: &Value| {
        let members = pool["properties"]["loadBalancerBackendAddresses"].as_array().into_iter().flatten();
        members.into_iter().any(|member| member["properties"]["ipAddress"].is_string())
    };
    let has_v6 = resource
        .list("frontendIPConfigurations")
        .iter()
        .any(|own| own["properties"]["privateIPAddressVersion"].as_str() == Some("IPv6"));
    // All four are documented; the codes are unseen.
    let refusal = if !is_standard {
        Some(("PrivateLinkServiceRequiresStandardLoadBalancer", "is not of SKU Standard"))
    } else if resource.list("backendAddressPools").iter().any(is_by_address) {
        Some(("PrivateLinkServiceNotSupportedOnIpBasedBackendPool", "has a backend pool of IP addresses"))
    } else if has_v6 {
        Some(("PrivateLinkServiceNotSupportedOnIPv6LoadBalancer", "has an IPv6 frontend"))
    } else {
        let others = load_balancer::services_on(&state.store, balancer);
        let others = others.iter().filter(|(service, _)| service.path.key() != path.key()).count();
        (others >= SERVICES_PER_BALANCER)
            .then_some(("PrivateLinkServicesPerLoadBalancerLimitReached", "already carries 8 private link services"))
    };
    match refusal {
        None => Ok(()),
        Some((code, why)) => {
            let message =
                format!("Private link service {} cannot use load balancer {}: it {why}.", path.id(), balancer.id());
            Err(ArmError::invalid(code, message))
        }
    }
}

/// One service per frontend (documented; the code is unseen).
fn check_frontend(state: &State, path: &ResourcePath, frontend: &ResourcePath) -> Result<(), ArmError> {
    let balancer = frontend.parent().unwrap_or_else(|| frontend.clone());
    let services = load_balancer::services_on(&state.store, &balancer);
    let other = services
        .iter()
        .find(|(service, name)| service.path.key() != path.key() && name.eq_ignore_ascii_case(frontend.name()));
    if let Some((other, _)) = other {
        let message = format!(
            "Frontend IP configuration {} is already used by private link service {}.",
            frontend.id(),
            other.path.id()
        );
        return Err(ArmError::invalid("FrontendIPConfigurationAlreadyUsedByPrivateLinkService", message));
    }
    Ok(())
}

fn nat_configurations(state: &mut State, draft: &Draft, body: &mut Value) -> Result<(), ArmError> {
    let path = &draft.path;
    let location = body["location"].as_str().unwrap_or_default().to_owned();
    let mut configurations = std::mem::take(list_mut(properties_mut(body), "ipConfigurations"));
    if configurations.is_empty() || configurations.len() > NAT_ADDRESSES {
        let message = format!("Private link service {} must have 1 to {NAT_ADDRESSES} IP configurations.", path.id());
        return Err(ArmError::invalid("InvalidNumberOfPrivateLinkServiceIpConfigurationsSpecified", message));
    }
    // Documented: NAT addresses can be added, not removed. The code is unseen.
    let held = draft.before.as_ref().map_or(0, |before| before.list("ipConfigurations").len());
    if configurations.len() < held {
        let message = format!("Private link service {} has {held} IP configurations; none can be removed.", path.id());
        return Err(ArmError::invalid("PrivateLinkServiceIpConfigurationsCannotBeRemoved", message));
    }
    for configuration in &mut configurations {
        nat_subnet(state, draft, configuration, &location)?;
    }
    primary(path, &mut configurations)?;
    let interface = interface_path(draft.before.as_ref());
    for subnet in subnets_of(&configurations) {
        let Some(subnet) = ResourcePath::parse(&subnet) else { continue };
        let mut pool = Pool::of(&state.store, &subnet, &interface.clone().into_iter().collect::<Vec<_>>());
        for configuration in &configurations {
            let own = &configuration["properties"];
            if own["subnet"]["id"] != subnet.id().as_str() || own["privateIPAllocationMethod"] != "Static" {
                continue;
            }
            pool.claim(own["privateIPAddress"].as_str().unwrap_or_default(), path)?;
        }
        for configuration in &configurations {
            let own = &configuration["properties"];
            if own["subnet"]["id"] == subnet.id().as_str() && own["privateIPAllocationMethod"] != "Static" {
                pool.allocate(false, path)?;
            }
        }
    }
    *list_mut(properties_mut(body), "ipConfigurations") = configurations;
    Ok(())
}

/// Checks the subnet of one NAT configuration and fills its defaults. A dynamic address is never shown on the service.
fn nat_subnet(state: &mut State, draft: &Draft, configuration: &mut Value, location: &str) -> Result<(), ArmError> {
    let by = &draft.path;
    if configuration["name"].as_str().is_none_or(str::is_empty) {
        let message = format!("An IP configuration of {} has no name.", by.id());
        return Err(ArmError::invalid("InvalidRequestFormat", message));
    }
    let properties = properties_mut(configuration);
    let id = properties.get("subnet").and_then(|subnet| subnet["id"].as_str()).unwrap_or_default().to_owned();
    let subnet = state.referenced(&id, by)?;
    if state.holder(&subnet).is_some_and(|network| network.location() != location) {
        return Err(ArmError::dangling(&subnet.id(), &by.id()));
    }
    let policy = state.store.element(&subnet).map(|own| own["properties"]["privateLinkServiceNetworkPolicies"].clone());
    if policy.is_none_or(|policy| policy != "Disabled") {
        let message = format!(
            "Private link service {} cannot be created in subnet {} since it has private link service network policies \
             enabled.",
            by.id(),
            subnet.id()
        );
        return Err(ArmError::invalid(
            "PrivateLinkServiceCannotBeCreatedInSubnetThatHasNetworkPoliciesEnabled",
            message,
        ));
    }
    properties.insert("subnet".to_owned(), json!({ "id": subnet.id() }));
    let version = properties.entry("privateIPAddressVersion").or_insert("IPv4".into());
    if version != "IPv4" {
        let message = format!("Private link service {} supports IPv4 addresses only.", by.id());
        return Err(ArmError::invalid("InvalidRequestFormat", message));
    }
    let method = properties.entry("privateIPAllocationMethod").or_insert("Dynamic".into());
    if method.as_str().is_some_and(|own| own.eq_ignore_ascii_case("Static")) {
        *method = "Static".into();
    } else {
        *method = "Dynamic".into();
        properties.remove("privateIPAddress");
    }
    Ok(())
}

/// Exactly one primary; the first one if nobody says.
fn primary(path: &ResourcePath, configurations: &mut [Value]) -> Result<(), ArmError> {
    let is_primary = |own: &Value| own["properties"]["primary"] == json!(true);
    match configurations.iter().filter(|own| is_primary(own)).count() {
        0 => {
            for (index, own) in configurations.iter_mut().enumerate() {
                properties_mut(own).insert("primary".to_owned(), (index == 0).into());
            }
        }
        1 => {
            for own in configurations.iter_mut() {
                let value = is_primary(own);
                properties_mut(own).insert("primary".to_owned(), value.into());
            }
        }
        _ => {
            let message = format!("Private link service {} has more than one primary IP configuration.", path.id());
            return Err(ArmError::invalid("InvalidRequestFormat", message));
        }
    }
    Ok(())
}

fn subnets_of(configurations: &[Value]) -> BTreeSet<String> {
    configurations.iter().filter_map(|own| own["properties"]["subnet"]["id"].as_str().map(str::to_owned)).collect()
}

fn interface_path(service: Option<&Resource>) -> Option<ResourcePath> {
    let interface = service?.list("networkInterfaces").first()?;
    ResourcePath::parse(interface["id"].as_str()?)
}

/// Places the interface with the NAT addresses, and tells load balancer and subnets that something came or went.
pub(crate) fn after_put(state: &mut State, draft: &Draft) {
    let Some(service) = state.store.get(&draft.path).cloned() else { return };
    let Some(interface) = interface_path(Some(&service)) else { return };
    let held = state.store.get(&interface).map(|own| own.list("ipConfigurations").to_vec()).unwrap_or_default();
    let mut placed: Vec<Value> = Vec::new();
    for configuration in service.list("ipConfigurations") {
        placed.push(nat_address(state, &interface, configuration, (&held, &placed)));
    }
    network_interface::place(state, &interface, ("privateLinkService", &service), placed);
    let before = draft.before.as_ref().map(|own| subnets_of(own.list("ipConfigurations"))).unwrap_or_default();
    let after = subnets_of(service.list("ipConfigurations"));
    for subnet in before.symmetric_difference(&after) {
        state.touch_id(subnet);
    }
    if draft.is_new() {
        touch_balancer(state, &service);
    }
}

/// One NAT address on the interface: the static one, the one held so far, or a new one.
fn nat_address(
    state: &State,
    interface: &ResourcePath,
    configuration: &Value,
    (held, placed): (&[Value], &[Value]),
) -> Value {
    let mut out = configuration.clone();
    if out["properties"]["privateIPAddress"].is_string() {
        return out;
    }
    let subnet_id = out["properties"]["subnet"]["id"].as_str().unwrap_or_default().to_owned();
    let Some(subnet) = ResourcePath::parse(&subnet_id) else { return out };
    let mut pool = Pool::of(&state.store, &subnet, std::slice::from_ref(interface));
    for own in placed {
        pool.keep(own["properties"]["privateIPAddress"].as_str().unwrap_or_default());
    }
    let same = |own: &&Value| own["name"] == out["name"] && own["properties"]["subnet"] == out["properties"]["subnet"];
    let kept = held.iter().find(same).and_then(|own| pool.keep(own["properties"]["privateIPAddress"].as_str()?));
    if let Some(address) = kept.or_else(|| pool.allocate(false, interface).ok()) {
        properties_mut(&mut out).insert("privateIPAddress".to_owned(), address.to_string().into());
    }
    out
}

fn touch_balancer(state: &mut State, service: &Resource) {
    for frontend in service.list("loadBalancerFrontendIpConfigurations") {
        state.touch_id(frontend["id"].as_str().unwrap_or_default());
    }
}

pub(crate) fn may_delete(state: &State, path: &ResourcePath) -> Result<(), ArmError> {
    let connections = state.store.get(path).map_or(0, |own| own.list("privateEndpointConnections").len());
    if connections == 0 {
        return Ok(());
    }
    let message = format!(
        "Private link service {} cannot be deleted since it has {connections} private endpoint connections.",
        path.id()
    );
    Err(ArmError::invalid("PrivateLinkServiceWithPrivateEndpointConnectionsCannotBeDeleted", message))
}

pub(crate) fn after_delete(state: &mut State, gone: &Resource) {
    if let Some(interface) = interface_path(Some(gone)) {
        state.store.remove(&interface);
    }
    for subnet in subnets_of(gone.list("ipConfigurations")) {
        state.touch_id(&subnet);
    }
    touch_balancer(state, gone);
    // Only a delete behind everybody's back finds connections here.
    for connection in gone.list("privateEndpointConnections") {
        private_endpoint_connection::after_delete(state, connection);
    }
}
