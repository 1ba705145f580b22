//! privlink: declarative private exposure of AKS services.

pub mod domain;
#[cfg(feature = "sim")]
pub mod sim;
