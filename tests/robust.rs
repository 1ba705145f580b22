//! Misuse of the real binary: wrong files, failing worlds, kills, rivals, refused approvals, contested branches.

#![expect(clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "support/process.rs"]
mod process;

mod agent;
mod approvals;
mod crashes;
mod emergency;
mod files;
mod fleet;
mod history;
mod hostile;
mod kills;
mod large;
mod page;
mod probes;
mod reviews;
mod signed;
mod simulator;
mod snapshot;
mod status;
mod storm;
mod traces;
mod webhook;
mod worlds;
mod writers;
