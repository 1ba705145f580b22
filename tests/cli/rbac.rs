//! The roles that `privlink rbac` prints: with them the whole story works, and without any single action it does not.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use privlink::cli::Exit;
use privlink::sim::world::FederatedCredential;
use privlink::sim::world::RawResource;
use privlink::sim::world::RoleAssignment;
use privlink::sim::world::RoleDefinition;
use privlink::sim::world::World;
use serde_json::Value;
use serde_json::json;

use super::docs;
use crate::runner::Stage;
use crate::runner::worlds;
use crate::runner::worlds::CONSUMER;
use crate::runner::worlds::NODE_GROUP;
use crate::runner::worlds::PROVIDER;

/// Who issues the tokens of the cluster in which privlink runs, and for which account.
const ISSUER: &str = "https://oidc.example.com/";
const SUBJECT: &str = "system:serviceaccount:privlink:privlink";

/// What is only looked at so that a plan can tell beforehand: without it the plan says that it could not look.
const FORESIGHT: [&str; 5] = [
    "Microsoft.Authorization/permissions/read",
    "Microsoft.Authorization/roleAssignments/read",
    "Microsoft.Authorization/roleDefinitions/read",
    "Microsoft.Network/virtualNetworks/checkIpAddressAvailability/read",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
];

/// The example, whose cluster is reached by what Azure says.
fn example() -> Vec<(&'static str, String)> {
    let own = |(path, text): &(&'static str, &str)| {
        let wide = text.replace("prune = true", "prune = true\nmax-deletes = 50");
        (*path, wide.replace("context = \"myAKSCluster\"", "get-credentials = true"))
    };
    privlink::cli::demo::EXAMPLE.iter().map(own).collect()
}

/// The example, for somebody who holds nothing but the token that Kubernetes puts into a pod.
fn stage(world: World) -> Stage {
    let stage = Stage::in_world(world);
    let claims = json!({ "iss": ISSUER, "sub": SUBJECT, "aud": "api://AzureADTokenExchange" });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let token = [part(&json!({ "alg": "RS256" })), part(&claims), "signature".to_owned()].join(".");
    let file = stage.folder().join("azure-identity-token");
    std::fs::write(&file, token).unwrap();
    let nothing = ["AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "PRIVLINK_PLAN_CLIENT_SECRET", "KUBECONFIG"];
    let file = file.to_str().unwrap();
    let variables: Vec<(&str, &str)> =
        nothing.map(|name| (name, "")).into_iter().chain([("AZURE_FEDERATED_TOKEN_FILE", file)]).collect();
    let stage = stage.with_variables(&variables);
    let files = example();
    stage.repo.commit(&files.iter().map(|(path, text)| (*path, text.as_str())).collect::<Vec<_>>());
    stage
}

/// The actions of a role, as the program prints them for the repository of the example.
fn printed(who: &str) -> Vec<String> {
    let stage = stage(worlds::example());
    let folder = stage.folder().join("work");
    stage.repo.clone_to(&folder);
    let ran = stage.run(&["rbac", folder.to_str().unwrap(), "-e", "prod", "--for", who]).ends(Exit::Done);
    let role: Value = serde_json::from_str(&ran.out).unwrap();
    role["Actions"].as_array().unwrap().iter().map(|action| action.as_str().unwrap().to_owned()).collect()
}

fn role(name: &str, actions: &[String]) -> RoleDefinition {
    RoleDefinition {
        name: name.to_owned(),
        description: String::new(),
        actions: actions.to_vec(),
        not_actions: Vec::new(),
    }
}

/// The example world, in which the two identities have these actions and no others. They have no secrets: they trust the
/// cluster in which privlink runs.
fn world(plan: &[String], apply: &[String]) -> World {
    let mut world = worlds::example();
    world.clusters[0].entra = true;
    let trusted = FederatedCredential { issuer: ISSUER.to_owned(), subject: SUBJECT.to_owned() };
    for (identity, role) in world.identities.iter_mut().zip(["plan", "apply"]) {
        identity.role = None;
        identity.secret = None;
        identity.federated = vec![trusted.clone()];
        let scopes = [PROVIDER, CONSUMER].map(|id| format!("/subscriptions/{id}"));
        identity.assignments = scopes.map(|scope| RoleAssignment { role: role.to_owned(), scope }).to_vec();
    }
    world.role_definitions = vec![role("plan", plan), role("apply", apply)];
    world
}

/// A subnet of the cluster's network that refers to everything that a subnet can refer to.
fn with_a_busy_subnet(mut world: World) -> World {
    let network = format!("/subscriptions/{PROVIDER}/resourceGroups/{NODE_GROUP}/providers/Microsoft.Network");
    let parts = ["networkSecurityGroups", "routeTables", "natGateways"].map(|kind| format!("{network}/{kind}/busy"));
    let put = |id: &String, body: Value| RawResource { id: id.clone(), body, alias_guid: None };
    world.resources.extend(parts.iter().map(|id| put(id, json!({"location": "eastus2", "properties": {}}))));
    let [group, table, gateway] = parts.map(|id| json!({ "id": id }));
    let prefix = world.virtual_networks[0].subnets[1].prefixes[0];
    let body = json!({"properties": {"addressPrefix": prefix, "networkSecurityGroup": group, "routeTable": table, "natGateway": gateway}});
    let name = world.virtual_networks[0].subnets[1].name.clone();
    world.resources.push(put(&format!("{network}/virtualNetworks/aks-vnet/subnets/{name}"), body));
    world
}

/// Plans and applies what the repository says, and looks whether that was all; else everything that was said.
fn converge(stage: &Stage) -> Result<(), String> {
    let mut said = String::new();
    let planned = stage.plan();
    write!(said, "{}{}", planned.out, planned.err).unwrap();
    if planned.exit != Exit::Changes {
        return Err(said);
    }
    let id = planned.plan_id();
    let applied = stage.run_on_repo("apply", &["--approve-plan", &id, "--deadline", "3s"]);
    write!(said, "{}{}", applied.out, applied.err).unwrap();
    stage.idle();
    let again = stage.plan();
    write!(said, "{}{}", again.out, again.err).unwrap();
    // Who may not look at interfaces knows no address, and leaves records alone whatever they say.
    let is_blind = again.out.contains("left alone: waits for");
    if applied.exit == Exit::Done && again.exit == Exit::Done && !is_blind { Ok(()) } else { Err(said) }
}

/// The example made, one of its addresses moved, and all of it taken away again.
fn story(world: World) -> Result<(), String> {
    let stage = stage(with_a_busy_subnet(world));
    converge(&stage)?;
    stage.repo.replace("environments/prod/services/orders.yaml", "10.224.0.200", "10.224.0.201");
    converge(&stage)?;
    let files = example();
    let paths: Vec<&str> =
        files.iter().map(|(path, _)| *path).filter(|path| path.starts_with("environments/")).collect();
    stage.repo.commit(&[("environments/prod/README.md", "a folder without documents is a wish\n")]);
    stage.repo.remove(&paths);
    converge(&stage)
}

fn without(actions: &[String], one: &str) -> Vec<String> {
    actions.iter().filter(|action| *action != one).cloned().collect()
}

#[test]
fn with_the_printed_roles_the_whole_story_works() {
    story(world(&printed("plan"), &printed("apply"))).unwrap();
}

#[test]
fn without_any_single_right_to_write_the_story_stops_and_names_it() {
    let (plan, apply) = (printed("plan"), printed("apply"));
    let mut wrong = Vec::new();
    for action in apply.iter().filter(|action| !action.ends_with("/read")) {
        match story(world(&plan, &without(&apply, action))) {
            Ok(()) => wrong.push(format!("{action} is not needed")),
            Err(said) if !said.contains(action.as_str()) => wrong.push(format!("nobody names {action}:\n{said}")),
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn without_any_single_right_to_read_the_story_stops_and_names_it() {
    let (plan, apply) = (printed("plan"), printed("apply"));
    let mut wrong = Vec::new();
    let mut judge = |who: &str, action: &str, world: World| match story(world) {
        Ok(()) => wrong.push(format!("{who}: {action} is not needed")),
        Err(said) if !said.contains(action) => wrong.push(format!("{who}: nobody names {action}:\n{said}")),
        Err(_) => {}
    };
    for action in plan.iter().filter(|action| !FORESIGHT.contains(&action.as_str())) {
        judge("plan", action, world(&without(&plan, action), &apply));
    }
    let reads = apply.iter().filter(|action| action.ends_with("/read") && !FORESIGHT.contains(&action.as_str()));
    for action in reads {
        judge("apply", action, world(&plan, &without(&apply, action)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A cluster in a network of somebody's own, whose identity has these actions there.
fn stage_with_a_network_of_its_own(actions: &[String]) -> Stage {
    let mut world = worlds::example();
    let group = "myResourceGroup".parse::<privlink::domain::azure::ResourceGroup>().unwrap();
    world.virtual_networks[0].resource_group = group.clone();
    world.clusters[0].virtual_network_resource_group = Some(group);
    world.role_definitions.push(role("own", actions));
    let at = |role: &str, group: &str| RoleAssignment {
        role: role.to_owned(),
        scope: format!("/subscriptions/{PROVIDER}/resourceGroups/{group}"),
    };
    world.clusters[0].assignments = Some(vec![at("Contributor", NODE_GROUP), at("own", "myResourceGroup")]);
    let stage = Stage::in_world(world);
    stage.repo.commit(&[
        ("privlink.toml", &worlds::settings()),
        ("environments/prod/web.yaml", &docs::service("web", &[("azure-load-balancer-ipv4", "10.224.10.1")])),
        ("environments/prod/web-published.yaml", &docs::published("web")),
    ]);
    stage
}

#[test]
fn the_cluster_needs_every_right_that_is_printed_for_it_on_a_network_of_somebody_s_own() {
    let all = printed("cluster");
    converge(&stage_with_a_network_of_its_own(&all)).unwrap();
    // A subnet refers to nothing here: that its references take rights of their own, the simulator's own tests say.
    for action in all.iter().filter(|action| action.contains("/subnets/")) {
        let said = converge(&stage_with_a_network_of_its_own(&without(&all, action))).unwrap_err();
        assert!(said.contains(&format!("lacks {action} on")), "{action}:\n{said}");
    }
}

/// What `privlink rbac` prints for the example.
fn told(args: &[&str]) -> String {
    let stage = Stage::example();
    let folder = stage.folder().join("work");
    stage.repo.clone_to(&folder);
    let all = [&["rbac", folder.to_str().unwrap(), "-e", "prod"], args].concat();
    stage.run(&all).ends(Exit::Done).out
}

#[test]
fn the_rights_are_told_with_what_each_is_for_and_how_it_is_given() {
    insta::assert_snapshot!("rights", told(&[]));
}

#[test]
fn roles_in_the_cluster_are_ready_for_kubectl() {
    insta::assert_snapshot!(told(&["--for", "kubernetes"]), @"
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRole
    metadata:
      name: privlink-plan-prod
    rules:
    - apiGroups:
      - ''
      resources:
      - services
      verbs:
      - list
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRole
    metadata:
      name: privlink-apply-prod
    rules:
    - apiGroups:
      - ''
      resources:
      - events
      verbs:
      - list
    - apiGroups:
      - ''
      resources:
      - services
      verbs:
      - create
      - delete
      - get
      - list
      - patch
    ");
}

#[test]
fn a_role_is_ready_for_az() {
    insta::assert_snapshot!(told(&["--for", "cluster"]), @r#"
    {
      "Actions": [
        "Microsoft.Network/natGateways/join/action",
        "Microsoft.Network/networkSecurityGroups/join/action",
        "Microsoft.Network/routeTables/join/action",
        "Microsoft.Network/virtualNetworks/subnets/join/action",
        "Microsoft.Network/virtualNetworks/subnets/read",
        "Microsoft.Network/virtualNetworks/subnets/write"
      ],
      "AssignableScopes": [
        "/subscriptions/00000000-0000-0000-0000-000000000001"
      ],
      "DataActions": [],
      "Description": "What the cluster of the environment prod needs on the network of its nodes, where that lies outside their own resource group",
      "IsCustom": true,
      "Name": "privlink-cluster-prod",
      "NotActions": [],
      "NotDataActions": []
    }
    "#);
}
