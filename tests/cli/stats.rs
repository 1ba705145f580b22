//! How many calls a plan takes: pages, not resources.

use privlink::cli::Exit;
use privlink::sim::fault::Fault;
use privlink::sim::world::RawResource;
use privlink::sim::world::World;
use serde_json::json;

use super::docs;
use crate::runner::Stage;
use crate::runner::worlds;
use crate::runner::worlds::CONSUMER;
use crate::runner::worlds::PROVIDER;

const ALIAS: &str = "foreign-ledger.5ca1ab1e-0000-4000-8000-00000000abcd.eastus2.azure.privatelinkservice";

/// The calls to Azure that `--stats` told.
fn told(err: &str) -> usize {
    let line = err.lines().find_map(|line| line.strip_prefix("stats: ")).unwrap();
    line.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn calls_are_counted_by_method_and_type_and_results_stay_clean() {
    let stage = Stage::example();
    let ran = stage.run_on_repo("plan", &["--stats", "--format", "json"]).ends(Exit::Done);
    assert!(serde_json::from_str::<serde_json::Value>(&ran.out).is_ok(), "{}", ran.out);
    let stats: Vec<&str> = ran.err.lines().skip_while(|line| !line.starts_with("stats: ")).collect();
    insta::assert_snapshot!(stats.join("\n"), @"
    stats: 26 calls to Azure, 11 calls to Kubernetes
          6  GET    Microsoft.Authorization/permissions
          1  GET    Microsoft.ContainerService/managedClusters
          1  GET    Microsoft.Network/loadBalancers
          2  GET    Microsoft.Network/networkInterfaces
          2  GET    Microsoft.Network/privateDnsZones
          1  GET    Microsoft.Network/privateDnsZones/A
          1  GET    Microsoft.Network/privateDnsZones/virtualNetworkLinks
          2  GET    Microsoft.Network/privateEndpoints
          2  GET    Microsoft.Network/privateLinkServices
          2  GET    Microsoft.Network/virtualNetworks
          5  GET    Microsoft.Network/virtualNetworks/checkIPAddressAvailability
          1  GET    resourceGroups
          1  GET    services
          6  PATCH  services
          4  POST   selfsubjectaccessreviews
    ");
    let quiet = stage.plan().ends(Exit::Changes);
    assert!(!quiet.err.contains("stats: "));
    let applied = stage.run_on_repo("apply", &["--stats", "--approve-plan", &quiet.plan_id()]).ends(Exit::Done);
    // How often a write meets another one under way is the world's affair.
    let writes: Vec<&str> = applied.err.lines().filter(|line| line.contains("  PUT ")).collect();
    assert!(writes.iter().any(|line| line.ends_with("Microsoft.Network/privateEndpoints")), "{}", applied.err);
}

/// The example's world with pages of Azure's size, and room for a thousand endpoints.
fn large() -> World {
    let text = privlink::cli::demo::WORLD
        .replace("{ polls: 2 }", "{ polls: 1, page-size: 1000 }")
        .replace("prefixes: [10.50.1.0/24]", "prefixes: [10.50.0.0/16]");
    assert!(text.contains("page-size") && text.contains("[10.50.0.0/16]"));
    World::parse(&text).unwrap()
}

#[test]
fn a_plan_of_a_thousand_endpoints_and_services_takes_as_many_calls_as_there_are_pages() {
    let stage = Stage::in_world(large());
    let network = format!("/subscriptions/{CONSUMER}/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network");
    for number in 0..1000 {
        let id = format!("{network}/privateEndpoints/other-{number}?api-version=2025-05-01");
        let body = json!({"location": "eastus2", "properties": {
            "subnet": {"id": format!("{network}/virtualNetworks/myOtherVNET/subnets/pe-subnet")},
            "manualPrivateLinkServiceConnections": [{"name": "c", "properties": {"privateLinkServiceId": ALIAS}}]}});
        stage.azure_does("PUT", &id, Some(body));
        if number >= 8 {
            let manifest = json!({"apiVersion": "v1", "kind": "Service",
                "metadata": {"name": format!("other-{number}"), "namespace": "default"},
                "spec": {"type": "ClusterIP", "selector": {"app": "x"}, "ports": [{"port": 80}]}});
            stage.cluster().apply_raw(&manifest).unwrap();
        }
    }
    let names: Vec<String> = (0..8).map(|number| format!("web-{number}")).collect();
    let documents: Vec<(String, String)> = names
        .iter()
        .flat_map(|name| {
            let file = |what: &str| format!("environments/prod/{name}{what}.yaml");
            [
                (file(""), docs::service(name, &[])),
                (file("-published"), docs::published(name)),
                (file("-endpoint"), docs::endpoint(name)),
            ]
        })
        .chain([("privlink.toml".to_owned(), worlds::settings())])
        .collect();
    let documents: Vec<(&str, &str)> = documents.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    stage.repo.commit(&documents);
    let before = stage.simulator.requests().len();
    let ran = stage.run_on_repo("plan", &["--stats", "--detailed-exitcode"]).ends(Exit::Changes);
    let requests = stage.simulator.requests().split_off(before);
    let to_azure = requests.iter().filter(|own| own.path.starts_with("/subscriptions/") && !own.is_internal).count();
    assert_eq!(told(&ran.err), to_azure, "what is told is what was sent");
    assert!(to_azure <= 20, "{to_azure} calls:\n{}", ran.err);
}

/// The example's world with fifty more subscriptions in scope, of which one holds a zone; and its settings.
fn of_many_subscriptions(inventory: &str) -> Stage {
    let ids: Vec<String> = (10..60).map(|number| format!("00000000-0000-0000-0000-0000000000{number}")).collect();
    let mut world = worlds::example();
    for id in &ids {
        let subscription = json!({ "id": id, "name": format!("number {id}") });
        world.subscriptions.push(serde_json::from_value(subscription).unwrap());
        let id: privlink::domain::azure::SubscriptionId = id.parse().unwrap();
        world.identities.iter_mut().for_each(|identity| identity.subscriptions.as_mut().unwrap().push(id.clone()));
    }
    let zone = format!(
        "/subscriptions/{}/resourceGroups/rg-dns/providers/Microsoft.Network/privateDnsZones/other.internal",
        ids[7]
    );
    world.resources.push(RawResource { id: zone, body: json!({"location": "global"}), alias_guid: None });
    let group = json!({ "subscription": ids[7], "name": "rg-dns" });
    world.resource_groups.push(serde_json::from_value(group).unwrap());
    let stage = Stage::in_world(world);
    let all: Vec<String> = [PROVIDER, CONSUMER].into_iter().map(str::to_owned).chain(ids).collect();
    let settings = worlds::settings();
    let scope = format!("subscriptions = [\"{PROVIDER}\", \"{CONSUMER}\"]");
    let settings = settings
        .replace(&scope, &format!("subscriptions = {}", json!(all)))
        .replace("max-deletes = 10", &format!("max-deletes = 10\ninventory = {inventory:?}"));
    assert!(settings.contains(inventory) && settings.contains(&all[30]));
    stage.repo.commit(&[
        ("privlink.toml", &settings),
        ("environments/prod/web.yaml", &docs::service("web", &[])),
        ("environments/prod/web-published.yaml", &docs::published("web")),
        ("environments/prod/web-endpoint.yaml", &docs::endpoint("web")),
    ]);
    stage
}

fn counted(err: &str) -> String {
    err.lines().skip_while(|line| !line.starts_with("stats: ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn of_many_subscriptions_only_those_are_listed_that_documents_name_or_the_graph_knows() {
    let stage = of_many_subscriptions("resource-graph");
    let ran = stage.run_on_repo("plan", &["--stats", "--detailed-exitcode"]).ends(Exit::Changes);
    insta::assert_snapshot!(counted(&ran.err), @"
    stats: 75 calls to Azure, 6 calls to Kubernetes
         53  GET    Microsoft.Authorization/permissions
          1  GET    Microsoft.ContainerService/managedClusters
          1  GET    Microsoft.Network/loadBalancers
          3  GET    Microsoft.Network/networkInterfaces
          3  GET    Microsoft.Network/privateDnsZones
          2  GET    Microsoft.Network/privateDnsZones/A
          2  GET    Microsoft.Network/privateDnsZones/virtualNetworkLinks
          3  GET    Microsoft.Network/privateEndpoints
          3  GET    Microsoft.Network/privateLinkServices
          3  GET    Microsoft.Network/virtualNetworks
          1  POST   Microsoft.ResourceGraph/resources
          1  GET    services
          1  PATCH  services
          4  POST   selfsubjectaccessreviews
    ");
    stage.converge();
    // Whoever asks about every one finds nothing else to do.
    let all = of_many_subscriptions("lists");
    assert_eq!(all.plan().ends(Exit::Changes).plan_id(), ran.plan_id());
    assert!(told(&all.run_on_repo("plan", &["--stats"]).err) > 300);
}

#[test]
fn what_nobody_asks_for_any_more_is_found_by_the_graph() {
    let stage = of_many_subscriptions("resource-graph");
    stage.converge();
    stage.repo.commit(&[("environments/prod/README.md", "a folder without documents is a wish\n")]);
    stage.repo.remove(&[
        "environments/prod/web.yaml",
        "environments/prod/web-published.yaml",
        "environments/prod/web-endpoint.yaml",
    ]);
    let planned = stage.plan().ends(Exit::Changes);
    insta::assert_snapshot!(planned.out.lines().next().unwrap(), @"Plan for prod: severing");
}

#[test]
fn without_an_answer_of_the_graph_every_subscription_is_listed() {
    let stage = of_many_subscriptions("resource-graph");
    let planned = stage.plan().ends(Exit::Changes).plan_id();
    stage.simulator.add_fault(Fault {
        path: "Microsoft.ResourceGraph".to_owned(),
        status: 403,
        code: "Denied".to_owned(),
        ..Fault::default()
    });
    let ran = stage.run_on_repo("plan", &["--stats", "--detailed-exitcode"]).ends(Exit::Changes);
    assert!(told(&ran.err) > 300, "{}", ran.err);
    assert_eq!(ran.plan_id(), planned);
}
