//! What an agent costs that has nothing to do: a converged environment of more than 1,000 resources.

use std::time::{Duration, Instant};

use privlink::agent::daemon::TURN;

use super::agent::Agent;
use super::large::{large_repository, world};
use super::process::Stage;

/// Passes that are counted, after as many that are not.
const PASSES: u32 = 50;

/// Prints the figures, and answers how often an idle pass wrote or committed something.
pub(super) fn run() -> usize {
    let stage = Stage::in_world(&world(), &large_repository());
    stage.apply_in_fast_time().ends(0);
    stage.idle();
    let mut agent = Agent::start(&stage, &stage.machine);
    let first = agent.ended();
    assert_eq!(first.word, "converged", "{}", first.log);
    for _ in 0..PASSES {
        agent.pass();
    }
    let (writes, tip) = (stage.writes(), tip(&stage));
    let (processor, began) = (agent.processor(), Instant::now());
    for _ in 0..PASSES {
        agent.pass();
    }
    let (processor, wall) = ((agent.processor() - processor) / PASSES, began.elapsed() / PASSES);
    // It gives memory back once it rests, and looks for that at every turn.
    std::thread::sleep(3 * TURN);
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "idle: {} documents converged: a pass takes {:.0} ms of the processor, {:.0} ms in all   aim: below 200 ms\n  the agent holds \
         {:.1} MB   aim: below 60 MB\n  and {:.1} MB at most, within a pass",
        large_repository().len() - 1,
        milliseconds(processor),
        milliseconds(wall),
        agent.memory(),
        agent.peak()
    );
    agent.kill();
    let changed = [stage.writes() != writes, self::tip(&stage) != tip];
    println!("  wrote something: {}, committed something: {}", changed[0], changed[1]);
    changed.into_iter().filter(|changed| *changed).count()
}

fn tip(stage: &Stage) -> Option<git2::Oid> {
    stage.repo.open().refname_to_id("refs/heads/privlink/status/prod").ok()
}
