//! Private endpoints and their connections.

use super::*;

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
    let azure = Azure::with("");
    let foreign = format!("{FOREIGN}/rg-ledger/providers/Microsoft.Network/privateLinkServices/foreign-ledger");
    let alias = "foreign-ledger.5ca1ab1e-0000-4000-8000-00000000abcd.eastus2.azure.privatelinkservice";
    assert_eq!(get(&azure.arm, &foreign)["properties"]["alias"], alias);
    let apply = |method: &str, path: &str, body: Value| azure.call("privlink-apply", (method, path), Some(body));
    let refusal = apply("PUT", &endpoint("app"), connect(AUTOMATIC, &foreign));
    refused(&refusal, 403, "LinkedAuthorizationFailed");
    let message = refusal.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("PrivateEndpointConnectionsApproval/action") && message.contains(&foreign), "{message}");
    let accepted = azure.arm.settle(&apply("PUT", &endpoint("app"), connect(MANUAL, alias)));
    assert_eq!(status_of(&accepted.body, MANUAL), "Pending");
    let check = |subscription: &str| {
        let place = "providers/Microsoft.Network/locations/eastus2/checkPrivateLinkServiceVisibility";
        let body = json!({ "privateLinkServiceAlias": alias });
        apply("POST", &format!("/subscriptions/{subscription}/{place}"), body).body
    };
    assert_eq!(check("00000000-0000-0000-0000-000000000002"), json!({ "visible": true }));
    assert_eq!(check("00000000-0000-0000-0000-000000000001"), json!({ "visible": false }));
    let unseen = network(NODE_GROUP, "privateEndpoints/app");
    let mut body = connect(MANUAL, alias);
    body["properties"]["subnet"]["id"] = subnet("apps-subnet").into();
    refused(&apply("PUT", &unseen, body), 400, "InvalidPrivateLinkServiceId");
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
