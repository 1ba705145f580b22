//! Integration tests.
mod adapters;
