//! The rules, one by one, through [`Arm::call`].

use serde_json::{Value, json};

use super::{Arm, Reply};
use crate::sim::clock::Clock;
use crate::sim::fault::Fault;
use crate::sim::world::World;

const PROVIDER: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups";
const CONSUMER: &str = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups";
const FOREIGN: &str = "/subscriptions/00000000-0000-0000-0000-000000000003/resourceGroups";
const NODE_GROUP: &str = "MC_myResourceGroup_myAKSCluster_eastus2";

fn example() -> Arm {
    let world = World::parse(include_str!("../../../examples/world.yaml")).unwrap();
    crate::sim::resource_manager(&world, &Clock::start()).unwrap()
}

fn network(group: &str, rest: &str) -> String {
    format!("{PROVIDER}/{group}/providers/Microsoft.Network/{rest}")
}

fn subnet(name: &str) -> String {
    network(NODE_GROUP, &format!("virtualNetworks/aks-vnet/subnets/{name}"))
}

fn balancer() -> String {
    network(NODE_GROUP, "loadBalancers/kubernetes-internal")
}

fn service(name: &str) -> String {
    network("rg-pls", &format!("privateLinkServices/{name}"))
}

fn endpoint(name: &str) -> String {
    format!("{CONSUMER}/myOtherResourceGroup/providers/Microsoft.Network/privateEndpoints/{name}")
}

fn consumer_subnet() -> Value {
    let network = "myOtherResourceGroup/providers/Microsoft.Network/virtualNetworks/myOtherVNET";
    json!({ "id": format!("{CONSUMER}/{network}/subnets/pe-subnet") })
}

#[track_caller]
fn put(arm: &Arm, id: &str, body: Value) -> Value {
    let accepted = arm.call("PUT", id, &[], Some(body));
    let settled = arm.settle(&accepted);
    assert!(settled.is_success(), "PUT {id}: {settled:?}");
    settled.body
}

#[track_caller]
fn get(arm: &Arm, id: &str) -> Value {
    let reply = arm.call("GET", id, &[], None);
    assert_eq!(reply.status, 200, "GET {id}: {reply:?}");
    reply.body
}

#[track_caller]
fn delete(arm: &Arm, id: &str) {
    let accepted = arm.call("DELETE", id, &[], None);
    let settled = arm.settle(&accepted);
    assert!(settled.is_success(), "DELETE {id}: {settled:?}");
}

#[track_caller]
fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, reply.error_code()), (status, code), "{reply:?}");
}

fn frontend(name: &str, subnet_name: &str, address: Option<&str>) -> Value {
    let mut out = json!({ "name": name, "properties": { "subnet": { "id": subnet(subnet_name) } } });
    if let Some(address) = address {
        out["properties"]["privateIPAddress"] = address.into();
        out["properties"]["privateIPAllocationMethod"] = "Static".into();
    }
    out
}

fn with_frontends(frontends: &[Value]) -> Value {
    json!({ "location": "eastus2", "sku": { "name": "Standard" }, "properties": { "frontendIPConfigurations": frontends } })
}

fn policies_off(arm: &Arm) {
    let mut body = get(arm, &subnet("pls-subnet"));
    body["properties"]["privateLinkServiceNetworkPolicies"] = "Disabled".into();
    put(arm, &subnet("pls-subnet"), body);
}

fn service_on(frontend: &str, extra: Value) -> Value {
    let mut properties = json!({
        "loadBalancerFrontendIpConfigurations": [{ "id": format!("{}/frontendIPConfigurations/{frontend}", balancer()) }],
        "ipConfigurations": [{ "name": "nat-0", "properties": { "subnet": { "id": subnet("pls-subnet") } } }],
    });
    for (key, value) in extra.as_object().unwrap() {
        properties[key] = value.clone();
    }
    json!({ "location": "eastus2", "properties": properties })
}

/// A load balancer with frontend `a`, and service `orders` on it.
fn published(extra: Value) -> Arm {
    let arm = example();
    put(&arm, &balancer(), with_frontends(&[frontend("a", "aks-subnet", None)]));
    policies_off(&arm);
    put(&arm, &service("orders"), service_on("a", extra));
    arm
}

fn connect(list: &str, target: &str) -> Value {
    let connection = json!({
        "name": "orders",
        "properties": { "privateLinkServiceId": target, "requestMessage": "please" },
    });
    json!({ "location": "eastus2", "properties": { "subnet": consumer_subnet(), list: [connection] } })
}

const AUTOMATIC: &str = "privateLinkServiceConnections";
const MANUAL: &str = "manualPrivateLinkServiceConnections";

fn status_of(endpoint: &Value, list: &str) -> String {
    let state = &endpoint["properties"][list][0]["properties"]["privateLinkServiceConnectionState"]["status"];
    state.as_str().unwrap_or("none").to_owned()
}

// ---- requests --------------------------------------------------------------------------------------------------------

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
    let mut request = super::Request::internal("GET", &balancer(), &[], None);
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
    let text = include_str!("../../../examples/world.yaml").replace("{ polls: 2 }", "{ polls: 0, page-size: 2 }");
    let arm = crate::sim::resource_manager(&World::parse(&text).unwrap(), &Clock::start()).unwrap();
    let first = get(&arm, &network(NODE_GROUP, "virtualNetworks/aks-vnet/subnets"));
    assert_eq!(first["value"].as_array().unwrap().len(), 2);
    let next = first["nextLink"].as_str().unwrap().split(".invalid").nth(1).unwrap();
    let second = get(&arm, next);
    assert_eq!((second["value"].as_array().unwrap().len(), second.get("nextLink")), (1, None));
}

// ---- operations ------------------------------------------------------------------------------------------------------

#[test]
fn a_write_has_two_phases_and_two_etags() {
    let arm = example();
    let accepted = arm.call("PUT", &balancer(), &[], Some(with_frontends(&[frontend("a", "aks-subnet", None)])));
    assert_eq!((accepted.status, &accepted.body["properties"]["provisioningState"]), (201, &json!("Updating")));
    let url = accepted.header("Azure-AsyncOperation").unwrap().split(".invalid").nth(1).unwrap().to_owned();
    assert_eq!(get(&arm, &url)["status"], "InProgress");
    assert_eq!(get(&arm, &url)["status"], "Succeeded");
    let ended = get(&arm, &balancer());
    assert_eq!(ended["properties"]["provisioningState"], "Succeeded");
    assert_ne!(ended["etag"], accepted.body["etag"]);
    let again = arm.call("PUT", &balancer(), &[], Some(with_frontends(&[frontend("a", "aks-subnet", None)])));
    assert_eq!(again.status, 200, "an update is 200 and still not the end");
    assert!(again.header("azure-asyncoperation").is_some());
}

#[test]
fn a_resource_that_is_being_written_refuses_writes_and_lets_time_pass() {
    let arm = example();
    let body = with_frontends(&[frontend("a", "aks-subnet", None)]);
    arm.call("PUT", &balancer(), &[], Some(body.clone()));
    let busy = arm.call("PUT", &balancer(), &[], Some(body.clone()));
    refused(&busy, 429, "RetryableError");
    assert_eq!(busy.body["error"]["details"][0]["code"], "RetryableErrorDueToAnotherOperation");
    refused(&arm.call("DELETE", &balancer(), &[], None), 409, "AnotherOperationInProgress");
    assert_eq!(arm.call("PUT", &balancer(), &[], Some(body)).status, 200, "two refusals were two looks");
}

#[test]
fn a_reference_to_something_being_written_is_retryable() {
    let arm = example();
    put(&arm, &balancer(), with_frontends(&[frontend("a", "aks-subnet", None)]));
    policies_off(&arm);
    arm.call("PUT", &balancer(), &[], Some(with_frontends(&[frontend("a", "aks-subnet", None)])));
    let reply = arm.call("PUT", &service("orders"), &[], Some(service_on("a", json!({}))));
    refused(&reply, 429, "RetryableError");
    assert_eq!(reply.body["error"]["details"][0]["code"], "ReferencedResourceNotProvisioned");
}

#[test]
fn an_operation_can_fail_or_be_canceled_inside_a_200() {
    for (code, status) in
        [("AnotherOperationInProgress", "Failed"), ("CanceledAndSupersededDueToAnotherOperation", "Canceled")]
    {
        let arm = example();
        arm.faults().add(Fault {
            path: "loadBalancers".into(),
            method: Some("PUT".into()),
            code: code.into(),
            in_operation: true,
            times: Some(1),
            ..Fault::default()
        });
        let accepted = arm.call("PUT", &balancer(), &[], Some(with_frontends(&[])));
        let url = accepted.header("Azure-AsyncOperation").unwrap().split(".invalid").nth(1).unwrap().to_owned();
        get(&arm, &url);
        let ended = get(&arm, &url);
        assert_eq!((&ended["status"], &ended["error"]["code"]), (&json!(status), &json!(code)));
        assert_eq!(arm.settle(&accepted).error_code(), code);
        assert_eq!(get(&arm, &balancer())["properties"]["provisioningState"], status);
    }
}

#[test]
fn a_delete_is_202_then_gone_and_a_second_one_is_204() {
    let arm = example();
    put(&arm, &balancer(), with_frontends(&[]));
    let accepted = arm.call("DELETE", &balancer(), &[], None);
    assert_eq!((accepted.status, &accepted.body), (202, &Value::Null));
    let location = accepted.header("Location").unwrap().split(".invalid").nth(1).unwrap().to_owned();
    assert_eq!(arm.call("GET", &location, &[], None).status, 202);
    assert_eq!(get(&arm, &balancer())["properties"]["provisioningState"], "Deleting");
    assert_eq!(arm.call("GET", &location, &[], None).status, 204);
    refused(&arm.call("GET", &balancer(), &[], None), 404, "ResourceNotFound");
    assert_eq!(arm.call("DELETE", &balancer(), &[], None).status, 204);
}

#[test]
fn preconditions_hold_or_are_412() {
    let arm = example();
    let body = with_frontends(&[]);
    let held = put(&arm, &balancer(), body.clone());
    let etag = held["etag"].as_str().unwrap();
    refused(
        &arm.call("PUT", &balancer(), &[("If-Match", "W/\"stale\"")], Some(body.clone())),
        412,
        "PreconditionFailed",
    );
    refused(&arm.call("PUT", &balancer(), &[("If-None-Match", "*")], Some(body.clone())), 412, "PreconditionFailed");
    assert_eq!(arm.call("PUT", &balancer(), &[("If-Match", etag)], Some(body.clone())).status, 200);
    let absent = network(NODE_GROUP, "loadBalancers/other");
    refused(&arm.call("PUT", &absent, &[("If-Match", "*")], Some(body)), 412, "PreconditionFailed");
}

#[test]
fn wall_time_can_be_demanded_and_moved() {
    let text =
        include_str!("../../../examples/world.yaml").replace("{ polls: 2 }", "{ polls: 1, milliseconds: 60000 }");
    let clock = Clock::start();
    let arm = crate::sim::resource_manager(&World::parse(&text).unwrap(), &clock).unwrap();
    let accepted = arm.call("PUT", &balancer(), &[], Some(with_frontends(&[])));
    let url = accepted.header("Azure-AsyncOperation").unwrap().split(".invalid").nth(1).unwrap().to_owned();
    assert_eq!(get(&arm, &url)["status"], "InProgress");
    clock.advance(std::time::Duration::from_secs(61));
    assert_eq!(get(&arm, &url)["status"], "Succeeded");
}

// ---- load balancers --------------------------------------------------------------------------------------------------

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

// ---- subnets ---------------------------------------------------------------------------------------------------------

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

// ---- private link services -------------------------------------------------------------------------------------------

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

// ---- private endpoints -----------------------------------------------------------------------------------------------

#[test]
fn an_automatic_connection_in_the_same_tenant_is_approved_at_once() {
    let arm = published(json!({}));
    let before = get(&arm, &service("orders"))["etag"].clone();
    let held = put(&arm, &endpoint("app"), connect(AUTOMATIC, &service("orders")));
    assert_eq!(status_of(&held, AUTOMATIC), "Approved");
    let guid = held["properties"]["resourceGuid"].as_str().unwrap();
    let provider = get(&arm, &service("orders"));
    let connection = &provider["properties"]["privateEndpointConnections"][0];
    assert_eq!(connection["name"], format!("app.{guid}"));
    assert!(connection["properties"]["linkIdentifier"].as_str().unwrap().parse::<u32>().is_ok());
    assert_ne!(provider["etag"], before);
    let interface = get(&arm, held["properties"]["networkInterfaces"][0]["id"].as_str().unwrap());
    assert_eq!(interface["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"], "10.50.1.4");
}

#[test]
fn a_manual_connection_waits_for_the_provider_who_can_change_its_mind() {
    let arm = published(json!({}));
    let held = put(&arm, &endpoint("app"), connect(MANUAL, &service("orders")));
    assert_eq!(status_of(&held, MANUAL), "Pending");
    let connections = get(&arm, &format!("{}/privateEndpointConnections", service("orders")));
    let id = connections["value"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(connections["value"][0]["properties"]["privateLinkServiceConnectionState"]["description"], "please");
    for decision in ["Approved", "Rejected", "Approved"] {
        let before = get(&arm, &endpoint("app"))["etag"].clone();
        let body = json!({ "properties": { "privateLinkServiceConnectionState": { "status": decision } } });
        let accepted = arm.call("PUT", &id, &[], Some(body));
        assert_eq!((accepted.status, &accepted.body["properties"]["provisioningState"]), (200, &json!("Updating")));
        let state = arm.settle(&accepted).body["properties"]["privateLinkServiceConnectionState"].clone();
        assert_eq!(state, json!({ "status": decision, "description": "", "actionsRequired": "None" }));
        let held = get(&arm, &endpoint("app"));
        assert_eq!(status_of(&held, MANUAL), decision);
        assert_ne!(held["etag"], before);
    }
}

#[test]
fn auto_approval_approves_a_manual_connection_by_alias() {
    let consumer = json!(["00000000-0000-0000-0000-000000000002"]);
    let lists = json!({ "visibility": { "subscriptions": consumer }, "autoApproval": { "subscriptions": consumer } });
    let arm = published(lists);
    let alias = get(&arm, &service("orders"))["properties"]["alias"].as_str().unwrap().to_ascii_uppercase();
    refused(
        &arm.call("PUT", &endpoint("app"), &[], Some(connect(AUTOMATIC, &alias))),
        400,
        "InvalidPrivateLinkServiceId",
    );
    let held = put(&arm, &endpoint("app"), connect(MANUAL, &alias));
    assert_eq!(status_of(&held, MANUAL), "Approved");
    assert_eq!(held["properties"][MANUAL][0]["properties"]["privateLinkServiceId"], alias, "as it was sent");
    let listed = "/subscriptions/00000000-0000-0000-0000-000000000002/providers/Microsoft.Network/locations/eastus2";
    let listed = get(&arm, &format!("{listed}/autoApprovedPrivateLinkServices"));
    assert_eq!(listed["value"][0]["privateLinkService"], service("orders"));
}

#[test]
fn a_foreign_service_is_reached_by_alias_and_only_if_it_is_visible() {
    let arm = example();
    let foreign = format!("{FOREIGN}/rg-ledger/providers/Microsoft.Network/privateLinkServices/foreign-ledger");
    let alias = "foreign-ledger.5ca1ab1e-0000-4000-8000-00000000abcd.eastus2.azure.privatelinkservice";
    assert_eq!(get(&arm, &foreign)["properties"]["alias"], alias);
    refused(
        &arm.call("PUT", &endpoint("app"), &[], Some(connect(AUTOMATIC, &foreign))),
        403,
        "LinkedAuthorizationFailed",
    );
    assert_eq!(status_of(&put(&arm, &endpoint("app"), connect(MANUAL, alias)), MANUAL), "Pending");
    let check = |subscription: &str| {
        let place = "providers/Microsoft.Network/locations/eastus2/checkPrivateLinkServiceVisibility";
        let body = json!({ "privateLinkServiceAlias": alias });
        arm.call("POST", &format!("/subscriptions/{subscription}/{place}"), &[], Some(body)).body
    };
    assert_eq!(check("00000000-0000-0000-0000-000000000002"), json!({ "visible": true }));
    assert_eq!(check("00000000-0000-0000-0000-000000000001"), json!({ "visible": false }));
    let unseen = network(NODE_GROUP, "privateEndpoints/app");
    let mut body = connect(MANUAL, alias);
    body["properties"]["subnet"]["id"] = subnet("apps-subnet").into();
    refused(&arm.call("PUT", &unseen, &[], Some(body)), 400, "InvalidPrivateLinkServiceId");
}

#[test]
fn a_deleted_connection_disconnects_the_endpoint_for_good() {
    let arm = published(json!({}));
    put(&arm, &endpoint("app"), connect(AUTOMATIC, &service("orders")));
    refused(
        &arm.call("DELETE", &service("orders"), &[], None),
        400,
        "PrivateLinkServiceWithPrivateEndpointConnectionsCannotBeDeleted",
    );
    let connections = get(&arm, &format!("{}/privateEndpointConnections", service("orders")));
    let id = connections["value"][0]["id"].as_str().unwrap().to_owned();
    delete(&arm, &id);
    refused(&arm.call("GET", &id, &[], None), 404, "NotFound");
    assert_eq!(status_of(&get(&arm, &endpoint("app")), AUTOMATIC), "Disconnected");
    let again = put(&arm, &endpoint("app"), connect(AUTOMATIC, &service("orders")));
    assert_eq!(status_of(&again, AUTOMATIC), "Disconnected", "only a new endpoint connects again");
    delete(&arm, &service("orders"));
}

#[test]
fn deleting_an_endpoint_removes_its_connection_and_its_interface() {
    let arm = published(json!({}));
    let held = put(&arm, &endpoint("app"), connect(AUTOMATIC, &service("orders")));
    let interface = held["properties"]["networkInterfaces"][0]["id"].as_str().unwrap().to_owned();
    refused(&arm.call("DELETE", &interface, &[], None), 400, "ManagedNetworkInterfaceCannotBeModified");
    delete(&arm, &endpoint("app"));
    assert_eq!(get(&arm, &service("orders"))["properties"]["privateEndpointConnections"], json!([]));
    assert_eq!(arm.call("GET", &interface, &[], None).status, 404);
}

#[test]
fn what_decides_about_an_endpoint_never_changes() {
    let arm = published(json!({}));
    put(&arm, &endpoint("app"), connect(AUTOMATIC, &service("orders")));
    let refuse = |body: Value, code: &str| refused(&arm.call("PUT", &endpoint("app"), &[], Some(body)), 400, code);
    refuse(connect(MANUAL, &service("orders")), "PropertyChangeNotAllowed");
    refuse(connect(AUTOMATIC, &service("other")), "PropertyChangeNotAllowed");
    let mut body = connect(AUTOMATIC, &service("orders"));
    body["properties"]["subnet"]["id"] = subnet("apps-subnet").into();
    refuse(body, "CannotChangeSubnetOnExistingPrivateEndpoint");
    let mut body = connect(AUTOMATIC, &service("orders"));
    body["properties"]["customNetworkInterfaceName"] = "mine".into();
    refuse(body, "PropertyChangeNotAllowed");
    let mut body = connect(AUTOMATIC, &service("orders"));
    body["location"] = "westus".into();
    refused(&arm.call("PUT", &endpoint("app"), &[], Some(body)), 409, "InvalidResourceLocation");
    let mut tagged = connect(AUTOMATIC, &service("orders"));
    tagged["tags"] = json!({ "team": "shop" });
    assert_eq!(put(&arm, &endpoint("app"), tagged)["tags"], json!({ "team": "shop" }));
}

#[test]
fn an_endpoint_may_choose_address_and_interface_name() {
    let arm = published(json!({}));
    let mut body = connect(AUTOMATIC, &service("orders"));
    let address =
        json!([{ "name": "own", "properties": { "groupId": "", "memberName": "", "privateIPAddress": "10.50.1.20" } }]);
    body["properties"]["ipConfigurations"] = address;
    body["properties"]["customNetworkInterfaceName"] = "app-nic".into();
    let held = put(&arm, &endpoint("app"), body.clone());
    let interface = held["properties"]["networkInterfaces"][0]["id"].as_str().unwrap().to_owned();
    assert!(interface.ends_with("/networkInterfaces/app-nic"), "{interface}");
    let own = &get(&arm, &interface)["properties"]["ipConfigurations"][0]["properties"];
    assert_eq!((&own["privateIPAddress"], &own["privateIPAllocationMethod"]), (&json!("10.50.1.20"), &json!("Static")));
    body["properties"]["customNetworkInterfaceName"] = "".into();
    refused(&arm.call("PUT", &endpoint("other"), &[], Some(body)), 400, "PrivateIPAddressIsAllocated");
}

#[test]
fn a_connection_needs_a_name_and_there_is_only_one() {
    let arm = published(json!({}));
    let mut body = connect(AUTOMATIC, &service("orders"));
    body["properties"][AUTOMATIC][0].as_object_mut().unwrap().remove("name");
    refused(&arm.call("PUT", &endpoint("app"), &[], Some(body)), 400, "InvalidRequestFormat");
    let mut body = connect(AUTOMATIC, &service("orders"));
    body["properties"][MANUAL] = body["properties"][AUTOMATIC].clone();
    refused(&arm.call("PUT", &endpoint("app"), &[], Some(body)), 400, "InvalidRequestFormat");
    refused(
        &arm.call("PUT", &endpoint("app"), &[], Some(connect(AUTOMATIC, &service("nothing")))),
        400,
        "InvalidPrivateLinkServiceId",
    );
}

// ---- private DNS -----------------------------------------------------------------------------------------------------

fn zone() -> String {
    format!("{CONSUMER}/rg-dns/providers/Microsoft.Network/privateDnsZones/orders.internal")
}

#[test]
fn a_record_set_is_written_at_once_and_guarded_by_its_etag() {
    let arm = example();
    let id = format!("{}/A/app", zone());
    let body = |address: &str| json!({ "properties": { "ttl": 60, "aRecords": [{ "ipv4Address": address }] } });
    let made = arm.call("PUT", &id, &[("If-None-Match", "*")], Some(body("10.50.1.4")));
    assert_eq!((made.status, made.header("Azure-AsyncOperation")), (201, None));
    assert_eq!(made.body["properties"]["fqdn"], "app.orders.internal.");
    refused(&arm.call("PUT", &id, &[("If-None-Match", "*")], Some(body("10.50.1.5"))), 412, "PreconditionFailed");
    let etag = made.body["etag"].as_str().unwrap();
    assert!(!etag.contains('"'));
    assert_eq!(arm.call("PUT", &id, &[("If-Match", &format!("\"{etag}\""))], Some(body("10.50.1.5"))).status, 200);
    refused(&arm.call("DELETE", &id, &[("If-Match", etag)], None), 412, "PreconditionFailed");
    refused(&arm.call("PUT", &id, &[], Some(body("fd00::1"))), 400, "BadRequest");
    assert_eq!(get(&arm, &zone())["properties"]["numberOfRecordSets"], 2);
    assert_eq!(get(&arm, &format!("{}/ALL", zone()))["value"].as_array().unwrap().len(), 1);
    assert_eq!(arm.call("DELETE", &id, &[], None).status, 200);
    assert_eq!(arm.call("GET", &id, &[], None).status, 404);
}

#[test]
fn a_link_completes_with_its_operation_and_holds_the_zone() {
    let arm = example();
    let id = format!("{}/virtualNetworkLinks/own", zone());
    let network = format!("{CONSUMER}/myOtherResourceGroup/providers/Microsoft.Network/virtualNetworks/myOtherVNET");
    let body = json!({
        "location": "global",
        "properties": { "virtualNetwork": { "id": network }, "registrationEnabled": false },
    });
    let accepted = arm.call("PUT", &id, &[], Some(body.clone()));
    assert_eq!(accepted.body["properties"]["virtualNetworkLinkState"], "InProgress");
    assert!(accepted.header("Azure-AsyncOperation").unwrap().contains("privateDnsOperationStatuses"));
    assert_eq!(arm.settle(&accepted).body["properties"]["virtualNetworkLinkState"], "Completed");
    refused(&arm.call("PUT", &format!("{}/virtualNetworkLinks/twin", zone()), &[], Some(body)), 409, "Conflict");
    refused(&arm.call("DELETE", &zone(), &[], None), 409, "CannotDeleteResource");
    delete(&arm, &id);
    delete(&arm, &zone());
}

#[test]
fn a_zone_is_global() {
    let arm = example();
    let id = zone().replace("orders.internal", "other.internal");
    let local = arm.call("PUT", &id, &[], Some(json!({ "location": "eastus2" })));
    refused(&local, 400, "LocationNotAvailableForResourceType");
    refused(
        &arm.call("PUT", &id.replace("other.internal", "single"), &[], Some(json!({ "location": "global" }))),
        400,
        "BadRequest",
    );
    put(&arm, &id, json!({ "location": "global" }));
}

// ---- the rest --------------------------------------------------------------------------------------------------------

#[test]
fn a_resource_group_goes_with_everything_in_it() {
    let arm = published(json!({}));
    put(&arm, &endpoint("app"), connect(AUTOMATIC, &service("orders")));
    let group = format!("{PROVIDER}/rg-pls");
    assert_eq!(arm.call("HEAD", &group, &[], None).status, 204);
    delete(&arm, &group);
    assert_eq!(arm.call("HEAD", &group, &[], None).status, 404);
    assert_eq!(status_of(&get(&arm, &endpoint("app")), AUTOMATIC), "Disconnected");
}

#[test]
fn changes_behind_everybodys_back_break_rules() {
    let arm = published(json!({}));
    put(&arm, &endpoint("app"), connect(AUTOMATIC, &service("orders")));
    let before = get(&arm, &service("orders"));
    let mut changed = before.clone();
    changed["properties"]["enableProxyProtocol"] = true.into();
    assert!(arm.raw_put(&service("orders"), changed));
    let after = get(&arm, &service("orders"));
    assert_ne!(after["etag"], before["etag"]);
    assert_eq!(after["properties"]["enableProxyProtocol"], true);
    assert_eq!(after["properties"]["resourceGuid"], before["properties"]["resourceGuid"]);
    assert!(arm.raw_delete(&service("orders")));
    assert_eq!(status_of(&get(&arm, &endpoint("app")), AUTOMATIC), "Disconnected");
    assert!(!arm.raw_delete(&service("orders")));
}

#[test]
fn the_generic_list_filters_by_type() {
    let arm = published(json!({}));
    let base = "/subscriptions/00000000-0000-0000-0000-000000000001/resources";
    let filtered = get(&arm, &format!("{base}?$filter=resourceType%20eq%20'Microsoft.Network/loadBalancers'"));
    assert_eq!(filtered["value"][0]["name"], "kubernetes-internal");
    assert_eq!(filtered["value"].as_array().unwrap().len(), 1);
    assert!(get(&arm, base)["value"].as_array().unwrap().len() > 5);
}
