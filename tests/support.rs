//! What tests of the pure stages share: a small repository, a world that is exactly as it asks for, and people with keys.

#![expect(clippy::panic, reason = "a test that cannot go on should stop")]

pub(crate) mod case;
pub(crate) mod converge;
pub(crate) mod manifest;
pub(crate) mod random;
pub(crate) mod say;
pub(crate) mod signing;
pub(crate) mod world;
