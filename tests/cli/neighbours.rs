//! Two repositories with the same environment name in one subscription and one cluster, both with prune on.

use privlink::cli::Exit;
use serde_json::json;

use super::docs;
use crate::runner::Stage;
use crate::runner::config_repo::ConfigRepo;
use crate::runner::worlds;
use crate::runner::worlds::CONSUMER;

const OTHER_OWNER: &str = "0d9b8c1e-7a52-4b0f-8f38-64d2f4a9c3b1";
const KINDS: [&str; 3] = ["service", "published", "endpoint"];

fn path(name: &str, kind: &str) -> String {
    format!("environments/prod/{name}-{kind}.yaml")
}

/// A Service, its publication, an endpoint and a record, all of this name.
fn commit(repo: &ConfigRepo, settings: &str, name: &str) {
    repo.commit(&[
        ("privlink.toml", settings),
        ("environments/prod/README.md", "a folder without documents is a wish\n"),
        (&path(name, "service"), &docs::service(name, &[])),
        (&path(name, "published"), &docs::published(name)),
        (&path(name, "endpoint"), &docs::endpoint_with(name, &docs::dns(name))),
    ]);
}

#[track_caller]
fn apply_other(stage: &Stage, other: &ConfigRepo) {
    let url = other.url();
    let planned = stage.run(&["plan", "--repo", &url]).ends(Exit::Done);
    if planned.out.contains("Plan id: ") {
        stage.run(&["apply", "--repo", &url, "--approve-plan", &planned.plan_id()]).ends(Exit::Done);
        stage.idle();
    }
    stage.run(&["plan", "--repo", &url, "--detailed-exitcode"]).ends(Exit::Done);
}

#[test]
fn two_repositories_of_one_environment_name_never_touch_each_other_s_objects() {
    let stage = Stage::new();
    let other = ConfigRepo::new(&stage.folder().join("other.git"));
    commit(&stage.repo, &worlds::settings(), "left");
    commit(&other, &worlds::settings_of(OTHER_OWNER), "right");
    stage.converge();
    apply_other(&stage, &other);
    stage.assert_converged();
    assert!(!stage.status().contains("right"), "{}", stage.status());
    // One empties its folder: everything of its own goes, nothing of the other's.
    let paths = KINDS.map(|kind| path("left", kind));
    stage.repo.remove(&paths.each_ref().map(String::as_str));
    stage.converge();
    assert!(stage.cluster().get("services", "default", "left").is_none());
    let writes = stage.writes();
    apply_other(&stage, &other);
    assert_eq!(stage.writes(), writes, "the other repository lost nothing");
}

#[test]
fn what_another_repository_deployed_is_neither_adopted_nor_overwritten() {
    let stage = Stage::new();
    let other = ConfigRepo::new(&stage.folder().join("other.git"));
    commit(&stage.repo, &worlds::settings(), "left");
    commit(&other, &worlds::settings_of(OTHER_OWNER), "left");
    stage.converge();
    let url = other.url();
    stage
        .run(&["plan", "--repo", &url])
        .ends(Exit::Incomplete)
        .says("it exists already and belongs to 6f1c2b9e-4d3a-4c57-9a1e-0b7d5f8c2a10/prod");
    let writes = stage.writes();
    stage.run(&["apply", "--repo", &url, "--yes"]).ends(Exit::Incomplete);
    assert_eq!(stage.writes(), writes);
}

#[test]
fn a_network_that_somebody_linked_to_the_zone_under_another_name_needs_no_link_of_ours() {
    let stage = Stage::example();
    let group = |name: &str| format!("/subscriptions/{CONSUMER}/resourceGroups/{name}/providers/Microsoft.Network");
    let network = format!("{}/virtualNetworks/myOtherVNET", group("myOtherResourceGroup"));
    let link = format!("{}/privateDnsZones/orders.internal/virtualNetworkLinks/by-hand", group("rg-dns"));
    let body =
        json!({"location": "global", "properties": {"virtualNetwork": {"id": network}, "registrationEnabled": false}});
    stage.azure_does("PUT", &format!("{link}?api-version=2024-06-01"), Some(body));
    stage.plan().ends(Exit::Changes).says(&format!("the network is linked already by {link}, which stays as it is"));
    stage.converge();
    let told = stage.status();
    assert!(told.contains("api.orders.internal") && !told.contains("DnsReady False"), "{told}");
    // Once theirs is gone, ours is needed.
    stage.azure_does("DELETE", &format!("{link}?api-version=2024-06-01"), None);
    let planned = stage.plan().ends(Exit::Changes);
    insta::assert_snapshot!(planned.out.lines().filter(|line| line.contains("dnslink")).collect::<Vec<_>>().join("\n"), @"  1. + dnslink/orders.internal/privlink-myOtherVNET: create  [notable]");
    stage.converge();
}
