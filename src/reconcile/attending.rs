//! A pull request of the forge, attended to: the change that it is, with the other open ones beside it, and what became of it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::Config;
use crate::domain::commit::CommitId;
use crate::domain::name::EnvironmentName;
use crate::domain::pull_request::ForgeKind;
use crate::domain::pull_request::PullRequest;
use crate::forge::Forge;
pub use crate::forge::OpenPullRequests;
use crate::forge::error::ForgeError;
use crate::reconcile::approvals::Approvals;
use crate::reconcile::pass::PassError;
use crate::reconcile::planning::Planned;
use crate::reconcile::posting;
use crate::reconcile::posting::Posted;
use crate::reconcile::remote::Remote;
use crate::reconcile::reviewing;
use crate::reconcile::reviewing::Change;
use crate::reconcile::reviewing::Other;
use crate::reconcile::reviewing::Outcome;
use crate::reconcile::reviewing::Reviews;
use crate::reconcile::reviewing::Terms;
use crate::reconcile::source;
use crate::reconcile::source::Head;
use crate::reconcile::source::Loaded;
use crate::reconcile::source::SourceError;
use crate::reconcile::source::Unreadable;
use crate::repo::settings::Settings;
use crate::review::Told;
use crate::review::reviewers;

/// The most merged pull requests whose reviews are read for one plan, the last ones. A plan has one id, so what was merged before
/// the last few has other plans anyway.
const MOST_MERGED: usize = 10;

/// The most open pull requests that are compared with each other, the newest ones: each is a tree in memory.
const MOST_COMPARED: usize = 20;

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

impl AttendError {
    /// How long the forge wants nothing more, if that is what it said.
    pub fn wanted_rest(&self) -> Option<Duration> {
        match self {
            Self::Forge(error) => error.wanted_rest(),
            Self::Source(_) | Self::Settings(_) | Self::Moved { .. } | Self::Pass(_) => None,
        }
    }
}

/// Open pull requests of one base, by their numbers: what people call each, and what it is.
#[derive(Debug, Default)]
pub struct Compared {
    changes: BTreeMap<u64, (String, Change)>,
}

impl Compared {
    /// What a pull request is, if it was read as it is now.
    fn of(&self, pull: &PullRequest) -> Option<&Change> {
        self.changes.get(&pull.number).map(|(_, change)| change).filter(|change| *change.head() == pull.head)
    }

    /// Those that another one is compared with.
    pub fn others(&self, number: u64) -> Vec<Other<'_>> {
        let others = self.changes.iter().filter(|(own, _)| **own != number);
        others.map(|(_, (name, change))| Other { name: name.clone(), change }).collect()
    }

    /// Which environments each is about, and the commit that it is.
    pub fn concerns(&self) -> BTreeMap<u64, (CommitId, BTreeSet<EnvironmentName>)> {
        let of = |(number, (_, change)): (&u64, &(String, Change))| {
            (*number, (change.head().clone(), change.environments()))
        };
        self.changes.iter().map(of).collect()
    }
}

/// What became of a pull request.
#[derive(Debug)]
pub struct Attended {
    /// What was written.
    pub posted: Posted,
    /// The environments without a plan for a reason outside the change, which may be gone the next time; each with the reason.
    pub unplanned: Vec<String>,
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

    /// Reads the newest open pull requests of a base, to be told where two want the same: the remote is asked once, and the base
    /// is read once. One that cannot be read is left out: its own review says why.
    ///
    /// # Errors
    /// If the base cannot be fetched.
    pub async fn compared(
        &self,
        remote: &Remote,
        base: &str,
        open: &OpenPullRequests,
    ) -> Result<Compared, AttendError> {
        let is_for = |pull: &&PullRequest| pull.base_branch == base;
        let pulls: Vec<&PullRequest> = open.found.iter().filter(is_for).take(MOST_COMPARED).collect();
        if !open.is_complete || pulls.len() < open.found.iter().filter(is_for).count() {
            tracing::info!(
                compared = pulls.len(),
                "there are more open pull requests than are compared with each other"
            );
        }
        let heads: Vec<Head<'_>> = pulls.iter().map(|pull| (pull.head_ref.as_str(), Some(&pull.head))).collect();
        let proposals = match heads.as_slice() {
            [] => Vec::new(),
            heads => source::proposals_of_remote(remote.clone(), base, heads).await?,
        };
        let mut compared = Compared::default();
        for (pull, proposal) in pulls.into_iter().zip(proposals) {
            let known = compared.changes.values().next().map(|(_, change)| change);
            match proposal.map(|proposal| Change::read(proposal, known)) {
                Ok(Ok(change)) => drop(compared.changes.insert(pull.number, (self.called(pull), change))),
                Ok(Err(_)) => return Ok(compared), // The settings of the base have errors: every review says so.
                Err(error) => tracing::warn!(number = pull.number, %error, "a pull request cannot be compared"),
            }
        }
        Ok(compared)
    }

    /// Reads a pull request.
    ///
    /// # Errors
    /// If it cannot be fetched, the base's settings have errors, or it moved on.
    pub async fn change(&self, remote: &Remote, pull: &PullRequest) -> Result<Change, AttendError> {
        let head = (pull.head_ref.as_str(), Some(&pull.head));
        let proposal = source::proposal_of_remote(remote.clone(), &pull.base_branch, head).await?;
        if proposal.head != pull.head {
            return Err(AttendError::Moved { number: pull.number });
        }
        Change::read(proposal, None).map_err(|unreadable| AttendError::Settings(Box::new(unreadable)))
    }

    /// What people call a pull request.
    pub fn called(&self, pull: &PullRequest) -> String {
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
        (pull, compared): (&PullRequest, &Compared),
        is_wanted: &(dyn Fn(&EnvironmentName) -> bool + Sync),
    ) -> Result<Attended, AttendError> {
        let read;
        let change = match compared.of(pull) {
            Some(change) => change,
            None => {
                read = self.change(remote, pull).await?;
                &read
            }
        };
        let others = compared.others(pull.number);
        let reviews = match self.counts_reviews(&change.loaded.settings) {
            true => Reviews::Counted(self.forge.testimony(pull).await?.map(Box::new)),
            false => Reviews::Ignored,
        };
        let terms = Terms { reviews, ..self.terms(remote, pull) };
        let (mut told, mut unplanned) = (Vec::new(), Vec::new());
        for environment in change.loaded.settings.environments.keys().filter(|name| is_wanted(name)) {
            let review = reviewing::review((change, &others), environment, (&terms, &self.config)).await?;
            if let Outcome::Failed(why) = review.outcome {
                unplanned.push(format!("{environment}: {why}"));
            }
            told.push(review.told);
        }
        Ok(Attended { posted: self.post(pull, &told).await, unplanned })
    }

    /// True if reviews of this forge may count as approvals, by the accounts that the settings name.
    pub fn counts_reviews(&self, settings: &Settings) -> bool {
        self.kind() == ForgeKind::GitHub && settings.approvers.values().any(|approver| approver.github_id.is_some())
    }

    /// Adds what reviews of merged pull requests say about a plan of the config branch: of those that are in what came after the
    /// last apply.
    ///
    /// # Errors
    /// As every call to the forge; if the mirror cannot be read.
    pub async fn add_reviews(
        &self,
        loaded: &Loaded,
        planned: &Planned,
        approvals: &mut Approvals,
    ) -> Result<(), AttendError> {
        let Some(upstream) = &loaded.source.upstream else { return Ok(()) };
        if !reviewers::count(&planned.plan.policy) || !self.counts_reviews(&loaded.settings) {
            return Ok(());
        }
        let applied = planned.status.environment().and_then(|status| status.applied_commit.as_ref());
        let history = upstream.remote.history(applied, &upstream.tip).await.map_err(SourceError::from)?;
        let commits: BTreeSet<&CommitId> = history.commits.iter().map(|commit| &commit.id).collect();
        let base = upstream.branch.as_str().trim_start_matches("refs/heads/");
        let merged = self.forge.merged_pull_requests(base).await?;
        let is_in = |pull: &&PullRequest| pull.merged_as.as_ref().is_some_and(|commit| commits.contains(commit));
        for pull in merged.iter().filter(is_in).take(MOST_MERGED) {
            if let Some(testimony) = self.forge.testimony(pull).await? {
                approvals.add(reviewers::judge(&testimony, &planned.plan.policy));
            }
        }
        Ok(())
    }

    /// Writes into an open pull request what it is to be told.
    pub async fn post(&self, pull: &PullRequest, told: &[Told]) -> Posted {
        posting::post(&self.forge, pull, told).await
    }

    /// Writes into our comments of a pull request how it ended: those of these environments.
    pub async fn end(&self, pull: &PullRequest, environments: impl IntoIterator<Item = EnvironmentName>) -> Posted {
        let environments: BTreeSet<EnvironmentName> = environments.into_iter().collect();
        posting::close(&self.forge, pull, &|name| environments.contains(name)).await
    }

    /// The same of every environment that has a comment of ours.
    pub async fn end_all(&self, pull: &PullRequest) -> Posted {
        posting::close(&self.forge, pull, &|_| true).await
    }
}
