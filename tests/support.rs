//! What tests of the pure stages share: a small repository, and a world that is exactly as a repository asks for.

#![expect(clippy::panic, reason = "a test that cannot go on should stop")]

pub(crate) mod case;
pub(crate) mod converge;
pub(crate) mod manifest;
pub(crate) mod random;
pub(crate) mod say;
pub(crate) mod world;
