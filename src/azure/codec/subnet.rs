//! Subnets, read out of their virtual networks.

use serde_json::Value as Json;
use serde_json::json;

use crate::azure::codec::Malformed;
use crate::azure::codec::base;
use crate::azure::codec::items;
use crate::azure::codec::parsed;
use crate::azure::codec::provisioning;
use crate::azure::codec::required;
use crate::azure::codec::seen;
use crate::azure::codec::text;
use crate::azure::codec::texts;
use crate::domain::cidr::Cidr;
use crate::domain::resource::Seen;
use crate::domain::resource::subnet::LiveSubnet;

/// Reads the subnets of a virtual network.
pub(crate) fn of_network(network: &Json) -> Result<Vec<LiveSubnet>, Malformed> {
    items(network, "/properties/subnets")?.iter().map(decode).collect()
}

/// Reads a subnet.
pub(crate) fn decode(body: &Json) -> Result<LiveSubnet, Malformed> {
    // One of the two comes back, depending on how it was set.
    let mut prefixes: Vec<Cidr> = texts(body, "/properties/addressPrefixes")?;
    if prefixes.is_empty() {
        prefixes.extend(parsed::<Cidr>(body, "/properties/addressPrefix")?);
    }
    let policy = text(body, "/properties/privateLinkServiceNetworkPolicies").unwrap_or("Enabled");
    Ok(LiveSubnet {
        id: required(body, "/id")?,
        prefixes,
        policy_enabled: !policy.eq_ignore_ascii_case("Disabled"),
        provisioning: provisioning(body),
        seen: seen(body)?,
    })
}

/// Writes the subnet as it was seen, with the policy switched off.
///
/// There is no PATCH: a property left out (a network security group, a route table) would be removed.
pub(crate) fn encode(seen: &Seen) -> Json {
    let computed = [
        "ipConfigurationProfiles",
        "ipConfigurations",
        "privateEndpoints",
        "purpose",
        "resourceNavigationLinks",
        "serviceAssociationLinks",
    ];
    let mut body = base(Some(seen), &computed);
    body["properties"]["privateLinkServiceNetworkPolicies"] = json!("Disabled");
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_switches_the_policy_and_keeps_the_rest() {
        let id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/\
                  Microsoft.Network/virtualNetworks/v/subnets/nat";
        let network = json!({"properties": {"subnets": [{"id": id, "etag": "W/\"1\"", "properties": {
            "addressPrefix": "10.0.1.0/24", "networkSecurityGroup": {"id": "nsg"}, "ipConfigurations": [{"id": "x"}]}}]}});
        let subnets = of_network(&network).unwrap();
        assert!(subnets[0].policy_enabled);
        assert_eq!(subnets[0].prefixes, ["10.0.1.0/24".parse().unwrap()]);
        let body = encode(&subnets[0].seen);
        assert_eq!(
            body["properties"],
            json!({"addressPrefix": "10.0.1.0/24", "networkSecurityGroup": {"id": "nsg"},
                   "privateLinkServiceNetworkPolicies": "Disabled"})
        );
        assert!(!decode(&body).unwrap().policy_enabled);
    }
}
