//! What tests of the pure stages share: a small repository, and a world that is exactly as a repository asks for.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

pub mod case;
pub mod converge;
pub mod manifest;
pub mod say;
pub mod world;
