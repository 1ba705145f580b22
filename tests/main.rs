//! Integration tests.
mod adapters;
mod adapters_kubernetes;

#[cfg(feature = "sim")]
mod adapters;

mod adapters;
mod architecture;
mod git;
mod repo;
#[cfg(feature = "sim")]
mod sim_azure;
#[cfg(feature = "sim")]
mod sim_kube;
