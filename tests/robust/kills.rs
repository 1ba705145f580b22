//! Killed or interrupted anywhere, and run again: the end is that of an undisturbed run.

use std::thread;
use std::time::Duration;

use privlink::sim::fault::Fault;

use super::process::{Run, Running, Stage, example, until};
use super::snapshot::{assert_same, everything};

/// Slows every request of the binary down, so that there is time between two of them.
fn slow(stage: &Stage) {
    let fault = Fault { client: Some("privlink".to_owned()), delay_milliseconds: 15, ..Fault::default() };
    stage.simulator().add_fault(fault);
}

fn undisturbed() -> (String, usize) {
    let stage = Stage::new(&example());
    stage.apply().ends(0);
    stage.assert_converged();
    (everything(&stage), stage.writes())
}

/// Runs to the end after a kill, and compares.
#[track_caller]
fn converges(stage: &Stage, expected: &str, what: &str) {
    let run = stage.apply();
    assert_eq!(run.code, Some(0), "after {what}:\n{}", run.all());
    let left = stage.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(left.code, Some(0), "after {what}, the second run left\n{}\nand it said\n{}", left.all(), run.all());
    // What Azure still was at work on is looked at once more: the second run may have had nothing to wait for.
    stage.apply().ends(0);
    assert_same(&everything(stage), expected, what);
    stage.assert_no_secret_on_disk();
}

#[test]
fn killed_after_any_write_a_second_run_ends_like_an_undisturbed_one() {
    let (expected, writes) = undisturbed();
    assert!(writes >= 15, "{writes}");
    for k in 0..=writes {
        let stage = Stage::new(&example());
        slow(&stage);
        let running = stage.start(&["apply", "--yes"]);
        let run = kill_when(&stage, running, k);
        stage.simulator().clear_faults();
        converges(&stage, &expected, &format!("a kill after write {k} of {writes} ({:?})", run.code));
    }
}

/// Kills after so many writes were answered; a run that is done before is fine, too.
fn kill_when(stage: &Stage, mut running: Running, writes: usize) -> Run {
    until("it has written that much", || stage.writes() >= writes || running.is_over());
    running.kill()
}

#[test]
fn killed_at_any_time_a_second_run_ends_like_an_undisturbed_one() {
    let (expected, _) = undisturbed();
    // Spread over the length of a run, never at the same places: multiples of the golden ratio.
    for round in 1..=8_u64 {
        let stage = Stage::new(&example());
        let running = stage.start(&["apply", "--yes"]);
        thread::sleep(Duration::from_millis(round * 618 % 1_500));
        let run = running.kill();
        converges(&stage, &expected, &format!("a kill in round {round} ({:?})", run.code));
    }
}

#[test]
fn ctrl_c_finishes_the_writes_in_flight_and_begins_nothing_new() {
    let (expected, _) = undisturbed();
    let stage = Stage::new(&example());
    slow(&stage);
    let running = stage.start(&["apply", "--yes"]);
    until("it writes", || stage.writes() >= 3);
    running.signal("INT");
    let run = running.wait().ends(5).says("Applied in part: ").says("not begun");
    let writes = stage.writes();
    assert!(run.err.contains("status: commit"), "what was applied is in the status: {}", run.err);
    stage.simulator().clear_faults();
    let unfinished = stage.simulator().requests().into_iter().filter(|request| request.status == 0).count();
    assert_eq!(unfinished, 0, "no write was cut off");
    let records = stage.repo.files("privlink/status/prod");
    let record = records.iter().find(|(path, _)| path.contains("/applied/")).unwrap();
    assert!(record.1.contains("outcome: Partial") && record.1.contains("outcome: Cancelled"), "{}", record.1);
    converges(&stage, &expected, &format!("Ctrl-C after {writes} writes"));
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let stage = Stage::new(&example());
    // The plan tries each of the six Services first.
    let hang = Fault {
        client: Some("privlink".to_owned()),
        method: Some("PATCH".to_owned()),
        after: 6,
        hang: true,
        ..Fault::default()
    };
    stage.simulator().add_fault(hang);
    let running = stage.start(&["apply", "--yes"]);
    until("it shows its plan and begins", || stage.repo.open().find_reference("refs/privlink/lease/prod").is_ok());
    thread::sleep(Duration::from_millis(300));
    running.signal("INT");
    thread::sleep(Duration::from_millis(100));
    running.signal("INT");
    assert_eq!(running.wait().code, Some(130));
}

#[test]
fn an_agent_ends_on_sigterm_between_passes_and_in_mid_apply() {
    let (expected, _) = undisturbed();
    let stage = Stage::new(&example());
    slow(&stage);
    let running = stage.start(&["agent", "--interval", "1h"]);
    until("it writes", || stage.writes() >= 3);
    running.signal("TERM");
    running.wait().ends(0).says("not begun");
    stage.simulator().clear_faults();
    let running = stage.start(&["agent", "--interval", "1h"]);
    until("it is done", || stage.repo.count("privlink/status/prod") >= 2);
    running.signal("TERM");
    running.wait().ends(0);
    converges(&stage, &expected, "SIGTERM");
}
