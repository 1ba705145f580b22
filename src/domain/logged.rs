//! Targets of log lines, by which a filter tells some from others.

/// Of lines that say what a person at the terminal is told in other words.
pub const TOLD: &str = "told";
