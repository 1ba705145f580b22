//! Every request that the adapters send, as it goes over the wire, beside what Azure and Kubernetes document.

mod azure;
mod kubernetes;
mod recorder;
mod reference;
