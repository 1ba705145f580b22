//! What identities of narrow rights may do, and what they are told when they may not.

use super::*;

const PLS: &str = "Microsoft.Network/privateLinkServices";
const SUBSCRIPTION: &str = "/subscriptions/00000000-0000-0000-0000-000000000001";

/// `narrow` has these roles at these scopes.
fn narrow(assignments: &[(&str, &str)]) -> Azure {
    let list: Vec<String> =
        assignments.iter().map(|(role, scope)| format!("{{ role: {role}, scope: {scope} }}")).collect();
    let identity = format!(
        "  - {{ name: narrow, client-id: 00000000-0000-0000-0000-0000000000b1, assignments: [{}] }}\n",
        list.join(", ")
    );
    Azure::with(&identity)
}

/// The same with a role of these actions.
fn acting(actions: &[&str], scope: &str) -> Azure {
    let text = include_str!("../../../../examples/world.yaml");
    let (head, tail) = text.split_once("identities:\n").unwrap();
    let actions = actions.join("', '");
    let world = World::parse(&format!(
        "{head}role-definitions: [{{ name: Own, actions: ['{actions}'] }}]\nidentities:\n  - {{ name: narrow, client-id: \
         00000000-0000-0000-0000-0000000000b1, assignments: [{{ role: Own, scope: {scope} }}] }}\n{tail}"
    ))
    .unwrap();
    Azure { arm: crate::sim::resource_manager(&world, &Clock::start()).unwrap(), world }
}

fn refused_action(reply: &Reply, code: &str, action: &str, scope: &str) {
    refused(reply, 403, code);
    let message = reply.body["error"]["message"].as_str().unwrap();
    assert!(message.contains(&format!("'{action}'")) && message.contains(&format!("'{scope}'")), "{message}");
}

/// A load balancer with frontend `a`, and NAT subnets with their policies off.
fn balanced(azure: &Azure) {
    put(&azure.arm, &balancer(), with_frontends(&[frontend("a", "aks-subnet", None)]));
    policies_off(&azure.arm);
}

#[test]
fn a_subscription_without_any_role_does_not_exist() {
    let azure = narrow(&[("Reader", &format!("{PROVIDER}/rg-pls"))]);
    let foreign = format!("{FOREIGN}/rg-ledger");
    refused(&azure.call("narrow", ("GET", &foreign), None), 404, "SubscriptionNotFound");
    let seen = azure.get("narrow", "/subscriptions");
    assert_eq!((&seen["value"][0]["id"], seen["value"].as_array().unwrap().len()), (&json!(SUBSCRIPTION), 1));
    for path in ["", "/locations", "/providers", "/providers/Microsoft.Compute"] {
        azure.get("narrow", &format!("{SUBSCRIPTION}{path}"));
    }
    let nobody = narrow(&[]);
    assert_eq!(nobody.get("narrow", "/subscriptions")["value"], json!([]));
    assert_eq!(nobody.get("narrow", "/tenants")["value"][0]["tenantId"], nobody.world.tenant.as_str());
}

#[test]
fn what_no_assignment_allows_is_refused_with_action_and_scope() {
    let azure = narrow(&[("Reader", SUBSCRIPTION), ("Network Contributor", &format!("{PROVIDER}/rg-pls"))]);
    let reply = azure.call("narrow", ("PUT", &balancer()), Some(json!({})));
    refused_action(&reply, "AuthorizationFailed", "Microsoft.Network/loadBalancers/write", &balancer());
    let message = reply.body["error"]["message"].as_str().unwrap();
    assert!(message.contains(&format!("'narrow' with object id '{}'", azure.object_id("narrow"))), "{message}");
    let reply = azure.call("narrow", ("DELETE", &subnet("aks-subnet")), None);
    let action = "Microsoft.Network/virtualNetworks/subnets/delete";
    refused_action(&reply, "AuthorizationFailed", action, &subnet("aks-subnet"));
    let cluster =
        format!("{PROVIDER}/myResourceGroup/providers/Microsoft.ContainerService/managedClusters/myAKSCluster");
    let reply = azure.call("narrow", ("POST", &format!("{cluster}/listClusterUserCredential")), None);
    let action = "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action";
    refused_action(&reply, "AuthorizationFailed", action, &cluster);
    let group = format!("{PROVIDER}/RG-pls");
    let reply = azure.call("narrow", ("DELETE", &group), None);
    refused_action(&reply, "AuthorizationFailed", "Microsoft.Resources/subscriptions/resourceGroups/delete", &group);
    let tags = json!({ "operation": "Merge", "properties": { "tags": { "a": "b" } } });
    let reply =
        azure.call("narrow", ("PATCH", &format!("{group}/providers/Microsoft.Resources/tags/default")), Some(tags));
    refused_action(&reply, "AuthorizationFailed", "Microsoft.Resources/tags/write", &group);
    azure.get("narrow", &subnet("aks-subnet"));
}

#[test]
fn lists_show_what_the_caller_may_read() {
    let networks = "providers/Microsoft.Network/virtualNetworks";
    let azure = narrow(&[
        ("Network Contributor", &format!("{CONSUMER}/myOtherResourceGroup")),
        ("Reader", &network(NODE_GROUP, "virtualNetworks/aks-vnet/subnets/aks-subnet")),
    ]);
    let names = |path: &str| {
        let value = azure.get("narrow", path)["value"].as_array().unwrap().clone();
        value.iter().map(|own| own["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let consumer = "/subscriptions/00000000-0000-0000-0000-000000000002";
    assert_eq!(names(&format!("{consumer}/{networks}")), ["myOtherVNET"]);
    assert_eq!(names(&format!("{SUBSCRIPTION}/{networks}")), [""; 0], "a subnet's reader does not read its network");
    assert_eq!(names(&format!("{consumer}/resourceGroups")), ["myOtherResourceGroup"]);
    assert_eq!(names(&format!("{consumer}/resources")), ["myOtherVNET"]);
    let elsewhere = format!("{CONSUMER}/rg-dns");
    let reply = azure.call("narrow", ("GET", &format!("{elsewhere}/{networks}")), None);
    let scope = format!("{elsewhere}/providers/Microsoft.Network");
    refused_action(&reply, "AuthorizationFailed", "Microsoft.Network/virtualNetworks/read", &scope);
    let query = json!({ "query": "resources | project name" });
    let found = azure.call("narrow", ("POST", "/providers/Microsoft.ResourceGraph/resources"), Some(query));
    assert_eq!(found.body["data"], json!([{ "name": "myOtherVNET" }]));
    let rest: u32 = found.header("x-ms-user-quota-remaining").unwrap().parse().unwrap();
    assert_eq!((rest, found.header("x-ms-user-quota-resets-after")), (14, Some("00:00:05")));
}

#[test]
fn a_service_needs_rights_on_its_frontend_and_on_its_subnet() {
    let write = format!("{PLS}/write");
    let azure = acting(&[&write], SUBSCRIPTION);
    balanced(&azure);
    let reply = azure.call("narrow", ("PUT", &service("orders")), Some(service_on("a", json!({}))));
    refused(&reply, 403, "LinkedAuthorizationFailed");
    let message = reply.body["error"]["message"].as_str().unwrap();
    let actions = "'Microsoft.Network/virtualNetworks/subnets/join/action,\
                   Microsoft.Network/loadBalancers/frontendIPConfigurations/join/action'";
    let scopes = format!("'{},{}/frontendIPConfigurations/a' (respectively)", subnet("pls-subnet"), balancer());
    assert!(message.contains(actions) && message.contains(&scopes), "{message}");
    let joins = "Microsoft.Network/virtualNetworks/subnets/join/action";
    let azure = acting(&[&write, joins, "Microsoft.Network/loadBalancers/*/join/action"], SUBSCRIPTION);
    balanced(&azure);
    let reply = azure.call("narrow", ("PUT", &service("orders")), Some(service_on("a", json!({}))));
    assert_eq!(reply.status, 201, "{reply:?}");
    refused(&azure.call("narrow", ("GET", &service("orders")), None), 403, "AuthorizationFailed");
}

#[test]
fn every_reference_needs_its_own_right() {
    let id = |group: &str, rest: &str| json!({ "id": network(group, rest) });
    let subnet_body = json!({ "properties": {
        "addressPrefix": "10.225.0.0/24",
        "networkSecurityGroup": id(NODE_GROUP, "networkSecurityGroups/n"),
        "routeTable": id(NODE_GROUP, "routeTables/r"),
        "natGateway": id(NODE_GROUP, "natGateways/g"),
    } });
    let frontends = json!({ "location": "eastus2", "properties": { "frontendIPConfigurations": [
        { "name": "p", "properties": { "publicIPAddress": id(NODE_GROUP, "publicIPAddresses/p") } },
    ] } });
    let network_id = id(NODE_GROUP, "virtualNetworks/aks-vnet");
    let link = json!({ "properties": { "virtualNetwork": network_id } });
    let zone = network("rg-dns", "privateDnsZones/z.internal");
    let configuration = json!({ "name": "z", "properties": { "privateDnsZoneId": zone } });
    let zones = json!({ "properties": { "privateDnsZoneConfigs": [configuration] } });
    let azure = acting(&["Microsoft.Network/*/write"], SUBSCRIPTION);
    for (path, body, actions) in [
        (
            subnet("apps-subnet"),
            subnet_body,
            "Microsoft.Network/networkSecurityGroups/join/action,Microsoft.Network/routeTables/join/action,\
             Microsoft.Network/natGateways/join/action",
        ),
        (balancer(), frontends, "Microsoft.Network/publicIPAddresses/join/action"),
        (format!("{zone}/virtualNetworkLinks/l"), link, "Microsoft.Network/virtualNetworks/join/action"),
        (
            network("rg-pls", "privateEndpoints/e/privateDnsZoneGroups/default"),
            zones,
            "Microsoft.Network/privateDnsZones/join/action",
        ),
    ] {
        let reply = azure.call("narrow", ("PUT", &path), Some(body));
        refused_action(&reply, "LinkedAuthorizationFailed", actions, &path);
    }
}

#[test]
fn an_endpoint_is_approved_at_once_by_whoever_may_approve_on_the_service() {
    let consumer = "/subscriptions/00000000-0000-0000-0000-000000000002";
    let connects = |actions: &[&str], target: &str, list: &str| {
        let azure = acting(actions, consumer);
        balanced(&azure);
        put(&azure.arm, &service("orders"), service_on("a", json!({})));
        (azure.call("narrow", ("PUT", &endpoint("app")), Some(connect(list, target))), azure)
    };
    let everything = &["Microsoft.Network/*"];
    let (reply, azure) = connects(everything, &service("orders"), AUTOMATIC);
    let action = format!("{PLS}/PrivateEndpointConnectionsApproval/action");
    refused_action(&reply, "LinkedAuthorizationFailed", &action, &service("orders"));
    let (reply, _) = connects(everything, &service("orders"), MANUAL);
    refused(&reply, 400, "InvalidPrivateLinkServiceId");
    let (reply, _) = connects(&["Microsoft.Network/privateEndpoints/*"], &service("orders"), AUTOMATIC);
    refused_action(
        &reply,
        "LinkedAuthorizationFailed",
        "Microsoft.Network/virtualNetworks/subnets/join/action",
        consumer_subnet()["id"].as_str().unwrap(),
    );
    let role = assign(&azure, "narrow", ("Reader", &service("orders")));
    let accepted = azure.call("narrow", ("PUT", &endpoint("seen")), Some(connect(MANUAL, &service("orders"))));
    assert_eq!(status_of(&azure.arm.settle(&accepted).body, MANUAL), "Pending", "who may read it, sees it");
    azure.arm.call("DELETE", &role, &[], None);
    assign(&azure, "narrow", ("Network Contributor", &service("orders")));
    let accepted = azure.call("narrow", ("PUT", &endpoint("app")), Some(connect(AUTOMATIC, &service("orders"))));
    assert_eq!(status_of(&azure.arm.settle(&accepted).body, AUTOMATIC), "Approved");
}

/// Makes an assignment as the platform, and returns its id.
#[track_caller]
fn assign(azure: &Azure, name: &str, (role, scope): (&str, &str)) -> String {
    let filter = role.replace(' ', "%20");
    let roles = format!("{scope}/providers/Microsoft.Authorization/roleDefinitions?$filter=roleName%20eq%20'{filter}'");
    let role = get(&azure.arm, &roles)["value"][0]["id"].clone();
    let body = json!({ "properties": { "roleDefinitionId": role, "principalId": azure.object_id(name) } });
    let guid = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, role.to_string().as_bytes());
    put(&azure.arm, &format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{guid}"), body)["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn permissions_are_those_of_the_assignments_in_force() {
    let group = format!("{PROVIDER}/rg-pls");
    let azure = narrow(&[("Reader", SUBSCRIPTION), ("Contributor", &service("orders"))]);
    let at = |scope: &str| azure.get("narrow", &format!("{scope}/providers/Microsoft.Authorization/permissions"));
    let reader = json!({ "actions": ["*/read"], "notActions": [], "dataActions": [], "notDataActions": [] });
    assert_eq!(at(&group)["value"], json!([reader]));
    let both = at(&service("orders"));
    let actions: Vec<&Value> = both["value"].as_array().unwrap().iter().map(|own| &own["actions"]).collect();
    assert_eq!(actions.len(), 2);
    assert!(actions.contains(&&json!(["*"])) && actions.contains(&&json!(["*/read"])), "{both}");
    let contributor = both["value"].as_array().unwrap().iter().find(|own| own["actions"] == json!(["*"])).unwrap();
    assert!(contributor["notActions"].as_array().unwrap().contains(&json!("Microsoft.Authorization/*/Write")));
}
