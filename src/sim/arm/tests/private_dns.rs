//! Private DNS.

use super::*;

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
    let all = get(&arm, &format!("{}/ALL", zone()));
    let types: Vec<&Value> = all["value"].as_array().unwrap().iter().map(|own| &own["type"]).collect();
    assert_eq!(types, ["Microsoft.Network/privateDnsZones/A", "Microsoft.Network/privateDnsZones/SOA"]);
    refused(&arm.call("DELETE", &format!("{}/SOA/@", zone()), &[], None), 400, "BadRequest");
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
