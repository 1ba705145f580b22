//! Integration tests.

mod git;
