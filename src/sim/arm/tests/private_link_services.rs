//! Private Link Services.

use super::*;

#[test]
fn a_service_is_filled_in_as_azure_does() {
    let arm = example();
    put(&arm, &balancer(), with_frontends(&[frontend("a", "aks-subnet", None)]));
    policies_off(&arm);
    let before = (get(&arm, &balancer())["etag"].clone(), get(&arm, &subnet("pls-subnet"))["etag"].clone());
    let held = put(&arm, &service("Orders"), service_on("a", json!({})));
    let own = &held["properties"];
    let alias = own["alias"].as_str().unwrap();
    assert!(alias.starts_with("orders.") && alias.ends_with(".eastus2.azure.privatelinkservice"), "{alias}");
    assert_eq!((&own["fqdns"], &own["enableProxyProtocol"]), (&json!([]), &json!(false)));
    assert_eq!((own.get("visibility"), held.get("tags")), (None, None));
    let nat = &own["ipConfigurations"][0]["properties"];
    assert_eq!((&nat["primary"], &nat["privateIPAllocationMethod"]), (&json!(true), &json!("Dynamic")));
    assert_eq!(nat.get("privateIPAddress"), None, "a dynamic address is on the interface only");
    let interface = get(&arm, own["networkInterfaces"][0]["id"].as_str().unwrap());
    assert_eq!(interface["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"], "10.225.1.4");
    let after = (get(&arm, &balancer())["etag"].clone(), get(&arm, &subnet("pls-subnet"))["etag"].clone());
    assert!(before.0 != after.0 && before.1 != after.1, "load balancer and subnet have new etags");
    let users = &get(&arm, &subnet("pls-subnet"))["properties"]["ipConfigurations"];
    assert_eq!(users.as_array().unwrap().len(), 1);
}

#[test]
fn a_rebuilt_service_has_another_alias_and_an_updated_one_the_same() {
    let arm = published(json!({}));
    let first = get(&arm, &service("orders"))["properties"]["alias"].clone();
    let updated = put(&arm, &service("orders"), service_on("a", json!({ "enableProxyProtocol": true })));
    assert_eq!(updated["properties"]["alias"], first);
    delete(&arm, &service("orders"));
    let rebuilt = put(&arm, &service("orders"), service_on("a", json!({})));
    assert_ne!(rebuilt["properties"]["alias"], first);
    let same_seed = published(json!({}));
    assert_eq!(get(&same_seed, &service("orders"))["properties"]["alias"], first, "the seed decides");
}

#[test]
fn a_subnet_with_policies_is_refused() {
    let arm = example();
    put(&arm, &balancer(), with_frontends(&[frontend("a", "aks-subnet", None)]));
    refused(
        &arm.call("PUT", &service("orders"), &[], Some(service_on("a", json!({})))),
        400,
        "PrivateLinkServiceCannotBeCreatedInSubnetThatHasNetworkPoliciesEnabled",
    );
}

#[test]
fn a_service_needs_one_free_frontend_of_a_fitting_load_balancer() {
    let arm = published(json!({}));
    let try_put = |name: &str, body: Value| arm.call("PUT", &service(name), &[], Some(body));
    let number = "InvalidNumberOfPrivateLinkServiceLoadBalancerFrontendIpConfigurationsSpecified";
    refused(&try_put("x", service_on("a", json!({ "loadBalancerFrontendIpConfigurations": [] }))), 400, number);
    refused(&try_put("x", service_on("nothing", json!({}))), 400, "InvalidResourceReference");
    refused(&try_put("x", service_on("a", json!({}))), 400, "FrontendIPConfigurationAlreadyUsedByPrivateLinkService");
    refused(&try_put("x.", service_on("a", json!({}))), 400, "InvalidResourceName");
    refused(
        &try_put("orders", service_on("a", json!({ "ipConfigurations": [] }))),
        400,
        "InvalidNumberOfPrivateLinkServiceIpConfigurationsSpecified",
    );
}

#[test]
fn a_load_balancer_carries_eight_services() {
    let arm = example();
    let names: Vec<String> = (0..9).map(|index| format!("f{index}")).collect();
    let frontends: Vec<Value> = names.iter().map(|name| frontend(name, "aks-subnet", None)).collect();
    put(&arm, &balancer(), with_frontends(&frontends));
    policies_off(&arm);
    for name in &names[..8] {
        put(&arm, &service(name), service_on(name, json!({})));
    }
    let ninth = arm.call("PUT", &service("f8"), &[], Some(service_on("f8", json!({}))));
    refused(&ninth, 400, "PrivateLinkServicesPerLoadBalancerLimitReached");
}

#[test]
fn auto_approval_is_a_part_of_visibility() {
    let arm = published(json!({}));
    let lists = |visible: &[&str], approved: &[&str]| {
        let extra =
            json!({ "visibility": { "subscriptions": visible }, "autoApproval": { "subscriptions": approved } });
        arm.call("PUT", &service("orders"), &[], Some(service_on("a", extra)))
    };
    let own = "00000000-0000-0000-0000-000000000002";
    refused(&lists(&[], &[own]), 400, "PrivateLinkServiceAutoApprovalNotSubsetOfVisibility");
    refused(&lists(&["everybody"], &[]), 400, "InvalidRequestFormat");
    assert!(arm.settle(&lists(&["*"], &[own])).is_success());
}

#[test]
fn what_a_service_uses_cannot_be_deleted_or_moved() {
    let arm = published(json!({}));
    refused(&arm.call("DELETE", &balancer(), &[], None), 400, "CannotDeleteLoadBalancerWithPrivateLinkService");
    let gone = arm.call("PUT", &balancer(), &[], Some(with_frontends(&[])));
    refused(&gone, 400, "InUseFrontendIPConfigurationCannotBeDeleted");
    let moved = arm.call("PUT", &balancer(), &[], Some(with_frontends(&[frontend("a", "apps-subnet", None)])));
    refused(&moved, 400, "InUseFrontendIPConfigurationCannotBeDeleted");
    delete(&arm, &service("orders"));
    delete(&arm, &balancer());
}

#[test]
fn a_patch_on_a_service_is_refused_and_tags_go_their_own_way() {
    let arm = published(json!({}));
    refused(&arm.call("PATCH", &service("orders"), &[], Some(json!({ "tags": {} }))), 405, "MethodNotAllowed");
    let tags = format!("{}/providers/Microsoft.Resources/tags/default", service("orders"));
    let merge = json!({ "operation": "Merge", "properties": { "tags": { "team": "shop" } } });
    assert_eq!(arm.call("PATCH", &tags, &[], Some(merge)).status, 200);
    assert_eq!(get(&arm, &service("orders"))["tags"], json!({ "team": "shop" }));
    let put_without = put(&arm, &service("orders"), service_on("a", json!({})));
    assert_eq!(put_without.get("tags"), None, "a PUT replaces");
}

#[test]
fn nat_addresses_can_be_added_and_replaced_but_not_removed() {
    let nat = |name: &str| json!({ "name": name, "properties": { "subnet": { "id": subnet("pls-subnet") } } });
    let with = |names: &[&str]| {
        service_on("a", json!({ "ipConfigurations": names.iter().map(|name| nat(name)).collect::<Vec<_>>() }))
    };
    let arm = published(json!({ "ipConfigurations": [nat("one")] }));
    put(&arm, &service("orders"), with(&["one", "two"]));
    put(&arm, &service("orders"), with(&["one", "three"]));
    let fewer = arm.call("PUT", &service("orders"), &[], Some(with(&["one"])));
    refused(&fewer, 400, "PrivateLinkServiceIpConfigurationsCannotBeRemoved");
}
