//! Decides what to do next: a pure machine over the steps of a plan.
//!
//! ```text
//! idle ─▶ (removing ─▶ polling ─▶ checking gone ─▶) writing ─▶ polling ─▶ checking ready ─▶ ended
//! ```
//! Every state is left by one result. A failure goes back to the same work after a wait, or ends the step; what waits for
//! a step that did not end well is blocked, its neighbours are not.

mod locks;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::apply::Done;
use crate::apply::Failure;
use crate::apply::Outputs;
use crate::apply::Task;
use crate::apply::Work;
use crate::apply::engine::locks::Held;
use crate::apply::engine::locks::Register;
use crate::apply::report::News;
use crate::apply::report::Outcome;
use crate::apply::report::Progress;
use crate::apply::report::Report;
use crate::apply::report::StepReport;
use crate::apply::retry;
use crate::domain::failure::ErrorClass;
use crate::domain::key::ResourceKey;
use crate::domain::resource::Resource;
use crate::domain::resource::dns::Addresses;
use crate::domain::resource::private_endpoint::Target;
use crate::domain::resource::private_link_service::Frontend;
use crate::plan::Plan;
use crate::plan::action::Action;
use crate::plan::action::Actor;
use crate::plan::change::Change;

/// How patient and how busy an apply is.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many pieces of work may run at the same time.
    pub parallel: usize,
    /// How long a step may wait until it is ready.
    pub deadline: Duration,
    /// How often readiness is looked at.
    pub check_interval: Duration,
    /// Whether to hold on for what others have to do.
    pub wait_for_others: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            parallel: 8,
            deadline: Duration::from_secs(15 * 60),
            check_interval: Duration::from_secs(2),
            wait_for_others: false,
        }
    }
}

/// Where a step is.
#[derive(Clone, Debug)]
enum State {
    /// Not begun.
    Idle,
    /// This task is being carried out.
    Running(Task),
    /// This task is next, at this time since the start.
    Sleeping(Task, Duration),
    /// It is over.
    Ended(Outcome),
}

#[derive(Clone, Debug)]
struct Slot {
    state: State,
    began: Option<Duration>,
    ended: Duration,
    failures: u32,
    removed: bool,
    reason: Option<String>,
}

/// The state of one apply.
pub struct Engine<'p> {
    plan: &'p Plan,
    settings: Settings,
    slots: Vec<Slot>,
    outputs: BTreeMap<ResourceKey, Outputs>,
    locks: Register,
    cancelled: bool,
    news: Vec<Progress>,
}

impl<'p> Engine<'p> {
    /// Starts with nothing done.
    pub fn new(plan: &'p Plan, settings: Settings) -> Self {
        let slot =
            Slot { state: State::Idle, began: None, ended: Duration::ZERO, failures: 0, removed: false, reason: None };
        Self {
            plan,
            settings,
            slots: vec![slot; plan.steps.len()],
            outputs: BTreeMap::new(),
            locks: Register::default(),
            cancelled: false,
            news: Vec::new(),
        }
    }

    /// Begins nothing new from now on; what runs is finished, and so is a replacement whose first half is done.
    pub fn cancel(&mut self, now: Duration) {
        self.cancelled = true;
        for step in 0..self.slots.len() {
            match self.slots[step].state.clone() {
                State::Idle => self.end(step, Outcome::Cancelled, now),
                State::Sleeping(task, _) => {
                    self.interrupt(step, &task, now);
                }
                State::Running(_) | State::Ended(_) => {}
            }
        }
    }

    /// Ends a step between two tasks, unless the next one belongs to a write that was begun. Answers whether it ended.
    fn interrupt(&mut self, step: usize, task: &Task, now: Duration) -> bool {
        let change = &self.plan.steps[step].change;
        let outcome = match (task, change.action, change.actor) {
            (Task::Poll { .. } | Task::Write { replaced: true }, ..) | (Task::CheckGone, Action::Replace, _) => {
                return false;
            }
            (Task::Remove | Task::Write { replaced: false }, ..) | (Task::CheckReady, _, Actor::CloudProvider) => {
                Outcome::Cancelled
            }
            (Task::CheckGone, ..) => Outcome::Interrupted { reason: "its deletion was begun".to_owned() },
            (Task::CheckReady, _, Actor::Privlink) => Outcome::Interrupted { reason: "it was written".to_owned() },
        };
        self.end(step, outcome, now);
        true
    }

    /// True once every step is over.
    pub fn is_finished(&self) -> bool {
        self.slots.iter().all(|slot| matches!(slot.state, State::Ended(_)))
    }

    /// When to look again, if nothing else happens before. What is due and held up by others is woken by their results.
    pub fn wakes_at(&self, now: Duration) -> Option<Duration> {
        let due = |slot: &Slot| match slot.state {
            State::Sleeping(_, at) if at > now => Some(at),
            State::Sleeping(..) | State::Idle | State::Running(_) | State::Ended(_) => None,
        };
        self.slots.iter().filter_map(due).min()
    }

    /// Takes the news since the last call.
    pub fn take_news(&mut self) -> Vec<Progress> {
        std::mem::take(&mut self.news)
    }

    /// The work that may begin now.
    pub fn start(&mut self, now: Duration) -> Vec<Work> {
        self.block();
        let mut work = Vec::new();
        let mut held = self.held();
        let mut running = self.slots.iter().filter(|slot| matches!(slot.state, State::Running(_))).count();
        for step in 0..self.slots.len() {
            if running >= self.settings.parallel.max(1) {
                break;
            }
            if let Some(task) = self.startable(step, &held, now) {
                work.push(self.begin(step, task, now));
                running += 1;
                self.hold(step, &mut held);
            }
        }
        work
    }

    fn startable(&mut self, step: usize, held: &Held, now: Duration) -> Option<Task> {
        let task = match &self.slots[step].state {
            State::Idle if self.cancelled => return None,
            State::Idle => {
                let ready = |after: &usize| match &self.slots[*after].state {
                    State::Ended(outcome) => outcome.is_success(),
                    State::Idle | State::Running(_) | State::Sleeping(..) => false,
                };
                if !self.plan.steps[step].after.iter().all(ready) {
                    return None;
                }
                first_task(&self.plan.steps[step].change)
            }
            State::Sleeping(task, at) if *at <= now => task.clone(),
            State::Sleeping(..) | State::Running(_) | State::Ended(_) => return None,
        };
        let begins_write = matches!(task, Task::Remove | Task::Write { .. });
        (!begins_write || self.is_free(step, held)).then_some(task)
    }

    /// Who writes at the moment.
    fn held(&mut self) -> Held {
        let mut held = Held::default();
        (0..self.slots.len()).for_each(|step| self.hold(step, &mut held));
        held
    }

    /// Notes what a step holds, if it writes.
    fn hold(&mut self, step: usize, held: &mut Held) {
        let writes = match &self.slots[step].state {
            State::Running(task) | State::Sleeping(task, _) => {
                matches!(task, Task::Remove | Task::Write { .. } | Task::Poll { .. } | Task::CheckGone)
            }
            State::Idle | State::Ended(_) => false,
        };
        if !writes {
            return;
        }
        if matches!(self.plan.steps[step].change.key, ResourceKey::Subnet(_)) {
            held.subnets.push(step);
        }
        held.add(step, self.locks(step));
    }

    /// True if no other step writes to what this one writes to.
    fn is_free(&mut self, step: usize, held: &Held) -> bool {
        // A Service makes the cloud provider write to the cluster's network, and Azure refuses that while we change a
        // subnet of it. The reverse cannot be prevented: the cloud provider writes when it likes.
        let is_service = matches!(self.plan.steps[step].change.key, ResourceKey::Service(_));
        let is_disturbed = is_service && !held.subnets.is_empty();
        !is_disturbed && held.is_free_for(step, self.locks(step))
    }

    fn locks(&mut self, step: usize) -> &[usize] {
        let Self { plan, outputs, locks, .. } = self;
        locks.of(step, || resolved(plan, outputs, step))
    }

    fn begin(&mut self, step: usize, task: Task, now: Duration) -> Work {
        let slot = &mut self.slots[step];
        let is_first = slot.began.is_none();
        slot.began.get_or_insert(now);
        slot.state = State::Running(task.clone());
        if is_first {
            self.tell(step, News::Started, now);
        }
        Work { step, change: resolved(self.plan, &self.outputs, step), task }
    }

    /// Takes the result of a piece of work.
    pub fn finish(&mut self, step: usize, result: Result<Done, Failure>, now: Duration) {
        let State::Running(task) = self.slots[step].state.clone() else { return };
        match result {
            Err(failure) => self.failed(step, task, failure, now),
            Ok(done) => {
                self.slots[step].failures = 0;
                self.advance(step, task, done, now);
            }
        }
    }

    fn advance(&mut self, step: usize, task: Task, done: Done, now: Duration) {
        let destructive = self.plan.steps[step].change.action.is_destructive();
        match done {
            Done::Operation { operation, retry_after } => {
                if now >= self.deadline(step, now) {
                    let message = self.too_late("Azure's operation still runs");
                    return self.end(step, Outcome::Failed { message, stale: false }, now);
                }
                self.sleep(step, Task::Poll { operation }, now + retry_after);
            }
            Done::Finished => match task {
                Task::Remove => self.sleep(step, Task::CheckGone, now),
                Task::Poll { .. } if destructive && !self.slots[step].removed => self.sleep(step, Task::CheckGone, now),
                Task::CheckGone if self.plan.steps[step].change.action == Action::Replace => {
                    self.slots[step].removed = true;
                    self.sleep(step, Task::Write { replaced: true }, now);
                }
                Task::CheckGone => self.end(step, Outcome::Done, now),
                Task::Write { .. } | Task::Poll { .. } | Task::CheckReady => self.sleep(step, Task::CheckReady, now),
            },
            Done::Ready(outputs) => {
                self.yields(step, outputs);
                self.end(step, Outcome::Done, now);
            }
            Done::WaitsForOthers { reason, outputs } if !self.settings.wait_for_others => {
                self.yields(step, outputs);
                self.end(step, Outcome::Waiting { reason }, now);
            }
            Done::WaitsForOthers { reason, .. } => self.wait(step, task, reason, now, None),
            Done::NotYet { reason } => {
                let deadline = self.deadline(step, now);
                self.wait(step, task, reason, now, Some(deadline));
            }
        }
    }

    fn deadline(&self, step: usize, now: Duration) -> Duration {
        self.slots[step].began.unwrap_or(now) + self.settings.deadline
    }

    fn too_late(&self, reason: &str) -> String {
        let seconds = self.settings.deadline.as_secs();
        let (amount, unit) = if seconds.is_multiple_of(60) { (seconds / 60, "minute") } else { (seconds, "second") };
        let plural = if amount == 1 { "" } else { "s" };
        format!("not ready after {amount} {unit}{plural}: {reason}")
    }

    /// True if stopping here would leave a replaced resource deleted: its second half belongs to the write in flight.
    fn is_half_done(&self, step: usize, task: &Task) -> bool {
        let is_replaced = self.plan.steps[step].change.action == Action::Replace;
        is_replaced && matches!(task, Task::CheckGone | Task::Write { replaced: true })
    }

    fn wait(&mut self, step: usize, task: Task, reason: String, now: Duration, deadline: Option<Duration>) {
        if deadline.is_some_and(|deadline| now >= deadline) {
            let message = self.too_late(&format!("it waits for {reason}"));
            return self.end(step, Outcome::Failed { message, stale: false }, now);
        }
        if self.cancelled && self.interrupt(step, &task, now) {
            return;
        }
        if self.slots[step].reason.as_ref() != Some(&reason) {
            self.slots[step].reason = Some(reason.clone());
            self.tell(step, News::Waits { reason }, now);
        }
        self.sleep(step, task, now + self.settings.check_interval);
    }

    fn failed(&mut self, step: usize, task: Task, failure: Failure, now: Duration) {
        let Failure { class, message, stale } = failure;
        let attempt = self.slots[step].failures;
        self.slots[step].failures += 1;
        let seed = u64::try_from(step).unwrap_or_default();
        let stops = self.cancelled && !self.is_half_done(step, &task);
        if matches!(class, ErrorClass::Busy { .. }) && now >= self.deadline(step, now) {
            let message = self.too_late(&message);
            return self.end(step, Outcome::Failed { message, stale }, now);
        }
        match retry::decide(class, attempt, seed) {
            retry::Verdict::Wait(after) if !stale && !stops => {
                self.tell(step, News::Retries { message, after }, now);
                self.sleep(step, task, now + after);
            }
            retry::Verdict::Wait(_) | retry::Verdict::GiveUp => self.end(step, Outcome::Failed { message, stale }, now),
        }
    }

    fn yields(&mut self, step: usize, outputs: Outputs) {
        self.outputs.insert(self.plan.steps[step].change.key.clone(), outputs);
    }

    fn sleep(&mut self, step: usize, task: Task, until: Duration) {
        self.slots[step].state = State::Sleeping(task, until);
    }

    fn end(&mut self, step: usize, outcome: Outcome, now: Duration) {
        self.slots[step].state = State::Ended(outcome.clone());
        self.slots[step].ended = now;
        self.tell(step, News::Ended(outcome), now);
    }

    /// Ends what waits for a step that did not end well.
    fn block(&mut self) {
        // A step waits for earlier ones only, so one pass in order reaches everything.
        for step in 0..self.slots.len() {
            if !matches!(self.slots[step].state, State::Idle) {
                continue;
            }
            let failed = |after: &&usize| match &self.slots[**after].state {
                State::Ended(outcome) => !outcome.is_success(),
                State::Idle | State::Running(_) | State::Sleeping(..) => false,
            };
            let by: Vec<ResourceKey> = self.plan.steps[step]
                .after
                .iter()
                .filter(failed)
                .map(|at| self.plan.steps[*at].change.key.clone())
                .collect();
            if !by.is_empty() {
                self.end(step, Outcome::Blocked { by }, Duration::ZERO);
            }
        }
    }

    fn tell(&mut self, step: usize, news: News, now: Duration) {
        let change = &self.plan.steps[step].change;
        let elapsed = self.slots[step].began.map_or(Duration::ZERO, |began| now.saturating_sub(began));
        self.news.push(Progress { step, key: change.key.clone(), action: change.action, elapsed, news });
    }

    /// How every step ended.
    ///
    /// # Panics
    /// If it is not over.
    pub fn report(&self) -> Report {
        let of = |(step, slot): (&crate::plan::Step, &Slot)| {
            let State::Ended(outcome) = &slot.state else { unreachable!("asked for when everything is over") };
            let took = slot.began.map_or(Duration::ZERO, |began| slot.ended.saturating_sub(began));
            StepReport { key: step.change.key.clone(), action: step.change.action, outcome: outcome.clone(), took }
        };
        Report { steps: self.plan.steps.iter().zip(&self.slots).map(of).collect() }
    }
}

fn first_task(change: &Change) -> Task {
    match (change.actor, change.action) {
        (Actor::CloudProvider, _) => Task::CheckReady,
        // Somebody else takes it away: there is nothing to remove, and nothing to write before it is gone.
        (Actor::Privlink, _) if change.removed_by.is_some() => Task::CheckGone,
        (Actor::Privlink, Action::Delete | Action::Replace) => Task::Remove,
        (Actor::Privlink, Action::Create | Action::Update | Action::Adopt) => Task::Write { replaced: false },
    }
}

/// The change of a step, with what other steps yielded so far.
fn resolved(plan: &Plan, outputs: &BTreeMap<ResourceKey, Outputs>, step: usize) -> Change {
    let mut change = plan.steps[step].change.clone();
    fill_in(&mut change, outputs);
    change
}

/// Puts what other steps yielded into the resource that is written.
fn fill_in(change: &mut Change, outputs: &BTreeMap<ResourceKey, Outputs>) {
    let made = |key: &ResourceKey| outputs.get(key).cloned().unwrap_or_default();
    match &mut change.resource {
        Some(Resource::PrivateEndpoint(endpoint)) => {
            if let Target::Produced { publisher, known } = &mut endpoint.target
                && let Some(id) = made(&ResourceKey::PrivateLinkService(publisher.clone())).id
            {
                *known = Some(id);
            }
        }
        Some(Resource::PrivateLinkService(service)) => {
            if let Frontend::OfService { service, known } = &mut service.frontend
                && let Some(id) = made(&ResourceKey::Service(service.clone())).frontend
            {
                *known = Some(id);
            }
        }
        Some(Resource::DnsRecord(record)) => {
            if let Addresses::OfEndpoint { endpoint, known } = &mut record.addresses
                && let Some(std::net::IpAddr::V4(address)) =
                    made(&ResourceKey::PrivateEndpoint(endpoint.clone())).address
            {
                *known = Some(address);
            }
        }
        Some(
            Resource::Namespace(_)
            | Resource::Service(_)
            | Resource::Subnet(_)
            | Resource::Publication(_)
            | Resource::Connection(_)
            | Resource::DnsLink(_),
        )
        | None => {}
    }
}
