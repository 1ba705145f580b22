//! Open pull requests, looked at by the agent itself: what each would do once merged is written into it, without inbound
//! network and without a CI system that may sign in to Azure.
//!
//! ```text
//! poll ─▶ open pull requests ─ docket ─▶ those that are due ─▶ review, post
//!                                └─▶ those that are not open any more ─▶ one last edit
//! ```
//! One that fails holds up no other: it is tried again later. When the forge wants fewer calls, none is made for as long as it
//! says.

mod docket;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use futures_util::FutureExt as _;
use tokio::sync::watch;

use crate::agent::Agent;
use crate::agent::branch::Contents;
use crate::agent::branch::Look;
use crate::agent::leader::Standing;
use crate::agent::vitals::Vitals;
use crate::domain::commit::CommitId;
use crate::domain::failure::ErrorClass;
use crate::domain::name::EnvironmentName;
use crate::domain::pull_request::PullRequest;
use crate::domain::pull_request::PullRequestState;
use crate::reconcile::attending::AttendError;
use crate::reconcile::attending::Attendant;
use crate::reconcile::attending::Attended;
use crate::reconcile::attending::Compared;
use crate::reconcile::attending::OpenPullRequests;
use crate::reconcile::error_chain;
use crate::reconcile::posting::Posted;
use crate::reconcile::source::Loaded;
use docket::Docket;
use docket::Scene;

/// How often pull requests are looked at, and which.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    /// The time between two looks at the list: one small request if nothing moved.
    pub interval: Duration,
    /// The time after which one that did not move is planned again, because the world may have.
    pub again: Duration,
    /// True if those of forks are planned too, whoever opens one.
    pub forks: bool,
}

/// Looks at pull requests until it is told to stop. What fails is said in the log, and tried again later.
pub async fn serve(
    (agent, vitals): (Arc<Agent>, Arc<Vitals>),
    attendant: Arc<Attendant>,
    rhythm: Rhythm,
    (standing, mut stop): (watch::Receiver<Standing>, watch::Receiver<bool>),
) {
    let mut desk = Desk {
        agent,
        vitals,
        attendant,
        rhythm,
        standing,
        docket: Docket::default(),
        last: None,
        skipped: BTreeSet::new(),
        quiet_until: Duration::ZERO,
        began: Instant::now(),
    };
    loop {
        // What is said here changes nothing in the world, so it may be cut off at any point.
        tokio::select! {
            () = desk.round() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        tokio::select! {
            () = tokio::time::sleep(rhythm.interval) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

struct Desk {
    agent: Arc<Agent>,
    vitals: Arc<Vitals>,
    attendant: Arc<Attendant>,
    rhythm: Rhythm,
    standing: watch::Receiver<Standing>,
    docket: Docket,
    /// What there was to see at the last look, if everything of it was looked at.
    last: Option<Scene>,
    /// The heads of forks that are left to somebody, as the log was told.
    skipped: BTreeSet<CommitId>,
    /// The forge wants no calls until then.
    quiet_until: Duration,
    began: Instant,
}

/// Why a round ends before its time.
enum Halt {
    /// Somebody else leads now.
    Deposed,
    /// The forge wants fewer calls.
    Throttled(Duration),
    /// Nothing can be looked at.
    Failed(anyhow::Error),
}

impl From<AttendError> for Halt {
    fn from(error: AttendError) -> Self {
        match error.wanted_rest() {
            Some(wait) => Self::Throttled(wait),
            None => Self::Failed(error.into()),
        }
    }
}

impl Desk {
    async fn round(&mut self) {
        if !self.works() || self.now() < self.quiet_until {
            return;
        }
        match AssertUnwindSafe(self.look()).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(Halt::Deposed)) => tracing::info!("pull requests are left to whoever leads now"),
            Ok(Err(Halt::Throttled(wait))) => {
                tracing::warn!(seconds = wait.as_secs(), "the forge wants fewer calls: pull requests wait");
                self.quiet_until = self.now().saturating_add(wait);
            }
            Ok(Err(Halt::Failed(error))) => {
                tracing::error!(error = format!("{error:#}"), "the pull requests cannot be looked at");
            }
            Err(_) => tracing::error!("looking at pull requests panicked: report it with the lines above"),
        }
    }

    async fn look(&mut self) -> Result<(), Halt> {
        let look = self.agent.branch.look().await.map_err(|error| Halt::Failed(error.into()))?;
        // What is wrong with the settings is told by the passes.
        let Contents::Loaded(loaded) = &look.contents else { return Ok(()) };
        let Some(upstream) = &loaded.source.upstream else { return Ok(()) };
        let base = upstream.branch.as_str().trim_start_matches("refs/heads/");
        let open = self.attendant.open(base).await.map_err(AttendError::from)?;
        for number in self.docket.ended(&open.found, self.now()) {
            self.check_standing()?;
            self.end((number, base), loaded).await?;
        }
        let open = self.without_forks(open);
        let scene = self.scene((&look, loaded), &upstream.tip, &open);
        if self.last.as_ref() == Some(&scene) && self.docket.is_quiet(self.now()) {
            return Ok(());
        }
        self.last = None;
        let compared = self.attendant.compared(self.agent.branch.remote(), base, &open).await?;
        for (pull, sight) in self.docket.due(&scene, &compared.concerns(), self.now()) {
            self.check_standing()?;
            let review = AssertUnwindSafe(self.review(pull, &compared)).catch_unwind().await;
            let went_well = matches!(review, Ok(Ok(true)));
            let (result, halt) = match review {
                Ok(Ok(true)) => ("told", None),
                Ok(Ok(false)) => ("failed", None),
                Ok(Err(halt)) => ("failed", Some(halt)),
                Err(_) => {
                    tracing::error!(number = pull.number, "a review panicked: report it with the lines above");
                    ("crashed", None)
                }
            };
            self.vitals.reviewed(result);
            self.docket.looked_at(pull.number, sight, (went_well, self.now()), &self.rhythm);
            if let Some(halt) = halt {
                return Err(halt);
            }
        }
        self.last = Some(scene);
        Ok(())
    }

    /// Those that are looked at. A member has to have looked at a change from outside before it is planned.
    fn without_forks(&mut self, open: OpenPullRequests) -> OpenPullRequests {
        if self.rhythm.forks {
            return open;
        }
        let (forks, found): (Vec<_>, Vec<_>) = open.found.into_iter().partition(|pull| pull.is_fork);
        for fork in &forks {
            if !self.skipped.contains(&fork.head) {
                let number = fork.number;
                tracing::info!(number, "a fork is not planned unasked: privlink review --pull-request {number} does");
            }
        }
        self.skipped = forks.into_iter().map(|fork| fork.head).collect();
        OpenPullRequests { found, ..open }
    }

    fn scene(&self, (look, loaded): (&Look, &Loaded), base: &CommitId, open: &OpenPullRequests) -> Scene {
        Scene {
            base: base.clone(),
            approvals: look.sight(&self.agent.share).approvals,
            reviews_count: self.attendant.counts_reviews(&loaded.settings),
            open: open.found.clone(),
        }
    }

    /// Reviews one and writes into it; true if all that there was to say is said.
    async fn review(&self, pull: &PullRequest, compared: &Compared) -> Result<bool, Halt> {
        let number = pull.number;
        let share = &self.agent.share;
        let is_wanted = |name: &EnvironmentName| share.of(std::iter::once(name)).contains(name);
        match self.attendant.attend(self.agent.branch.remote(), (pull, compared), &is_wanted).await {
            Ok(Attended { posted, unplanned }) => {
                for why in &unplanned {
                    tracing::error!(number, error = why, "a pull request cannot be planned");
                }
                let is_told = is_told(number, &posted, "a pull request was told in part")?;
                if is_told {
                    let what = posted.to_string().lines().collect::<Vec<_>>().join("; ");
                    tracing::info!(number, head = %pull.head.short(), "told a pull request: {what}");
                }
                Ok(is_told && unplanned.is_empty())
            }
            Err(AttendError::Moved { .. }) => Ok(false),
            Err(error) => {
                tracing::error!(number, error = error_chain(&error), "a pull request cannot be reviewed");
                match Halt::from(error) {
                    Halt::Failed(_) => Ok(false),
                    halt => Err(halt),
                }
            }
        }
    }

    async fn end(&mut self, (number, base): (u64, &str), loaded: &Loaded) -> Result<(), Halt> {
        let ended = match self.attendant.pull_request(number).await {
            // While GitLab merges one, it is not among the open ones, and has not ended. One for another branch is nobody's here.
            Ok(pull) if pull.state == PullRequestState::Open => Ok(pull.base_branch != base),
            Ok(pull) => {
                let environments = self.agent.share.of(loaded.settings.environments.keys());
                let posted = self.attendant.end(&pull, environments).await;
                is_told(number, &posted, "a pull request was not told how it ended")
            }
            // There is nobody left to tell.
            Err(error) if error.class() == ErrorClass::NotFound => Ok(true),
            Err(error) => {
                tracing::error!(number, error = error_chain(&error), "a pull request that ended cannot be read");
                AttendError::from(error).wanted_rest().map_or(Ok(false), |wait| Err(Halt::Throttled(wait)))
            }
        };
        match ended {
            Ok(true) => self.docket.closed(number),
            Ok(false) | Err(_) => self.docket.not_closed(number, self.now(), &self.rhythm),
        }
        ended.map(drop)
    }

    fn check_standing(&self) -> Result<(), Halt> {
        if self.works() { Ok(()) } else { Err(Halt::Deposed) }
    }

    fn works(&self) -> bool {
        self.standing.borrow().works(Instant::now())
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

/// Whether everything was written; what was not is said in the log.
fn is_told(number: u64, posted: &Posted, otherwise: &str) -> Result<bool, Halt> {
    let failures = posted.failures();
    if !failures.is_empty() {
        tracing::error!(number, error = failures.join("; "), "{otherwise}");
    }
    match posted.wanted_rest() {
        Some(wait) => Err(Halt::Throttled(wait)),
        None => Ok(failures.is_empty()),
    }
}
