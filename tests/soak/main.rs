//! Long runs of the real program against the simulator: `cargo bench --bench soak`, or `-- crashes` for a part of it.
//! `-- passes 500 7` makes 500 passes with the dice of seed 7, `-- crashes 4` runs the fourth scenario alone.
//!
//! Each prints figures and every end that is wrong; one such end fails the run.

#![expect(clippy::print_stdout, reason = "printing figures is what it is for")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a run that cannot go on should stop")]

mod agent;
#[path = "../robust/crashes.rs"]
mod crashes;
mod git;
mod idle;
#[path = "../support/kept.rs"]
mod kept;
#[path = "../robust/large.rs"]
mod large;
mod matrix;
mod passes;
#[path = "../support/process.rs"]
#[expect(dead_code, reason = "the integration tests use the rest")]
mod process;
mod rivals;
#[path = "../robust/snapshot.rs"]
#[expect(dead_code, reason = "the integration tests use the rest")]
mod snapshot;

use std::process::ExitCode;

fn main() -> ExitCode {
    // The program makes this choice in its own main.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let numbers: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let number = numbers.first().map(|count| usize::try_from(*count).unwrap());
    let seed = numbers.get(1).copied().unwrap_or(1);
    let is_wanted = |name: &str| words.len() == numbers.len() || words.iter().any(|own| own == name);
    let mut wrong = 0;
    if is_wanted("crashes") {
        wrong += matrix::run(number);
    }
    if is_wanted("passes") {
        wrong += passes::run(number, seed);
    }
    if is_wanted("rivals") {
        wrong += rivals::run(number);
    }
    if is_wanted("idle") {
        wrong += idle::run();
    }
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
