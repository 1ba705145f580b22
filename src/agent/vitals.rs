//! How the agent is doing: what probes and metrics answer from, fed by the agent's news and by nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use jiff::Timestamp;

use crate::agent::daemon::TURN;
use crate::agent::leader::Standing;
use crate::agent::metrics::Metrics;
use crate::agent::news::Audience;
use crate::agent::news::Ended;
use crate::agent::news::News;
use crate::domain::calls::CallLog;
use crate::domain::name::EnvironmentName;
use crate::reconcile::pass::PassEnd;
use crate::reconcile::pass::PassError;

/// A scheduler that has not turned for so long is stuck.
const STUCK: Duration = TURN.saturating_mul(12);

/// How the agent is doing.
#[derive(Debug)]
pub struct Vitals {
    state: Arc<Mutex<State>>,
    metrics: Metrics,
}

/// What is kept of the news.
#[derive(Debug)]
pub(super) struct State {
    turned: Instant,
    has_looked: bool,
    is_stopping: bool,
    pub(super) standing: Standing,
    pub(super) environments: BTreeMap<EnvironmentName, Condition>,
}

/// How an environment is.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition {
    /// A pass of it got through, however it ended.
    is_served: bool,
    /// When its last pass ended.
    pub(super) passed_at: Option<Timestamp>,
    /// True if nothing was to be done.
    pub(super) is_converged: bool,
    /// The changes of its plan that are still to be made, by risk.
    pub(super) pending: BTreeMap<String, u64>,
    /// Those that lack an approval, by risk.
    pub(super) unapproved: BTreeMap<String, u64>,
    /// Since when a plan waits for approval.
    pub(super) waits_since: Option<Timestamp>,
    /// What the world, and nobody's commit, would make necessary and was not done, by what happens to it.
    pub(super) drifted: BTreeMap<&'static str, u64>,
    /// How many of its documents are suspended.
    pub(super) suspended: u64,
    /// How often the glass was broken, as far as the status branch knows.
    pub(super) broken_glass: u32,
}

impl Vitals {
    /// Nothing has happened yet. Calls are counted where `calls` counts them.
    pub fn new(calls: CallLog) -> Self {
        let state = State {
            turned: Instant::now(),
            has_looked: false,
            is_stopping: false,
            standing: Standing::Alone,
            environments: BTreeMap::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let metrics = Metrics::new(Arc::clone(&state), calls);
        Self { state, metrics }
    }

    /// Why the agent has to be started anew; `None` as long as its scheduler turns.
    pub fn illness(&self) -> Option<String> {
        let still = lock(&self.state).turned.elapsed();
        (still > STUCK).then(|| format!("the scheduler has not turned for {} s", still.as_secs()))
    }

    /// What it does as a replica that does not lead: it stands by, for whom.
    pub fn standby(&self) -> Option<String> {
        let state = lock(&self.state);
        matches!(state.standing, Standing::StandsBy { .. }).then(|| state.standing.to_string())
    }

    /// Why the agent does not do its work yet, a line for each reason; none once the repository was read and each
    /// environment had a pass that did not fail. One that stands by only has to see the Lease.
    pub fn unready(&self) -> Vec<String> {
        let state = lock(&self.state);
        let mut why = Vec::new();
        if state.is_stopping {
            why.push("the agent is stopping".to_owned());
        }
        if let Standing::StandsBy { is_blind, .. } = &state.standing {
            why.extend(is_blind.then(|| state.standing.to_string()));
            return why;
        }
        if !state.has_looked {
            why.push("the repository was not read yet".to_owned());
        }
        let unserved = state.environments.iter().filter(|(_, condition)| !condition.is_served);
        why.extend(unserved.map(|(name, _)| format!("{name}: no pass has got through yet")));
        why
    }

    /// Everything that is counted, in the text format of OpenMetrics.
    pub fn exposition(&self) -> String {
        self.metrics.exposition()
    }

    /// Counts a delivery of the webhook, by a word that says what became of it.
    pub(super) fn delivered(&self, verdict: &'static str) {
        self.metrics.delivered(verdict);
    }

    /// Counts a look at a pull request, by a word that says what came of it.
    pub(super) fn reviewed(&self, result: &'static str) {
        self.metrics.reviewed(result);
    }

    fn take(&self, news: &News) {
        let mut state = lock(&self.state);
        match news {
            News::Turned => state.turned = Instant::now(),
            News::Standing(standing) => {
                state.standing = standing.clone();
                // Another agent serves them now, and tells how they are.
                if matches!(standing, Standing::StandsBy { .. }) {
                    (state.has_looked, state.environments) = (false, BTreeMap::new());
                }
            }
            News::Looked { environments } => {
                state.has_looked = true;
                state.environments.retain(|name, _| environments.contains(name));
                for name in environments {
                    state.environments.entry(name.clone()).or_default();
                }
            }
            News::Ended(ended) => {
                // A pass may end after its environment was taken out.
                if let Some(condition) = state.environments.get_mut(&ended.environment) {
                    condition.learn(ended, Timestamp::now());
                }
            }
            News::Stopping { .. } => state.is_stopping = true,
            News::Unreachable(_)
            | News::Unreadable(_)
            | News::Applies { .. }
            | News::Progress { .. }
            | News::Left(_)
            | News::Crashed { .. }
            | News::Stopped { .. } => {}
        }
    }
}

impl Audience for Arc<Vitals> {
    fn hear(&mut self, news: &News) {
        self.take(news);
        self.metrics.take(news);
    }
}

impl Condition {
    fn learn(&mut self, ended: &Ended, now: Timestamp) {
        self.passed_at = Some(now);
        // Of mistakes in files nobody is rid by starting the agent otherwise; of a name that is no environment's, one is.
        let got_through = matches!(&ended.end, Ok(_) | Err(PassError::Files(_)));
        self.is_served |= got_through;
        let Ok(end) = &ended.end else { return };
        let plan = ended.planned().map(|planned| &planned.plan);
        self.suspended = ended.planned().map_or(0, |planned| count(planned.desired.suspended.len()));
        let status = ended.planned().and_then(|planned| planned.status.environment());
        self.broken_glass = status.and_then(|status| status.break_glass.as_ref()).map_or(0, |glass| glass.uses);
        let is_open = matches!(end, PassEnd::Waits { .. } | PassEnd::Stuck { .. });
        self.is_converged = matches!(end, PassEnd::Converged { .. });
        self.pending = BTreeMap::new();
        for step in plan.into_iter().filter(|_| is_open).flat_map(|plan| &plan.steps) {
            *self.pending.entry(step.change.risk.to_string()).or_default() += 1;
        }
        self.drifted = plan.map(|plan| plan.drift_left(is_open)).unwrap_or_default();
        self.waits(end, now);
    }

    fn waits(&mut self, end: &PassEnd, now: Timestamp) {
        let PassEnd::Waits { planned, missing, .. } = end else {
            (self.unapproved, self.waits_since) = (BTreeMap::new(), None);
            return;
        };
        // The status branch remembers what this process may not have seen begin.
        let pending = planned.status.environment().and_then(|status| status.pending.as_ref());
        let since = pending.filter(|pending| pending.id == planned.plan.id).map(|pending| pending.since);
        // Where nothing but the time is lacking, nobody is waited for.
        self.waits_since = since.or(self.waits_since).or(Some(now)).filter(|_| !missing.needs.is_empty());
        let needs = missing.needs.iter().map(|(risk, need)| (risk.to_string(), count(need.changes.len())));
        self.unapproved = needs.collect();
    }
}

fn count(things: usize) -> u64 {
    u64::try_from(things).unwrap_or(u64::MAX)
}

/// Locks even if another thread panicked: what is inside is replaced whole, so it is never half written.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
