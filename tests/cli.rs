//! What a user sees: the program run in-process on the simulator, through files, exit codes and printed text.

mod admission;
mod article;
mod changes;
mod check;
pub(crate) mod docs;
mod doctor;
mod doomed;
mod foreseen;
mod help;
mod import;
mod migrate;
mod namespaces;
mod neighbours;
mod own_link;
pub(crate) mod pull_request;
mod random;
mod rbac;
mod repair;
mod review;
mod rights;
mod simulate;
mod stats;
mod story;
mod waiting;
