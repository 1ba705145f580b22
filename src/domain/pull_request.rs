//! The words of a forge: a pull request, what is written into it, and what people said of it.
//!
//! GitLab says merge request, note and pipeline status for what GitHub and Azure DevOps call pull request, comment and
//! status. These are the words for all three.

use std::fmt;

use jiff::Timestamp;

use crate::domain::commit::CommitId;
use crate::domain::commit::RepoPath;

/// Who serves the repository and its pull requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForgeKind {
    /// github.com, or GitHub Enterprise Server.
    GitHub,
    /// gitlab.com, or a GitLab of one's own.
    GitLab,
    /// Azure DevOps Services or Server.
    AzureDevOps,
}

impl ForgeKind {
    /// The most characters that one comment may have, as the forge counts them: GitHub 65,536; GitLab 1,000,000; Azure
    /// DevOps 150,000 (the limits that Atlantis' clients for the three observe).
    pub const fn comment_limit(self) -> usize {
        match self {
            Self::GitHub => 65_536,
            Self::GitLab => 1_000_000,
            Self::AzureDevOps => 150_000,
        }
    }

    /// What its makers call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GitHub => "GitHub",
            Self::GitLab => "GitLab",
            Self::AzureDevOps => "Azure DevOps",
        }
    }
}

impl fmt::Display for ForgeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One of the forge's users: a person, a bot or an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The forge's own id; never given to somebody else, as a name may be.
    pub id: String,
    /// What people call the account; for showing only.
    pub name: String,
    /// False if it may be a person's. Nobody counts a bot as an approver.
    pub is_bot: bool,
}

/// Whether a pull request still waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullRequestState {
    /// It can be merged.
    Open,
    /// It was merged.
    Merged,
    /// It was closed, and not merged.
    Closed,
}

/// A pull request as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number in its repository.
    pub number: u64,
    /// Its author's words; anything may be in them.
    pub title: String,
    /// Where a person reads it.
    pub url: String,
    /// Whether it still waits.
    pub state: PullRequestState,
    /// Who opened it.
    pub author: Account,
    /// The branch that it is merged into, without `refs/heads/`.
    pub base_branch: String,
    /// The last commit of the change.
    pub head: CommitId,
    /// The full ref under which the base's repository serves the head, such as `refs/pull/7/head`; also for a fork.
    pub head_ref: String,
    /// True if the head lies in another repository than the base.
    pub is_fork: bool,
    /// When anybody wrote into it last, a review or a comment among it; `None` if the forge does not tell.
    pub updated_at: Option<Timestamp>,
    /// The commit on the base branch that it was merged as, if it was and the forge tells.
    pub merged_as: Option<CommitId>,
}

/// A comment on a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// What the forge needs to find it again.
    pub id: String,
    /// Markdown, as it was written.
    pub body: String,
    /// Who wrote it.
    pub author: Account,
    /// Where a person reads it.
    pub url: String,
}

/// The state of one status of a commit or pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusState {
    /// Something is still to come.
    Pending,
    /// All is as it should be.
    Success,
    /// It must not be merged as it is.
    Failure,
}

/// The most characters that the description of a status may have: GitHub's limit, which is the smallest of the three.
pub const LONGEST_DESCRIPTION: usize = 140;

/// A description cut to what every forge takes.
pub fn shortened(description: &str) -> String {
    if description.chars().count() <= LONGEST_DESCRIPTION {
        return description.to_owned();
    }
    description.chars().take(LONGEST_DESCRIPTION - 1).chain(['…']).collect()
}

/// A status of the head of a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitStatus {
    /// Its name, such as `privlink/plan/prod`.
    pub context: String,
    /// How it stands.
    pub state: StatusState,
    /// One line of at most [`LONGEST_DESCRIPTION`] characters.
    pub description: String,
    /// Where a person reads more; whoever posts it knows.
    pub target_url: Option<String>,
}

/// How bad it is what an annotation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnnotationLevel {
    /// Good to know.
    Notice,
    /// Look at this.
    Warning,
    /// This must not be merged as it is.
    Failure,
}

/// A remark at a line of a file of the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The file.
    pub path: RepoPath,
    /// The line, from 1.
    pub line: u32,
    /// How bad it is.
    pub level: AnnotationLevel,
    /// One line.
    pub title: String,
    /// Plain text, no Markdown.
    pub message: String,
}

/// What a reviewer says of a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be merged.
    Approved,
    /// It may not.
    ChangesRequested,
}

/// The last verdict of a reviewer, as far as the forge's API proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Who reviewed.
    pub reviewer: Account,
    /// What the reviewer said.
    pub verdict: Verdict,
    /// What was looked at; `None` if the forge does not tell. Only a review of the current head approves anything.
    pub commit: Option<CommitId>,
    /// When, if the forge tells.
    pub at: Option<Timestamp>,
}
