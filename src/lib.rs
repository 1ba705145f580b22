//! privlink: declarative private exposure of AKS services.

pub mod azure;
pub mod domain;
pub mod kubernetes;
pub mod value;
#[cfg(feature = "sim")]
pub mod sim;
