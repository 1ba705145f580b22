//! privlink: declarative private exposure of AKS services.

pub mod agent;
pub mod apply;
pub mod approval;
pub mod azure;
pub mod cli;
pub mod config;
pub mod desired;
pub mod diagnostic;
pub mod domain;
pub mod git;
pub mod kubernetes;
pub mod observed;
pub mod plan;
pub mod reconcile;
pub mod render;
pub mod repo;
pub mod status;
pub mod telemetry;
pub mod value;

#[cfg(feature = "sim")]
pub mod sim;
