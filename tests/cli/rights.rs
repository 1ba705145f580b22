//! The rights that the documentation asks for: they suffice, and without one of them the program says which it was.

use std::collections::BTreeMap;

use privlink::cli::Exit;
use privlink::sim::world::{RoleAssignment, RoleDefinition, World};
use serde_json::{Value, json};

use super::docs;
use crate::runner::Stage;
use crate::runner::worlds;
use crate::runner::worlds::{CONSUMER, NODE_GROUP, PROVIDER};

/// What planning reads.
const PLAN: &[&str] = &[
    "Microsoft.Network/privateLinkServices/read",
    "Microsoft.Network/privateLinkServices/privateEndpointConnections/read",
    "Microsoft.Network/privateEndpoints/read",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups/read",
    "Microsoft.Network/loadBalancers/read",
    "Microsoft.Network/loadBalancers/frontendIPConfigurations/read",
    "Microsoft.Network/virtualNetworks/read",
    "Microsoft.Network/virtualNetworks/subnets/read",
    "Microsoft.Network/networkInterfaces/read",
    "Microsoft.Network/privateDnsZones/read",
    "Microsoft.Network/privateDnsZones/*/read",
    "Microsoft.ContainerService/managedClusters/read",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
];

/// What applying needs beside it.
const APPLY: &[&str] = &[
    "Microsoft.Network/privateLinkServices/write",
    "Microsoft.Network/privateLinkServices/delete",
    "Microsoft.Network/privateLinkServices/privateEndpointConnections/write",
    "Microsoft.Network/privateLinkServices/privateEndpointConnections/delete",
    APPROVAL,
    "Microsoft.Network/loadBalancers/frontendIPConfigurations/join/action",
    "Microsoft.Network/virtualNetworks/subnets/join/action",
    "Microsoft.Network/virtualNetworks/subnets/write",
    "Microsoft.Network/privateEndpoints/write",
    "Microsoft.Network/privateEndpoints/delete",
    "Microsoft.Network/privateDnsZones/A/write",
    "Microsoft.Network/privateDnsZones/A/delete",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks/write",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks/delete",
    "Microsoft.Network/virtualNetworks/join/action",
];

const APPROVAL: &str = "Microsoft.Network/privateLinkServices/PrivateEndpointConnectionsApproval/action";

fn role(name: &str, actions: &[&[&str]]) -> RoleDefinition {
    let actions = actions.iter().copied().flatten().map(|own| (*own).to_owned()).collect();
    RoleDefinition { name: name.to_owned(), description: String::new(), actions, not_actions: Vec::new() }
}

/// The example world, in which the two identities have these roles instead of reader and contributor.
fn world(plan: RoleDefinition, apply: RoleDefinition) -> World {
    let mut world = worlds::example();
    for (identity, role) in world.identities.iter_mut().zip([&plan, &apply]) {
        identity.role = None;
        let scopes = [PROVIDER, CONSUMER].map(|id| format!("/subscriptions/{id}"));
        identity.assignments = scopes.map(|scope| RoleAssignment { role: role.name.clone(), scope }).to_vec();
    }
    world.role_definitions = vec![plan, apply];
    world
}

#[test]
fn the_documented_rights_suffice_for_the_whole_example() {
    let stage = Stage::in_world(world(role("plan", &[PLAN]), role("apply", &[PLAN, APPLY])));
    stage.repo.commit(privlink::cli::demo::EXAMPLE);
    stage.converge();
}

#[test]
fn a_missing_right_that_nobody_may_look_for_is_refused_by_azure_and_nothing_else_is_blamed() {
    let apply: Vec<&str> = APPLY.iter().copied().filter(|own| *own != APPROVAL).collect();
    let stage = Stage::in_world(world(role("plan", &[PLAN]), role("apply", &[PLAN, &apply])));
    stage.repo.commit(privlink::cli::demo::EXAMPLE);
    stage.plan().ends(Exit::Changes).says("not looked at beforehand: Azure denies the question");
    stage
        .apply()
        .ends(Exit::Partial)
        .says("LinkedAuthorizationFailed")
        .says("PrivateEndpointConnectionsApproval/action");
}

/// What it takes to look for rights before.
const LOOK: &[&str] = &["Microsoft.Authorization/permissions/read"];

const SUBNET: &str = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/myOtherResourceGroup/providers/\
                      Microsoft.Network/virtualNetworks/myOtherVNET/subnets/pe-subnet";
const JOIN: &str = "Microsoft.Network/virtualNetworks/subnets/join/action";

/// A published Service and an endpoint on it.
fn commit_shop(stage: &Stage) {
    stage.repo.commit(&[
        ("privlink.toml", &worlds::settings()),
        ("environments/prod/web.yaml", &docs::service("web", &[("azure-load-balancer-ipv4", "10.224.10.1")])),
        ("environments/prod/web-published.yaml", &docs::published("web")),
        ("environments/prod/web-endpoint.yaml", &docs::endpoint("web")),
    ]);
}

/// The identity that applies may do everything in the cluster's subscription; in the consumer's, it may join no subnet.
fn stage_without_join() -> Stage {
    let consumer: Vec<&str> = APPLY.iter().copied().filter(|own| *own != JOIN).collect();
    let mut world = world(role("plan", &[PLAN, LOOK]), role("apply", &[PLAN, LOOK, APPLY]));
    world.role_definitions.push(role("consumer", &[PLAN, LOOK, &consumer]));
    world.identities[1].assignments[1].role = "consumer".to_owned();
    let stage = Stage::in_world(world);
    commit_shop(&stage);
    stage
}

/// The object id of the identity that applies.
fn applier() -> String {
    let name = "privlink-sim/principal/00000000-0000-0000-0000-0000000000a2";
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes()).to_string()
}

/// What `az role assignment create` does.
fn grant(stage: &Stage, principal: &str, (role, scope): (&str, &str)) {
    let authorization = format!("{scope}/providers/Microsoft.Authorization");
    let filter = format!("$filter=roleName eq '{role}'").replace(' ', "%20");
    let roles = stage.azure(&format!("{authorization}/roleDefinitions?{filter}")).unwrap();
    let name = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, format!("{role} {scope}").as_bytes());
    let body = json!({ "properties": {
        "roleDefinitionId": roles["value"][0]["id"], "principalId": principal, "principalType": "ServicePrincipal",
    } });
    stage.azure_does("PUT", &format!("{authorization}/roleAssignments/{name}"), Some(body));
}

#[test]
fn a_right_that_the_applying_identity_lacks_is_told_before_anything_is_written_and_the_cure_cures() {
    let stage = stage_without_join();
    let planned = stage.plan().ends(Exit::Incomplete);
    let told = planned.out.lines().filter(|line| line.contains("not applicable") || line.contains("help: "));
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @r#"
          not applicable because the identity 00000000-0000-0000-0000-0000000000a2 lacks Microsoft.Network/virtualNetworks/subnets/join/action on /subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network/virtualNetworks/myOtherVNET/subnets/pe-subnet (PRE-RIGHT-LACKING)
          help: grant it with: az role assignment create --assignee 00000000-0000-0000-0000-0000000000a2 --role "Network Contributor" --scope /subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network/virtualNetworks/myOtherVNET/subnets/pe-subnet
    "#);
    let json: Value = serde_json::from_str(&stage.run_on_repo("plan", &["--format", "json"]).out).unwrap();
    assert_eq!(
        json["leftOut"][0]["refusals"][0]["right"],
        json!({
            "identity": "00000000-0000-0000-0000-0000000000a2",
            "actions": [JOIN],
            "scope": SUBNET,
            "role": "Network Contributor",
        })
    );
    // What does not need it is applied.
    stage.run_on_repo("apply", &["--approve-plan", &planned.plan_id()]).ends(Exit::Incomplete);
    assert_eq!(
        stage.azure(&SUBNET.replace("virtualNetworks/myOtherVNET/subnets/pe-subnet", "privateEndpoints/pe-web")),
        None
    );
    let doctor = stage.run_on_repo("doctor", &[]).ends(Exit::Incomplete);
    let told = doctor.out.lines().skip_while(|line| !line.contains("missing")).take(2);
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @r#"
    missing  rights to apply: the identity 00000000-0000-0000-0000-0000000000a2 lacks Microsoft.Network/virtualNetworks/subnets/join/action on /subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network/virtualNetworks/myOtherVNET/subnets/pe-subnet
             help: az role assignment create --assignee 00000000-0000-0000-0000-0000000000a2 --role "Network Contributor" --scope /subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network/virtualNetworks/myOtherVNET/subnets/pe-subnet
    "#);
    grant(&stage, &applier(), ("Network Contributor", SUBNET));
    stage.converge();
    // What is done already may have to be written again: it is looked at all the same.
    stage.run_on_repo("doctor", &[]).ends(Exit::Done).says("rights to apply: all");
}

#[test]
fn a_runner_that_cannot_sign_in_as_the_one_that_applies_says_so_and_makes_the_same_plan() {
    let stage = Stage::in_world(worlds::example());
    commit_shop(&stage);
    let whole = stage.plan().ends(Exit::Changes);
    assert!(!whole.out.contains("not looked at beforehand"), "{}", whole.out);
    let url = stage.repo.url();
    let reviewer =
        [("AZURE_CLIENT_ID", "00000000-0000-0000-0000-0000000000a1"), ("AZURE_CLIENT_SECRET", "plan-secret")];
    let blind = stage.run_with(&["plan", "--repo", &url, "-e", "prod", "--detailed-exitcode"], &reviewer);
    let blind = blind.ends(Exit::Changes).says(
        "rights of the identity that applies: not looked at beforehand: 00000000-0000-0000-0000-0000000000a2 applies; this \
         runner cannot sign in as it, and Azure tells nobody the rights of others",
    );
    assert_eq!(blind.plan_id(), whole.plan_id());
}

#[test]
fn consent_to_a_plan_of_a_runner_that_could_not_look_is_no_consent_to_what_is_then_left_out() {
    let stage = stage_without_join();
    let url = stage.repo.url();
    let reviewer =
        [("AZURE_CLIENT_ID", "00000000-0000-0000-0000-0000000000a1"), ("AZURE_CLIENT_SECRET", "plan-secret")];
    let blind = stage.run_with(&["plan", "--repo", &url, "-e", "prod"], &reviewer).ends(Exit::Done).plan_id();
    let writes = stage.writes();
    stage.run_on_repo("apply", &["--approve-plan", &blind]).ends(Exit::Approval).says("look at the plan again");
    stage.plan().ends(Exit::Incomplete).says("(PRE-RIGHT-LACKING)");
    assert_eq!(stage.writes(), writes);
}

#[test]
fn where_nobody_says_who_applies_a_lack_is_a_warning_and_leaves_nothing_out() {
    let stage = stage_without_join();
    let settings = worlds::settings();
    let unnamed: Vec<&str> = settings.lines().filter(|line| !line.contains("-client-id = ")).collect();
    stage.repo.commit(&[("privlink.toml", &(unnamed.join("\n") + "\n"))]);
    let reader = [("PRIVLINK_PLAN_CLIENT_SECRET", "")];
    let url = stage.repo.url();
    stage
        .run_with(&["plan", "--repo", &url, "-e", "prod", "--detailed-exitcode"], &reader)
        .ends(Exit::Changes)
        .says("bound to be refused if nobody else applies: the identity 00000000-0000-0000-0000-0000000000a2 lacks")
        .says("(PRE-RIGHT-LACKING)");
}

/// Where rights were asked about, how often each, since a request of the log.
fn asked(stage: &Stage, since: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in stage.simulator.requests().into_iter().skip(since) {
        if let Some(scope) = request.path.strip_suffix("/providers/Microsoft.Authorization/permissions") {
            // Of subscriptions, whoever plans asks every time.
            let short = scope.split('/').skip(4).collect::<Vec<_>>().join("/");
            if !short.is_empty() {
                *counts.entry(short).or_insert(0) += 1;
            }
        }
    }
    counts
}

#[test]
fn rights_are_asked_about_once_a_group_that_is_written_in_and_never_for_a_plan_without_changes() {
    let stage = Stage::in_world(worlds::example());
    commit_shop(&stage);
    stage.plan().ends(Exit::Changes);
    assert_eq!(asked(&stage, 0), BTreeMap::from([("myOtherResourceGroup".to_owned(), 1)]));
    stage.converge();
    let since = stage.simulator.requests().len();
    stage.plan().ends(Exit::Done);
    assert_eq!(asked(&stage, since), BTreeMap::new());
    // Unpublishing deletes in the cluster's own group; the endpoint goes in the consumer's.
    stage.repo.edit(
        "main",
        "main",
        &[("environments/prod/web-published.yaml", None), ("environments/prod/web-endpoint.yaml", None)],
    );
    stage.plan().ends(Exit::Changes);
    assert_eq!(
        asked(&stage, since),
        BTreeMap::from([(NODE_GROUP.to_owned(), 1), ("myOtherResourceGroup".to_owned(), 1)])
    );
}

#[test]
fn a_group_that_does_not_give_a_right_leads_to_one_question_about_the_resource() {
    let stage = stage_without_join();
    stage.plan().ends(Exit::Incomplete);
    let subnet = "myOtherResourceGroup/providers/Microsoft.Network/virtualNetworks/myOtherVNET/subnets/pe-subnet";
    assert_eq!(asked(&stage, 0), BTreeMap::from([("myOtherResourceGroup".to_owned(), 1), (subnet.to_owned(), 1)]));
}

const NODES: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/myResourceGroup/providers/\
                     Microsoft.Network/virtualNetworks/aks-vnet/subnets/aks-subnet";

/// A cluster in a network of somebody's own, whose identity may only look at it.
fn stage_with_a_network_of_its_own() -> Stage {
    let mut world = worlds::example();
    let group = "myResourceGroup".parse::<privlink::domain::azure::ResourceGroup>().unwrap();
    world.virtual_networks[0].resource_group = group.clone();
    world.clusters[0].virtual_network_resource_group = Some(group);
    world.role_definitions.push(role("joiner", &[&[JOIN]]));
    let at = |role: &str, group: &str| RoleAssignment {
        role: role.to_owned(),
        scope: format!("/subscriptions/{PROVIDER}/resourceGroups/{group}"),
    };
    world.clusters[0].assignments = Some(vec![at("Contributor", NODE_GROUP), at("Reader", "myResourceGroup")]);
    let stage = Stage::in_world(world);
    commit_shop(&stage);
    stage
}

fn cluster_identity(stage: &Stage) -> String {
    let cluster = format!(
        "/subscriptions/{PROVIDER}/resourceGroups/myResourceGroup/providers/Microsoft.ContainerService/managedClusters/myAKSCluster"
    );
    stage.azure(&cluster).unwrap()["identity"]["principalId"].as_str().unwrap().to_owned()
}

/// What the cloud provider's last events say of a Service that somebody puts there past the program.
fn failed_sync(stage: &Stage, annotations: &[(&str, &str)]) -> String {
    let mut live: Value = serde_yaml::from_str(&docs::service("web", annotations)).unwrap();
    live["metadata"]["namespace"] = json!("default");
    stage.cluster().apply_raw(&live).unwrap();
    stage.idle();
    let events = stage.cluster().list("events", Some("default"));
    let said = events.iter().map(|event| event["message"].as_str().unwrap_or_default().to_owned());
    stage.cluster().delete("services", "default", "web").unwrap();
    stage.idle();
    said.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_the_cluster_s_identity_may_not_do_in_a_network_of_somebody_s_own_is_told_and_the_cure_cures() {
    let stage = stage_with_a_network_of_its_own();
    let principal = cluster_identity(&stage);
    let address = ("azure-load-balancer-ipv4", "10.224.10.1");
    let lacks = |stage: &Stage, action: &str| {
        let planned = stage.plan().ends(Exit::Incomplete);
        let told = format!(
            "not applicable because the cluster's identity {principal} lacks {action} on {NODES}: every sync fails (PRE-CLUSTER-RIGHT)"
        );
        planned.says(&told).says(&format!("--assignee {principal} --role \"Network Contributor\" --scope {NODES}"))
    };
    let write = "Microsoft.Network/virtualNetworks/subnets/write";
    lacks(&stage, &format!("{JOIN} and {write}"));
    let said = failed_sync(&stage, &[address]);
    assert!(said.contains("LinkedAuthorizationFailed") && said.contains(JOIN), "{said}");
    // To join is enough for a Service, and not for a Private Link Service in a subnet whose policy is on.
    grant(&stage, &principal, ("joiner", NODES));
    lacks(&stage, write);
    let said = failed_sync(&stage, &[address, ("azure-pls-create", "true")]);
    assert!(said.contains("AuthorizationFailed") && said.contains(write), "{said}");
    grant(&stage, &principal, ("Network Contributor", NODES));
    stage.converge();
}

#[test]
fn roles_of_the_cluster_s_identity_that_may_not_be_seen_are_told_and_leave_nothing_out() {
    let mut world = worlds::example();
    let group = "myResourceGroup".parse::<privlink::domain::azure::ResourceGroup>().unwrap();
    world.virtual_networks[0].resource_group = group.clone();
    world.clusters[0].virtual_network_resource_group = Some(group);
    world.role_definitions.push(role("plan", &[PLAN]));
    world.identities[0].role = None;
    let scopes = [PROVIDER, CONSUMER].map(|id| format!("/subscriptions/{id}"));
    world.identities[0].assignments = scopes.map(|scope| RoleAssignment { role: "plan".to_owned(), scope }).to_vec();
    let stage = Stage::in_world(world);
    commit_shop(&stage);
    stage.plan().ends(Exit::Changes).says(&format!(
        "rights of the cluster's identity on {NODES}: not looked at beforehand: Azure denies the question"
    ));
    stage.converge();
}

#[test]
fn a_policy_that_the_applying_identity_may_not_switch_off_leaves_the_private_link_service_out() {
    let write = "Microsoft.Network/virtualNetworks/subnets/write";
    let apply: Vec<&str> = APPLY.iter().copied().filter(|own| *own != write).collect();
    let stage = Stage::in_world(world(role("plan", &[PLAN, LOOK]), role("apply", &[PLAN, LOOK, &apply])));
    let managed = "  managedBy: privlink\n  resourceGroup: rg-pls\n  nat: { subnet: pls-subnet, count: 1 }\n";
    stage.repo.commit(&[
        ("privlink.toml", &worlds::settings()),
        ("environments/prod/web.yaml", &docs::service("web", &[("azure-load-balancer-ipv4", "10.224.10.1")])),
        ("environments/prod/web-published.yaml", &docs::published_with("web", managed)),
    ]);
    let network = format!("/subscriptions/{PROVIDER}/resourceGroups/{NODE_GROUP}/providers/Microsoft.Network");
    let subnet = format!("{network}/virtualNetworks/aks-vnet/subnets/pls-subnet");
    let planned = stage
        .plan()
        .ends(Exit::Incomplete)
        .says(&format!("lacks {write} on {subnet} (PRE-RIGHT-LACKING)"))
        .says("not applicable because it needs subnet/aks-vnet/pls-subnet");
    stage.run_on_repo("apply", &["--approve-plan", &planned.plan_id()]).ends(Exit::Incomplete);
    stage.idle();
    // The same, put there by somebody else: with the policy on there is none.
    let balancer = stage.azure(&format!("{network}/loadBalancers/kubernetes-internal")).unwrap();
    let body = json!({"location": "eastus2", "properties": {
        "loadBalancerFrontendIpConfigurations": [{"id": balancer["properties"]["frontendIPConfigurations"][0]["id"]}],
        "ipConfigurations": [{"name": "nat", "properties": {"primary": true, "subnet": {"id": subnet}}}],
    }});
    let link = format!(
        "/subscriptions/{PROVIDER}/resourceGroups/rg-pls/providers/Microsoft.Network/privateLinkServices/pls-web"
    );
    assert_eq!(
        stage.azure_refuses("PUT", &link, Some(body)),
        "PrivateLinkServiceCannotBeCreatedInSubnetThatHasNetworkPoliciesEnabled"
    );
    grant(&stage, &applier(), ("Network Contributor", &subnet));
    stage.converge();
}

/// The example world, whose planning identity has this role on these scopes.
fn planning_with(actions: &[&str], scopes: &[String]) -> World {
    let mut world = worlds::example();
    world.role_definitions.push(role("plan", &[actions]));
    world.identities[0].role = None;
    let assigned = |scope: &String| RoleAssignment { role: "plan".to_owned(), scope: scope.clone() };
    world.identities[0].assignments = scopes.iter().map(assigned).collect();
    world
}

fn not_read(stage: &Stage) -> String {
    let planned = stage.plan();
    let told = planned.out.lines().skip_while(|line| !line.contains("Could not be read"));
    let told: Vec<&str> = told.take_while(|line| !line.trim().is_empty()).collect();
    told.join("\n")
}

#[test]
fn a_list_that_azure_cuts_short_is_not_believed_and_the_lacking_right_is_named() {
    let subscriptions = [PROVIDER, CONSUMER].map(|id| format!("/subscriptions/{id}"));
    let all: Vec<&str> = [PLAN, LOOK].concat();
    let endpoints = "Microsoft.Network/privateEndpoints/read";
    let few: Vec<&str> = all.iter().copied().filter(|own| *own != endpoints).collect();
    let stage = Stage::in_world(planning_with(&few, &subscriptions));
    commit_shop(&stage);
    insta::assert_snapshot!(not_read(&stage), @"
    Could not be read
      private endpoints of subscription 00000000-0000-0000-0000-000000000001: whoever plans lacks Microsoft.Network/privateEndpoints/read on /subscriptions/00000000-0000-0000-0000-000000000001, and Azure leaves out of a list what its reader may not read
      private endpoints of subscription 00000000-0000-0000-0000-000000000002: whoever plans lacks Microsoft.Network/privateEndpoints/read on /subscriptions/00000000-0000-0000-0000-000000000002, and Azure leaves out of a list what its reader may not read
    ");
    // What is not seen may be there: it is not made.
    stage.plan().ends(Exit::Incomplete).says("privateendpoint/pe-web: not planned");
}

#[test]
fn whoever_may_read_the_groups_that_the_scope_names_sees_enough() {
    let groups = [(PROVIDER, NODE_GROUP), (PROVIDER, "myResourceGroup"), (CONSUMER, "myOtherResourceGroup")];
    let scopes = groups.map(|(id, group)| format!("/subscriptions/{id}/resourceGroups/{group}"));
    let stage = Stage::in_world(planning_with(&["*/read"], &scopes));
    commit_shop(&stage);
    let unnamed =
        format!("rights to read in subscription {CONSUMER}: not looked at beforehand: Azure denies the question");
    stage.plan().ends(Exit::Changes).says(&unnamed);
    let settings = worlds::settings();
    let named = "[environments.prod.scope]\nresource-groups = [\"myResourceGroup\", \"myOtherResourceGroup\"]";
    let settings = settings.replace("[environments.prod.scope]", named);
    stage.repo.commit(&[("privlink.toml", &settings)]);
    assert_eq!(not_read(&stage), "");
    // Of each of these groups it has to read all that is listed.
    let zones = "Microsoft.Network/privateDnsZones/read";
    let few: Vec<&str> = [PLAN, LOOK].concat().into_iter().filter(|own| *own != zones).collect();
    let stage = Stage::in_world(planning_with(&few, &scopes));
    commit_shop(&stage);
    stage.repo.commit(&[("privlink.toml", &settings)]);
    let told = not_read(&stage);
    assert!(told.contains(&format!("lacks {zones} on {}", scopes[2])), "{told}");
}
