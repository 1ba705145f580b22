//! Why there is nothing to plan from, in words for the person who has to mend it.

use std::path::PathBuf;

use crate::git::GitError;
use crate::git::InvalidUrl;
use crate::reconcile::source::SETTINGS_FILE;

/// There is nothing to plan from.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The branch is not there.
    #[error("{url} has no branch {branch}: push it, or name another one")]
    NoBranch {
        /// The remote.
        url: String,
        /// The branch.
        branch: String,
    },
    /// Of a fork, the remote serves a merge that is not one of the head that is meant, or none.
    #[error(
        "{url} does not serve the head {head} of the fork: Azure DevOps serves only the merge that it makes of it, {merge}, and there is none of this head; if it was pushed a moment ago, run this again; else it conflicts with {base}: merge {base} into the fork's branch, or let a member push that branch to this repository"
    )]
    NotServed {
        /// The remote.
        url: String,
        /// The first digits of the head.
        head: String,
        /// The ref of the merge.
        merge: String,
        /// What it would be merged into.
        base: String,
    },
    /// The folder's remote has an address that privlink cannot use.
    #[error("the remote `origin` of {folder} cannot be used", folder = .folder.display())]
    Remote {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with its address.
        #[source]
        source: InvalidUrl,
    },
    /// A revision that names nothing.
    #[error("{folder} has no revision {revision:?}: fetch it first", folder = .folder.display())]
    NoRevision {
        /// The repository.
        folder: PathBuf,
        /// What was named.
        revision: String,
    },
    /// There are no commits to review.
    #[error("{folder} is not in a Git repository: a review merges two commits; use --repo URL, or name a clone", folder = .folder.display())]
    NoCommits {
        /// The folder.
        folder: PathBuf,
    },
    /// Base and head cannot be merged.
    #[error("the change does not merge into its base: {paths} conflict; rebase it")]
    Conflicts {
        /// The paths.
        paths: String,
    },
    /// Nobody said whom to believe.
    #[error(
        "{SETTINGS_FILE} of {folder} decides where credentials go, and nobody said that it may: use --base REF (the reviewed branch), --authority FILE, or --trust-working-tree if this folder is yours alone",
        folder = .folder.display()
    )]
    NoAuthority {
        /// The folder.
        folder: PathBuf,
    },
    /// The authority file cannot be read.
    #[error("cannot read the authority file {file}", file = .file.display())]
    AuthorityFile {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The authority file lies where the change under review could write it.
    #[error("the authority file {file} lies inside the folder it shall rule over: keep it elsewhere", file = .file.display())]
    AuthorityInside {
        /// The file.
        file: PathBuf,
    },
    /// The kubeconfig lies where the change under review could write it.
    #[error("the kubeconfig {file} lies inside the config repository: it decides where credentials go, keep it elsewhere", file = .file.display())]
    KubeconfigInside {
        /// The file.
        file: PathBuf,
    },
    /// The folder is not what was committed.
    #[error("{folder} has uncommitted changes ({changes}): commit and push them, or use --allow-uncommitted", folder = .folder.display())]
    Dirty {
        /// The folder.
        folder: PathBuf,
        /// A few of them.
        changes: String,
    },
    /// The folder's commit is not the tip of the config branch.
    #[error("{folder} is at {head} and {branch} of {url} is at {tip}: pull or push first, or use --allow-uncommitted", folder = .folder.display())]
    NotTip {
        /// The folder.
        folder: PathBuf,
        /// Its commit.
        head: String,
        /// The config branch.
        branch: String,
        /// The remote.
        url: String,
        /// The tip of it.
        tip: String,
    },
    /// The folder is not in a Git repository.
    #[error("{folder} is not in a Git repository: applies are made from commits; use --allow-uncommitted to apply it as it is", folder = .folder.display())]
    NoRepository {
        /// The folder.
        folder: PathBuf,
    },
}
