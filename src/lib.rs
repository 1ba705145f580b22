//! privlink: declarative private exposure of AKS services.

pub mod domain;
pub mod git;
