//! Load balancers, their frontends and public addresses.

use super::*;

#[test]
fn a_dynamic_frontend_gets_the_first_free_address_and_keeps_it() {
    let arm = example();
    let held = put(&arm, &balancer(), with_frontends(&[frontend("a", "aks-subnet", None)]));
    let own = &held["properties"]["frontendIPConfigurations"][0]["properties"];
    assert_eq!(own["privateIPAddress"], "10.224.0.5", "the node has .4");
    assert_eq!(own["privateIPAllocationMethod"], "Dynamic");
    let both = [frontend("b", "aks-subnet", Some("10.224.0.6")), frontend("a", "aks-subnet", None)];
    let held = put(&arm, &balancer(), with_frontends(&both));
    assert_eq!(held["properties"]["frontendIPConfigurations"][1]["properties"]["privateIPAddress"], "10.224.0.5");
}

#[test]
fn static_addresses_are_checked_with_azures_codes() {
    let arm = example();
    let cases = [
        ("10.226.0.9", "PrivateIPAddressNotInSubnet"),
        ("10.225.0.3", "PrivateIPAddressInReservedRange"),
        ("10.225.0.255", "PrivateIPAddressInReservedRange"),
    ];
    for (address, code) in cases {
        let reply =
            arm.call("PUT", &balancer(), &[], Some(with_frontends(&[frontend("a", "apps-subnet", Some(address))])));
        refused(&reply, 400, code);
    }
    let twice = [frontend("a", "apps-subnet", Some("10.225.0.9")), frontend("b", "apps-subnet", Some("10.225.0.9"))];
    let reply = arm.call("PUT", &balancer(), &[], Some(with_frontends(&twice)));
    refused(&reply, 400, "MultipleIpConfigsRequestSamePrivateIpAddress");
    let node =
        arm.call("PUT", &balancer(), &[], Some(with_frontends(&[frontend("a", "aks-subnet", Some("10.224.0.4"))])));
    refused(&node, 400, "PrivateIPAddressIsAllocated");
    refused(&arm.call("GET", &balancer(), &[], None), 404, "ResourceNotFound");
}

#[test]
fn a_full_subnet_is_full() {
    let arm = example();
    let small = json!({ "properties": { "addressPrefix": "10.226.0.0/29" } });
    put(&arm, &subnet("small"), small);
    let three: Vec<Value> = ["a", "b", "c"].iter().map(|name| frontend(name, "small", None)).collect();
    put(&arm, &balancer(), with_frontends(&three));
    let other = network(NODE_GROUP, "loadBalancers/other");
    refused(&arm.call("PUT", &other, &[], Some(with_frontends(&[frontend("d", "small", None)]))), 400, "SubnetIsFull");
}

#[test]
fn a_dual_stack_subnet_gives_addresses_of_both_families() {
    let arm = example();
    let space = json!(["10.224.0.0/12", "fd00:10::/48"]);
    let mut whole = get(&arm, &network(NODE_GROUP, "virtualNetworks/aks-vnet"));
    whole["properties"]["addressSpace"]["addressPrefixes"] = space;
    put(&arm, &network(NODE_GROUP, "virtualNetworks/aks-vnet"), whole);
    put(&arm, &subnet("dual"), json!({ "properties": { "addressPrefixes": ["10.227.0.0/24", "fd00:10:0:1::/64"] } }));
    let mut v6 = frontend("b", "dual", None);
    v6["properties"]["privateIPAddressVersion"] = "IPv6".into();
    let held = put(&arm, &balancer(), with_frontends(&[frontend("a", "dual", None), v6.clone()]));
    let addresses: Vec<&Value> = held["properties"]["frontendIPConfigurations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|own| &own["properties"]["privateIPAddress"])
        .collect();
    assert_eq!(addresses, ["10.227.0.4", "fd00:10:0:1::4"]);
    v6["properties"]["subnet"]["id"] = subnet("aks-subnet").into();
    refused(&arm.call("PUT", &balancer(), &[], Some(with_frontends(&[v6]))), 400, "NetcfgInvalidSubnet");
}

#[test]
fn rules_must_name_what_exists_and_parts_say_who_uses_them() {
    let arm = example();
    let id = balancer().to_ascii_lowercase();
    let rule = |frontend: &str| {
        json!({
            "name": "tcp-80",
            "properties": {
                "protocol": "Tcp", "frontendPort": 80, "backendPort": 80,
                "frontendIPConfiguration": { "id": format!("{id}/frontendIpConfigurations/{frontend}") },
            },
        })
    };
    let mut body = with_frontends(&[frontend("a", "aks-subnet", None)]);
    body["properties"]["loadBalancingRules"] = json!([rule("nothing")]);
    refused(&arm.call("PUT", &balancer(), &[], Some(body.clone())), 400, "InvalidResourceReference");
    body["properties"]["loadBalancingRules"] = json!([rule("a")]);
    let held = put(&arm, &balancer(), body.clone());
    let used_by = &held["properties"]["frontendIPConfigurations"][0]["properties"]["loadBalancingRules"][0]["id"];
    assert_eq!(*used_by, format!("{}/loadBalancingRules/tcp-80", balancer()));
    let mut other = rule("a");
    other["name"] = "again".into();
    body["properties"]["loadBalancingRules"] = json!([rule("a"), other]);
    refused(&arm.call("PUT", &balancer(), &[], Some(body)), 400, "RulesUseSameFrontendPortProtocolAndIPConfig");
}

#[test]
fn a_frontend_with_a_subnet_that_is_not_there_or_with_two_homes_is_refused() {
    let arm = example();
    let reply = arm.call("PUT", &balancer(), &[], Some(with_frontends(&[frontend("a", "nowhere", None)])));
    refused(&reply, 400, "InvalidResourceReference");
    let mut both = frontend("a", "aks-subnet", None);
    both["properties"]["publicIPAddress"] = json!({ "id": network(NODE_GROUP, "publicIPAddresses/p") });
    let reply = arm.call("PUT", &balancer(), &[], Some(with_frontends(&[both])));
    refused(&reply, 400, "FrontendIPConfigHasBothSubnetAndPublicIP");
}

#[test]
fn machines_in_a_pool_are_shown_on_it_and_keep_the_rest_of_their_body() {
    let arm = example();
    let mut body = with_frontends(&[]);
    body["properties"]["backendAddressPools"] = json!([{ "name": "kubernetes", "properties": {} }]);
    put(&arm, &balancer(), body);
    let machine = format!(
        "{PROVIDER}/{NODE_GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/aks-nodepool1-12345678-vmss/virtualMachines/0"
    );
    let mut profile = get(&arm, &machine)["properties"]["networkProfileConfiguration"].clone();
    profile["networkInterfaceConfigurations"][0]["properties"]["ipConfigurations"][0]["properties"]["loadBalancerBackendAddressPools"] =
        json!([{ "id": format!("{}/backendAddressPools/kubernetes", balancer()) }]);
    let held =
        put(&arm, &machine, json!({ "location": "eastus2", "properties": { "networkProfileConfiguration": profile } }));
    assert_eq!(held["properties"]["osProfile"]["computerName"], "aks-nodepool1-12345678-vmss000000");
    let members =
        &get(&arm, &balancer())["properties"]["backendAddressPools"][0]["properties"]["backendIPConfigurations"];
    let expected = format!("{machine}/networkInterfaces/aks-nodepool1-12345678-vmss/ipConfigurations/ipconfig1");
    assert_eq!(members[0]["id"], expected);
}

#[test]
fn a_public_address_is_handed_out_kept_and_held_by_its_frontend() {
    let arm = example();
    let id = network(NODE_GROUP, "publicIPAddresses/web");
    let body = json!({ "location": "eastus2", "sku": { "name": "Standard" }, "properties": {} });
    let held = put(&arm, &id, body.clone());
    assert_eq!(put(&arm, &id, body)["properties"]["ipAddress"], held["properties"]["ipAddress"]);
    let public = json!({ "name": "web", "properties": { "publicIPAddress": { "id": id } } });
    put(&arm, &balancer(), with_frontends(&[public]));
    let user = format!("{}/frontendIPConfigurations/web", balancer());
    assert_eq!(get(&arm, &id)["properties"]["ipConfiguration"]["id"], user);
    refused(&arm.call("DELETE", &id, &[], None), 400, "PublicIPAddressCannotBeDeleted");
    delete(&arm, &balancer());
    delete(&arm, &id);
}
