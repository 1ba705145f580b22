//! The pure stages between documents and writes: `desired`, `plan`, `approval`, and the decisions of `apply`.

#![expect(clippy::panic, reason = "a test that cannot go on should stop")]

mod actions;
mod approval;
mod check;
mod connections;
mod coverage;
mod drift;
mod emergency;
mod engine;
mod floor;
mod import;
mod laws;
mod lease;
mod migration;
mod order;
mod ownership;
mod publishing;
mod remainder;
mod resolve;
mod risk;
mod signatures;
mod suspension;
mod windows;
