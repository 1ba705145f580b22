//! What can go wrong with a repository, in words for the person who has to mend it.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::commit::CommitId;
use crate::domain::failure::ErrorClass;

/// Any error below an operation of ours.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A failed operation on a repository or its remote. Addresses are shown without user names' passwords and tokens.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The server cannot be reached, or the connection broke.
    #[error("cannot reach {url}: check the address, the network and the proxy settings")]
    Unreachable {
        /// The remote.
        url: String,
        /// What the network said.
        #[source]
        source: Cause,
    },
    /// The server's certificate or host key is not trusted.
    #[error("cannot trust the server of {url}: {next}")]
    Untrusted {
        /// The remote.
        url: String,
        /// The next step.
        next: &'static str,
        /// What the check said.
        #[source]
        source: Cause,
    },
    /// The server did not answer in time.
    #[error("{url} did not answer within {} s: try again, or look whether the server is overloaded", .limit.as_secs())]
    Timeout {
        /// The remote.
        url: String,
        /// The time that was allowed.
        limit: Duration,
    },
    /// The server wants other credentials, or the account may not do this.
    #[error("{url} refuses access: {next}{}", said(.server))]
    Denied {
        /// The remote.
        url: String,
        /// The next step.
        next: String,
        /// The server's own words, if it gave any.
        server: String,
    },
    /// There is no such repository, or these credentials may not know of it.
    #[error("there is no repository at {url}, or these credentials may not see it: check the address and the access{}", said(.server))]
    NoRepository {
        /// The remote.
        url: String,
        /// The server's own words, if it gave any.
        server: String,
    },
    /// Too many requests.
    #[error("{url} asks for fewer requests: wait and try again")]
    Throttled {
        /// The remote.
        url: String,
        /// How long the server asked us to wait.
        retry_after: Option<Duration>,
    },
    /// The server answered with an HTTP status that is its own fault or that Git does not use.
    #[error("{url} answered with HTTP status {status}{}", said(.server))]
    Status {
        /// The remote.
        url: String,
        /// The status.
        status: u16,
        /// How long the server asked us to wait.
        retry_after: Option<Duration>,
        /// The start of the body, if it is text.
        server: String,
    },
    /// Something answered, but not a Git server.
    #[error("{url} is not a Git repository that speaks the smart protocol: {why}")]
    NotGit {
        /// The remote.
        url: String,
        /// What came instead and what that usually means.
        why: String,
    },
    /// More bytes than we take.
    #[error("{url} sent or was to get more than {limit} bytes: a repository for privlink holds small text files only")]
    TooLarge {
        /// The remote.
        url: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The exchange with the server failed after it had begun.
    #[error("cannot {operation} {url}{}", said(.server))]
    Remote {
        /// The remote.
        url: String,
        /// What we were doing, with its ref: "push refs/heads/main to".
        operation: String,
        /// The server's own words, if it gave any.
        server: String,
        /// What libgit2 said.
        #[source]
        source: Cause,
    },
    /// A program that we need cannot be run.
    #[error("cannot run the program `{program}`, which {url} needs: install it and put it on the PATH")]
    Program {
        /// The program.
        program: String,
        /// The remote.
        url: String,
        /// Why it did not start.
        #[source]
        source: std::io::Error,
    },
    /// Certificates or proxy settings that cannot be used.
    #[error("cannot set up https for {url}: {what}")]
    Settings {
        /// The remote.
        url: String,
        /// Which setting.
        what: String,
        /// What is wrong with it.
        #[source]
        source: Cause,
    },
    /// The cache folder cannot be used.
    #[error("cannot use the cache folder {folder}: make it writable, or choose another with --cache-dir", folder = .folder.display())]
    Cache {
        /// The folder.
        folder: PathBuf,
        /// What went wrong.
        #[source]
        source: Cause,
    },
    /// The mirror in the cache folder is damaged.
    #[error("the mirror in {folder} is damaged: it is rebuilt on the next run", folder = .folder.display())]
    Damaged {
        /// The mirror's folder.
        folder: PathBuf,
        /// What is missing or broken.
        #[source]
        source: git2::Error,
    },
    /// An operation on a local repository failed.
    #[error("cannot {operation} in {folder}", folder = .folder.display())]
    Repository {
        /// What we were doing.
        operation: String,
        /// The repository.
        folder: PathBuf,
        /// What libgit2 said.
        #[source]
        source: git2::Error,
    },
    /// The repository does not have this commit.
    #[error("{folder} has no commit {commit}: fetch first", folder = .folder.display())]
    NoCommit {
        /// The commit.
        commit: CommitId,
        /// The repository.
        folder: PathBuf,
    },
    /// The question needs history that a shallow clone does not have.
    #[error("{folder} is a shallow clone and its history ends too early: run `git fetch --unshallow` (in CI: fetch-depth 0)", folder = .folder.display())]
    Shallow {
        /// The repository.
        folder: PathBuf,
    },
    /// The remote is a shallow clone: commits that what it holds is based on are nowhere.
    #[error(
        "the history of {url} is cut off, because it is a shallow clone: give privlink the repository it was cloned from, or \
         complete it by `git fetch --unshallow` there; who wrote a change is told by its history"
    )]
    CutOff {
        /// The remote.
        url: String,
    },
    /// Two commits have nothing in common.
    #[error("{base} and {head} have no common ancestor: rebase the branch on its target")]
    Unrelated {
        /// The commit merged into.
        base: CommitId,
        /// The commit to merge.
        head: CommitId,
    },
    /// More or larger files than we read.
    #[error(
        "{place} holds more than {limit}: a config repository for privlink is small; split it or move other files out"
    )]
    OverLimit {
        /// The commit or folder.
        place: String,
        /// The limit in words: "20000 entries".
        limit: String,
    },
    /// An edit or its text cannot become a commit.
    #[error("cannot commit: {why}")]
    Edit {
        /// What is wrong.
        why: String,
    },
    /// A lock file stays.
    #[error("{reference} of {url} stays locked: if no git process is running there, remove {lock}")]
    Locked {
        /// The ref.
        reference: String,
        /// The remote.
        url: String,
        /// The lock file.
        lock: String,
    },
    /// A commit that has to be signed is not.
    #[error("`{program}` did not sign the commit: {why}")]
    Sign {
        /// The program.
        program: &'static str,
        /// What it, or the operating system, said.
        why: String,
    },
    /// A file of a plain folder cannot be written.
    #[error("cannot write {path}", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// A file of a plain folder is not what it was when it was read.
    #[error("{path} changed while it was looked at: nothing was written to it", path = .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A path that is no plain file, or that leads through something other than folders.
    #[error("{path} is a link or no plain file: nothing is written there", path = .path.display())]
    NotPlain {
        /// The part of the path.
        path: PathBuf,
    },
    /// A plain folder cannot be read.
    #[error("cannot read {path}", path = .path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
}

/// Appends the server's words, if any.
fn said(server: &str) -> String {
    if server.is_empty() { String::new() } else { format!(" (it says: {server})") }
}

impl GitError {
    /// What this failure means for a retry.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Damaged { .. } | Self::Locked { .. } => {
                ErrorClass::Transient { retry_after: None }
            }
            Self::Throttled { retry_after, .. } => ErrorClass::Throttled { retry_after: *retry_after },
            Self::Status { status: 500..=599, retry_after, .. } => ErrorClass::Transient { retry_after: *retry_after },
            Self::Denied { .. } | Self::Untrusted { .. } => ErrorClass::Denied,
            Self::NoRepository { .. } | Self::NoCommit { .. } => ErrorClass::NotFound,
            Self::Repository { source, .. } => repository_class(source),
            Self::Folder { source, .. } | Self::Write { source, .. } => io_class(source),
            Self::Changed { .. } => ErrorClass::Conflict,
            Self::NotPlain { .. } => ErrorClass::Invalid,
            Self::NotGit { .. }
            | Self::TooLarge { .. }
            | Self::Program { .. }
            | Self::Sign { .. }
            | Self::Settings { .. }
            | Self::Shallow { .. }
            | Self::CutOff { .. }
            | Self::Unrelated { .. }
            | Self::OverLimit { .. }
            | Self::Edit { .. } => ErrorClass::Invalid,
            Self::Status { .. } | Self::Remote { .. } | Self::Cache { .. } => ErrorClass::Unknown,
        }
    }
}

fn repository_class(source: &git2::Error) -> ErrorClass {
    match source.code() {
        git2::ErrorCode::NotFound => ErrorClass::NotFound,
        git2::ErrorCode::Locked => ErrorClass::Transient { retry_after: None },
        git2::ErrorCode::Modified => ErrorClass::Conflict,
        git2::ErrorCode::InvalidSpec | git2::ErrorCode::Ambiguous => ErrorClass::Invalid,
        git2::ErrorCode::Owner => ErrorClass::Denied,
        _ => ErrorClass::Unknown,
    }
}

fn io_class(source: &std::io::Error) -> ErrorClass {
    match source.kind() {
        std::io::ErrorKind::NotFound => ErrorClass::NotFound,
        std::io::ErrorKind::PermissionDenied => ErrorClass::Denied,
        _ => ErrorClass::Unknown,
    }
}

/// Makes a server's text fit for one line of a message: printable, joined by spaces, at most 500 characters.
pub(super) fn one_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    // Control characters would let a server write escape sequences to somebody's terminal.
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(500).collect()
}
