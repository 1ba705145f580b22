//! What a forge proves about who agreed to a pull request.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::pull_request::Account;
use crate::domain::pull_request::PullRequest;
use crate::domain::pull_request::Review;

/// What a forge proves about who agreed to a pull request, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Testimony {
    /// Our own account.
    pub me: Account,
    /// The pull request.
    pub pull: PullRequest,
    /// The last verdict of each reviewer.
    pub reviews: Vec<Review>,
    /// The statuses of its head, the newest first. A forge lets nobody edit one.
    pub statuses: Vec<PostedStatus>,
    /// Who made it; `None` if it has more commits than the forge tells.
    pub contributors: Option<Contributors>,
}

/// A status as somebody set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedStatus {
    /// Its name, such as `privlink/approved/prod`.
    pub context: String,
    /// What it says.
    pub description: String,
    /// Who set it.
    pub by: Account,
    /// When, to the second.
    pub at: Timestamp,
}

/// The authors and committers of the commits of a pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contributors {
    /// Their accounts by id, as far as the forge knows them.
    pub accounts: BTreeSet<String>,
    /// Their addresses, in lower case.
    pub emails: BTreeSet<String>,
}
