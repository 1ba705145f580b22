//! How many calls a plan takes: pages, not resources.

use privlink::cli::Exit;
use privlink::sim::world::World;
use serde_json::json;

use super::docs;
use crate::runner::Stage;
use crate::runner::worlds;
use crate::runner::worlds::CONSUMER;

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
