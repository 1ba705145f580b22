//! The crash matrix, whole: every call of five applies goes wrong in every way.

use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use super::crashes::{Bench, SCENARIOS, Scenario, Trouble, Whom};

/// Scenarios at the same time.
const AT_ONCE: usize = 2;

/// Runs it, prints what came of it, and answers how many ends are wrong. A number, counted from one, is that of a scenario to
/// run alone.
pub(super) fn run(number: Option<usize>) -> usize {
    println!("crash matrix: cells by trouble, for the calls to the world and to Git");
    let chosen = SCENARIOS.iter().enumerate().filter(|(at, _)| number.is_none_or(|number| number == at + 1));
    let open = Mutex::new(chosen.map(|(_, scenario)| scenario));
    let worker = || {
        let mut wrong = 0;
        loop {
            let next = open.lock().unwrap().next();
            let Some(scenario) = next else { return wrong };
            wrong += of(scenario);
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    })
}

fn of(scenario: &Scenario) -> usize {
    let began = Instant::now();
    let Some(mut bench) = Bench::new(scenario) else { return 1 };
    let mut wrong = Vec::new();
    let mut line = String::new();
    for trouble in Trouble::ALL {
        let counts = [Whom::World, Whom::Git].map(|whom| {
            let mut after = 0;
            loop {
                let cell = (whom, trouble, after);
                match bench.cell(cell) {
                    Ok(true) => {}
                    Ok(false) => return after,
                    Err(told) => wrong.push(format!("{}, {cell:?}: {told}", scenario.name)),
                }
                after += 1;
            }
        });
        line.push_str(&format!("  {trouble:?} {}+{}", counts[0], counts[1]));
    }
    println!("{}: {} wrong, {:.0} s\n {line}", scenario.name, wrong.len(), began.elapsed().as_secs_f64());
    for told in &wrong {
        println!("WRONG {told}");
    }
    wrong.len()
}
