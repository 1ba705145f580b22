//! Groups, lists, and changes behind everybody's back.

use super::*;

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

#[test]
fn regions_have_names_whatever_they_are_called() {
    let arm = example();
    let base = "/subscriptions/00000000-0000-0000-0000-000000000001";
    put(&arm, &format!("{base}/resourceGroups/odd"), json!({ "location": "\u{fc}bersee 3" }));
    let locations = get(&arm, &format!("{base}/locations"));
    assert_eq!(locations["value"][0]["displayName"], "East US 2");
    assert_eq!(locations["value"].as_array().unwrap().len(), 2);
}
