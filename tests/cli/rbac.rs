//! The roles that `privlink rbac` prints: with them the whole story works, and without any single action it does not.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use privlink::cli::Exit;
use privlink::sim::fault::Fault;
use privlink::sim::world::ClusterUser;
use privlink::sim::world::FederatedCredential;
use privlink::sim::world::RawResource;
use privlink::sim::world::RoleAssignment;
use privlink::sim::world::RoleDefinition;
use privlink::sim::world::World;
use serde_json::Value;
use serde_json::json;

use super::docs;
use crate::runner::Ran;
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

/// What the program prints for the repository of a stage.
fn print_of(stage: &Stage, who: &str) -> String {
    let folder = stage.folder().join("work");
    stage.repo.clone_to(&folder);
    stage.run(&["rbac", folder.to_str().unwrap(), "-e", "prod", "--for", who]).ends(Exit::Done).out
}

/// What the program prints for the repository of the example.
fn print(who: &str) -> String {
    print_of(&stage(worlds::example()), who)
}

/// The roles in the cluster of who plans and of who applies.
fn cluster_roles(printed: &str) -> [Value; 2] {
    let roles: Vec<Value> = printed.split("---\n").map(|role| serde_yaml::from_str(role).unwrap()).collect();
    roles.try_into().unwrap()
}

/// The actions of a role, as the program prints them for the repository of the example.
fn printed(who: &str) -> Vec<String> {
    actions(&print(who))
}

fn actions(role: &str) -> Vec<String> {
    let role: Value = serde_json::from_str(role).unwrap();
    role["Actions"].as_array().unwrap().iter().map(|action| action.as_str().unwrap().to_owned()).collect()
}

/// What the two identities may do: one plans, the other one applies.
#[derive(Clone)]
struct Rights {
    /// Their actions in Azure.
    actions: [Vec<String>; 2],
    /// Their roles in the cluster.
    roles: [Value; 2],
}

impl Rights {
    /// Exactly what is printed.
    fn printed() -> Self {
        Self { actions: [printed("plan"), printed("apply")], roles: cluster_roles(&print("kubernetes")) }
    }

    fn without(&self, who: usize, action: &str) -> Self {
        let mut fewer = self.clone();
        fewer.actions[who].retain(|own| own != action);
        fewer
    }

    fn without_verb(&self, who: usize, (rule, verb): (usize, &Value)) -> Self {
        let mut fewer = self.clone();
        fewer.roles[who]["rules"][rule]["verbs"].as_array_mut().unwrap().retain(|own| own != verb);
        fewer
    }
}

/// The object ids by which the cluster knows the two identities.
fn object_ids() -> [String; 2] {
    ["a1", "a2"].map(|end| {
        let name = format!("privlink-sim/principal/00000000-0000-0000-0000-0000000000{end}");
        uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes()).to_string()
    })
}

fn role(name: &str, actions: &[String]) -> RoleDefinition {
    RoleDefinition {
        name: name.to_owned(),
        description: String::new(),
        actions: actions.to_vec(),
        not_actions: Vec::new(),
    }
}

/// The example world, in which the two identities have these rights and no others. They have no secrets: they trust the
/// cluster in which privlink runs.
fn world(rights: &Rights) -> World {
    let mut world = worlds::example();
    world.clusters[0].entra = true;
    world.clusters[0].users = users(&object_ids().each_ref().map(String::as_str), &rights.roles);
    let trusted = FederatedCredential { issuer: ISSUER.to_owned(), subject: SUBJECT.to_owned() };
    for (identity, role) in world.identities.iter_mut().zip(["plan", "apply"]) {
        identity.role = None;
        identity.secret = None;
        identity.federated = vec![trusted.clone()];
        let scopes = [PROVIDER, CONSUMER].map(|id| format!("/subscriptions/{id}"));
        identity.assignments = scopes.map(|scope| RoleAssignment { role: role.to_owned(), scope }).to_vec();
    }
    let [plan, apply] = &rights.actions;
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
    story(world(&Rights::printed())).unwrap();
}

/// Tells the story with fewer rights; answers what is wrong about its end.
fn stops(fewer: &Rights, names: &str, lacking: &str) -> Option<String> {
    match story(world(fewer)) {
        Ok(()) => Some(format!("{lacking} is not needed")),
        Err(said) if !said.contains(names) => Some(format!("{lacking}: nobody says {names}:\n{said}")),
        Err(_) => None,
    }
}

#[test]
fn without_any_single_right_to_write_the_story_stops_and_names_it() {
    let rights = Rights::printed();
    let writes = rights.actions[1].iter().filter(|action| !action.ends_with("/read"));
    let wrong: Vec<String> = writes.filter_map(|action| stops(&rights.without(1, action), action, action)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn without_any_single_right_to_read_the_story_stops_and_names_it() {
    let rights = Rights::printed();
    let mut wrong = Vec::new();
    for (who, name) in ["plan", "apply"].into_iter().enumerate() {
        let reads = rights.actions[who].iter().filter(|action| action.ends_with("/read") || name == "plan");
        for action in reads.filter(|action| !FORESIGHT.contains(&action.as_str())) {
            wrong.extend(stops(&rights.without(who, action), action, &format!("{name}: {action}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn without_any_single_verb_in_the_cluster_the_story_stops_and_names_it() {
    let rights = Rights::printed();
    let (mut wrong, mut tried, ids) = (Vec::new(), Vec::new(), object_ids());
    for (who, name) in ["plan", "apply"].into_iter().enumerate() {
        for (rule, own) in rights.roles[who]["rules"].as_array().unwrap().iter().enumerate() {
            // Without it a plan says that it could not look, where there is anything to look at.
            if own["resources"][0] == "namespaces" || (name == "plan" && own["resources"][0] == "events") {
                continue;
            }
            let (verbs, resource) = (own["verbs"].as_array().unwrap(), own["resources"][0].as_str().unwrap());
            for verb in verbs {
                // Only an agent watches, and it sees an interval later without.
                if verb == "watch" {
                    continue;
                }
                let fewer = rights.without_verb(who, (rule, verb));
                let (id, verb) = (&ids[who], verb.as_str().unwrap());
                tried.push(format!("{name}: {verb} {resource}"));
                // What cannot be read the API server says, and what cannot be written the plan.
                let told = match name {
                    "plan" => format!(
                        "User \"{id}\" cannot {verb} resource \"{resource}\" in API group \"\" at the cluster scope"
                    ),
                    _ => format!(
                        "the cluster's user {id} lacks {verb} on {resource} in the namespace default (PRE-ACCESS-LACKING)"
                    ),
                };
                wrong.extend(stops(&fewer, &told, &format!("{name}: {verb} {resource}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    insta::assert_snapshot!(tried.join("\n"), @"
    plan: list services
    apply: list events
    apply: create services
    apply: delete services
    apply: get services
    apply: patch services
    ");
}

/// The example beside another Service, its cluster in a network of somebody's own: a plan looks at all that it can.
fn stage_with_much_to_look_at(rights: &Rights, other: &str) -> Stage {
    let stage = stage(with_a_network_of_its_own(world(rights)));
    stage.repo.commit(&[("environments/prod/other.yaml", other)]);
    stage
}

/// What a plan could not look at beforehand, for lack of this.
fn not_looked_at(plan: &Ran, lack: &str) -> usize {
    let told = plan.out.lines().filter(|line| line.contains("not looked at beforehand"));
    // Azure's own operations do not agree with themselves about capitals.
    told.filter(|line| line.to_lowercase().contains(&lack.to_lowercase())).count()
}

#[test]
fn without_any_single_right_to_look_ahead_the_plan_names_it_and_the_story_goes_on() {
    let (rights, other) = (Rights::printed(), docs::service("own", &[("azure-load-balancer-ipv4", "10.224.10.1")]));
    let whole = stage_with_much_to_look_at(&rights, &other).plan().ends(Exit::Changes);
    for action in FORESIGHT {
        let lack = format!("whoever asks lacks {action}");
        assert_eq!(not_looked_at(&whole, &lack), 0, "{}", whole.out);
        let fewer = rights.without(0, action);
        let stage = stage_with_much_to_look_at(&fewer, &other);
        let plan = stage.plan().ends(Exit::Changes);
        assert_ne!(not_looked_at(&plan, &lack), 0, "{lack}: {}", plan.out);
        assert_eq!(plan.plan_id(), whole.plan_id(), "{action}");
        story(world(&fewer)).unwrap();
    }
}

#[test]
fn without_a_verb_to_look_ahead_the_plan_names_it_and_goes_on() {
    let rights = Rights::printed();
    let lonely = docs::service("lonely", &[]).replace("name: lonely\n", "name: lonely\n  namespace: blue\n");
    // Its address lies in no subnet of the cluster: it waits for ever.
    let waiting = docs::service("waiting", &[("azure-load-balancer-ipv4", "10.99.0.1")]);
    for (resource, verb, other) in [("namespaces", "get", &lonely), ("events", "list", &waiting)] {
        let lack = format!("cannot {verb} resource \"{resource}\" in API group \"\"");
        let plan = |rights: &Rights| {
            let stage = stage_with_much_to_look_at(rights, other);
            if resource == "events" {
                stage.cluster().apply_raw(&serde_yaml::from_str(other).unwrap()).unwrap();
                stage.idle();
            }
            stage.plan()
        };
        assert_eq!(not_looked_at(&plan(&rights), &lack), 0);
        let rules = rights.roles[0]["rules"].as_array().unwrap();
        let rule = rules.iter().position(|rule| rule["resources"][0] == resource).unwrap();
        let plan = plan(&rights.without_verb(0, (rule, &json!(verb))));
        assert_eq!(not_looked_at(&plan, &lack), 1, "{}", plan.out);
    }
}

/// The roles in the cluster of who plans and of who applies, as the program prints them for these settings.
pub(super) fn printed_for_the_cluster(settings: &str) -> [Value; 2] {
    let stage = Stage::new();
    stage.repo.commit(&[("privlink.toml", settings)]);
    cluster_roles(&print_of(&stage, "kubernetes"))
}

/// Settings by which one user of the cluster plans and another one applies.
fn of_two_users(settings: &str) -> String {
    let contexts = "context = \"plan@myAKSCluster\"\napply-context = \"apply@myAKSCluster\"";
    let (before, after) = (settings, settings.replace("context = \"myAKSCluster\"", contexts));
    assert_ne!(before, after);
    after
}

fn users(names: &[&str; 2], roles: &[Value; 2]) -> Vec<ClusterUser> {
    let user = |(name, role): (&&str, &Value)| ClusterUser {
        name: (*name).to_owned(),
        roles: vec![serde_json::from_value(role.clone()).unwrap()],
    };
    names.iter().zip(roles).map(user).collect()
}

/// The example, whose user that applies may do everything that this role says.
fn stage_of_users(edit: impl Fn(&mut Vec<Value>)) -> Stage {
    let settings = of_two_users(&worlds::settings());
    let mut roles = printed_for_the_cluster(&settings);
    let verbs = roles[1]["rules"].as_array_mut().unwrap().iter_mut().find(|rule| rule["resources"][0] == "services");
    edit(verbs.unwrap()["verbs"].as_array_mut().unwrap());
    let mut world = worlds::example();
    world.clusters[0].users = users(&["plan", "apply"], &roles);
    let stage = Stage::in_world(world);
    stage.repo.commit(&[
        ("privlink.toml", &settings),
        ("environments/prod/web.yaml", &docs::service("web", &[])),
        ("environments/prod/web-published.yaml", &docs::published("web")),
        ("environments/prod/web-endpoint.yaml", &docs::endpoint("web")),
    ]);
    stage
}

#[test]
fn a_verb_that_the_applying_user_lacks_is_told_with_its_cure_and_leaves_out_what_needs_it() {
    let stage = stage_of_users(|verbs| verbs.retain(|verb| verb != "create" && verb != "patch"));
    let planned = stage.plan().ends(Exit::Incomplete);
    let told = planned.out.lines().filter(|line| line.contains("not applicable") || line.contains("help: "));
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @"
    not applicable because the cluster's user apply lacks create and patch on services in the namespace default (PRE-ACCESS-LACKING)
    help: grant it with: kubectl create role privlink-create-patch-services --namespace default --verb create,patch --resource services && kubectl create rolebinding privlink-create-patch-services --namespace default --role privlink-create-patch-services --user apply
    not applicable because it needs service/default/web
    not applicable because it needs privatelinkservice/default/web
    ");
    let json: Value = serde_json::from_str(&stage.run_on_repo("plan", &["--format", "json"]).out).unwrap();
    let left = json["leftOut"].as_array().unwrap().iter().find(|left| left["key"] == "service/default/web").unwrap();
    insta::assert_snapshot!(left["refusals"][0]["access"], @r#"{"namespace":"default","resource":"services","user":"apply","verbs":["create","patch"]}"#);
    let doctor = stage.run_on_repo("doctor", &[]).ends(Exit::Incomplete);
    let told = doctor.out.lines().skip_while(|line| !line.contains("in the cluster:"));
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @"
    missing  rights to apply in the cluster: the cluster's user apply lacks create and patch on services in the namespace default
             help: kubectl create role privlink-create-patch-services --namespace default --verb create,patch --resource services && kubectl create rolebinding privlink-create-patch-services --namespace default --role privlink-create-patch-services --user apply
    ");
    assert_eq!(stage.writes(), 0);
}

#[test]
fn where_nobody_says_which_user_applies_a_lack_is_a_warning() {
    let stage = stage_of_users(|verbs| verbs.retain(|verb| verb != "patch"));
    let settings = worlds::settings().replace("context = \"myAKSCluster\"", "context = \"apply@myAKSCluster\"");
    stage.repo.commit(&[("privlink.toml", &settings)]);
    // Whoever applies alone plans as well.
    stage.plan().ends(Exit::Incomplete).says("User \"apply\" cannot list resource \"services\"");
    let stage = stage_of_users(|verbs| {
        verbs.retain(|verb| verb != "patch");
        verbs.push(json!("list"));
    });
    stage.repo.commit(&[("privlink.toml", &settings)]);
    stage.plan().ends(Exit::Changes).says(
        "bound to be refused if nobody else applies: the cluster's user apply lacks patch on services in the namespace default",
    );
}

#[test]
fn who_has_no_context_of_the_applying_user_and_whom_the_server_does_not_answer_makes_the_same_plan_and_says_so() {
    let stage = stage_of_users(|_| ());
    let whole = stage.plan().ends(Exit::Changes);
    let untried =
        "what the API server says to the Services: not looked at beforehand: the user that plans may not patch";
    assert_eq!(whole.out.matches("not looked at beforehand").count(), 1, "{}", whole.out);
    assert!(whole.out.contains(untried), "{}", whole.out);
    let fault: Fault = serde_json::from_value(json!({
        "path": "*/selfsubjectaccessreviews", "status": 403, "code": "Forbidden", "message": "no questions, please",
    }))
    .unwrap();
    stage.simulator.add_fault(fault);
    let unanswered = stage.plan().ends(Exit::Changes);
    let words =
        "rights of the user that applies in the cluster: not looked at beforehand: the API server denies the question";
    assert_eq!(unanswered.says(words).plan_id(), whole.plan_id());
    stage.simulator.clear_faults();
    let kubeconfig = stage.folder().join("kubeconfig");
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    std::fs::write(&kubeconfig, text.replace("name: apply@myAKSCluster", "name: somebody@myAKSCluster")).unwrap();
    let without = stage.plan().ends(Exit::Changes);
    let words = "not looked at beforehand: the context apply@myAKSCluster applies: no client for the cluster: the kubeconfig \
                 cannot be used: it has no context named \"apply@myAKSCluster\"";
    assert_eq!(without.says(words).plan_id(), whole.plan_id());
    stage.run_on_repo("doctor", &[]).ends(Exit::Done).says("unknown  cluster, to apply: ");
}

#[test]
fn what_several_namespaces_need_is_asked_about_once_unless_that_is_denied() {
    let asked = |stage: &Stage| {
        let requests = stage.simulator.requests();
        requests.iter().filter(|request| request.path.ends_with("/selfsubjectaccessreviews")).count()
    };
    let commit = |stage: &Stage| {
        for namespace in ["blue", "green"] {
            let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            stage.cluster().apply_raw(&manifest).unwrap();
        }
        let service = |namespace: &str| {
            docs::service("web", &[]).replace("name: web\n", &format!("name: web\n  namespace: {namespace}\n"))
        };
        let settings = of_two_users(&worlds::settings());
        stage.repo.commit(&[
            ("privlink.toml", &settings),
            ("environments/prod/b.yaml", &service("blue")),
            ("environments/prod/g.yaml", &service("green")),
        ]);
    };
    let stage = stage_of_users(|_| ());
    stage.repo.remove(&[
        "environments/prod/web.yaml",
        "environments/prod/web-published.yaml",
        "environments/prod/web-endpoint.yaml",
    ]);
    commit(&stage);
    stage.plan().ends(Exit::Changes);
    assert_eq!(asked(&stage), 4, "get, create and patch services, list events");
    // Roles in the namespaces do as well.
    let roles = ["blue", "green"].map(|namespace| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "own", "namespace": namespace},
            "rules": [{"apiGroups": [""], "resources": ["services", "events"], "verbs": ["*"]}]})
    });
    let mut world = worlds::example();
    let read = printed_for_the_cluster(&of_two_users(&worlds::settings()))[0].clone();
    world.clusters[0].users = users(&["plan", "apply"], &[read.clone(), read]);
    world.clusters[0].users[1].roles = roles.map(|role| serde_json::from_value(role).unwrap()).to_vec();
    let stage = Stage::in_world(world);
    commit(&stage);
    stage.plan().ends(Exit::Changes);
    assert_eq!(asked(&stage), 4 + 8);
    stage.converge();
}

#[test]
fn a_service_in_a_namespace_that_is_not_there_is_told_and_made_once_it_is() {
    let stage = stage_of_users(|_| ());
    let service = docs::service("lonely", &[]).replace("name: lonely\n", "name: lonely\n  namespace: blue\n");
    assert!(service.contains("namespace: blue"));
    stage.repo.commit(&[("environments/prod/lonely.yaml", &service)]);
    let planned = stage
        .plan()
        .ends(Exit::Incomplete)
        .says("not applicable because the namespace blue does not exist, or is being deleted (PRE-NAMESPACE-MISSING)")
        .says(
            "help: Create it first, with: kubectl create namespace blue; or let privlink, with create-namespace = true",
        );
    // The rest is made.
    stage.run_on_repo("apply", &["--approve-plan", &planned.plan_id()]).ends(Exit::Incomplete);
    assert!(stage.cluster().get("services", "default", "web").is_some());
    let fault: Fault = serde_json::from_value(json!({
        "method": "GET", "path": "/api/v1/namespaces/blue", "status": 403, "code": "Forbidden", "message": "not yours",
    }))
    .unwrap();
    stage.simulator.add_fault(fault);
    stage
        .plan()
        .ends(Exit::Changes)
        .says("namespaces of the cluster: not looked at beforehand: the API server denies the question");
    stage.simulator.clear_faults();
    let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "blue"}});
    stage.cluster().apply_raw(&manifest).unwrap();
    stage.converge();
}

/// Gives the cluster's identity these actions in a group, beside what AKS gives it in the group of the nodes.
fn give_cluster(world: &mut World, actions: &[String], group: &str) {
    world.role_definitions.push(role("own", actions));
    let at = |role: &str, group: &str| RoleAssignment {
        role: role.to_owned(),
        scope: format!("/subscriptions/{PROVIDER}/resourceGroups/{group}"),
    };
    world.clusters[0].assignments = Some(vec![at("Contributor", NODE_GROUP), at("own", group)]);
}

/// A world whose cluster lies in a network of somebody's own.
fn with_a_network_of_its_own(mut world: World) -> World {
    let group = "myResourceGroup".parse::<privlink::domain::azure::ResourceGroup>().unwrap();
    world.virtual_networks[0].resource_group = group.clone();
    world.clusters[0].virtual_network_resource_group = Some(group);
    world
}

/// A cluster in a network of somebody's own, whose identity has these actions there.
fn stage_with_a_network_of_its_own(actions: &[String]) -> Stage {
    let mut world = with_a_network_of_its_own(worlds::example());
    give_cluster(&mut world, actions, "myResourceGroup");
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

/// A Service whose Private Link Service lies in a group of its own, where the cluster's identity has these actions.
fn stage_with_a_group_of_links(actions: &[String]) -> Stage {
    let mut world = worlds::example();
    give_cluster(&mut world, actions, "rg-pls");
    let stage = Stage::in_world(world);
    stage.repo.commit(&[
        ("privlink.toml", &worlds::settings()),
        ("environments/prod/README.md", "a folder without documents is a wish\n"),
        ("environments/prod/web.yaml", &docs::service("web", &[])),
        ("environments/prod/web-published.yaml", &docs::published_with("web", "  resourceGroup: rg-pls\n")),
        ("environments/prod/web-endpoint.yaml", &docs::endpoint("web")),
    ]);
    stage
}

#[test]
fn the_cluster_needs_every_right_that_is_printed_for_it_in_a_group_of_links() {
    let all = actions(&print_of(&stage_with_a_group_of_links(&[]), "cluster"));
    let story = |actions: &[String]| {
        let stage = stage_with_a_group_of_links(actions);
        converge(&stage)?;
        stage.repo.remove(
            &["web", "web-published", "web-endpoint"]
                .map(|name| format!("environments/prod/{name}.yaml"))
                .each_ref()
                .map(String::as_str),
        );
        converge(&stage)
    };
    story(&all).unwrap();
    let of_links: Vec<&String> = all.iter().filter(|action| action.contains("/privateLinkServices/")).collect();
    assert_eq!(of_links.len(), 4, "{all:?}");
    for action in of_links {
        let said = story(&without(&all, action)).unwrap_err();
        assert!(said.contains(action.as_str()), "{action}:\n{said}");
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
      - events
      verbs:
      - list
    - apiGroups:
      - ''
      resources:
      - namespaces
      verbs:
      - get
    - apiGroups:
      - ''
      resources:
      - services
      verbs:
      - list
      - watch
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
      - namespaces
      verbs:
      - get
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
      - watch
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
      "Description": "What the cluster of the environment prod needs on the network of its nodes and in the groups of its Private Link Services, where these lie outside the resource group of the nodes",
      "IsCustom": true,
      "Name": "privlink-cluster-prod",
      "NotActions": [],
      "NotDataActions": []
    }
    "#);
}
