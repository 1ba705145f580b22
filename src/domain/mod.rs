//! The vocabulary: validated names, identifiers and resources in normal form.
//!
//! Floor 0. Nothing here reads a clock, a file or the network. Every identifier that crosses a function is a type of its
//! own with a private field: it is validated once, at the border, and compares the way its owner compares it (Azure ids
//! without regard to case, Kubernetes names byte for byte).

pub mod azure;
pub mod cidr;
pub mod commit;
pub mod failure;
pub mod kubernetes;
pub mod name;
pub mod secret;
