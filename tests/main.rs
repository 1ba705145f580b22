//! Integration tests.
mod adapters;
mod adapters_kubernetes;
#![expect(clippy::unwrap_used, reason = "clippy exempts test functions, but not the helpers beside them")]

#[cfg(feature = "sim")]
mod adapters;
mod git;
mod repo;
#[cfg(feature = "sim")]
mod sim_azure;
#[cfg(feature = "sim")]
mod sim_kube;
