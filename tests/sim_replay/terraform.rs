//! Terraform's provider for Azure (5.2): every resource is looked for before it is made, and after it is deleted.

use serde_json::{Value, json};

use super::client::{Condition, Replay, SUBSCRIPTION};

const GROUP: &str = "rg-terraform";

fn network(path: &str) -> String {
    format!("{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Network/{path}")
}

fn subnet(name: &str) -> String {
    network(&format!("virtualNetworks/vnet/subnets/{name}"))
}

/// Looks, makes, looks again.
async fn make(replay: &Replay, path: &str, body: Value) -> Value {
    assert_eq!(replay.missing(path).await, if path.contains("/subnets/") { "NotFound" } else { "ResourceNotFound" });
    let made = replay.put(path, (Condition::None, body), 201).await;
    assert_eq!(replay.get(path).await, made, "nothing has changed since: {path}");
    made
}

/// What the provider demands of a cloud before it believes that it is one.
async fn discover(replay: &mut Replay) {
    let cloud = replay.metadata("2022-09-01").await;
    assert_eq!(cloud["authentication"]["identityProvider"], "AAD");
    assert_eq!(cloud["authentication"]["tenant"], "common");
    for needed in ["name", "resourceManager", "microsoftGraphResourceId"] {
        assert!(cloud[needed].as_str().is_some_and(|text| !text.is_empty()), "{needed}");
    }
    for needed in ["keyVaultDns", "storage"] {
        assert!(cloud["suffixes"][needed].is_string(), "{needed}");
    }
    let login = cloud["authentication"]["loginEndpoint"].as_str().unwrap().to_owned();
    assert!(!login.ends_with('/'), "Terraform puts its own slash behind {login}");
    // A token for the directory first, for what is in it, then one for the resource manager.
    let graph = format!("{}.default", cloud["microsoftGraphResourceId"].as_str().unwrap());
    let token = replay.sign_in(&login, &graph).await;
    assert_eq!(token["access_token"].as_str().unwrap().split('.').count(), 3);
    assert!(token["expires_in"].is_number());
    replay.sign_in(&login, &format!("{}.default", cloud["resourceManager"].as_str().unwrap())).await;
}

#[tokio::test]
async fn a_network_with_a_published_service_is_made_planned_and_destroyed() {
    let mut replay = Replay::start(false).await;
    discover(&mut replay).await;
    let group = format!("{SUBSCRIPTION}/resourceGroups/{GROUP}");
    assert_eq!(replay.missing(&group).await, "ResourceGroupNotFound");
    let made = replay.put_at_once(&group, json!({"location": "eastus2", "tags": {}})).await;
    assert_eq!(made["properties"]["provisioningState"], "Succeeded");
    let space = json!({"addressPrefixes": ["10.70.0.0/16"]});
    let body = json!({"location": "eastus2", "properties": {"addressSpace": space, "subnets": []}});
    make(&replay, &network("virtualNetworks/vnet"), body).await;
    for (name, prefix) in [("services", "10.70.0.0/24"), ("endpoints", "10.70.1.0/24")] {
        let policies = json!({"addressPrefixes": [prefix], "privateLinkServiceNetworkPolicies": "Disabled"});
        make(&replay, &subnet(name), json!({"properties": policies})).await;
        // The provider reads the subnet through its network too, and both have to say the same.
        let whole = replay.get(&network("virtualNetworks/vnet")).await;
        let inside = whole["properties"]["subnets"].as_array().unwrap().iter().find(|own| own["name"] == name).unwrap();
        assert_eq!(*inside, replay.get(&subnet(name)).await);
    }
    publish(&replay).await;
    let first = planned(&replay).await;
    assert_eq!(planned(&replay).await, first, "a second plan sees no drift");
    destroy(&replay, &group).await;
    replay.stop().await;
}

async fn publish(replay: &Replay) {
    let frontend = json!({"name": "front", "properties": {
        "subnet": {"id": subnet("services")}, "privateIPAllocationMethod": "Dynamic", "privateIPAddressVersion": "IPv4",
    }});
    let body = json!({"location": "eastus2", "sku": {"name": "Standard", "tier": "Regional"},
        "properties": {"frontendIPConfigurations": [frontend]}});
    let balancer = make(replay, &network("loadBalancers/lb"), body).await;
    let frontend = balancer["properties"]["frontendIPConfigurations"][0]["id"].clone();
    let nat = json!({"name": "primary", "properties": {
        "primary": true, "privateIPAddressVersion": "IPv4", "subnet": {"id": subnet("services")}, "privateIPAllocationMethod": "Dynamic",
    }});
    let body = json!({"location": "eastus2", "properties": {
        "loadBalancerFrontendIpConfigurations": [{"id": frontend}], "ipConfigurations": [nat],
        "enableProxyProtocol": false, "fqdns": [], "autoApproval": {"subscriptions": []}, "visibility": {"subscriptions": []},
    }});
    let service = make(replay, &network("privateLinkServices/pls"), body).await;
    let connection =
        json!({"name": "connection", "properties": {"privateLinkServiceId": service["id"], "groupIds": []}});
    let body = json!({"location": "eastus2", "properties": {
        "subnet": {"id": subnet("endpoints")}, "privateLinkServiceConnections": [connection],
        "manualPrivateLinkServiceConnections": [], "ipConfigurations": [], "customNetworkInterfaceName": "",
    }});
    let endpoint = make(replay, &network("privateEndpoints/pe"), body).await;
    let interface = endpoint["properties"]["networkInterfaces"][0]["id"].as_str().unwrap();
    let interface = replay.get(interface).await;
    assert!(interface["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"].is_string());
    assert!(replay.list(&network("privateEndpoints/pe/privateDnsZoneGroups")).await.is_empty());
}

/// What a refresh reads.
async fn planned(replay: &Replay) -> Vec<Value> {
    let mut state = Vec::new();
    for path in ["virtualNetworks/vnet", "loadBalancers/lb", "privateLinkServices/pls", "privateEndpoints/pe"] {
        state.push(replay.get(&network(path)).await);
    }
    state
}

async fn destroy(replay: &Replay, group: &str) {
    replay.delete_and_look(&network("privateEndpoints/pe")).await;
    let service = replay.get(&network("privateLinkServices/pls")).await;
    assert_eq!(service["properties"]["privateEndpointConnections"], json!([]), "the connection went with its endpoint");
    replay.delete_and_look(&network("privateLinkServices/pls")).await;
    replay.delete_and_look(&network("loadBalancers/lb")).await;
    for name in ["services", "endpoints"] {
        replay.delete_and_look(&subnet(name)).await;
    }
    let network_now = replay.get(&network("virtualNetworks/vnet")).await;
    assert_eq!(network_now["properties"]["subnets"], json!([]), "a subnet that is gone is gone from its network too");
    replay.delete_and_look(&network("virtualNetworks/vnet")).await;
    let left = format!("{group}/resources?$expand=provisioningState&$top=10&api-version=2023-07-01");
    assert!(replay.list(&left).await.is_empty(), "only an empty group is deleted without a warning");
    replay.delete_and_look(group).await;
}
