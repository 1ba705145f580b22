//! The pure stages between documents and writes: `desired`, `plan`, `approval`, and the decisions of `apply`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

mod actions;
mod connections;
mod coverage;
mod order;
mod ownership;
mod publishing;
mod risk;
