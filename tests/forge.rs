//! Plans in pull requests, against a fake of each forge on loopback.

mod approvals;
mod checks;
mod comments;
mod exchanges;
pub(crate) mod fake;
pub(crate) mod fake_azure;
pub(crate) mod fake_github;
pub(crate) mod fake_gitlab;
mod patience;
mod rights;
pub(crate) mod stage;
mod statuses;
mod story;
