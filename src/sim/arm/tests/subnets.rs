//! Virtual networks and subnets.

use super::*;

#[test]
fn a_subnet_lives_in_its_network_and_shares_its_etag() {
    let arm = example();
    let vnet = network(NODE_GROUP, "virtualNetworks/aks-vnet");
    let before = get(&arm, &vnet)["etag"].clone();
    put(&arm, &subnet("extra"), json!({ "properties": { "addressPrefix": "10.226.1.0/24" } }));
    let whole = get(&arm, &vnet);
    assert_ne!(whole["etag"], before);
    assert_eq!(get(&arm, &subnet("extra"))["etag"], whole["etag"]);
    assert_eq!(whole["properties"]["subnets"].as_array().unwrap().len(), 4);
    delete(&arm, &subnet("extra"));
    assert_eq!(get(&arm, &vnet)["properties"]["subnets"].as_array().unwrap().len(), 3);
}

#[test]
fn ranges_that_overlap_or_lie_outside_are_refused() {
    let arm = example();
    let try_prefix = |prefix: &str| {
        arm.call("PUT", &subnet("extra"), &[], Some(json!({ "properties": { "addressPrefix": prefix } })))
    };
    refused(&try_prefix("10.225.0.0/26"), 400, "NetcfgSubnetRangesOverlap");
    refused(&try_prefix("10.50.0.0/24"), 400, "NetcfgInvalidSubnet");
    refused(&try_prefix("nonsense"), 400, "NetcfgInvalidSubnet");
}

#[test]
fn a_subnet_in_use_stays_and_keeps_its_policy_off() {
    let arm = published(json!({}));
    refused(&arm.call("DELETE", &subnet("pls-subnet"), &[], None), 400, "InUseSubnetCannotBeDeleted");
    refused(
        &arm.call("DELETE", &network(NODE_GROUP, "virtualNetworks/aks-vnet"), &[], None),
        400,
        "InUseSubnetCannotBeDeleted",
    );
    let mut body = get(&arm, &subnet("pls-subnet"));
    body["properties"]["privateLinkServiceNetworkPolicies"] = "Enabled".into();
    refused(
        &arm.call("PUT", &subnet("pls-subnet"), &[], Some(body)),
        400,
        "PrivateLinkServiceNetworkPoliciesCannotBeEnabledOnPrivateLinkServiceSubnet",
    );
}

#[test]
fn availability_of_an_address_can_be_asked() {
    let arm = example();
    let ask = |address: &str| {
        let action = format!("virtualNetworks/aks-vnet/checkIPAddressAvailability?ipAddress={address}");
        arm.call("GET", &network(NODE_GROUP, &action), &[], None)
    };
    assert_eq!(ask("10.224.0.9").body, json!({ "available": true, "isPlatformReserved": false }));
    let taken = ask("10.224.0.4").body;
    assert_eq!(taken["available"], false);
    assert_eq!(taken["availableIPAddresses"][0], "10.224.0.5");
    assert_eq!(ask("10.224.0.1").body["isPlatformReserved"], true);
    refused(&ask("192.0.2.1"), 400, "PrivateIPAddressNotInAnySubnet");
}
