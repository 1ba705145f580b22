//! Whose signature is this? Answers by the keys in the authority's `[approvers]` and `[committers]`.
//!
//! A signature says who made a commit; author and committer only say what somebody wrote. Keys are looked up by
//! themselves, never by a name that the signature claims, and nothing is asked of a key server or of a key ring on this
//! machine.

mod openpgp;
mod ssh;

use std::fmt;

use jiff::Timestamp;

use crate::desired::policy::Keys;
use crate::desired::policy::Policy;
use crate::domain::commit::CommitSignature;
use crate::domain::name::ApproverName;
use crate::domain::name::CommitterName;

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signer {
    /// Somebody who may approve.
    Approver(ApproverName),
    /// Somebody, or a forge, who may sign changes alone.
    Committer(CommitterName),
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Approver(name) => name.fmt(f),
            Self::Committer(name) => name.fmt(f),
        }
    }
}

/// Why a signature does not tell who made a commit, as half a sentence after "the commit".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// There is none.
    #[error("is not signed")]
    Unsigned,
    /// It is of another sort, or damaged.
    #[error("has a signature that is neither SSH's nor OpenPGP's")]
    Unreadable,
    /// Nobody here has the key.
    #[error("is signed by a key that nobody here has ({key})")]
    UnknownKey {
        /// The fingerprint of the key, as `ssh-keygen -l` or `gpg` show it.
        key: String,
    },
    /// It was made for another purpose, such as a file or a login.
    #[error("has a signature of {owner} that was made for {namespace:?}, not for git")]
    Namespace {
        /// Whose key it is.
        owner: Signer,
        /// What it was made for.
        namespace: String,
    },
    /// It is over other bytes: the commit was changed, or the signature comes from another one.
    #[error("has a signature of {owner} that does not fit what it holds")]
    Wrong {
        /// Whose key it is.
        owner: Signer,
    },
    /// The key may not be used any more.
    #[error("is signed by a key of {owner} that {why}")]
    Invalid {
        /// Whose key it is.
        owner: Signer,
        /// Why, as half a sentence.
        why: String,
    },
}

/// Whose signature a commit has; `now` tells whether an OpenPGP key is still valid.
///
/// # Errors
/// Why it tells nothing.
pub fn signer(signature: Option<&CommitSignature>, policy: &Policy, now: Timestamp) -> Result<Signer, Unverified> {
    let signature = signature.ok_or(Unverified::Unsigned)?;
    let armored = signature.armored.trim_start();
    if armored.starts_with("-----BEGIN SSH SIGNATURE-----") {
        ssh::signer(signature, &owners(policy))
    } else if armored.starts_with("-----BEGIN PGP SIGNATURE-----") {
        openpgp::signer(signature, &owners(policy), now)
    } else {
        Err(Unverified::Unreadable)
    }
}

/// Everybody with their keys.
fn owners(policy: &Policy) -> Vec<(Signer, &Keys)> {
    let approvers = policy.approvers.iter().map(|(name, it)| (Signer::Approver(name.clone()), &it.keys));
    let committers = policy.committers.iter().map(|(name, keys)| (Signer::Committer(name.clone()), keys));
    approvers.chain(committers).collect()
}
