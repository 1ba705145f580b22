//! Plans in pull requests, against a fake of each forge on loopback.

mod approvals;
mod comments;
mod exchanges;
mod fake;
mod fake_azure;
mod fake_github;
mod fake_gitlab;
mod patience;
mod rights;
mod stage;
mod statuses;
