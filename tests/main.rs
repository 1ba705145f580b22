//! Integration tests.

mod git;
mod repo;
