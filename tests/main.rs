//! Integration tests.

#![expect(clippy::unwrap_used, reason = "clippy exempts test functions, but not the helpers beside them")]

#[cfg(feature = "sim")]
mod adapters;
#[cfg(feature = "sim")]
mod adapters_identity;
#[cfg(feature = "sim")]
mod adapters_kubernetes;
#[cfg(feature = "sim")]
mod adapters_traffic;
mod agent;
mod architecture;
#[cfg(feature = "sim")]
mod cli;
mod core;
mod deployment;
mod examples;
mod forge;
mod git;
#[cfg(feature = "sim")]
mod judge;
#[cfg(feature = "sim")]
#[path = "support/kept.rs"]
mod kept;
mod repo;
#[cfg(feature = "sim")]
mod requests;
#[cfg(feature = "sim")]
mod robust;
#[cfg(feature = "sim")]
mod rows;
#[cfg(feature = "sim")]
#[path = "support/runner.rs"]
mod runner;
mod schemas;
#[cfg(feature = "sim")]
mod sim_azure;
#[cfg(feature = "sim")]
mod sim_faults;
#[cfg(feature = "sim")]
mod sim_kube;
#[cfg(feature = "sim")]
mod sim_replay;
#[cfg(feature = "sim")]
mod sim_state;
mod support;
