//! Several writers at once: one applies, the others say who does, and nothing is written twice.

use std::collections::BTreeMap;

use privlink::sim::fault::Fault;

use super::process::{Running, Stage, example, small, until};

/// Slows every write of the binary down, so that others find it at work.
fn slow(stage: &Stage) {
    let fault = Fault { client: Some("privlink".to_owned()), delay_milliseconds: 60, ..Fault::default() };
    stage.simulator().add_fault(fault);
}

/// Starts an apply and waits until it holds the lease and has written.
fn busy(stage: &Stage) -> Running {
    slow(stage);
    let running = stage.start(&["apply", "--yes"]);
    until("it writes", || stage.writes() > 0);
    running
}

#[test]
fn a_live_process_keeps_others_out_on_its_own_machine_and_on_others() {
    let stage = Stage::new(&example());
    let first = busy(&stage);
    let url = stage.url();
    let arguments = ["apply", "--yes", "--repo", url.as_str()];
    let here = stage.machine.run(&arguments).ends(1);
    assert!(here.errors().contains("laptop pid"), "{}", here.err);
    assert!(here.errors().contains("holds the lease"), "{}", here.err);
    let there = stage.another_machine("build-agent").run(&arguments).ends(1);
    assert!(there.errors().contains("laptop pid"), "{}", there.err);
    first.wait().ends(0);
    stage.simulator().clear_faults();
    stage.assert_converged();
}

#[test]
fn the_lease_of_a_killed_process_is_free_here_and_runs_out_elsewhere() {
    let stage = Stage::new(&small());
    let killed = busy(&stage).kill();
    assert_eq!(killed.code, None, "it was done already: {}", killed.all());
    stage.simulator().clear_faults();
    let url = stage.url();
    let there = stage.another_machine("build-agent").run(&["apply", "--yes", "--repo", &url]).ends(1);
    assert!(there.errors().contains("holds the lease of this environment until"), "{}", there.err);
    // To an agent that is nothing extraordinary.
    let agent = stage.another_machine("agent").run(&["agent", "--once", "--repo", url.as_str()]).ends(1);
    assert!(agent.err.contains("prod: laptop pid") && agent.err.contains("holds the lease"), "{}", agent.err);
    assert!(!agent.all().contains("rror") && !agent.all().contains("applying"), "{}", agent.all());
    stage.apply().ends(0);
    stage.assert_converged();
    // It was given back: now everybody may.
    stage.another_machine("build-agent").run(&["apply", "--yes", "--repo", &url]).ends(0);
    let left = std::fs::read_dir(stage.machine.home.join(".local/state/privlink/holders")).unwrap().count();
    assert_eq!(left, 1, "only the killed process left its trace");
}

#[test]
fn without_a_remote_the_lock_file_does_the_same() {
    let stage = Stage::new(&example());
    let folder = stage.folder().join("config");
    for (path, text) in example() {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let arguments = ["apply", folder.to_str().unwrap(), "--yes", "--allow-uncommitted", "--trust-working-tree"];
    slow(&stage);
    let first = stage.machine.start(&arguments);
    until("it writes", || stage.writes() > 0);
    let second = stage.machine.run(&arguments).ends(1);
    assert!(second.errors().contains("laptop pid"), "{}", second.err);
    first.kill();
    stage.simulator().clear_faults();
    stage.machine.run(&arguments).ends(0);
    stage.machine.run(&arguments).ends(0).says("No changes");
}

#[test]
fn two_agents_and_a_laptop_at_once_write_everything_once() {
    let stage = Stage::new(&example());
    slow(&stage);
    let url = stage.url();
    let start = |name: &str, arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["--repo", url.as_str()]);
        stage.another_machine(name).start(&all)
    };
    let racers = [
        start("agent-a", &["agent", "--once"]),
        start("agent-b", &["agent", "--once"]),
        start("laptop", &["apply", "--yes"]),
    ];
    let runs: Vec<_> = racers.into_iter().map(Running::wait).collect();
    let winners = runs.iter().filter(|run| run.code == Some(0)).count();
    assert!(winners >= 1, "{runs:#?}");
    for loser in runs.iter().filter(|run| run.code != Some(0)) {
        let said = loser.err.contains("holds the lease")
            || loser.err.contains("taken over by")
            || loser.all().contains("make a new plan");
        assert!(said, "{}", loser.all());
    }
    let mut written: BTreeMap<String, usize> = BTreeMap::new();
    for write in stage.simulator().writes().into_iter().filter(|write| write.status < 300) {
        *written.entry(format!("{} {}", write.method, write.path)).or_default() += 1;
    }
    let twice: Vec<_> = written.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{twice:#?}");
    stage.simulator().clear_faults();
    stage.apply().ends(0);
    stage.assert_converged();
}
