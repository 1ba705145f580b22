//! The real cloud-controller-manager (v1.36): one Service's life, another one beside it, and the edits that sever.
//!
//! It spells the node resource group in lower case in its URLs, sends back whole objects as it read them, with fields that
//! nobody may set, and decides by what a list says.

use serde_json::{Value, json};

use super::client::{Condition, Replay, SUBSCRIPTION};

const NODE_GROUP: &str = "MC_myResourceGroup_myAKSCluster_eastus2";
const SCALE_SET: &str = "aks-nodepool1-12345678-vmss";
/// `a` and the uid of the Service.
const BASE: &str = "a0f1e2d3c4b5a69788796a5b4c3d2e1f";

/// A path in the node resource group, as the controller spells it.
fn node(path: &str) -> String {
    format!("{SUBSCRIPTION}/resourceGroups/{}/providers/Microsoft.{path}", NODE_GROUP.to_ascii_lowercase())
}

fn balancer() -> String {
    node("Network/loadBalancers/kubernetes-internal")
}

fn scale_set(rest: &str) -> String {
    node(&format!("Compute/virtualMachineScaleSets/{SCALE_SET}{rest}"))
}

/// Paths of the network come from its configuration, in their own spelling.
fn subnet(name: &str) -> String {
    format!(
        "{SUBSCRIPTION}/resourceGroups/{NODE_GROUP}/providers/Microsoft.Network/virtualNetworks/aks-vnet/subnets/{name}"
    )
}

fn frontend(name: &str, (subnet_name, address): (&str, Option<&str>)) -> Value {
    let mut properties = json!({
        "privateIPAllocationMethod": if address.is_some() { "Static" } else { "Dynamic" },
        "subnet": {"id": subnet(subnet_name), "name": subnet_name},
    });
    if let Some(address) = address {
        properties["privateIPAddress"] = json!(address);
    }
    let id = format!("{}/frontendIPConfigurations/{name}", balancer());
    json!({"id": id, "name": name, "zones": ["1", "2", "3"], "properties": properties})
}

fn rule(name: &str, frontend: &str, port: u16) -> Value {
    let part = |kind: &str, name: &str| json!({"id": format!("{}/{kind}/{name}", balancer())});
    json!({"name": name, "properties": {
        "protocol": "Tcp", "frontendPort": port, "backendPort": port, "enableFloatingIP": true, "enableTcpReset": true,
        "idleTimeoutInMinutes": 4, "loadDistribution": "Default", "disableOutboundSnat": false,
        "frontendIPConfiguration": part("frontendIPConfigurations", frontend),
        "backendAddressPool": part("backendAddressPools", "kubernetes"),
        "probe": part("probes", name),
    }})
}

fn probe(name: &str, port: u16) -> Value {
    json!({"name": name, "properties": {"protocol": "Tcp", "port": port, "intervalInSeconds": 5, "probeThreshold": 2}})
}

fn link_service(name: &str, frontend: &str, owner: &str) -> Value {
    json!({
        "etag": "", "name": name, "location": "eastus2",
        "tags": {"k8s-azure-cluster-name": "kubernetes", "k8s-azure-owner-service": owner},
        "properties": {
            "ipConfigurations": [nat(&format!("aks-subnet-{name}-dynamic-0"), true)],
            "loadBalancerFrontendIpConfigurations": [{"id": frontend}],
        },
    })
}

fn nat(name: &str, is_primary: bool) -> Value {
    json!({"name": name, "properties": {
        "primary": is_primary, "privateIPAddressVersion": "IPv4", "privateIPAllocationMethod": "Dynamic",
        "subnet": {"id": subnet("aks-subnet")},
    }})
}

/// Adds the pool to a scale set or machine, and keeps only what the controller sends: location and network profile.
fn joined(resource: &Value, pool: Option<&str>) -> Value {
    let pools = pool.map_or(json!([]), |pool| json!([{"id": pool}]));
    let profile = ["/properties/virtualMachineProfile/networkProfile", "/properties/networkProfileConfiguration"]
        .iter()
        .find_map(|place| resource.pointer(place))
        .unwrap_or_else(|| panic!("no network profile: {resource}"));
    let mut profile = json!({"networkInterfaceConfigurations": profile["networkInterfaceConfigurations"]});
    profile["networkInterfaceConfigurations"][0]["properties"]["ipConfigurations"][0]["properties"]["loadBalancerBackendAddressPools"] =
        pools;
    let is_machine = resource["properties"].get("networkProfileConfiguration").is_some();
    let properties = match is_machine {
        true => json!({"networkProfileConfiguration": profile}),
        false => json!({"virtualMachineProfile": {"networkProfile": profile}}),
    };
    json!({"etag": resource["etag"], "location": "eastus2", "properties": properties})
}

async fn join_pool(replay: &Replay, pool: Option<&str>) {
    let sets = replay.list(&node("Compute/virtualMachineScaleSets")).await;
    assert_eq!(sets[0]["name"], SCALE_SET);
    let set = replay.get(&scale_set("")).await;
    assert_eq!(set["properties"]["orchestrationMode"], "Uniform");
    let body = joined(&set, pool);
    let written = replay.put(&scale_set(""), (Condition::IfMatch(&set["etag"]), body), 200).await;
    assert_eq!(written["sku"], set["sku"], "a write of the network profile keeps the rest");
    let prefix = "/properties/virtualMachineProfile/osProfile/computerNamePrefix";
    assert_eq!(written.pointer(prefix), set.pointer(prefix));
    let machines = replay.list(&scale_set("/virtualMachines?$expand=instanceView&api-version=2025-04-01")).await;
    let machine = &machines[0];
    assert_eq!(machine["instanceId"], "0");
    assert_eq!(machine["properties"]["osProfile"]["computerName"], "aks-nodepool1-12345678-vmss000000");
    let body = joined(machine, pool);
    let condition = Condition::IfMatch(&machine["etag"]);
    let written = replay.put(&scale_set("/virtualMachines/0"), (condition, body), 200).await;
    assert_eq!(written["instanceId"], "0");
}

/// Switches the policy off as the controller does: the whole subnet as it was read, without a condition.
async fn open_subnet(replay: &Replay, name: &str) {
    let mut own = replay.get(&subnet(name)).await;
    own["properties"]["privateLinkServiceNetworkPolicies"] = json!("Disabled");
    let written = replay.put(&subnet(name), (Condition::None, own), 200).await;
    assert_eq!(written["properties"]["privateLinkServiceNetworkPolicies"], "Disabled");
}

async fn signed_in() -> Replay {
    let mut replay = Replay::start(true).await;
    let clouds = replay.metadata("2019-05-01").await;
    // The controller takes the entry of its cloud's name and the first audience of that.
    assert!(clouds[0]["name"].is_string(), "a list of clouds: {clouds}");
    let audience = clouds[0]["authentication"]["audiences"][0].as_str().unwrap().to_owned();
    replay.sign_in_as_managed_identity(&audience).await;
    let compute = replay.get(&format!("{SUBSCRIPTION}/providers/Microsoft.Compute?api-version=2021-04-01")).await;
    let types = compute["resourceTypes"].as_array().unwrap();
    let machines = types.iter().find(|own| own["resourceType"] == "virtualMachines").unwrap();
    assert_eq!(machines["zoneMappings"][0]["zones"], json!(["1", "2", "3"]), "new frontends span these zones");
    replay
}

/// From nothing to a Service with a Private Link Service; returns the id of its frontend.
async fn create(replay: &Replay, address: Option<&str>) -> String {
    for _ in 0..2 {
        assert!(replay.list(&node("Network/loadBalancers")).await.is_empty());
    }
    assert_eq!(replay.get(&subnet("aks-subnet")).await["properties"]["addressPrefix"], "10.224.0.0/16");
    let name = format!("{BASE}-TCP-80");
    let body = json!({"name": "kubernetes-internal", "location": "eastus2", "sku": {"name": "Standard"}, "properties": {
        "backendAddressPools": [{"name": "kubernetes", "properties": {}}],
        "frontendIPConfigurations": [frontend(BASE, ("aks-subnet", address))],
        "loadBalancingRules": [rule(&name, BASE, 80)],
        "probes": [probe(&name, 30_235)],
    }});
    replay.put(&balancer(), (Condition::None, body), 201).await;
    let made = replay.get(&balancer()).await;
    let own = &made["properties"]["frontendIPConfigurations"][0];
    assert_eq!(
        own["id"],
        json!(format!(
            "{SUBSCRIPTION}/resourceGroups/{NODE_GROUP}/providers/Microsoft.Network/loadBalancers/kubernetes-internal/frontendIPConfigurations/{BASE}"
        ))
    );
    assert!(own["properties"]["privateIPAddress"].is_string(), "without an address there is no EXTERNAL-IP: {own}");
    assert_eq!(
        own["properties"]["loadBalancingRules"][0]["id"].as_str().unwrap().rsplit('/').next(),
        Some(name.as_str())
    );
    let pool = made["properties"]["backendAddressPools"][0]["id"].as_str().unwrap().to_owned();
    join_pool(replay, Some(&pool)).await;
    replay.get(&node("Network/networkSecurityGroups/aks-agentpool-nsg")).await;
    let made = replay.get(&balancer()).await;
    let members = &made["properties"]["backendAddressPools"][0]["properties"]["backendIPConfigurations"];
    assert!(members[0]["id"].as_str().unwrap().contains("/virtualMachines/0/networkInterfaces/"), "{members}");
    assert!(replay.list(&node("Network/privateLinkServices")).await.is_empty());
    replay.get(&subnet("aks-subnet")).await;
    open_subnet(replay, "aks-subnet").await;
    let frontend = own["id"].as_str().unwrap().to_owned();
    let body = link_service(&format!("pls-{BASE}"), &frontend, "default/internal-app");
    let service =
        replay.put(&node(&format!("Network/privateLinkServices/pls-{BASE}")), (Condition::None, body), 201).await;
    assert!(service["properties"]["alias"].as_str().unwrap().ends_with(".eastus2.azure.privatelinkservice"));
    replay.list(&node("Network/loadBalancers")).await;
    assert!(replay.list(&node("Network/publicIPAddresses")).await.is_empty());
    frontend
}

/// The Private Link Service of a frontend, found as the controller finds it.
async fn attached(replay: &Replay, frontend: &str) -> Option<Value> {
    let services = replay.list(&node("Network/privateLinkServices")).await;
    let is_attached = |own: &Value| {
        let id = own["properties"]["loadBalancerFrontendIpConfigurations"][0]["id"].as_str().unwrap_or_default();
        id.eq_ignore_ascii_case(frontend)
    };
    services.into_iter().find(is_attached)
}

async fn connect(replay: &Replay, endpoint: &str, service: &Value) {
    let network = "resourceGroups/myOtherResourceGroup/providers/Microsoft.Network";
    let consumer = "/subscriptions/00000000-0000-0000-0000-000000000002";
    let body = json!({"location": "eastus2", "properties": {
        "ipVersionType": "IPv4",
        "subnet": {"id": format!("{consumer}/{network}/virtualNetworks/myOtherVNET/subnets/pe-subnet")},
        "privateLinkServiceConnections": [{"name": "connectToMyK8sService", "properties": {"privateLinkServiceId": service["id"]}}],
    }});
    replay.put(&format!("{consumer}/{network}/privateEndpoints/{endpoint}"), (Condition::None, body), 201).await;
}

/// Takes a Private Link Service away with its connections, which the controller finds in the body of the service.
async fn delete_link_service(replay: &Replay, frontend: &str) {
    let service = attached(replay, frontend).await.expect("the frontend has a service");
    let path = node(&format!("Network/privateLinkServices/{}", service["name"].as_str().unwrap()));
    for connection in service["properties"]["privateEndpointConnections"].as_array().unwrap() {
        let name = connection["name"].as_str().unwrap();
        replay.delete(&format!("{path}/privateEndpointConnections/{name}")).await;
    }
    replay.delete(&path).await;
    assert!(attached(replay, frontend).await.is_none());
}

/// The load balancer as the next sync reads it: whole, with an etag to write it back by.
async fn read_balancer(replay: &Replay) -> Value {
    let all = replay.list(&node("Network/loadBalancers")).await;
    let own = all.into_iter().find(|own| own["name"] == "kubernetes-internal").expect("the load balancer is there");
    assert!(own["etag"].is_string());
    own
}

#[tokio::test]
async fn the_life_of_two_services() {
    let replay = signed_in().await;
    let frontend_id = create(&replay, None).await;
    let service = attached(&replay, &frontend_id).await.unwrap();
    connect(&replay, "myAKSServicePE", &service).await;
    tune(&replay, &frontend_id).await;
    add_second(&replay).await;
    // A port more on the first: everything is sent back as it was read, and one rule and probe beside it.
    let mut own = read_balancer(&replay).await;
    let name = format!("{BASE}-TCP-8080");
    own["properties"]["loadBalancingRules"].as_array_mut().unwrap().push(rule(&name, BASE, 8080));
    own["properties"]["probes"].as_array_mut().unwrap().push(probe(&name, 30_808));
    let etag = own["etag"].clone();
    let written = replay.put(&balancer(), (Condition::IfMatch(&etag), own), 200).await;
    assert_eq!(written["properties"]["loadBalancingRules"].as_array().unwrap().len(), 3);
    delete_second(&replay).await;
    // The last one: connections, service, members, load balancer.
    delete_link_service(&replay, &frontend_id).await;
    join_pool(&replay, None).await;
    assert!(
        read_balancer(&replay).await["properties"]["backendAddressPools"][0]["properties"]
            .get("backendIPConfigurations")
            .is_none()
    );
    replay.delete(&balancer()).await;
    assert!(replay.list(&node("Network/loadBalancers")).await.is_empty());
    replay.stop().await;
}

/// The annotations of a Private Link Service: one write of the whole object, read-only fields included.
async fn tune(replay: &Replay, frontend_id: &str) {
    let mut own = attached(replay, frontend_id).await.unwrap();
    let (name, alias) = (own["name"].as_str().unwrap().to_owned(), own["properties"]["alias"].clone());
    let connections = own["properties"]["privateEndpointConnections"].clone();
    assert_eq!(connections.as_array().unwrap().len(), 1);
    own["etag"] = json!("");
    let properties = &mut own["properties"];
    properties["fqdns"] = json!(["fqdn1", "fqdn2"]);
    properties["enableProxyProtocol"] = json!(true);
    properties["visibility"] = json!({"subscriptions": ["*"]});
    properties["autoApproval"] = json!({"subscriptions": ["00000000-0000-0000-0000-000000000001"]});
    properties["ipConfigurations"] = json!([
        nat(&format!("aks-subnet-{name}-dynamic-0"), true),
        nat(&format!("aks-subnet-{name}-dynamic-1"), false)
    ]);
    let written = replay.put(&node(&format!("Network/privateLinkServices/{name}")), (Condition::None, own), 200).await;
    assert_eq!(written["properties"]["alias"], alias, "an alias is for the life of its service");
    assert_eq!(written["properties"]["ipConfigurations"].as_array().unwrap().len(), 2);
    let connection = &written["properties"]["privateEndpointConnections"][0];
    assert_eq!(connection["name"], connections[0]["name"], "a write of the service keeps its connections");
}

/// A second Service on the same load balancer: static address in another subnet, static NAT address, its own name.
async fn add_second(replay: &Replay) {
    let second = format!("{}-apps-subnet", BASE.replace("a0", "ab"));
    let mut own = read_balancer(replay).await;
    let before = own["properties"]["frontendIPConfigurations"][0]["properties"]["privateIPAddress"].clone();
    assert_eq!(replay.get(&subnet("apps-subnet")).await["properties"]["addressPrefix"], "10.225.0.0/24");
    let name = format!("{second}-TCP-443");
    let parts = &mut own["properties"];
    parts["frontendIPConfigurations"]
        .as_array_mut()
        .unwrap()
        .push(frontend(&second, ("apps-subnet", Some("10.225.0.25"))));
    parts["loadBalancingRules"].as_array_mut().unwrap().push(rule(&name, &second, 443));
    parts["probes"].as_array_mut().unwrap().push(probe(&name, 31_443));
    let etag = own["etag"].clone();
    let written = replay.put(&balancer(), (Condition::IfMatch(&etag), own.clone()), 200).await;
    let frontends = &written["properties"]["frontendIPConfigurations"];
    assert_eq!(frontends[0]["properties"]["privateIPAddress"], before, "a dynamic address stays");
    assert_eq!(frontends[1]["properties"]["privateIPAddress"], "10.225.0.25");
    assert_eq!(replay.refused(&balancer(), (Condition::IfMatch(&etag), own), 412).await, "PreconditionFailed");
    let frontend_id = frontends[1]["id"].as_str().unwrap().to_owned();
    assert!(attached(replay, &frontend_id).await.is_none());
    open_subnet(replay, "apps-subnet").await;
    let mut body = link_service("pls-two", &frontend_id, "default/internal-app2");
    body["properties"]["ipConfigurations"] = json!([{"name": "apps-subnet-pls-two-static-10.225.0.30", "properties": {
        "primary": true, "privateIPAddressVersion": "IPv4", "privateIPAllocationMethod": "Static",
        "privateIPAddress": "10.225.0.30", "subnet": {"id": subnet("apps-subnet")},
    }}]);
    replay.put(&node("Network/privateLinkServices/pls-two"), (Condition::None, body), 201).await;
}

async fn delete_second(replay: &Replay) {
    let mut own = read_balancer(replay).await;
    let frontend_id = own["properties"]["frontendIPConfigurations"][1]["id"].as_str().unwrap().to_owned();
    delete_link_service(replay, &frontend_id).await;
    // The service is gone, and with it the etag that was read before: the controller reads again.
    let stale = own["etag"].clone();
    own = read_balancer(replay).await;
    assert_ne!(own["etag"], stale, "a service that leaves changes the etag of its load balancer");
    for list in ["frontendIPConfigurations", "loadBalancingRules", "probes"] {
        let parts = own["properties"][list].as_array_mut().unwrap();
        parts.retain(|part| !part["name"].as_str().unwrap().contains("apps-subnet"));
    }
    let etag = own["etag"].clone();
    let written = replay.put(&balancer(), (Condition::IfMatch(&etag), own), 200).await;
    assert_eq!(written["properties"]["frontendIPConfigurations"].as_array().unwrap().len(), 1);
}

/// Writes the load balancer with its only frontend as given, after its service and consumers are gone.
async fn readdress(replay: &Replay, new: Value) -> Value {
    let mut own = read_balancer(replay).await;
    let name = new["name"].as_str().unwrap().to_owned();
    own["properties"]["frontendIPConfigurations"] = json!([new]);
    let rule_name = own["properties"]["loadBalancingRules"][0]["name"].as_str().unwrap().to_owned();
    own["properties"]["loadBalancingRules"] = json!([rule(&rule_name, &name, 80)]);
    own
}

#[tokio::test]
async fn the_edits_that_sever_consumers() {
    let replay = signed_in().await;
    let frontend_id = create(&replay, Some("10.224.1.10")).await;
    let before = attached(&replay, &frontend_id).await.unwrap();
    connect(&replay, "consumer1", &before).await;
    // Another address: connection, service, load balancer, service.
    delete_link_service(&replay, &frontend_id).await;
    let own = readdress(&replay, frontend(BASE, ("aks-subnet", Some("10.224.1.11")))).await;
    let etag = own["etag"].clone();
    let written = replay.put(&balancer(), (Condition::IfMatch(&etag), own), 200).await;
    assert_eq!(written["properties"]["frontendIPConfigurations"][0]["properties"]["privateIPAddress"], "10.224.1.11");
    let name = format!("pls-{BASE}");
    let path = node(&format!("Network/privateLinkServices/{name}"));
    let body = link_service(&name, &frontend_id, "default/internal-app");
    let after = replay.put(&path, (Condition::None, body), 201).await;
    assert_ne!(after["properties"]["alias"], before["properties"]["alias"], "a rebuilt service has another alias");
    assert_eq!(after["properties"]["privateEndpointConnections"], json!([]));
    // Another subnet, and an address in it: the frontend is renamed, the policy of the new subnet goes off.
    connect(&replay, "consumer2", &after).await;
    delete_link_service(&replay, &frontend_id).await;
    let renamed = format!("{BASE}-apps-subnet");
    let own = readdress(&replay, frontend(&renamed, ("apps-subnet", Some("10.225.0.30")))).await;
    let etag = own["etag"].clone();
    let written = replay.put(&balancer(), (Condition::IfMatch(&etag), own), 200).await;
    let frontend_id = written["properties"]["frontendIPConfigurations"][0]["id"].as_str().unwrap().to_owned();
    open_subnet(&replay, "apps-subnet").await;
    let mut body = link_service(&format!("{name}-apps-subnet"), &frontend_id, "default/internal-app");
    body["properties"]["ipConfigurations"][0]["properties"]["subnet"] = json!({"id": subnet("apps-subnet")});
    let path = node(&format!("Network/privateLinkServices/{name}-apps-subnet"));
    let third = replay.put(&path, (Condition::None, body), 201).await;
    // An address outside the subnet: consumers are gone first, then it fails, and the old address serves on.
    connect(&replay, "consumer3", &third).await;
    delete_link_service(&replay, &frontend_id).await;
    for _ in 0..3 {
        let own = readdress(&replay, frontend(&renamed, ("apps-subnet", Some("10.99.0.1")))).await;
        let etag = own["etag"].clone();
        let code = replay.refused(&balancer(), (Condition::IfMatch(&etag), own), 400).await;
        assert_eq!(code, "PrivateIPAddressNotInSubnet");
    }
    let own = read_balancer(&replay).await;
    assert_eq!(own["properties"]["frontendIPConfigurations"][0]["properties"]["privateIPAddress"], "10.225.0.30");
    assert!(attached(&replay, &frontend_id).await.is_none());
    replay.stop().await;
}
