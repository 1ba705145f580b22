//! The embedded simulator: Azure Resource Manager, Entra ID, Kubernetes and the cloud provider, on loopback.

pub mod arm;
mod chance;
pub mod clock;
pub mod fault;
pub mod log;
