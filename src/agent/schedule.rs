//! Which environment is looked at now: a pure scheduler of signs and times.
//!
//! ```text
//!  sign ──▶ ┌───────────┐ ──▶ look at the repository: one small request
//!  looked ▶ │ Scheduler │ ──▶ a pass over an environment that is due
//!  ended ─▶ └───────────┘ ──▶ when to ask again
//! ```
//!
//! One pass of an environment at a time. A sign that comes while one runs is answered by the next: it may be about what
//! the running one has read already. Times are since the scheduler began, so that nothing here needs a clock.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::commit::CommitId;
use crate::domain::name::EnvironmentName;

/// How patient the scheduler is.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// The time between two looks at the repository, and before a pass that left something unfinished is followed up.
    pub interval: Duration,
    /// The time after a pass until the world is compared again although nobody changed the repository.
    pub drift: Duration,
    /// How long a sign may gather others: a push, or a change of a cluster, is seen as several.
    pub debounce: Duration,
    /// The wait after the first failure; it doubles with each that follows.
    pub backoff: Duration,
    /// The longest wait after a failure.
    pub longest_backoff: Duration,
    /// The most passes at once.
    pub at_once: usize,
}

/// Why a pass is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The environment is new to this agent, or this agent begins to lead.
    Start,
    /// The config branch moved.
    Commit,
    /// An approval came in on a branch of its own.
    Approval,
    /// Somebody changed the cluster.
    Cluster,
    /// A person asked for it.
    Asked,
    /// It was time to look for drift.
    Drift,
    /// The change window of a plan that waits for it opens, or a suspension ends.
    Window,
    /// The last pass left something for later.
    Unfinished,
    /// The last pass failed.
    Retry,
}

impl Why {
    /// True if a failure of before says nothing about what comes now.
    fn ends_backoff(self) -> bool {
        match self {
            Self::Start | Self::Commit | Self::Approval | Self::Asked => true,
            Self::Cluster | Self::Drift | Self::Window | Self::Unfinished | Self::Retry => false,
        }
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Commit => "commit",
            Self::Approval => "approval",
            Self::Cluster => "cluster",
            Self::Asked => "asked",
            Self::Drift => "drift",
            Self::Window => "window",
            Self::Unfinished => "unfinished",
            Self::Retry => "retry",
        })
    }
}

/// A sign from outside that something should be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The repository may have moved.
    Moved,
    /// An environment should be looked at, or all of them.
    Wanted {
        /// Which; `None` means all.
        environment: Option<EnvironmentName>,
        /// Why.
        why: Why,
    },
}

/// What a look at the repository showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// The commit of the config branch.
    pub tip: Option<CommitId>,
    /// The environments of that commit that this agent serves.
    pub environments: BTreeSet<EnvironmentName>,
    /// The commits of the branches that hold approvals of an environment.
    pub approvals: BTreeMap<EnvironmentName, CommitId>,
}

/// How a pass ended, as far as it says when the next one is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing can be done until something changes.
    Settled,
    /// Nothing can be done until something changes, or this time has passed.
    Opens(Duration),
    /// A later pass goes on, once others are done.
    Unfinished,
    /// It failed, and may succeed later.
    Failed,
}

/// Something to begin now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Look at the repository.
    Look,
    /// Make a pass.
    Pass(Order),
}

/// A pass to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The environment.
    pub environment: EnvironmentName,
    /// Everything that asked for it.
    pub why: BTreeSet<Why>,
}

/// Decides what begins when.
#[derive(Debug)]
pub struct Scheduler {
    timing: Timing,
    seed: u64,
    sight: Option<Sight>,
    repository: Lane,
    environments: BTreeMap<EnvironmentName, Lane>,
}

/// One thing that is looked at again and again, never twice at the same time.
#[derive(Clone, Debug)]
struct Lane {
    /// When it is due if nothing happens, and why then.
    next: (Duration, Why),
    /// Signs since it was begun last, and when they are answered.
    signs: BTreeSet<Why>,
    answered_at: Option<Duration>,
    /// Not before this, whatever the signs say.
    held_until: Duration,
    failures: u32,
    is_running: bool,
    /// It is not served any more, and goes when its pass has ended.
    is_retired: bool,
}

impl Lane {
    fn new(now: Duration) -> Self {
        Self {
            next: (now, Why::Start),
            signs: BTreeSet::new(),
            answered_at: None,
            held_until: Duration::ZERO,
            failures: 0,
            is_running: false,
            is_retired: false,
        }
    }

    fn want(&mut self, why: Why, now: Duration, wait: Duration) {
        if why.ends_backoff() {
            self.held_until = Duration::ZERO;
        }
        let at = now + wait;
        self.signs.insert(why);
        self.answered_at = Some(self.answered_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// When it can begin; `None` while it runs.
    fn due(&self) -> Option<Duration> {
        let wanted = self.answered_at.map_or(self.next.0, |at| at.min(self.next.0));
        (!self.is_running).then(|| wanted.max(self.held_until))
    }

    fn begin(&mut self, now: Duration) -> BTreeSet<Why> {
        let mut why = std::mem::take(&mut self.signs);
        if self.next.0 <= now {
            why.insert(self.next.1);
        }
        self.answered_at = None;
        self.is_running = true;
        why
    }

    fn end(&mut self, next: (Duration, Why)) {
        self.is_running = false;
        self.next = next;
    }
}

impl Scheduler {
    /// Begins with nothing known: the first start is a look. `seed` spreads the waits of several agents.
    pub fn new(timing: Timing, seed: u64) -> Self {
        let repository = Lane::new(Duration::ZERO);
        Self { timing, seed, sight: None, repository, environments: BTreeMap::new() }
    }

    /// Takes a sign from outside. One about an environment that is not known yet is answered by its first pass.
    pub fn sign(&mut self, sign: Sign, now: Duration) {
        match sign {
            Sign::Moved => self.repository.want(Why::Commit, now, self.timing.debounce),
            Sign::Wanted { environment, why } => {
                let wait = if why == Why::Asked { Duration::ZERO } else { self.timing.debounce };
                if why == Why::Asked {
                    self.repository.want(why, now, wait);
                }
                let is_meant = |name: &EnvironmentName| environment.as_ref().is_none_or(|meant| meant == name);
                for (_, lane) in self.environments.iter_mut().filter(|(name, _)| is_meant(name)) {
                    lane.want(why, now, wait);
                }
            }
        }
    }

    /// Asks for everything: the agent begins to work after others did.
    pub fn begin_anew(&mut self, now: Duration) {
        self.repository.want(Why::Start, now, Duration::ZERO);
        for lane in self.environments.values_mut() {
            lane.want(Why::Start, now, Duration::ZERO);
        }
    }

    /// Takes what a look showed; `None` if the repository could not be read.
    pub fn looked(&mut self, sight: Option<Sight>, now: Duration) {
        let Some(sight) = sight else {
            self.repository.failures += 1;
            let wait = self.backoff("", self.repository.failures).max(self.timing.interval);
            self.repository.held_until = now + wait;
            self.repository.end((now + wait, Why::Retry));
            return;
        };
        self.repository.failures = 0;
        self.repository.end((now + self.timing.interval, Why::Commit));
        let before = self.sight.replace(sight.clone());
        let moved = before.as_ref().is_some_and(|before| before.tip != sight.tip);
        self.environments.retain(|name, lane| {
            lane.is_retired = !sight.environments.contains(name);
            !lane.is_retired || lane.is_running
        });
        for name in &sight.environments {
            let lane = self.environments.entry(name.clone()).or_insert_with(|| Lane::new(now));
            let approvals = |sight: &Sight| sight.approvals.get(name).cloned();
            if moved {
                lane.want(Why::Commit, now, Duration::ZERO);
            } else if before.as_ref().is_some_and(|before| approvals(before) != approvals(&sight)) {
                lane.want(Why::Approval, now, Duration::ZERO);
            }
        }
    }

    /// Takes the end of a pass.
    pub fn ended(&mut self, environment: &EnvironmentName, end: End, now: Duration) {
        let Timing { interval, drift, .. } = self.timing;
        let failures = self.environments.get(environment).map_or(0, |lane| lane.failures + 1);
        // A little more than asked for, so that environments that began together drift apart.
        let drift = (now + drift + self.noise(environment.as_str(), failures, drift / 10), Why::Drift);
        let next = match end {
            End::Settled => drift,
            End::Opens(after) => drift.min((now.saturating_add(after), Why::Window)),
            End::Unfinished => (now + interval, Why::Unfinished),
            End::Failed => (now + self.backoff(environment.as_str(), failures), Why::Retry),
        };
        let Some(lane) = self.environments.get_mut(environment) else { return };
        lane.end(next);
        (lane.failures, lane.held_until) = match end {
            End::Failed => (failures, next.0),
            End::Settled | End::Opens(_) | End::Unfinished => (0, Duration::ZERO),
        };
        // What came while it ran may be what ends the failure.
        if lane.signs.iter().any(|why| why.ends_backoff()) {
            lane.held_until = Duration::ZERO;
        }
        if lane.is_retired {
            self.environments.remove(environment);
        }
    }

    /// What begins now. Whoever waits longest comes first.
    pub fn starts(&mut self, now: Duration) -> Vec<Start> {
        let mut starts = Vec::new();
        if self.repository.due().is_some_and(|due| due <= now) {
            self.repository.begin(now);
            starts.push(Start::Look);
        }
        let due = |(name, lane): (&EnvironmentName, &Lane)| {
            Some((lane.due()?, name.clone())).filter(|(due, _)| *due <= now && !lane.is_retired)
        };
        let mut ready: Vec<(Duration, EnvironmentName)> = self.environments.iter().filter_map(due).collect();
        ready.sort();
        for (_, environment) in ready.into_iter().take(self.free()) {
            let why = self.environments.get_mut(&environment).map(|lane| lane.begin(now)).unwrap_or_default();
            starts.push(Start::Pass(Order { environment, why }));
        }
        starts
    }

    /// When something is due next, if nothing happens before; an end that is awaited happens before.
    pub fn wakes_at(&self) -> Option<Duration> {
        let passes = self.environments.values().filter(|_| self.free() > 0).filter_map(Lane::due);
        self.repository.due().into_iter().chain(passes).min()
    }

    /// The environments with a sign that no pass has answered.
    pub fn unanswered(&self) -> Vec<Order> {
        let waiting = self.environments.iter().filter(|(_, lane)| !lane.signs.is_empty());
        waiting.map(|(name, lane)| Order { environment: name.clone(), why: lane.signs.clone() }).collect()
    }

    fn free(&self) -> usize {
        self.timing.at_once.saturating_sub(self.environments.values().filter(|lane| lane.is_running).count())
    }

    /// The wait after so many failures in a row: between half of an exponential ceiling and all of it.
    fn backoff(&self, name: &str, failures: u32) -> Duration {
        let Timing { backoff, longest_backoff, .. } = self.timing;
        let ceiling = backoff.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(longest_backoff);
        ceiling / 2 + self.noise(name, failures, ceiling / 2)
    }

    /// Between nothing and `most`, the same for the same inputs.
    fn noise(&self, name: &str, number: u32, most: Duration) -> Duration {
        // FNV-1a: enough to spread names and numbers.
        let bytes = name.bytes().chain(number.to_le_bytes()).chain(self.seed.to_le_bytes());
        let hash = bytes
            .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3));
        most * u32::try_from(hash >> 48).expect("16 bits fit") / 0xFFFF
    }
}
