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
mod examples;
mod git;
mod repo;
#[cfg(feature = "sim")]
mod robust;
mod schemas;
#[cfg(feature = "sim")]
mod sim_azure;
#[cfg(feature = "sim")]
mod sim_kube;
