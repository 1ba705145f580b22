//! The embedded simulator: Azure Resource Manager, Entra ID, Kubernetes and the cloud provider, on loopback.

pub mod arm;
mod chance;
pub mod clock;
pub mod controller;
pub mod fault;
pub mod kube;
pub mod log;
