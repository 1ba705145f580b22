//! What only Azure and the cluster know, as plans foresee it: groups that are not there, who is let in, address families.

use privlink::cli::Exit;
use privlink::sim::world::{IpFamily, RoleAssignment, World};
use serde_json::{Value, json};

use super::docs;
use crate::runner::Stage;
use crate::runner::worlds;
use crate::runner::worlds::{CONSUMER, NODE_GROUP, PROVIDER};

const SERVICE: &str = "environments/prod/web.yaml";
const PUBLISHED: &str = "environments/prod/published.yaml";
const ENDPOINT: &str = "environments/prod/endpoint.yaml";
const PINNED: (&str, &str) = ("azure-load-balancer-ipv4", "10.224.10.1");

/// A Service, a Private Link Service of ours and an endpoint with a record, each in a group of its own choice.
fn in_groups(world: World, [links, endpoints, zones]: [&str; 3]) -> Stage {
    let by_us = format!("  managedBy: privlink\n  resourceGroup: {links}\n  nat: {{ subnet: pls-subnet }}\n");
    let endpoint = docs::endpoint_with("web", &docs::dns("web")).replace("rg-dns", zones);
    let endpoint = endpoint.replace("resourceGroup: myOtherResourceGroup\n", &format!("resourceGroup: {endpoints}\n"));
    let endpoint = endpoint.replace(
        "{ virtualNetwork: myOtherVNET,",
        "{ resourceGroup: myOtherResourceGroup, virtualNetwork: myOtherVNET,",
    );
    let stage = Stage::in_world(world);
    stage.repo.commit(&[
        ("privlink.toml", &worlds::settings()),
        (SERVICE, &docs::service("web", &[PINNED])),
        (PUBLISHED, &docs::published_with("web", &by_us)),
        (ENDPOINT, &endpoint),
    ]);
    stage
}

#[test]
fn what_lies_in_a_group_that_is_not_there_is_left_out_and_the_group_is_named() {
    let stage = in_groups(worlds::example(), ["rg-plz", "myOtherResourceGroup", "rg-dns"]);
    stage
        .plan()
        .ends(Exit::Incomplete)
        .says(&format!("the resource group rg-plz of subscription {PROVIDER} does not exist (PRE-GROUP-MISSING)"))
        .says("help: Create the group first, or correct its name or subscription.")
        .says("not applicable because it needs privatelinkservice/pls-web");
    let stage = in_groups(worlds::example(), ["rg-pls", "rg-guests", "rg-zones"]);
    let missing = |group: &str| format!("the resource group {group} of subscription {CONSUMER} does not exist");
    let plan = stage.plan().ends(Exit::Incomplete).says(&missing("rg-guests")).says(&missing("rg-zones"));
    assert!(!plan.out.contains("not looked at beforehand"), "{}", plan.out);
    // The cure brings the rest.
    for group in ["rg-guests", "rg-zones"] {
        let id = format!("/subscriptions/{CONSUMER}/resourceGroups/{group}");
        stage.azure_does("PUT", &id, Some(json!({ "location": "eastus2" })));
    }
    let zone = format!(
        "/subscriptions/{CONSUMER}/resourceGroups/rg-zones/providers/Microsoft.Network/privateDnsZones/orders.internal"
    );
    stage.azure_does("PUT", &zone, Some(json!({ "location": "global" })));
    stage.converge();
}

#[test]
fn a_service_that_names_a_group_that_is_not_there_is_left_out_before_its_load_balancer_is_made() {
    let stage = Stage::in_world(worlds::example());
    let group = ("azure-pls-resource-group", "rg-plz");
    let annotated = docs::service("web", &[PINNED, ("azure-pls-create", "true"), group]);
    stage.repo.commit(&[("privlink.toml", &worlds::settings()), (SERVICE, &annotated)]);
    stage.plan().ends(Exit::Incomplete).says(
        "the resource group rg-plz in which default/web looks for its Private Link Service does not exist: every sync fails (PRE-GROUP-MISSING)",
    );
    // What happens without the plan.
    let mut manifest: Value = serde_yaml::from_str(&annotated).unwrap();
    manifest["metadata"]["namespace"] = json!("default");
    stage.cluster().apply_raw(&manifest).unwrap();
    stage.idle();
    let events = stage.cluster().events("default", "web");
    let says = |event: &Value| event["message"].as_str().unwrap_or_default().contains("ResourceGroupNotFound");
    assert!(events.iter().any(says), "{events:?}");
}

#[test]
fn a_group_that_the_planner_may_not_see_is_not_taken_for_missing() {
    let mut world = worlds::example();
    for identity in &mut world.identities {
        identity.role = None;
        let role = |scope: String| RoleAssignment { role: "Contributor".to_owned(), scope };
        let provider = ["myResourceGroup", NODE_GROUP]
            .map(|group| role(format!("/subscriptions/{PROVIDER}/resourceGroups/{group}")));
        identity.assignments = provider.into_iter().chain([role(format!("/subscriptions/{CONSUMER}"))]).collect();
    }
    let stage = in_groups(world, ["rg-pls", "myOtherResourceGroup", "rg-dns"]);
    let plan = stage.plan();
    assert!(!plan.out.contains("PRE-GROUP-MISSING"), "{}", plan.out);
    plan.says(&format!(
        "resource groups of subscription {PROVIDER}: not looked at beforehand: Azure denies the question"
    ));
}

fn link(stage: &Stage, group: &str) -> Value {
    let id = format!(
        "/subscriptions/{PROVIDER}/resourceGroups/{group}/providers/Microsoft.Network/privateLinkServices/pls-web"
    );
    stage.azure(&id).expect("it is there")
}

#[test]
fn who_connects_to_a_service_that_lets_everybody_in_needs_nobody_to_approve_it() {
    let stage = Stage::in_world(worlds::example());
    let own = [PINNED, ("azure-pls-create", "true"), ("azure-pls-name", "pls-web")];
    let open = [("azure-pls-visibility", "*"), ("azure-pls-auto-approval", "*")];
    let manifest = docs::service("web", &own.into_iter().chain(open).collect::<Vec<_>>());
    let mut manifest: Value = serde_yaml::from_str(&manifest).unwrap();
    manifest["metadata"]["namespace"] = json!("default");
    stage.cluster().apply_raw(&manifest).unwrap();
    stage.idle();
    let approved = &link(&stage, NODE_GROUP)["properties"]["autoApproval"]["subscriptions"];
    assert_eq!(approved, &json!(["*"]));
    let endpoint = docs::endpoint("web").replace("{ privateLinkService: web }", "{ service: { name: web } }");
    let endpoint = format!("{endpoint}  connection: {{ request: manual }}\n");
    stage.repo.commit(&[("privlink.toml", &worlds::settings()), (ENDPOINT, &endpoint)]);
    stage.converge();
    let connections = link(&stage, NODE_GROUP)["properties"]["privateEndpointConnections"].clone();
    assert_eq!(connections[0]["properties"]["privateLinkServiceConnectionState"]["status"], "Approved");
}

#[test]
fn who_lets_everybody_in_past_the_program_is_found_out() {
    let stage = in_groups(worlds::example(), ["rg-pls", "myOtherResourceGroup", "rg-dns"]);
    stage.converge();
    let mut body = link(&stage, "rg-pls");
    body["properties"]["autoApproval"] = json!({"subscriptions": ["*"]});
    body["properties"]["visibility"] = json!({"subscriptions": ["*"]});
    let id = body["id"].as_str().unwrap().to_owned();
    stage.azure_does("PUT", &id, Some(body));
    let plan = stage.plan().ends(Exit::Changes).says("drift: changed outside Git").says("autoApproval").says("- *");
    assert!(plan.out.contains("Plan for prod: notable"), "{}", plan.out);
    stage.converge();
    assert_eq!(link(&stage, "rg-pls")["properties"]["autoApproval"]["subscriptions"], json!([CONSUMER]));
}

/// A published Service that takes a second family where there is one, in a cluster of these families.
fn preferring(families: &[IpFamily]) -> Stage {
    let mut world = worlds::dual_stack();
    world.clusters[0].ip_families = families.to_vec();
    let stage = Stage::in_world(world);
    let lines = "  ipFamilyPolicy: PreferDualStack\n  ports:\n  - port: 80\n";
    stage.repo.commit(&[
        ("privlink.toml", &worlds::settings()),
        (SERVICE, &docs::service_with("web", &[("azure-pls-create", "true")], lines)),
    ]);
    stage
}

#[test]
fn a_second_family_is_foreseen_where_the_cluster_has_one() {
    let stage = preferring(&[IpFamily::IPv4]);
    stage.converge();
    assert_eq!(stage.cluster().get("services", "default", "web").unwrap()["spec"]["ipFamilies"], json!(["IPv4"]));
    let stage = preferring(&[IpFamily::IPv4, IpFamily::IPv6]);
    stage.plan().ends(Exit::Incomplete).says("CCM-PLS-IPV6");
}
