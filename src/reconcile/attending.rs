//! A pull request of the forge, attended to: the change that it is, with the other open ones beside it, and what became of it.

use crate::config::Config;
use crate::domain::name::EnvironmentName;
use crate::domain::pull_request::ForgeKind;
use crate::domain::pull_request::PullRequest;
use crate::forge::Forge;
pub use crate::forge::OpenPullRequests;
use crate::forge::error::ForgeError;
use crate::reconcile::pass::PassError;
use crate::reconcile::posting;
use crate::reconcile::posting::Posted;
use crate::reconcile::remote::Remote;
use crate::reconcile::reviewing;
use crate::reconcile::reviewing::Change;
use crate::reconcile::reviewing::Terms;
use crate::reconcile::source;
use crate::reconcile::source::SourceError;
use crate::reconcile::source::Unreadable;
use crate::review::Told;

/// Why a pull request cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum AttendError {
    /// The forge did not answer.
    #[error(transparent)]
    Forge(#[from] ForgeError),
    /// Its commits cannot be fetched, or have nothing to do with the base.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The settings of the base have errors.
    #[error("the settings of the base have errors")]
    Settings(Box<Unreadable>),
    /// It was pushed to between two questions.
    #[error("pull request #{number} moved while it was read; look again")]
    Moved {
        /// Its number.
        number: u64,
    },
    /// An environment cannot be reviewed at all.
    #[error(transparent)]
    Pass(#[from] PassError),
}

/// Who looks at the pull requests of a repository, and writes into them.
#[derive(Debug)]
pub struct Attendant {
    forge: Forge,
    config: Config,
}

impl Attendant {
    /// Takes the way to the forge that the runner's variables name.
    ///
    /// # Errors
    /// If they name no repository or no token, or something that cannot be used; the error names them.
    pub fn new(config: &Config, kind: Option<ForgeKind>) -> Result<Self, ForgeError> {
        Ok(Self { forge: posting::way(config, kind)?, config: config.clone() })
    }

    /// Which forge it is.
    pub fn kind(&self) -> ForgeKind {
        self.forge.kind()
    }

    /// A pull request as it is now.
    ///
    /// # Errors
    /// As every call to the forge.
    pub async fn pull_request(&self, number: u64) -> Result<PullRequest, ForgeError> {
        self.forge.pull_request(number).await
    }

    /// Asks which pull requests wait to be merged into a branch.
    ///
    /// # Errors
    /// As every call to the forge.
    pub async fn open(&self, base_branch: &str) -> Result<OpenPullRequests, ForgeError> {
        self.forge.open_pull_requests(base_branch).await
    }

    /// Reads a pull request, and puts the other open ones beside it. One of these that cannot be read is passed over: its own
    /// review says why.
    ///
    /// # Errors
    /// If it cannot be fetched, the base's settings have errors, or it moved on.
    pub async fn change(
        &self,
        remote: &Remote,
        pull: &PullRequest,
        open: &OpenPullRequests,
    ) -> Result<Change, AttendError> {
        let base = &pull.base_branch;
        let proposal = source::proposal_of_remote(remote.clone(), base, (&pull.head_ref, Some(&pull.head))).await?;
        if proposal.head != pull.head {
            return Err(AttendError::Moved { number: pull.number });
        }
        let unreadable = |unreadable: Unreadable| AttendError::Settings(Box::new(unreadable));
        let mut change = Change::read(proposal).map_err(unreadable)?;
        if !open.is_complete {
            tracing::warn!(read = open.found.len(), "there are more open pull requests than are compared");
        }
        for other in open.found.iter().filter(|other| other.number != pull.number && other.base_branch == *base) {
            match source::proposal_of_remote(remote.clone(), base, (&other.head_ref, Some(&other.head))).await {
                Ok(proposal) => change.beside(self.called(other), proposal).map_err(unreadable)?,
                Err(error) => tracing::warn!(number = other.number, %error, "another pull request cannot be read"),
            }
        }
        Ok(change)
    }

    /// What people call a pull request.
    fn called(&self, pull: &PullRequest) -> String {
        match self.kind() {
            ForgeKind::GitLab => format!("merge request !{}", pull.number),
            ForgeKind::GitHub | ForgeKind::AzureDevOps => format!("pull request #{}", pull.number),
        }
    }

    /// How an open pull request is reviewed.
    pub fn terms(&self, remote: &Remote, pull: &PullRequest) -> Terms {
        Terms::of_remote(self.kind(), remote.url(), (&pull.base_branch, &pull.head_ref))
    }

    /// Plans what an open pull request would be once merged, and writes what came out into it.
    ///
    /// # Errors
    /// As [`Self::change`]; what cannot be planned or written is part of the answer.
    pub async fn attend(
        &self,
        remote: &Remote,
        (pull, open): (&PullRequest, &OpenPullRequests),
        is_wanted: &(dyn Fn(&EnvironmentName) -> bool + Sync),
    ) -> Result<Posted, AttendError> {
        let change = self.change(remote, pull, open).await?;
        let terms = self.terms(remote, pull);
        let mut told = Vec::new();
        for environment in change.loaded.settings.environments.keys().filter(|name| is_wanted(name)) {
            told.push(reviewing::review(&change, environment, (&terms, &self.config)).await?.told);
        }
        Ok(self.post(pull, &told).await)
    }

    /// Writes into an open pull request what it is to be told.
    pub async fn post(&self, pull: &PullRequest, told: &[Told]) -> Posted {
        posting::post(&self.forge, pull, told).await
    }

    /// Writes into the comments of a pull request how it ended.
    pub async fn end(&self, pull: &PullRequest, environments: impl IntoIterator<Item = EnvironmentName>) -> Posted {
        let environments: Vec<_> = environments.into_iter().map(|environment| (environment, None)).collect();
        posting::close(&self.forge, pull, &environments).await
    }
}
