//! How a push ended, and how to read it from a server's words.

use crate::domain::commit::RefName;

/// How a compare-and-swap push ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a push that did not move the ref is not an error"]
pub enum Push {
    /// The ref has its new value.
    Done,
    /// Somebody else moved the ref: fetch, decide again, push again.
    Moved,
    /// A hook or a protection rule refuses; the same push will be refused again.
    Refused {
        /// The server's own words.
        reason: String,
    },
}

/// One ref and the value it has to have for the push to happen; `None` is "does not exist".
pub(super) struct Update<'a> {
    pub(super) reference: &'a RefName,
    pub(super) expected: Option<git2::Oid>,
    pub(super) new: Option<git2::Oid>,
}

/// What servers say when a ref is not what the pusher was shown: git (files and reftable), GitHub, GitLab, Azure DevOps.
const RACES: [&str; 11] = [
    "cannot lock ref",
    "incorrect old value provided",
    "stale info",
    "failed to update ref",
    "failed to lock",
    "unable to lock",
    "reference already exists",
    "already been updated",
    "reference has changed",
    "but expected",
    "remote ref updated since checkout",
];

/// What servers say when the new value does not contain the old one.
const BEHIND: [&str; 3] = ["non-fast-forward", "fetch first", "not a fast-forward"];

/// Reads a rejected ref update.
///
/// `status` is the reason beside the ref, `server` what the server printed, `descends` whether the new value contains
/// the expected one: if it does, "non-fast-forward" can only mean that the ref moved; if not, that rewriting is forbidden.
pub(super) fn rejected(status: &str, server: &str, descends: bool) -> Push {
    let says = |words: &[&str], text: &str| words.iter().any(|word| text.to_ascii_lowercase().contains(word));
    // A hook may print anything, so it cannot make a refusal look like a race: that would be retried.
    let hook = says(&["hook declined", "protected branch", "prohibited"], status);
    if !hook && (says(&RACES, status) || says(&RACES, server) || (descends && says(&BEHIND, status))) {
        return Push::Moved;
    }
    let reason = if server.is_empty() { status.to_owned() } else { format!("{status}: {server}") };
    Push::Refused { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn races_are_told_from_refusals() {
        for (status, server, descends, moved) in [
            ("failed to update ref", "error: cannot lock ref 'refs/heads/a'", true, true),
            ("incorrect old value provided", "", true, true),
            ("non-fast-forward", "", true, true),
            ("non-fast-forward", "", false, false),
            ("TF401028: The reference has already been updated by another client", "", true, true),
            ("pre-receive hook declined", "GH006: Protected branch update failed", true, false),
            ("pre-receive hook declined", "hook says: cannot lock ref, stale info", true, false),
            ("deny updating a hidden ref", "", true, false),
        ] {
            let verdict = rejected(status, server, descends);
            assert_eq!(verdict == Push::Moved, moved, "{status} / {server}: {verdict:?}");
        }
    }
}
