//! Linked access: a write needs rights on the resources that it refers to, not only on the one it writes.
//!
//! Azure checks every reference in the body of a PUT before the resource provider sees it, whether it changed or not.
//! One action is not here: `PrivateEndpointConnectionsApproval`, which a service's own list makes superfluous, so that
//! the rules of private endpoints ask for it.

use serde_json::Value;

use crate::sim::arm::authorization::Grants;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::kind::Kind;
use crate::sim::arm::request::Principal;
use crate::sim::arm::route::ResourcePath;

const SUBNET: &str = "Microsoft.Network/virtualNetworks/subnets/join/action";
const NETWORK: &str = "Microsoft.Network/virtualNetworks/join/action";
const SECURITY_GROUP: &str = "Microsoft.Network/networkSecurityGroups/join/action";
const ROUTE_TABLE: &str = "Microsoft.Network/routeTables/join/action";
const NAT_GATEWAY: &str = "Microsoft.Network/natGateways/join/action";
const PUBLIC_ADDRESS: &str = "Microsoft.Network/publicIPAddresses/join/action";
const PUBLIC_PREFIX: &str = "Microsoft.Network/publicIPPrefixes/join/action";
const FRONTEND: &str = "Microsoft.Network/loadBalancers/frontendIPConfigurations/join/action";
const POOL: &str = "Microsoft.Network/loadBalancers/backendAddressPools/join/action";
const ZONE: &str = "Microsoft.Network/privateDnsZones/join/action";

/// The right to approve a connection on a Private Link Service.
pub(crate) const APPROVAL: &str = "Microsoft.Network/privateLinkServices/PrivateEndpointConnectionsApproval/action";

/// Places in a body, each with the action that the id there needs; `*` is any element of a list.
type Links = &'static [(&'static str, &'static str)];

/// Where each type refers to others, below a common place.
const LINKS: &[(Kind, &str, Links)] = &[
    (
        Kind::LoadBalancer,
        "properties/frontendIPConfigurations/*/properties",
        &[("subnet/id", SUBNET), ("publicIPAddress/id", PUBLIC_ADDRESS), ("publicIPPrefix/id", PUBLIC_PREFIX)],
    ),
    (
        Kind::PrivateLinkService,
        "properties",
        &[("ipConfigurations/*/properties/subnet/id", SUBNET), ("loadBalancerFrontendIpConfigurations/*/id", FRONTEND)],
    ),
    (Kind::PrivateEndpoint, "properties", &[("subnet/id", SUBNET)]),
    (Kind::VirtualNetwork, "properties/subnets/*/properties", SUBNET_LINKS),
    (Kind::Subnet, "properties", SUBNET_LINKS),
    (Kind::NetworkInterface, "properties", INTERFACE_LINKS),
    (
        Kind::ScaleSet,
        "properties/virtualMachineProfile/networkProfile/networkInterfaceConfigurations/*/properties",
        INTERFACE_LINKS,
    ),
    (
        Kind::ScaleSetVm,
        "properties/networkProfileConfiguration/networkInterfaceConfigurations/*/properties",
        INTERFACE_LINKS,
    ),
    (Kind::VirtualNetworkLink, "properties", &[("virtualNetwork/id", NETWORK)]),
    (Kind::PrivateDnsZoneGroup, "properties/privateDnsZoneConfigs/*/properties", &[("privateDnsZoneId", ZONE)]),
];

const SUBNET_LINKS: Links =
    &[("networkSecurityGroup/id", SECURITY_GROUP), ("routeTable/id", ROUTE_TABLE), ("natGateway/id", NAT_GATEWAY)];

const INTERFACE_LINKS: Links = &[
    ("networkSecurityGroup/id", SECURITY_GROUP),
    ("ipConfigurations/*/properties/subnet/id", SUBNET),
    ("ipConfigurations/*/properties/publicIPAddress/id", PUBLIC_ADDRESS),
    ("ipConfigurations/*/properties/loadBalancerBackendAddressPools/*/id", POOL),
];

/// Refuses a write whose references the caller may not use.
pub(crate) fn check(
    (grants, principal): (&Grants, &Principal),
    path: &ResourcePath,
    body: &Value,
) -> Result<(), ArmError> {
    let mut missing = references(path.kind, body);
    missing.retain(|(action, id)| !grants.allows(action, id));
    if missing.is_empty() { Ok(()) } else { Err(refusal(principal, path, &missing)) }
}

/// The actions that a body needs on other resources, each once. What is no resource id is left to the type's own rules.
fn references(kind: Kind, body: &Value) -> Vec<(&'static str, String)> {
    let mut found: Vec<(&'static str, String)> = Vec::new();
    for (_, base, links) in LINKS.iter().filter(|(own, _, _)| *own == kind) {
        for (place, action) in *links {
            let place: Vec<&str> = base.split('/').chain(place.split('/')).collect();
            let mut ids = Vec::new();
            collect(body, &place, &mut ids);
            let ids = ids.into_iter().filter(|id| id.to_ascii_lowercase().starts_with("/subscriptions/"));
            for id in ids {
                let is_known = |(own, held): &(&str, String)| own == action && held.eq_ignore_ascii_case(id);
                if !found.iter().any(is_known) {
                    found.push((action, id.to_owned()));
                }
            }
        }
    }
    found
}

fn collect<'a>(value: &'a Value, place: &[&str], found: &mut Vec<&'a str>) {
    match place {
        [] => found.extend(value.as_str()),
        ["*", rest @ ..] => value.as_array().into_iter().flatten().for_each(|own| collect(own, rest, found)),
        [key, rest @ ..] => collect(&value[*key], rest, found),
    }
}

/// 403 `LinkedAuthorizationFailed`, in Azure's words.
pub(crate) fn refusal(principal: &Principal, path: &ResourcePath, missing: &[(&str, String)]) -> ArmError {
    let actions: Vec<&str> = missing.iter().map(|(action, _)| *action).collect();
    let scopes: Vec<&str> = missing.iter().map(|(_, scope)| scope.as_str()).collect();
    let message = format!(
        "The client '{}' with object id '{}' has permission to perform action '{}/write' on scope '{}'; however, it does \
         not have permission to perform action(s) '{}' on the linked scope(s) '{}' (respectively) or the linked scope(s) \
         are invalid.",
        principal.name,
        principal.object_id,
        path.resource_type,
        path.id(),
        actions.join(","),
        scopes.join(",")
    );
    ArmError::new(403, "LinkedAuthorizationFailed", message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_found_wherever_a_type_keeps_them_and_named_once() {
        let subnet = json!({ "id": "/subscriptions/s/subnet" });
        let configuration = json!({ "properties": {
            "subnet": subnet,
            "loadBalancerBackendAddressPools": [{ "id": "/subscriptions/s/pool" }, { "id": "not an id" }],
        } });
        let interface = json!({ "properties": { "ipConfigurations": [configuration, configuration] } });
        let body = json!({ "properties": { "networkProfileConfiguration": {
            "networkInterfaceConfigurations": [interface],
        } } });
        let found = references(Kind::ScaleSetVm, &body);
        assert_eq!(found, [(SUBNET, "/subscriptions/s/subnet".to_owned()), (POOL, "/subscriptions/s/pool".to_owned())]);
        assert!(references(Kind::ScaleSet, &body).is_empty());
        assert!(references(Kind::PrivateLinkService, &json!([1, "x", null])).is_empty());
    }
}
