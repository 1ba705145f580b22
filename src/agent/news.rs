//! What the agent has to tell: to a person at a terminal, to logs, and to whoever counts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::agent::leader::Standing;
use crate::agent::schedule::End;
use crate::agent::schedule::Order;
use crate::domain::logged::TOLD;
use crate::domain::name::EnvironmentName;
use crate::reconcile::applying::Progress;
use crate::reconcile::applying::StepNews;
use crate::reconcile::error_chain;
use crate::reconcile::pass::Listener;
use crate::reconcile::pass::PassEnd;
use crate::reconcile::pass::PassError;
use crate::reconcile::pass::Published;
use crate::reconcile::planning::Planned;
use crate::reconcile::source::Loaded;
use crate::reconcile::source::Unreadable;
use crate::render::diagnostic;
use crate::render::missing;

/// Something that happened.
#[derive(Debug)]
pub enum News {
    /// The scheduler turned: it lives.
    Turned,
    /// The agent works from now on, or stands by.
    Standing(Standing),
    /// The repository was read.
    Looked {
        /// The environments of its tip that this agent serves.
        environments: BTreeSet<EnvironmentName>,
    },
    /// The repository could not be read.
    Unreachable(anyhow::Error),
    /// The settings are wrong: there is no pass.
    Unreadable(Arc<Unreadable>),
    /// A plan is about to be applied.
    Applies {
        /// The files it is made from.
        loaded: Arc<Loaded>,
        /// The plan.
        planned: Arc<Planned>,
    },
    /// A running apply went on.
    Progress {
        /// Where.
        environment: EnvironmentName,
        /// How.
        progress: Progress,
    },
    /// A pass ended.
    Ended(Box<Ended>),
    /// A pass was given up before it wrote anything, because the agent is to stop.
    Left(EnvironmentName),
    /// A pass, or a look at the repository, met a mistake of this program.
    Crashed {
        /// The environment of the pass.
        environment: Option<EnvironmentName>,
        /// What it said.
        message: String,
    },
    /// The agent is to stop.
    Stopping {
        /// The passes that are under way.
        running: Vec<EnvironmentName>,
    },
    /// The agent has stopped.
    Stopped {
        /// What was to be looked at and was not.
        unanswered: Vec<Order>,
    },
}

/// A pass that ended.
#[derive(Debug)]
pub struct Ended {
    /// Over which environment.
    pub environment: EnvironmentName,
    /// The files it was made from.
    pub loaded: Arc<Loaded>,
    /// How it ended.
    pub end: Result<PassEnd, PassError>,
    /// How long it took.
    pub took: Duration,
    /// How old the commit was when all that it asks for was there; only of the first pass that finds it so.
    pub ready_after: Option<Duration>,
}

impl Ended {
    /// When the next pass is due, as far as this one says it.
    pub fn end(&self) -> End {
        let end = match &self.end {
            Ok(PassEnd::Converged { postponed, .. }) if !postponed.is_empty() => End::Unfinished,
            Ok(PassEnd::Applied { ended, .. }) if ended.report.is_success() => End::Unfinished,
            // What could not be read may be readable soon, and steps that failed may succeed.
            Ok(PassEnd::Stuck { .. } | PassEnd::Applied { .. }) => End::Failed,
            Ok(PassEnd::Waits { planned, missing, .. }) => {
                opens(missing.changes_at().into_iter().chain(planned.next_resumption()).min())
            }
            Ok(PassEnd::Converged { planned, .. }) => opens(planned.next_resumption()),
            // Only another commit helps, and that is seen.
            Err(PassError::Files(_) | PassError::NoEnvironment { .. } | PassError::NoFloor(_)) => End::Settled,
            Err(_) => End::Failed,
        };
        if self.push_failure().is_some() { End::Failed } else { end }
    }

    /// How it ended, in one word of a bounded set.
    pub fn word(&self) -> &'static str {
        match &self.end {
            Ok(PassEnd::Converged { .. }) => "converged",
            Ok(PassEnd::Waits { .. }) => "waits",
            Ok(PassEnd::Stuck { .. }) => "stuck",
            Ok(PassEnd::Applied { ended, .. }) if ended.report.is_success() => "applied",
            Ok(PassEnd::Applied { .. }) => "applied_in_part",
            Err(PassError::Files(_) | PassError::NoEnvironment { .. } | PassError::NoFloor(_)) => "invalid",
            Err(error) if error.is_occupied() => "occupied",
            Err(_) => "failed",
        }
    }

    /// The plan, if there is one.
    pub fn planned(&self) -> Option<&Planned> {
        match self.end.as_ref().ok()? {
            PassEnd::Converged { planned, .. }
            | PassEnd::Waits { planned, .. }
            | PassEnd::Stuck { planned, .. }
            | PassEnd::Applied { planned, .. } => Some(planned),
        }
    }

    /// What became of the status.
    pub fn status(&self) -> Option<&Published> {
        match self.end.as_ref().ok()? {
            PassEnd::Converged { status, .. }
            | PassEnd::Waits { status, .. }
            | PassEnd::Stuck { status, .. }
            | PassEnd::Applied { status, .. } => Some(status),
        }
    }

    /// Why the status could not be pushed.
    pub fn push_failure(&self) -> Option<&PassError> {
        match self.status()? {
            Published::Failed(error) => Some(error),
            Published::Unchanged | Published::Commit(_) => None,
        }
    }

    /// Notes on the span of its pass how it ended.
    pub(super) fn trace(&self) {
        let span = tracing::Span::current();
        span.record("outcome", self.word());
        if let Some(planned) = self.planned() {
            span.record("plan_id", tracing::field::display(&planned.plan.id));
        }
    }

    /// Logs it, within the span of its pass.
    pub(super) fn log(&self) {
        let (end, seconds) = (self.word(), self.took.as_secs_f64());
        let commit = self.loaded.source.commit.as_ref().map(tracing::field::display);
        let plan = self.planned().map(|planned| tracing::field::display(&planned.plan.id));
        let needs = match &self.end {
            Ok(PassEnd::Waits { missing, .. }) => Some(missing::in_a_line(missing)),
            _ => None,
        };
        let status = match self.status() {
            Some(Published::Commit(commit)) => Some(tracing::field::display(commit)),
            _ => None,
        };
        match &self.end {
            Ok(_) => tracing::info!(end, seconds, commit, plan, needs, status, "the pass ended"),
            Err(error) if error.is_occupied() => {
                tracing::info!(
                    end,
                    seconds,
                    commit,
                    by = error_chain(error),
                    "somebody else applies: it is tried again"
                );
            }
            Err(PassError::Files(found)) => {
                let error = diagnostic::render(found, &self.loaded.reading.sources, false);
                tracing::error!(target: TOLD, end, seconds, commit, error = error.trim_end(), "the files have errors");
            }
            Err(error) => {
                let error = error_chain(error);
                tracing::error!(target: TOLD, end, seconds, commit, error, "the pass failed");
            }
        }
        if let Some(error) = self.push_failure() {
            tracing::error!(
                target: TOLD,
                error = error_chain(error),
                "the status was not pushed; the world is looked after all the same"
            );
        }
    }
}

fn opens(at: Option<Timestamp>) -> End {
    at.map_or(End::Settled, |at| End::Opens(until(at)))
}

/// How long it is until a moment.
fn until(at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default()
}

/// Hears what happens, in the order in which it happened.
pub trait Audience {
    /// Takes one piece of news.
    fn hear(&mut self, news: &News);
}

impl<A: Audience, B: Audience> Audience for (&mut A, B) {
    fn hear(&mut self, news: &News) {
        self.0.hear(news);
        self.1.hear(news);
    }
}

impl<A: Audience> Audience for Option<A> {
    fn hear(&mut self, news: &News) {
        if let Some(audience) = self {
            audience.hear(news);
        }
    }
}

/// Carries news from passes to whoever hears them; clones carry to the same place.
#[derive(Clone, Debug)]
pub struct Herald(mpsc::UnboundedSender<News>);

impl Herald {
    /// A herald, and where its news arrive.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<News>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Sends news.
    pub fn tell(&self, news: News) {
        // Nobody listens any more only when the agent is gone.
        let _ = self.0.send(news);
    }
}

/// Hears one pass, and passes it on.
pub(super) struct Reporter<'a> {
    pub(super) herald: &'a Herald,
    pub(super) loaded: &'a Arc<Loaded>,
    pub(super) environment: &'a EnvironmentName,
    /// Set when the pass begins to write.
    pub(super) writes: &'a std::sync::atomic::AtomicBool,
}

impl Listener for Reporter<'_> {
    fn asks(&mut self) {
        self.writes.store(true, std::sync::atomic::Ordering::SeqCst);
    }

    fn applies(&mut self, planned: &Arc<Planned>) {
        tracing::info!(plan = %planned.plan.id, steps = planned.plan.steps.len(), "an apply begins");
        self.herald.tell(News::Applies { loaded: Arc::clone(self.loaded), planned: Arc::clone(planned) });
    }

    fn progress(&mut self, progress: Progress) {
        let (step, action) = (&progress.key, &progress.action);
        match &progress.news {
            StepNews::Ended(outcome) => {
                let (end, detail) = (outcome.word(), outcome.detail());
                tracing::info!(%step, %action, end, detail, "a step ended");
            }
            news => tracing::debug!(%step, %action, ?news, "a step went on"),
        }
        self.herald.tell(News::Progress { environment: self.environment.clone(), progress });
    }
}
