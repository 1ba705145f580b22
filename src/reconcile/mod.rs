//! One trip through the flow: fetch, read, resolve, observe, plan, decide, apply, report.
//!
//! The only room that knows every stage and every adapter.

mod access;
pub mod applying;
pub mod approvals;
mod ask;
pub mod attending;
pub mod backends;
pub mod checking;
pub mod deciding;
pub mod doctor;
pub mod electing;
pub mod importing;
mod keep;
pub mod lease_store;
pub mod observe;
pub mod pass;
pub mod planning;
pub mod posting;
pub mod presence;
pub mod publishing;
pub mod remote;
pub mod reviewing;
mod rules;
mod sight;
pub mod source;
pub mod status_branch;
mod trial;
mod waiting;
pub mod watching;
pub mod world;

/// An error and its causes, as one line.
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
