//! Several agents that know of each other: replicas that elect a leader, and shards.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use privlink::sim::fault::Fault;

use super::probes::Probed;
use super::process::{Stage, example, small, until};
use super::snapshot::{assert_same, everything};

const CLUSTER: &str = "myAKSCluster";
const STATUS: &str = "privlink/status/prod";
/// What is left for later is done soon, and nothing else happens by itself.
const CALM: [&str; 4] = ["--interval", "100ms", "--drift-interval", "1h"];

/// A replica of a name. All are of one machine, where anybody can tell that a killed process does not write any more.
fn replica(stage: &Stage, id: &str) -> Probed {
    let election = ["--leader-election-lease", "default/privlink", "--leader-election-id", id];
    let arguments = [election.as_slice(), &["--leader-election-duration", "3s"], &CALM].concat();
    Probed::start(stage, &arguments)
}

fn leads(agent: &Probed, id: &str) -> bool {
    let sample = format!(r#"privlink_leader{{lease="default/privlink",id="{id}"}}"#);
    agent.metrics().get(&sample) > 0.0
}

/// Who holds the Lease, and how often it changed hands.
fn holder(stage: &Stage) -> (String, u64) {
    let lease = stage.simulator().cluster(CLUSTER).unwrap().get("lease", "default", "privlink").unwrap();
    let spec = &lease["spec"];
    (spec["holderIdentity"].as_str().unwrap().to_owned(), spec["leaseTransitions"].as_u64().unwrap())
}

#[test]
fn a_killed_leader_is_followed_and_what_it_left_half_done_is_ended() {
    let undisturbed = Stage::new(&example());
    undisturbed.apply().ends(0);
    undisturbed.assert_converged();
    let expected = everything(&undisturbed);

    let stage = Stage::new(&example());
    let slow = Fault { client: Some("privlink".to_owned()), delay_milliseconds: 15, ..Fault::default() };
    stage.simulator().add_fault(slow);
    let first = replica(&stage, "agent-0");
    until("the first leads", || leads(&first, "agent-0"));
    let second = replica(&stage, "agent-1");
    until("the second has seen who leads", || {
        second.get("/readyz") == (200, "agent-1 stands by: agent-0 leads, by the Lease default/privlink\n".to_owned())
    });
    assert_eq!(second.get("/healthz"), (200, "ok\n".to_owned()));
    let leases = |write: &privlink::sim::log::LoggedRequest| write.path.contains("/leases");
    let writes = || stage.simulator().writes().iter().filter(|write| !leases(write)).count();
    until("the first is in the middle of its work", || writes() >= 3);
    assert_eq!(second.metrics().sum("privlink_passes_total"), 0.0, "who stands by makes no pass");
    first.kill();
    let (half, killed) = (writes(), Instant::now());
    stage.simulator().clear_faults();
    until("the second leads", || leads(&second, "agent-1"));
    // A renewal of the leader was there at least until a retry before it died.
    assert!(killed.elapsed() > Duration::from_secs(2), "the Lease had not run out: {:?}", killed.elapsed());
    assert_eq!(holder(&stage), ("agent-1".to_owned(), 1));
    until("the second is done", || second.metrics().sum("privlink_converged") > 0.0);
    assert!(writes() > half, "something was left to do");
    let told = second.stop();
    assert!(told.all().contains("agent-1 leads, by the Lease default/privlink"), "{}", told.all());
    stage.idle();
    stage.apply().ends(0);
    stage.assert_converged();
    assert_same(&everything(&stage), &expected, "a leader that was killed");
}

#[test]
fn a_leader_that_ends_in_good_order_hands_over_at_once() {
    let stage = Stage::new(&small());
    let first = replica(&stage, "agent-0");
    until("the first has applied", || stage.repo.count(STATUS) >= 1);
    stage.idle();
    let second = replica(&stage, "agent-1");
    until("the second stands by", || second.get("/readyz").1.contains("agent-0 leads"));
    let ended = first.stop();
    assert!(ended.all().contains("agent-0 leads"), "{}", ended.all());
    // Nobody has to wait until it runs out: it was given back before the process ended.
    assert_eq!(holder(&stage).0.replace("agent-1", ""), "");
    until("the second leads", || leads(&second, "agent-1"));
    assert_eq!(holder(&stage), ("agent-1".to_owned(), 1));
    until("it has looked at everything", || second.get("/readyz") == (200, "ok\n".to_owned()));
    second.stop();
    assert_eq!(holder(&stage).0, "");
}

#[test]
fn a_leader_that_cannot_renew_gives_up_and_stands_by_until_it_can() {
    let stage = Stage::new(&small());
    let agent = replica(&stage, "agent-0");
    until("it has applied", || agent.get("/readyz") == (200, "ok\n".to_owned()));
    stage.simulator().add_fault(Fault { path: "/leases/".to_owned(), status: 500, ..Fault::default() });
    let blind = "agent-0 stands by: the Lease default/privlink cannot be read or written\n";
    until("it gives up", || agent.get("/readyz") == (503, blind.to_owned()));
    assert!(!leads(&agent, "agent-0"));
    let asked = stage.simulator().requests().len();
    agent.agent.signal("HUP");
    let passes = || stage.simulator().requests()[asked..].iter().filter(|own| !own.path.contains("/leases")).count();
    stage.simulator().clear_faults();
    until("it leads again", || leads(&agent, "agent-0"));
    until("and looks at everything", || passes() > 0 && agent.get("/readyz").0 == 200);
    let told = agent.stop();
    let words = |line: &str| line.split_once("the election of a leader does not get on").map(|(_, why)| why.to_owned());
    let troubles: Vec<String> = told.err.lines().filter_map(words).collect();
    let is_repeated = troubles.windows(2).any(|pair| pair[0] == pair[1]);
    assert!(!troubles.is_empty() && !is_repeated, "said again and again: {}", told.err);
}

#[test]
fn an_election_that_cannot_be_is_one_sentence() {
    let stage = Stage::new(&small());
    let run = |arguments: &[&str]| {
        let all = [["agent"].as_slice(), arguments].concat();
        stage.run(&all).ends(1).errors()
    };
    let lease = ["--leader-election-lease", "default/privlink"];
    let short = run(&[lease.as_slice(), &["--leader-election-duration", "1500ms"]].concat());
    insta::assert_snapshot!(short, @"error: --leader-election-duration has to be in whole seconds, 3s or more");
    insta::assert_snapshot!(run(&["--leader-election-lease", "privlink"]), @r#"error: invalid value 'privlink' for '--leader-election-lease <NAMESPACE/NAME>': "privlink" is not a reference to a Lease: write it as namespace/name"#);
    insta::assert_snapshot!(run(&["--shard", "3/3"]), @r#"error: invalid value '3/3' for '--shard <INDEX/COUNT>': "3/3" is not a shard: write INDEX/COUNT, such as 0/3, 1/3 and 2/3 for three agents; at most 1000"#);
    let nowhere = stage.machine.clone().without("KUBECONFIG");
    let all = [["agent", "--repo", "file:///nowhere"].as_slice(), &lease].concat();
    insta::assert_snapshot!(nowhere.run(&all).ends(1).errors(), @"error: no way to the cluster whose Lease elects a leader: privlink does not seem to run in a pod: no service account was found; use a kubeconfig context instead: failed to read an incluster environment variable: environment variable not found: environment variable not found");
}

#[test]
fn shards_share_the_environments_and_leave_none_out() {
    let files = small();
    let (path, settings) = files.iter().find(|(path, _)| path == "privlink.toml").unwrap().clone();
    let start = settings.find("[environments.prod]").unwrap();
    let consumers = |name: &str| {
        format!(
            "\n[environments.{name}]\npath = \"environments/{name}\"\ncloud = \"simulator\"\nsubscription = \
             \"00000000-0000-0000-0000-00000000000a\"\n"
        )
    };
    let names = ["blue", "green", "red", "white"];
    let text = settings[..start].to_owned() + &names.map(consumers).concat();
    let stage = Stage::new(&[(path, text)]);
    let served = |shard: &str| -> BTreeSet<String> {
        let run = stage.run(&["agent", "--once", "--shard", shard, "--log-format", "json"]);
        let lines = run.err.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let names = lines.filter_map(|line| line["span"]["environment"].as_str().map(ToOwned::to_owned));
        names.collect()
    };
    let shares = ["0/3", "1/3", "2/3"].map(served);
    let all: Vec<&String> = shares.iter().flatten().collect();
    assert_eq!(all.len(), names.len(), "{shares:?}");
    assert_eq!(all.into_iter().map(String::as_str).collect::<BTreeSet<_>>(), names.into(), "{shares:?}");
    assert!(shares.iter().filter(|share| !share.is_empty()).count() > 1, "{shares:?}");
}
