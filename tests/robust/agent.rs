//! The agent left running: woken by pushes and signals, idle otherwise, stopped in good order.

use std::collections::BTreeSet;
use std::time::Duration;

use privlink::sim::fault::Fault;
use serde_json::Value;

use super::probes::Probed;
use super::process::{Machine, Running, Stage, example, example_with_approval, small, until};

const STATUS: &str = "privlink/status/prod";
/// Nothing happens by itself for as long as a test takes.
const STILL: [&str; 4] = ["--interval", "1h", "--drift-interval", "1h"];

fn start(stage: &Stage, arguments: &[&str]) -> Running {
    let mut all = vec!["agent", "--debounce", "10ms"];
    all.extend(arguments);
    stage.start(&all)
}

fn quick(files: Vec<(String, String)>) -> Vec<(String, String)> {
    let wanted: BTreeSet<String> = small().into_iter().map(|(path, _)| path).collect();
    files.into_iter().filter(|(path, _)| wanted.contains(path)).collect()
}

fn pushes(stage: &Stage, files: &[(String, String)]) {
    stage.repo.commit("main", "alice <alice@example.com>", files);
}

#[test]
fn a_push_wakes_the_agent_and_new_settings_need_no_restart() {
    let stage = Stage::new(&quick(example_with_approval()));
    let agent = start(&stage, &STILL);
    until("it says that a plan waits", || stage.repo.count(STATUS) == 1);
    assert_eq!(stage.writes(), 0);
    // From now on the branch's protection is consent enough.
    pushes(&stage, &quick(example()));
    until("it has applied and said so", || stage.repo.count(STATUS) >= 2 && stage.writes() > 0);
    agent.signal("TERM");
    agent.wait().ends(0).says("waits for approval").says("Applied: 2 of 3 steps done, 1 waiting");
    stage.idle();
    stage.apply().ends(0);
    stage.assert_converged();
}

#[test]
fn settings_that_are_broken_are_told_once_and_the_agent_goes_on_when_they_are_mended() {
    let stage = Stage::new(&quick(example()));
    let agent = start(&stage, &["--interval", "20ms", "--drift-interval", "20ms"]);
    until("it has applied", || stage.repo.count(STATUS) >= 1);
    let broken = vec![("privlink.toml".to_owned(), "version = \n".to_owned())];
    pushes(&stage, &broken);
    let seen = stage.simulator().requests().len();
    // Looks go on, and there is no pass without settings: the mended ones are found by a look.
    let path = "environments/prod/services/storefront.yaml";
    let text = small().into_iter().find(|(name, _)| name == path).unwrap().1;
    let changed = (path.to_owned(), text.replace("app: storefront", "app: shop"));
    let writes = stage.writes();
    let mended: Vec<_> = quick(example()).into_iter().filter(|(name, _)| name != path).chain([changed]).collect();
    pushes(&stage, &mended);
    until("the change is applied", || stage.writes() > writes);
    assert!(stage.simulator().requests().len() > seen);
    agent.signal("TERM");
    let run = agent.wait().ends(0);
    assert!(run.err.matches("privlink.toml").count() <= 2, "it is told again and again:\n{}", run.err);
}

#[test]
fn a_hangup_makes_a_pass_now() {
    let stage = Stage::new(&quick(example()));
    let agent = start(&stage, &STILL);
    until("it has applied", || stage.repo.count(STATUS) == 1);
    // The pass was not over with its commit only if it still had something to ask.
    stage.idle();
    let before = stage.simulator().requests().len();
    agent.signal("HUP");
    until("it looks again", || stage.simulator().requests().len() > before);
    agent.signal("TERM");
    agent.wait().ends(0);
}

#[test]
fn an_idle_agent_asks_the_repository_and_nobody_else() {
    let stage = Stage::new(&quick(example()));
    stage.apply().ends(0);
    stage.idle();
    stage.apply().ends(0);
    let Some(server) = crate::git::server::Server::start(stage.folder().to_owned()) else { return };
    let url = server.url("config.git");
    let machine: Machine = stage.machine.clone().with("PRIVLINK_GIT_TOKEN", "good");
    let agent = machine.start(&["agent", "--repo", &url, "--interval", "5ms", "--drift-interval", "1h"]);
    until("it made its first pass", || !stage.simulator().requests().is_empty() && server.seen().len() > 20);
    // Requests of the first pass are over once two looks in a row asked for nothing else.
    let (mut asked, mut looks) = (0, 0);
    until("the agent is idle", || {
        let (now, seen) = (stage.simulator().requests().len(), server.seen().len());
        if now != asked {
            (asked, looks) = (now, seen);
        }
        seen > looks + 50
    });
    let (writes, commits) = (stage.writes(), stage.repo.count(STATUS));
    agent.signal("TERM");
    agent.wait().ends(0);
    assert_eq!((stage.writes(), stage.repo.count(STATUS)), (writes, commits));
    let seen = server.seen();
    let idle = &seen[seen.len() - 40..];
    // Without credentials first, as Git does: the server has to ask for them.
    assert!(idle.iter().all(|seen| seen.target == "/config.git/info/refs?service=git-upload-pack"), "{idle:#?}");
}

#[test]
fn stopped_in_mid_apply_it_finishes_the_writes_in_flight_and_says_what_is_left() {
    let stage = Stage::new(&example());
    let fault = Fault { client: Some("privlink".to_owned()), delay_milliseconds: 15, ..Fault::default() };
    stage.simulator().add_fault(fault);
    let agent = start(&stage, &STILL);
    until("it writes", || stage.writes() >= 2);
    agent.signal("TERM");
    agent.wait().ends(0).says("stopping: writes in flight of prod are finished").says("not begun");
    stage.simulator().clear_faults();
    stage.apply().ends(0);
    stage.idle();
    stage.apply().ends(0);
    stage.assert_converged();
}

#[test]
fn as_json_every_line_of_a_pass_has_its_id_and_nothing_is_said_beside_the_log() {
    let stage = Stage::new(&quick(example()));
    let run = stage.run(&["agent", "--once", "--log-format", "json", "--log", "privlink=debug"]).ends(0);
    assert_eq!(run.out, "");
    let lines: Vec<Value> = run.err.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let message = |line: &Value| line["fields"]["message"].as_str().unwrap_or_default().to_owned();
    let begins = lines.iter().position(|line| message(line) == "a pass begins").unwrap();
    let ends = lines.iter().position(|line| message(line) == "the pass ended").unwrap();
    let id = &lines[begins]["span"]["pass_id"];
    assert_eq!(id.as_str().unwrap().len(), 36);
    for line in &lines[begins..=ends] {
        assert_eq!((&line["span"]["pass_id"], &line["span"]["environment"]), (id, &"prod".into()), "{line}");
    }
    assert_eq!(lines[ends]["fields"]["end"], "applied");
    let tip = stage.repo.open().refname_to_id(&format!("refs/heads/{STATUS}")).unwrap().to_string();
    assert_eq!(lines[ends]["fields"]["status"], tip);
    let steps = lines.iter().filter(|line| message(line) == "a step ended");
    let ended: Vec<&str> = steps.filter_map(|line| line["fields"]["end"].as_str()).collect();
    assert_eq!(ended.len(), 3, "{ended:?}");
    assert_eq!((ended.contains(&"done"), ended.contains(&"waiting")), (true, true), "{ended:?}");
    let commit =
        stage.repo.open().revparse_single(&tip).unwrap().peel_to_commit().unwrap().message().unwrap().to_owned();
    assert!(commit.starts_with("prod: Applied: 2 of 3 steps done, 1 waiting\n"), "{commit}");
    assert!(Duration::from_secs_f64(lines[ends]["fields"]["seconds"].as_f64().unwrap()) > Duration::ZERO);
}

#[test]
fn what_a_plan_waits_for_is_in_the_log_and_nothing_in_it_is_coloured_for_a_file() {
    let stage = Stage::new(&quick(example_with_approval()));
    let json = stage.run(&["agent", "--once", "--log-format", "json"]).ends(4);
    let last: Value = serde_json::from_str(json.err.lines().last().unwrap()).unwrap();
    assert_eq!(last["fields"]["needs"].as_str().unwrap().split(':').next(), Some("notable changes need 1 person"));
    let text = stage.run(&["agent", "--once", "--log", "info"]).ends(4);
    assert!(text.err.contains("INFO pass{") && !text.all().contains('\u{1b}'), "{}", text.err);
}

#[test]
fn what_else_a_plan_waits_for_is_told_without_the_plan() {
    let freeze = "prune = true\nfreeze = { reason = \"the sale\", until = \"2999-01-01T00:00:00Z\" }";
    let frozen = |(path, text): (String, String)| (path, text.replace("prune = true", freeze));
    let stage = Stage::new(&quick(example_with_approval()).into_iter().map(frozen).collect::<Vec<_>>());
    let agent = Probed::start(&stage, &["--interval", "20ms", "--drift-interval", "1h"]);
    let waits = || agent.metrics().sum("privlink_pending_approvals");
    until("it waits for a person", || waits() > 0.0);
    stage
        .run(&["approve", "--as", "bob", "--author", "bob <bob@example.com>"])
        .ends(4)
        .says("nobody can be asked here");
    let plan = stage.run(&["plan"]).all();
    let id = plan.rsplit("Plan id: ").next().unwrap().split_whitespace().next().unwrap().to_owned();
    let approve = ["approve", "--as", "bob", "--author", "bob <bob@example.com>", "--plan", &id, "--yes"];
    stage.run(&approve).ends(0);
    until("it waits for nobody", || waits() == 0.0);
    assert_eq!(agent.metrics().sum("privlink_pending_approval_age_seconds"), 0.0);
    let run = agent.stop().says("waits for approval").says("prod: waits until the environment is not frozen any more");
    assert!(run.all().contains("no changes before 2999-01-01T00:00:00Z: the sale"), "{}", run.all());
    assert_eq!(run.all().matches("Plan id: ").count(), 1, "{}", run.all());
    assert_eq!(stage.writes(), 0);
}

#[test]
fn what_somebody_changes_in_the_cluster_is_looked_at_at_once() {
    let stage = Stage::new(&quick(example()));
    let agent = start(&stage, &STILL);
    until("it has applied", || stage.repo.count(STATUS) == 1);
    stage.idle();
    // What it made itself is a change, too: then it looks once more and finds nothing to do.
    let looks = || {
        let asks = |own: &privlink::sim::log::LoggedRequest| own.path.ends_with("/managedClusters/myAKSCluster");
        stage.simulator().requests().iter().filter(|own| asks(own)).count()
    };
    until("it has looked at what it made", || looks() >= 2);
    let (before, commits) = (looks(), stage.repo.count(STATUS));
    let cluster = stage.simulator().cluster("myAKSCluster").unwrap();
    cluster.annotate("default", "storefront", &[("team", Some("shop"))]).unwrap();
    until("it looks again", || looks() > before);
    agent.signal("TERM");
    agent.wait().ends(0);
    assert_eq!(stage.repo.count(STATUS), commits, "there was nothing to say");
}

/// A server that refuses what privlink pushes to branches; leases it takes.
const PROTECTED: &str = "#!/bin/sh\nwhile read -r old new ref; do\n  case \"$ref\" in refs/heads/privlink/*)\n    \
                         echo 'GH006: Protected branch update failed' >&2; exit 1;;\n  esac\ndone\n";

#[test]
fn a_status_that_may_not_be_pushed_keeps_nothing_from_being_applied() {
    use std::os::unix::fs::PermissionsExt as _;
    let stage = Stage::new(&quick(example()));
    let Some(server) = crate::git::server::Server::start(stage.folder().to_owned()) else { return };
    let hook = stage.folder().join("config.git/hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, PROTECTED).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let machine = stage.machine.clone().with("PRIVLINK_GIT_TOKEN", "good");
    let url = server.url("config.git");
    let run = machine.run(&["agent", "--repo", &url, "--once"]).ends(1);
    let run = run.says("Applied: 2 of 3 steps done").says("let privlink push to it").says("GH006");
    assert_eq!(stage.repo.count(STATUS), 0, "{}", run.all());
    stage.idle();
    // What was refused is told again, and the world is still looked after.
    machine.run(&["agent", "--repo", &url, "--once"]).ends(1).says("prod: no changes").says("GH006");
    std::fs::remove_file(&hook).unwrap();
    machine.run(&["agent", "--repo", &url, "--once"]).ends(0);
    assert_eq!(stage.repo.count(STATUS), 1, "the status is there as soon as it may be");
}

/// Somebody sets the time to live of the example's record, as a program would that knows better.
fn set_ttl(stage: &Stage, ttl: u64) {
    let path = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-dns/providers/Microsoft.Network/\
                privateDnsZones/orders.internal/A/api?api-version=2024-06-01";
    let arm = stage.simulator().arm();
    let mut body = arm.call("GET", path, &[], None).body;
    body["properties"]["ttl"] = ttl.into();
    let reply = arm.call("PUT", path, &[], Some(body));
    assert!(reply.is_success(), "{}", reply.body);
}

#[test]
fn what_somebody_else_changes_back_every_time_is_left_until_the_document_says_something_else() {
    let heals = |(path, text): (String, String)| match path.as_str() {
        "privlink.toml" => (path, format!("{text}\n[environments.prod.drift]\nnotable = \"heal\"\n")),
        _ => (path, text),
    };
    let files: Vec<_> = example().into_iter().map(heals).collect();
    let stage = Stage::new(&files);
    stage.apply().ends(0);
    for _ in 0..3 {
        set_ttl(&stage, 60);
        stage.run(&["agent", "--once"]).ends(0).says("Applied: 1 of 1 step done");
    }
    set_ttl(&stage, 60);
    let writes = stage.writes();
    let run = stage.run(&["agent", "--once"]).ends(0);
    assert_eq!(stage.writes(), writes, "{}", run.all());
    let told = "ttl was put back 3 times since ";
    assert!(stage.run(&["plan"]).ends(0).out.contains(told));
    let text =
        stage.repo.files("privlink/status/prod").into_iter().find(|(path, _)| path.ends_with("environment.yaml"));
    assert!(text.unwrap().1.contains(told));
    let (path, text) = files.iter().find(|(path, _)| path.ends_with("consume/orders.yaml")).unwrap();
    let longer = (path.clone(), text.replace("ttl: 300", "ttl: 600"));
    stage.repo.commit("main", "carol <carol@example.com>", &[longer]);
    stage.run(&["agent", "--once"]).ends(0).says("Applied: 1 of 1 step done");
}

#[test]
fn a_suspended_document_is_left_alone_and_followed_once_its_suspension_ends() {
    let stage = Stage::new(&quick(example()));
    stage.apply().ends(0);
    stage.idle();
    stage.apply().ends(0);
    stage.assert_converged();
    let writes = stage.writes();
    let path = "environments/prod/services/storefront.yaml";
    let text = small().into_iter().find(|(name, _)| name == path).unwrap().1;
    let held = |end: &str| {
        let annotations = format!("annotations:\n    privlink.dev/suspend: the spring sale{end}\n");
        let text = text.replace("app: storefront", "app: shop").replacen("annotations:\n", &annotations, 1);
        pushes(&stage, &[(path.to_owned(), text)]);
    };
    held("");
    stage.run(&["agent", "--once"]).ends(0).says("is suspended: the spring sale");
    assert_eq!(stage.writes(), writes);
    let status = |part: &str| stage.repo.files(STATUS).iter().any(|(_, text)| text.contains(part));
    assert!(status("reason: Suspended"));
    let agent = start(&stage, &STILL);
    let until_then = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(4);
    held(&format!("\n    privlink.dev/suspend-until: \"{until_then}\""));
    until("the end of the suspension is in the status", || status(&format!("suspended until {until_then}")));
    assert_eq!(stage.writes(), writes);
    until("it goes on without another commit", || stage.writes() > writes);
    until("the status says so", || !status("reason: Suspended"));
    agent.signal("TERM");
    agent.wait().ends(0).says(&format!("is suspended until {until_then}"));
}
