//! privlink: declarative private exposure of AKS services.

pub mod diagnostic;
pub mod domain;
pub mod render;
pub mod repo;
