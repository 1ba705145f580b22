//! The agent that is left alone: what it begins when, what it tells, and what it does when things go wrong.

#![expect(clippy::panic, reason = "a test that cannot go on should stop, and some are about panics")]

mod daemon;
mod election;
mod schedule;
mod webhook;
