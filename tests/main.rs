//! Integration tests.

mod core;
mod git;
mod repo;
mod support;
