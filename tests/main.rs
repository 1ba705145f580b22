//! Integration tests.
mod adapters;

#[cfg(feature = "sim")]
mod sim_azure;
#[cfg(feature = "sim")]
mod sim_kube;
