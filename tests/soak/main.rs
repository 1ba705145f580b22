//! Long runs of the real program against the simulator: `cargo bench --bench soak`, or `-- crashes` for a part of it.
//!
//! Each prints figures and every end that is wrong; one such end fails the run.

#![expect(clippy::print_stdout, reason = "printing figures is what it is for")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a run that cannot go on should stop")]

#[path = "../robust/crashes.rs"]
mod crashes;
mod git;
#[path = "../support/kept.rs"]
mod kept;
mod matrix;
#[path = "../support/process.rs"]
#[expect(dead_code, reason = "the integration tests use the rest")]
mod process;
#[path = "../robust/snapshot.rs"]
#[expect(dead_code, reason = "the integration tests use the rest")]
mod snapshot;

use std::process::ExitCode;

fn main() -> ExitCode {
    // The program makes this choice in its own main.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let parts: [(&str, fn() -> usize); 1] = [("crashes", matrix::run)];
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|own| own == name);
    let wrong: usize = parts.into_iter().filter(|(name, _)| is_wanted(name)).map(|(_, run)| run()).sum();
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
