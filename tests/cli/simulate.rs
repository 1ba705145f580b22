//! The simulator as a person uses it beside the program: what is changed by hand there is what a plan finds.

use privlink::cli::Exit;
use privlink::cli::demo::EXAMPLE;
use privlink::sim::arm::Style;
use serde_json::Value;

use crate::runner::Ran;
use crate::runner::Stage;
use crate::runner::run;
use crate::runner::worlds;

/// Runs `simulate ctl` on the simulator of a stage.
fn ctl(stage: &Stage, arguments: &[&str]) -> Ran {
    let folder = stage.folder().join("simulator");
    std::fs::create_dir_all(&folder).unwrap();
    let endpoints = stage.simulator.endpoints();
    std::fs::write(folder.join("admin-url"), &endpoints.admin_url).unwrap();
    std::fs::write(folder.join("admin-token"), &endpoints.admin_token).unwrap();
    let variable = [("PRIVLINK_SIMULATOR_DIR", folder.to_str().unwrap())];
    stage.run_with(&[&["simulate", "ctl"], arguments].concat(), &variable)
}

#[test]
fn drift_made_by_hand_is_seen_by_a_plan() {
    let stage = Stage::converged_example();
    let listed = ctl(&stage, &["list", "services"]).ends(Exit::Done).out;
    assert!(listed.contains("service/default/kubernetes"), "{listed}");
    let internal = "service.beta.kubernetes.io/azure-load-balancer-internal";
    let found = ctl(&stage, &["list", "services", "--format", "json"]).ends(Exit::Done).out;
    let found: Value = serde_json::from_str(&found).unwrap();
    let mut objects = found["objects"].as_array().unwrap().iter().map(|found| &found["object"]);
    let ours = objects.rfind(|object| object["metadata"]["annotations"][internal] == "true").unwrap();
    let (namespace, name) = (&ours["metadata"]["namespace"], &ours["metadata"]["name"]);
    let id = format!("service/{}/{}", namespace.as_str().unwrap(), name.as_str().unwrap());
    let writes = stage.writes();
    ctl(&stage, &["patch", &id, r#"{"spec":{"ports":[{"name":"extra","port":9999}]}}"#]).ends(Exit::Done);
    ctl(&stage, &["annotate", &id, "by-hand=yes"]).ends(Exit::Done).says("\"by-hand\": \"yes\"");
    stage.idle();
    assert_eq!(stage.writes(), writes, "nobody who is a client did that");
    stage.plan().ends(Exit::Changes).says(&id).says("drift: changed outside Git");

    let endpoints = ctl(&stage, &["list", "privateEndpoints"]).ends(Exit::Done).out;
    let gone = endpoints.lines().find_map(|line| line.split_once(" /")).unwrap().1;
    ctl(&stage, &["delete", &format!("/{gone}")]).ends(Exit::Done);
    let name = gone.rsplit('/').next().unwrap();
    stage.plan().ends(Exit::Changes).says(name).says("create");
}

#[test]
fn a_fault_made_by_hand_is_met_counted_and_cleared() {
    let stage = Stage::new();
    ctl(&stage, &["fault", "list"]).ends(Exit::Done).says("no faults");
    ctl(&stage, &["fault", "add", "--path", "privateEndpoints"]).ends(Exit::Failed).says("say what goes wrong");
    let add = ["fault", "add", "--path", "privateEndpoints", "--status", "503", "--times", "2", "--probability", "1"];
    ctl(&stage, &add).ends(Exit::Done).says("1  hit 0 of 0");
    ctl(&stage, &["fault", "add", "--drop", "sideways"]).ends(Exit::Failed).says("before");
    let status = stage.simulator.arm().call("GET", &format!("{}/x/privateEndpoints", worlds::CONSUMER), &[], None);
    assert_eq!(status.status, 503);
    ctl(&stage, &["fault", "list"]).ends(Exit::Done).says("1  hit 1 of 1").says("\"times\":2");
    ctl(&stage, &["fault", "clear", "7"]).ends(Exit::Failed).says("There is no fault 7");
    ctl(&stage, &["fault", "clear"]).ends(Exit::Done).says("no faults");
}

#[test]
fn the_rest_of_ctl_says_what_it_finds() {
    let stage = Stage::new();
    ctl(&stage, &["advance", "90s"]).ends(Exit::Done).says("90.0 s ahead of real time");
    ctl(&stage, &["clock", "--format", "json"]).ends(Exit::Done).says("\"ahead-milliseconds\": 90000");
    ctl(&stage, &["resync"]).ends(Exit::Done);
    ctl(&stage, &["requests"]).ends(Exit::Done).says("GET    /_sim/clock");
    assert_eq!(ctl(&stage, &["requests", "--writes"]).ends(Exit::Done).out, "");
    ctl(&stage, &["state"]).ends(Exit::Done).says("cluster myAKSCluster").says("Microsoft.Network/virtualNetworks");
    let manifest = stage.folder().join("namespace.yaml");
    std::fs::write(&manifest, "metadata: { labels: { made-by: hand } }\n").unwrap();
    ctl(&stage, &["put", "namespace/fresh", manifest.to_str().unwrap()]).ends(Exit::Done).says("\"made-by\": \"hand\"");
    ctl(&stage, &["get", "namespace/fresh"]).ends(Exit::Done).says("\"made-by\": \"hand\"");
    ctl(&stage, &["get", "service/fresh/web"]).ends(Exit::Failed).says("There is no service fresh/web");
    ctl(&stage, &["get", "nonsense"]).ends(Exit::Failed).says("neither a resource id nor");
    ctl(&stage, &["annotate", "/subscriptions/x", "a=b"]).ends(Exit::Failed).says("only objects of a cluster");
}

#[test]
fn a_simulator_that_is_not_there_is_said_to_be_missing() {
    let stage = Stage::new();
    let nowhere = stage.folder().join("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    stage.run(&["simulate", "ctl", "clock", "--dir", nowhere]).ends(Exit::Failed).says("no simulator has written to");
    std::fs::create_dir_all(nowhere).unwrap();
    std::fs::write(format!("{nowhere}/admin-url"), "http://127.0.0.1:1/_sim").unwrap();
    std::fs::write(format!("{nowhere}/admin-token"), "x").unwrap();
    stage.run(&["simulate", "ctl", "clock", "--dir", nowhere]).ends(Exit::Failed).says("has it ended?");
}

#[test]
fn wrong_options_of_the_simulator_are_refused() {
    let none = Default::default();
    run(&["simulate"], &none).ends(Exit::Failed).says("say which world to start with");
    run(&["simulate", "--world", "w", "--tls-cert", "c"], &none).ends(Exit::Failed).says("--tls-key");
    run(&["simulate", "--world", "/nowhere"], &none).ends(Exit::Failed).says("cannot read /nowhere");
}

/// Applies the example where operations are announced otherwise, or take their time per type.
#[track_caller]
fn converges_with(style: Style) {
    let mut world = worlds::example();
    world.operations.style = style;
    let stage = Stage::in_world(world);
    stage.repo.commit(EXAMPLE);
    stage.converge();
}

#[test]
fn the_example_converges_where_only_location_tells() {
    converges_with(Style::Location);
}

#[test]
fn the_example_converges_where_only_the_resources_state_tells() {
    converges_with(Style::ProvisioningState);
}
