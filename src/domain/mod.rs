//! The vocabulary: validated names, identifiers and resources in normal form.
//!
//! Floor 0. Nothing here reads a clock, a file or the network. Every identifier that crosses a function is a type of its
//! own with a private field: it is validated once, at the border, and compares the way its owner compares it (Azure ids
//! without regard to case, Kubernetes names byte for byte).

pub mod annotation;
pub mod azure;
pub mod calls;
pub mod cidr;
pub mod clock;
pub mod cluster;
pub mod commit;
pub mod evidence;
pub mod failure;
pub mod key;
pub mod kubernetes;
pub mod lease;
pub mod logged;
pub mod mark;
pub mod name;
pub mod operation;
pub mod parallel;
pub mod patience;
pub mod pull_request;
pub mod resource;
pub mod right;
pub mod scope;
pub mod secret;
pub mod suspension;
pub mod testimony;
pub mod window;
