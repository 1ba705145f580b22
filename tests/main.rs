//! Integration tests.

mod git;
mod repo;
#[cfg(feature = "sim")]
mod sim_azure;
#[cfg(feature = "sim")]
mod sim_kube;
