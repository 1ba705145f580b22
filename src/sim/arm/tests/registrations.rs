//! Subscriptions that are disabled or not registered, and tags of groups.

use super::*;

const CONSUMER_ID: &str = "00000000-0000-0000-0000-000000000002";

/// The example world with this added to the consumer's subscription.
fn consumer_with(knob: &str) -> Azure {
    let text =
        include_str!("../../../../examples/world.yaml").replace("name: consumer", &format!("name: consumer, {knob}"));
    let world = World::parse(&text).unwrap();
    Azure { arm: crate::sim::resource_manager(&world, &Clock::start()).unwrap(), world }
}

#[test]
fn a_disabled_subscription_can_be_read_but_not_written() {
    let azure = consumer_with("state: disabled");
    let subscription = format!("/subscriptions/{CONSUMER_ID}");
    assert_eq!(azure.get("privlink-apply", &subscription)["state"], "Disabled");
    azure.get("privlink-apply", consumer_subnet()["id"].as_str().unwrap());
    let group = format!("{CONSUMER}/rg-dns");
    for (method, path) in [
        ("PUT", endpoint("app")),
        ("DELETE", group.clone()),
        ("PATCH", format!("{group}/providers/Microsoft.Resources/tags/default")),
        ("POST", format!("{subscription}/providers/Microsoft.Network/register")),
    ] {
        let reply = azure.call("privlink-apply", (method, &path), Some(json!({})));
        refused(&reply, 409, "ReadOnlyDisabledSubscription");
    }
    refused(&azure.call("privlink-plan", ("DELETE", &group), None), 403, "AuthorizationFailed");
}

#[test]
fn a_provider_has_to_be_registered_before_its_resources_are_made() {
    let azure = consumer_with("not-registered: [microsoft.network]");
    let zone = format!("{CONSUMER}/rg-dns/providers/Microsoft.Network/privateDnsZones/new.internal");
    let make = || azure.call("privlink-apply", ("PUT", &zone), Some(json!({ "location": "global" })));
    refused(&make(), 409, "MissingSubscriptionRegistration");
    assert_eq!(make().body["error"]["details"][0]["code"], "MissingSubscriptionRegistration");
    let provider = format!("/subscriptions/{CONSUMER_ID}/providers/Microsoft.Network");
    let state = |own: &Value| own["registrationState"].as_str().unwrap().to_owned();
    assert_eq!(state(&azure.get("privlink-apply", &provider)), "NotRegistered");
    let register = format!("{provider}/register");
    refused(&azure.call("privlink-plan", ("POST", &register), None), 403, "AuthorizationFailed");
    assert_eq!(state(&azure.call("privlink-apply", ("POST", &register), None).body), "Registering");
    assert_eq!(state(&azure.get("privlink-apply", &provider)), "Registered");
    assert_eq!(make().status, 201);
}

#[test]
fn providers_serve_the_types_that_there_are() {
    let azure = consumer_with("not-registered: []");
    let base = format!("/subscriptions/{CONSUMER_ID}/providers");
    let network = azure.get("privlink-plan", &format!("{base}/microsoft.network"));
    assert_eq!(
        (&network["namespace"], &network["registrationState"]),
        (&json!("Microsoft.Network"), &json!("Registered"))
    );
    let types: Vec<&str> =
        network["resourceTypes"].as_array().unwrap().iter().map(|own| own["resourceType"].as_str().unwrap()).collect();
    assert!(types.contains(&"privateLinkServices/privateEndpointConnections") && !types.contains(&"managedClusters"));
    let all = azure.get("privlink-plan", &base);
    let graph =
        all["value"].as_array().unwrap().iter().find(|own| own["namespace"] == "Microsoft.ResourceGraph").unwrap();
    assert_eq!(graph["registrationPolicy"], "RegistrationFree");
    let unknown = azure.call("privlink-plan", ("GET", &format!("{base}/Contoso.Things")), None);
    refused(&unknown, 404, "InvalidResourceNamespace");
}

#[test]
fn a_group_has_tags_like_a_resource() {
    let arm = example();
    let group = format!("{PROVIDER}/RG-pls");
    let tags = format!("{group}/providers/Microsoft.Resources/tags/default");
    let change = |operation: &str, tags_sent: Value| {
        let body = json!({ "operation": operation, "properties": { "tags": tags_sent } });
        arm.call("PATCH", &tags, &[], Some(body)).body["properties"]["tags"].clone()
    };
    assert_eq!(change("Merge", json!({ "a": "1", "b": "2" })), json!({ "a": "1", "b": "2" }));
    assert_eq!(change("Delete", json!({ "a": "1" })), json!({ "b": "2" }));
    assert_eq!(get(&arm, &group)["tags"], json!({ "b": "2" }));
    refused(&arm.call("GET", &tags.replace("RG-pls", "nowhere"), &[], None), 404, "ResourceGroupNotFound");
}
