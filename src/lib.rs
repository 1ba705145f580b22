//! privlink: declarative private exposure of AKS services.

pub mod desired;
pub mod diagnostic;
pub mod domain;
pub mod observed;
pub mod plan;
pub mod render;
pub mod repo;
pub mod status;
pub mod value;
