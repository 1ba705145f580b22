//! Integration tests.

mod core;
mod git;
mod repo;
mod support;
#![expect(clippy::unwrap_used, reason = "clippy exempts test functions, but not the helpers beside them")]

#[cfg(feature = "sim")]
mod adapters;
#[cfg(feature = "sim")]
mod adapters_kubernetes;
mod architecture;
#[cfg(feature = "sim")]
mod cli;
mod examples;
mod git;
mod repo;
#[cfg(feature = "sim")]
mod robust;
#[path = "support/runner.rs"]
mod runner;
mod schemas;
#[cfg(feature = "sim")]
mod sim_azure;
#[cfg(feature = "sim")]
mod sim_kube;
