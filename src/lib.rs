//! privlink: declarative private exposure of AKS services.

pub mod azure;
pub mod domain;
pub mod kubernetes;
#[cfg(feature = "sim")]
pub mod sim;
pub mod value;
