//! Integration tests.
mod adapters;
mod adapters_kubernetes;

#[cfg(feature = "sim")]
mod adapters;

mod adapters;
mod architecture;
mod examples;
mod git;
mod repo;
mod schemas;
#[cfg(feature = "sim")]
mod sim_azure;
#[cfg(feature = "sim")]
mod sim_kube;
