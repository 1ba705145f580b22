//! Files as people write them, and what they are told: `repo` with the renderer on top.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

mod carets;
mod documents;
mod services;
mod settings;
