//! GitHub, GitLab and Azure DevOps: pull requests, their comments, statuses and reviews, over their REST APIs.
//!
//! ```text
//! runner's variables ─ address ─▶ Address, Credentials ─▶ Forge ─ github | gitlab | azure_devops ─▶ Call ─ send ─▶ the forge
//!                                                                   sign ─▶ a header with a token ─┘
//! ```
//! What is asked for is the forge's own, in `domain::pull_request`'s words. What came too soon is sent again; so are reads and
//! writes that say the same twice (`send`). A comment is created once: where the answer was lost, it is looked for first.

pub mod address;
pub mod error;

mod azure_devops;
mod github;
mod gitlab;
mod json;
mod send;
mod sign;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::calls::CallLog;
use crate::domain::name::EnvironmentName;
use crate::domain::patience;
use crate::domain::pull_request::Account;
use crate::domain::pull_request::Annotation;
use crate::domain::pull_request::Comment;
use crate::domain::pull_request::CommitStatus;
use crate::domain::pull_request::ForgeKind;
use crate::domain::pull_request::PullRequest;
use crate::domain::testimony::Testimony;
use crate::forge::address::Address;
use crate::forge::address::Credentials;
use crate::forge::azure_devops::AzureDevOps;
use crate::forge::error::ForgeError;
use crate::forge::github::GitHub;
use crate::forge::gitlab::GitLab;
use crate::forge::send::Sender;
use crate::forge::send::build_client;
use crate::forge::sign::Signer;

/// How many entries of a list are asked for at once: the most that GitHub and GitLab give.
const PAGE: usize = 100;
/// The most open pull requests that are read.
pub const MOST_PULL_REQUESTS: usize = 300;
/// The most comments of one pull request that are read. Ours is among the first.
const MOST_COMMENTS: usize = 10_000;
/// The most contexts of one commit whose last status is read; in GitLab every job is one.
const MOST_CONTEXTS: usize = 10_000;

/// What the runner says about the way to a forge; nothing of it comes from a config repository under review.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The repository.
    pub address: Address,
    /// Who writes.
    pub credentials: Credentials,
    /// Certificate authorities to trust beside the machine's, each a PEM file.
    pub ca_certificates: Vec<Vec<u8>>,
    /// The longest time one request may take.
    pub timeout: Duration,
    /// What we call ourselves.
    pub user_agent: String,
    /// Where calls are counted.
    pub calls: CallLog,
}

/// A way to the pull requests of one repository.
#[derive(Debug)]
pub struct Forge {
    way: Way,
}

#[derive(Debug)]
enum Way {
    GitHub(GitHub),
    GitLab(GitLab),
    AzureDevOps(AzureDevOps),
}

/// The pull requests that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenPullRequests {
    /// The newest first: where there are more than are read, the oldest are left out.
    pub found: Vec<PullRequest>,
    /// False if there are more than are read ([`MOST_PULL_REQUESTS`]).
    pub is_complete: bool,
}

/// The statuses of the head of a pull request, as they were when they were read.
#[derive(Clone, Debug)]
pub struct Statuses {
    /// The last of each context.
    last: BTreeMap<String, json::Told>,
    /// The project of GitLab that keeps them, if it is not the one of the pull request: those of a fork are in the fork.
    project: Option<String>,
    /// The push that they are of, by its number in Azure DevOps. One without it is not taken back by the next push.
    push: Option<u64>,
}

/// What became of a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusSet {
    /// It was written.
    Set,
    /// It was there already.
    Unchanged,
    /// The forge keeps the words that it had before, for a reason of its own.
    Kept {
        /// Why.
        why: String,
    },
}

/// What became of the remarks at lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Annotated {
    /// They were written.
    Posted,
    /// They were there already, or there are none and were none.
    Unchanged,
    /// The forge or the token does not take them; nothing else suffers from it.
    NotTaken {
        /// Why, and what to do.
        why: String,
    },
}

impl Forge {
    /// Builds the client. Nothing is sent yet.
    ///
    /// # Errors
    /// A certificate or token that is none, or a machine on which TLS does not start.
    pub fn new(settings: Settings) -> Result<Self, ForgeError> {
        let Settings { address, credentials, ca_certificates, timeout, user_agent, calls } = settings;
        let api = match &address {
            Address::GitHub { api, .. } | Address::GitLab { api, .. } => api,
            Address::AzureDevOps { collection, .. } => collection,
        };
        let client = build_client(&ca_certificates, (timeout, &user_agent), api.is_local())?;
        let sender = Sender { client, forge: address.kind(), signer: Signer::new(&address, credentials)?, calls };
        let way = match address {
            Address::GitHub { api, owner, repository } => Way::GitHub(GitHub { sender, api, owner, repository }),
            Address::GitLab { api, project } => Way::GitLab(GitLab { sender, api, project }),
            Address::AzureDevOps { collection, project, repository } => {
                Way::AzureDevOps(AzureDevOps { sender, collection, project, repository })
            }
        };
        Ok(Self { way })
    }

    /// Which forge it is.
    pub fn kind(&self) -> ForgeKind {
        match &self.way {
            Way::GitHub(_) => ForgeKind::GitHub,
            Way::GitLab(_) => ForgeKind::GitLab,
            Way::AzureDevOps(_) => ForgeKind::AzureDevOps,
        }
    }

    /// Our own account: whose comments are ours.
    ///
    /// # Errors
    /// As every call.
    pub async fn me(&self) -> Result<Account, ForgeError> {
        match &self.way {
            Way::GitHub(own) => own.me().await,
            Way::GitLab(own) => own.me().await,
            Way::AzureDevOps(own) => own.me().await,
        }
    }

    /// A pull request as it is now.
    ///
    /// # Errors
    /// Class `NotFound` for a number of none; else as every call.
    pub async fn pull_request(&self, number: u64) -> Result<PullRequest, ForgeError> {
        match &self.way {
            Way::GitHub(own) => own.pull_request(number).await,
            Way::GitLab(own) => own.pull_request(number).await,
            Way::AzureDevOps(own) => own.pull_request(number).await,
        }
    }

    /// The pull requests that wait to be merged into a branch, named without `refs/heads/`; the newest first.
    ///
    /// # Errors
    /// As every call.
    pub async fn open_pull_requests(&self, base_branch: &str) -> Result<OpenPullRequests, ForgeError> {
        match &self.way {
            Way::GitHub(own) => own.open_pull_requests(base_branch).await,
            Way::GitLab(own) => own.open_pull_requests(base_branch).await,
            Way::AzureDevOps(own) => own.open_pull_requests(base_branch).await,
        }
    }

    /// Every comment of a pull request, the oldest first; nothing that the forge wrote by itself.
    ///
    /// # Errors
    /// More comments than anybody reads; else as every call.
    pub async fn comments(&self, pull: &PullRequest) -> Result<Vec<Comment>, ForgeError> {
        match &self.way {
            Way::GitHub(own) => own.comments(pull).await,
            Way::GitLab(own) => own.comments(pull).await,
            Way::AzureDevOps(own) => own.comments(pull).await,
        }
    }

    /// Writes a comment, once. Where nobody knows what became of the request, the comment is looked for before the request is
    /// sent again, by our account and its first line. A forge that takes longer than that to show it can still get two.
    ///
    /// # Errors
    /// As every call.
    pub async fn create_comment(&self, pull: &PullRequest, body: &str) -> Result<Comment, ForgeError> {
        let first = match self.post_comment(pull, body).await {
            Err(error) if error.is_in_doubt() => error,
            answer => return answer,
        };
        tracing::debug!(%first, "looking whether the comment is there");
        if let Some(found) = self.find_written(pull, body).await? {
            return Ok(found);
        }
        match self.post_comment(pull, body).await {
            Err(error) if error.is_in_doubt() => self.find_written(pull, body).await?.ok_or(error),
            answer => answer,
        }
    }

    async fn find_written(&self, pull: &PullRequest, body: &str) -> Result<Option<Comment>, ForgeError> {
        tokio::time::sleep(patience::for_ever(0, u16::MAX)).await;
        let me = self.me().await?;
        let is_it =
            |comment: &Comment| comment.author.id == me.id && comment.body.lines().next() == body.lines().next();
        Ok(self.comments(pull).await?.into_iter().find(is_it))
    }

    async fn post_comment(&self, pull: &PullRequest, body: &str) -> Result<Comment, ForgeError> {
        match &self.way {
            Way::GitHub(own) => own.create_comment(pull, body).await,
            Way::GitLab(own) => own.create_comment(pull, body).await,
            Way::AzureDevOps(own) => own.create_comment(pull, body).await,
        }
    }

    /// Gives a comment of a pull request another text.
    ///
    /// # Errors
    /// As every call.
    pub async fn update_comment(&self, number: u64, id: &str, body: &str) -> Result<(), ForgeError> {
        match &self.way {
            Way::GitHub(own) => own.update_comment(id, body).await,
            Way::GitLab(own) => own.update_comment(number, id, body).await,
            Way::AzureDevOps(own) => own.update_comment(number, id, body).await,
        }
    }

    /// The statuses of the head of a pull request, of everybody and all at once: what need not be set again.
    ///
    /// # Errors
    /// As every call.
    pub async fn statuses(&self, pull: &PullRequest) -> Result<Statuses, ForgeError> {
        match &self.way {
            Way::GitHub(own) => own.statuses(pull).await,
            Way::GitLab(own) => own.statuses(pull).await,
            Way::AzureDevOps(own) => own.statuses(pull).await,
        }
    }

    /// Sets a status of the head of a pull request, unless it was set so already when its statuses were read.
    ///
    /// # Errors
    /// As every call.
    pub async fn set_status(
        &self,
        pull: &PullRequest,
        (before, status): (&Statuses, &CommitStatus),
    ) -> Result<StatusSet, ForgeError> {
        if before.last.get(&status.context).is_some_and(|last| last.says(status)) {
            return Ok(StatusSet::Unchanged);
        }
        match &self.way {
            Way::GitHub(own) => own.set_status(pull, status).await,
            Way::GitLab(own) => own.set_status(pull, (before, status)).await,
            Way::AzureDevOps(own) => own.set_status(pull, (before, status)).await,
        }
    }

    /// Writes remarks at lines of the head, those of each environment apart, where the forge has such a thing: GitHub, for apps
    /// and workflows. `me` is our own account: what another one wrote under the same name is not believed.
    ///
    /// # Errors
    /// As every call; a token that may not is no error.
    pub async fn annotate(
        &self,
        (pull, me): (&PullRequest, &Account),
        remarks: &[(&EnvironmentName, Vec<Annotation>)],
    ) -> Result<Annotated, ForgeError> {
        let why = match &self.way {
            Way::GitHub(own) => return own.annotate((pull, me), remarks).await,
            _ if remarks.iter().all(|(_, own)| own.is_empty()) => return Ok(Annotated::Unchanged),
            Way::GitLab(_) => "GitLab shows remarks at lines from the code quality report of the pipeline",
            Way::AzureDevOps(_) => "Azure DevOps has no remarks at lines but threads that somebody must resolve",
        };
        Ok(Annotated::NotTaken { why: why.to_owned() })
    }

    /// The pull requests that were merged into a branch, those that something happened to last, where reviews prove anything.
    ///
    /// # Errors
    /// As every call.
    pub async fn merged_pull_requests(&self, base_branch: &str) -> Result<Vec<PullRequest>, ForgeError> {
        match &self.way {
            Way::GitHub(own) => own.merged_pull_requests(base_branch).await,
            Way::GitLab(_) | Way::AzureDevOps(_) => Ok(Vec::new()),
        }
    }

    /// What is proved about who agreed to a pull request; `None` if nobody did, or if the forge does not tell which commit
    /// somebody looked at, as GitLab and Azure DevOps.
    ///
    /// # Errors
    /// As every call.
    pub async fn testimony(&self, pull: &PullRequest) -> Result<Option<Testimony>, ForgeError> {
        match &self.way {
            Way::GitHub(own) => own.testimony(pull).await,
            Way::GitLab(_) | Way::AzureDevOps(_) => Ok(None),
        }
    }
}
