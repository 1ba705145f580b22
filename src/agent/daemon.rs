//! The agent as a daemon: begins what the scheduler says is due, each in a task of its own, and tells what came of it.
//!
//! A pass that panics takes nothing down: it is told, and tried again later. To stop, nothing new is begun, passes that
//! write finish the writes in flight, the others are given up, and what is left is said. Of several replicas only the leader
//! begins anything.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::agent::leader::Standing;
use crate::agent::memory;
use crate::agent::news::Audience;
use crate::agent::news::Herald;
use crate::agent::news::News;
use crate::agent::schedule::End;
use crate::agent::schedule::Order;
use crate::agent::schedule::Scheduler;
use crate::agent::schedule::Sight;
use crate::agent::schedule::Sign;
use crate::agent::schedule::Start;
use crate::agent::schedule::Timing;
use crate::domain::logged::TOLD;
use crate::domain::name::EnvironmentName;

/// The scheduler turns at least this often, which is how others see that it lives.
pub const TURN: Duration = Duration::from_secs(5);

/// How long an agent that makes one pass after the other keeps what it could give back.
const RESTLESS: Duration = Duration::from_secs(60);

/// What a daemon does again and again.
#[async_trait]
pub trait Duty: Send + Sync + 'static {
    /// Looks at the repository; `None` if it cannot be read.
    async fn look(&self, herald: &Herald) -> Option<Sight>;
    /// Makes a pass.
    async fn pass(&self, order: &Order, herald: &Herald) -> End;
}

/// What reaches a running daemon from outside.
#[derive(Debug)]
pub struct Inlet {
    /// Signs that something should be looked at.
    pub signs: mpsc::UnboundedReceiver<Sign>,
    /// Set when it shall stop.
    pub cancel: watch::Receiver<bool>,
    /// Whether it works or stands by.
    pub standing: watch::Receiver<Standing>,
}

/// What a task came to; `Err` is what a panic said.
enum Done {
    Look(Result<Option<Sight>, String>),
    Pass(EnvironmentName, Result<End, String>),
}

/// Serves until it is told to stop.
pub async fn serve<D: Duty>(duty: Arc<D>, timing: Timing, inlet: Inlet, audience: &mut (dyn Audience + Send)) {
    let Inlet { mut signs, mut cancel, mut standing } = inlet;
    let (herald, mut news) = Herald::new();
    let mut desk = Desk {
        scheduler: Scheduler::new(timing, uuid::Uuid::new_v4().as_u64_pair().0),
        began: Instant::now(),
        tasks: JoinSet::new(),
        running: BTreeSet::new(),
        worked_at: None,
        gave_back_at: Duration::ZERO,
        duty,
        herald,
        standing: Standing::Alone,
    };
    while !*cancel.borrow() {
        let now = standing.borrow_and_update().clone();
        if desk.stand(now) {
            audience.hear(&News::Standing(desk.standing.clone()));
        }
        let wait = desk.begin();
        audience.hear(&News::Turned);
        desk.rest();
        tokio::select! {
            Some(sign) = signs.recv() => desk.scheduler.sign(sign, desk.now()),
            Some(news) = news.recv() => audience.hear(&news),
            Some(done) = desk.tasks.join_next() => desk.take(done),
            () = tokio::time::sleep(wait) => {}
            // Without an election nobody is left who could change it.
            Ok(()) = standing.changed() => {}
            _ = cancel.wait_for(|stop| *stop) => {}
        }
    }
    audience.hear(&News::Stopping { running: desk.running.iter().cloned().collect() });
    loop {
        tokio::select! {
            biased;
            Some(news) = news.recv() => audience.hear(&news),
            done = desk.tasks.join_next() => match done {
                Some(done) => desk.take(done),
                None => break,
            },
        }
    }
    while let Ok(news) = news.try_recv() {
        audience.hear(&news);
    }
    audience.hear(&News::Stopped { unanswered: desk.unanswered() });
}

/// A scheduler and the tasks that it began.
struct Desk<D> {
    scheduler: Scheduler,
    began: Instant,
    tasks: JoinSet<Done>,
    running: BTreeSet<EnvironmentName>,
    /// When the last pass ended, if memory was not given back since.
    worked_at: Option<Duration>,
    /// When it was given back last.
    gave_back_at: Duration,
    duty: Arc<D>,
    herald: Herald,
    standing: Standing,
}

impl<D: Duty> Desk<D> {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Takes whether it works; true if that is news. Who begins to lead looks at everything: what was seen before is old.
    fn stand(&mut self, standing: Standing) -> bool {
        let is_news = !self.standing.is_like(&standing);
        if is_news && matches!(standing, Standing::Leads { .. }) {
            let now = self.now();
            self.scheduler.begin_anew(now);
        }
        self.standing = standing;
        is_news
    }

    fn works(&self) -> bool {
        self.standing.works(Instant::now())
    }

    /// What nobody has looked at; of one that stands by, another does.
    fn unanswered(&self) -> Vec<Order> {
        if self.works() { self.scheduler.unanswered() } else { Vec::new() }
    }

    /// Begins what is due, and answers how long nothing else is.
    fn begin(&mut self) -> Duration {
        if !self.works() {
            return TURN;
        }
        let now = self.now();
        for start in self.scheduler.starts(now) {
            let (duty, herald) = (Arc::clone(&self.duty), self.herald.clone());
            match start {
                Start::Look => self.tasks.spawn(async move { Done::Look(caught(duty.look(&herald)).await) }),
                Start::Pass(order) => {
                    self.running.insert(order.environment.clone());
                    self.tasks.spawn(async move {
                        let end = caught(duty.pass(&order, &herald)).await;
                        Done::Pass(order.environment, end)
                    })
                }
            };
        }
        self.scheduler.wakes_at().map_or(TURN, |at| at.saturating_sub(now).min(TURN))
    }

    /// Gives memory back once nothing runs for a turn: after each of many passes in a row it would be taken again at once.
    /// Who never rests gives it back now and then.
    fn rest(&mut self) {
        let (now, since) = (self.now(), self.worked_at.filter(|_| self.running.is_empty()));
        if since.is_some_and(|since| now >= since + TURN || now >= self.gave_back_at + RESTLESS) {
            (self.worked_at, self.gave_back_at) = (None, now);
            memory::give_back();
        }
    }

    fn take(&mut self, done: Result<Done, tokio::task::JoinError>) {
        let now = self.now();
        match done.expect("a task catches its own panics, and nobody aborts it") {
            Done::Look(sight) => {
                let sight = sight.unwrap_or_else(|message| self.crashed(None, message));
                self.scheduler.looked(sight, now);
            }
            Done::Pass(environment, end) => {
                self.running.remove(&environment);
                self.worked_at = Some(now);
                let end = end.unwrap_or_else(|message| {
                    let _: Option<()> = self.crashed(Some(&environment), message);
                    End::Failed
                });
                self.scheduler.ended(&environment, end, now);
            }
        }
    }

    fn crashed<T>(&self, environment: Option<&EnvironmentName>, message: String) -> Option<T> {
        let of = environment.map(tracing::field::display);
        tracing::error!(target: TOLD, environment = of, message, "this is a mistake in privlink; it is tried again later");
        self.herald.tell(News::Crashed { environment: environment.cloned(), message });
        None
    }
}

/// Awaits something; a panic in it becomes its text.
async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it gave no reason".to_owned())
    })
}
