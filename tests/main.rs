//! Integration tests.

mod repo;
