//! privlink: declarative private exposure of AKS services.
//!
//! A Git repository says which internal load balancers, Private Link Services, private endpoints and DNS records there
//! should be. privlink compares that with Azure and the cluster, says what will happen and to whom, applies it on approval,
//! and commits the resulting status. `README.md` is for its users; this is the map for who changes it.
//!
//! # The flow
//!
//! ```text
//!  commit ─ git ─▶ Snapshot ─ repo ─▶ Documents ─ desired ─▶ Desired ─┐
//!                                └─▶ Diagnostics ─ render             ├─ plan ─▶ Plan ─ render ─▶ person
//!  Azure, cluster ─ azure, kubernetes ─▶ Observed, with its gaps ─────┘           │
//!                                                            approval ◀─ people, rules
//!                                                                 ▼
//!            status branch ◀─ git ─ render ─ status ◀─ apply (Plan, Approval, WriterLease) ─▶ Azure, cluster
//! ```
//!
//! [`reconcile::pass`] reads like this drawing. Everything between the adapters is a pure function of values: no IO, no
//! clock, no async. An [`approval::Approval`] can only be made by the room `approval`, a lease only by
//! `apply::lease::acquire`, so the arguments of `apply` are the safety rule.
//!
//! # The floors
//!
//! ```text
//!  4 running   reconcile   agent   cli        config, telemetry: what the runner brought
//!  3 showing   render
//!  2 doing     apply   status     azure   kubernetes   git   forge     adapters: words only
//!  1 stages    repo   desired   observed   cloud_provider   plan   approval   review   import     pure
//!  0 words     domain   value   diagnostic                     pure
//!              sim stands beside the tower and is reached over HTTP
//! ```
//!
//! A room imports from floors below, not from its neighbours, with the exceptions that `tests/architecture/floors.rs`
//! names with a reason each; that table is the rule, and a test. Only `cli/simulate` and `cli/demo.rs` know `sim`.
//!
//! # To add a resource kind
//!
//! 1. `domain/key.rs`, `domain/resource/<kind>.rs`, `domain/resource/mod.rs`: its identity, its normal form, what is seen
//!    of it, the fields that are compared, those that force a replacement.
//! 2. `repo/schema/<kind>.rs`, `repo/document.rs`: what a person writes, if they write it; `schemas/` by
//!    `PRIVLINK_BLESS=1 cargo test schemas_are_fresh`.
//! 3. `desired/resolve/<kind>s.rs`: from document to intent, with its defaults and references.
//! 4. `azure/codec/<kind>.rs`, then `azure/{list,read,write}.rs`: its wire form and how it is reached.
//! 5. `observed/mod.rs`, `reconcile/observe.rs`: where it is found, and which area stays unknown if it cannot be read.
//! 6. `plan/<kind>s.rs`, `plan/risk.rs`, `plan/order.rs`, `plan/prune.rs`: what is decided, how bad it is, after what.
//!    `domain/operation.rs`, `plan/preflight/right.rs`: which rights its reads and writes need.
//! 7. `reconcile/backends.rs`, `reconcile/backends/ready.rs`: the step as an adapter call, and when it is done.
//! 8. `status/<kind>.rs`, `render/status.rs`: what people are told about it.
//! 9. `sim/arm/<kind>.rs`: the simulator's own opinion of it, and `examples/repo-layout`: one of it.
//!
//! The compiler finds most of the rest: matches on our own enums name every variant.
//!
//! # To add a rule of `privlink check`
//!
//! `desired/check/<family>.rs`: a row in `RULES` and the function that looks; `tests/core/check/table.rs`: a Service that
//! breaks it and nothing else, and one that keeps it. Its page, its level and its form in every format follow from the row.

pub mod agent;
pub mod apply;
pub mod approval;
pub mod azure;
pub mod cli;
pub mod cloud_provider;
pub mod config;
pub mod desired;
pub mod diagnostic;
pub mod domain;
pub mod forge;
pub mod git;
pub mod import;
pub mod kubernetes;
pub mod observed;
pub mod plan;
pub mod reconcile;
pub mod render;
pub mod repo;
pub mod review;
pub mod status;
pub mod telemetry;
pub mod value;

#[cfg(feature = "sim")]
pub mod sim;
