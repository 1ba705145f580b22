//! What other clients of Azure send, in the order in which they send it: each answer has to make the next request follow.
//!
//! The orders were read off recordings of the real programs. The bodies are our own, of the same shape.

#![expect(clippy::panic, reason = "a replay that cannot go on should stop")]

mod client;
mod cloud_controller;
mod terraform;
