//! Routing, api-versions, subscriptions and pages.

use super::*;

#[test]
fn a_group_that_is_not_there_is_404_and_any_spelling_of_one_that_is_finds_it() {
    let arm = example();
    refused(&arm.call("GET", &network("nothing", "loadBalancers/x"), &[], None), 404, "ResourceGroupNotFound");
    refused(&arm.call("GET", &balancer(), &[], None), 404, "ResourceNotFound");
    let id = subnet("AKS-SUBNET").to_ascii_lowercase();
    assert_eq!(get(&arm, &id)["id"], subnet("aks-subnet"));
    let list = get(&arm, &network("mc_myresourcegroup_myakscluster_eastus2", "privatelinkservices"));
    assert_eq!(list, json!({ "value": [] }));
}

#[test]
fn a_request_needs_an_api_version_and_any_will_do() {
    let arm = example();
    let mut request = crate::sim::arm::Request::internal("GET", &balancer(), &[], None);
    refused(&arm.answer(&request), 400, "MissingApiVersionParameter");
    request.query.insert("api-version".into(), "1999-01-01".into());
    refused(&arm.answer(&request), 404, "ResourceNotFound");
}

#[test]
fn an_unknown_subscription_is_not_found() {
    let id = "/subscriptions/00000000-0000-0000-0000-00000000dead/resourceGroups/x";
    refused(&example().call("GET", id, &[], None), 404, "SubscriptionNotFound");
}

#[test]
fn lists_are_cut_into_pages_with_absolute_links() {
    let text = include_str!("../../../../examples/world.yaml").replace("{ polls: 2 }", "{ polls: 0, page-size: 2 }");
    let arm = crate::sim::resource_manager(&World::parse(&text).unwrap(), &Clock::start()).unwrap();
    let first = get(&arm, &network(NODE_GROUP, "virtualNetworks/aks-vnet/subnets"));
    assert_eq!(first["value"].as_array().unwrap().len(), 2);
    let next = first["nextLink"].as_str().unwrap().split(".invalid").nth(1).unwrap();
    let second = get(&arm, next);
    assert_eq!((second["value"].as_array().unwrap().len(), second.get("nextLink")), (1, None));
}
