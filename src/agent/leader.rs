//! The election as it runs: the Lease is read and written, and who asks is told whether this replica leads.
//!
//! Only the leader makes passes. The election saves work and nothing else: who writes is decided by the lease in the
//! repository, so that nothing is lost if two replicas ever think that they lead.

use std::fmt;
use std::time::Duration;
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::agent::election::Act;
use crate::agent::election::Candidate;
use crate::domain::lease::LeaseKey;
use crate::reconcile::electing::Electing;
use crate::reconcile::electing::Failure;
use crate::reconcile::error_chain;

/// Which replica of which election this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The Lease.
    pub lease: LeaseKey,
    /// The name of this replica.
    pub id: String,
}

/// Whether this agent works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does: there is no election.
    Alone,
    /// It does, because it leads.
    Leads {
        /// In which election.
        seat: Seat,
        /// Until when, unless the Lease is renewed.
        until: Instant,
    },
    /// It does not, because another leads, or nobody yet.
    StandsBy {
        /// In which election.
        seat: Seat,
        /// Who holds the Lease; `None` if nobody does, or nobody knows.
        leader: Option<String>,
        /// True if the Lease cannot be read or written: the log says why.
        is_blind: bool,
    },
}

impl Standing {
    /// The standing of an agent without an election.
    pub fn alone() -> watch::Receiver<Self> {
        watch::channel(Self::Alone).1
    }

    /// True if it works at this moment.
    pub fn works(&self, now: Instant) -> bool {
        match self {
            Self::Alone => true,
            Self::Leads { until, .. } => now < *until,
            Self::StandsBy { .. } => false,
        }
    }

    /// True if both say the same to people: a renewal is no news.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Leads { seat, until: _ }, Self::Leads { seat: other, until: _ }) => seat == other,
            _ => self == other,
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alone => write!(f, "works alone"),
            Self::Leads { seat, .. } => write!(f, "{} leads, by the Lease {}", seat.id, seat.lease),
            Self::StandsBy { seat, is_blind: true, .. } => {
                write!(f, "{} stands by: the Lease {} cannot be read or written", seat.id, seat.lease)
            }
            Self::StandsBy { seat, leader: Some(leader), .. } if *leader != seat.id => {
                write!(f, "{} stands by: {leader} leads, by the Lease {}", seat.id, seat.lease)
            }
            // The name may be its own: of a life before this one, which has to run out like any other's.
            Self::StandsBy { seat, .. } => {
                write!(f, "{} stands by until the Lease {} is free", seat.id, seat.lease)
            }
        }
    }
}

/// A replica in an election that runs.
#[derive(Debug)]
pub struct Leadership {
    /// Whether it leads.
    pub standing: watch::Receiver<Standing>,
    /// Set as long as passes are not to begin, and those that run are to stop: it does not lead, or is to end.
    pub halt: watch::Receiver<bool>,
    resign: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Leadership {
    /// Stands for election until it resigns. `stop` is set when the agent is to end; the Lease is renewed all the same, until
    /// what runs has ended.
    pub fn campaign(electing: Electing, candidate: Candidate, stop: watch::Receiver<bool>) -> Self {
        let seat = Seat { lease: electing.key().clone(), id: candidate.id().to_owned() };
        let (says, standing) = watch::channel(Standing::StandsBy { seat: seat.clone(), leader: None, is_blind: false });
        let (halts, halt) = watch::channel(true);
        let (resign, resigned) = oneshot::channel();
        tokio::spawn(halt_unless_leading(standing.clone(), stop, halts));
        let campaign = Campaign { electing, candidate, seat, says, began: Instant::now(), trouble: None };
        Self { standing, halt, resign, task: tokio::spawn(campaign.run(resigned)) }
    }

    /// Gives the Lease back, so that another takes over at once. Nothing may be running any more.
    pub async fn resign(self) {
        // It fails only if the campaign has ended, and then there is nothing to give back.
        let _ = self.resign.send(());
        let _ = self.task.await;
    }
}

/// Sets `halt` whenever this replica does not lead, in time even if nobody renews or asks.
async fn halt_unless_leading(
    mut standing: watch::Receiver<Standing>,
    mut stop: watch::Receiver<bool>,
    halt: watch::Sender<bool>,
) {
    loop {
        let is_stopping = *stop.borrow();
        let (works, until) = {
            let now = standing.borrow_and_update();
            let until = if let Standing::Leads { until, .. } = &*now { Some(*until) } else { None };
            (now.works(Instant::now()), until)
        };
        let is_halted = is_stopping || !works;
        halt.send_if_modified(|halted| std::mem::replace(halted, is_halted) != is_halted);
        if is_stopping {
            return;
        }
        let lapse = async {
            match until.filter(|_| works) {
                Some(until) => tokio::time::sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = standing.changed() => if changed.is_err() { return },
            _ = stop.wait_for(|stop| *stop) => {}
            () = lapse => {}
        }
    }
}

/// An election from the side of one replica.
struct Campaign {
    electing: Electing,
    candidate: Candidate,
    seat: Seat,
    says: watch::Sender<Standing>,
    began: Instant,
    /// What was logged last of what goes wrong: it is said once.
    trouble: Option<String>,
}

impl Campaign {
    async fn run(mut self, mut resigned: oneshot::Receiver<()>) {
        loop {
            self.turn().await;
            tokio::select! {
                // Who lets the leadership fall ends the election, too; the Lease then runs out by itself.
                asked = &mut resigned => {
                    if asked.is_ok() {
                        self.give_back().await;
                    }
                    return;
                }
                () = tokio::time::sleep(self.pause()) => {}
            }
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Acts until there is nothing to do but to wait, and says what came of it.
    async fn turn(&mut self) {
        loop {
            let act = self.candidate.next(self.now(), Timestamp::now());
            let leads = matches!(act, Act::Write(..));
            match self.act(act).await {
                Ok(true) => {}
                Ok(false) => break self.trouble = None,
                Err(error) => {
                    if self.trouble.as_ref() != Some(&error) {
                        tracing::warn!(lease = %self.seat.lease, error, "the election of a leader does not get on");
                    }
                    break self.trouble = Some(error);
                }
            }
            if leads && self.candidate.leads(self.now()) {
                break self.trouble = None;
            }
        }
        self.say();
    }

    /// Does one thing; true if there is more to do at once.
    async fn act(&mut self, act: Act) -> Result<bool, String> {
        let limit = self.limit();
        let said = |answer: Result<Result<_, Failure>, _>| match answer {
            Ok(Ok(lease)) => Ok(lease),
            Ok(Err(error)) => Err(error_chain(&error)),
            Err(_) => Err(format!("the API server did not answer within {} s", limit.as_secs_f64())),
        };
        match act {
            Act::Wait => Ok(false),
            Act::Read => {
                let lease = said(tokio::time::timeout(limit, self.electing.read()).await)?;
                self.candidate.saw(lease, self.now());
                Ok(true)
            }
            Act::Write(seen, record) => {
                let write = self.electing.write(seen.as_ref(), &record);
                match said(tokio::time::timeout(limit, write).await)? {
                    Some(lease) => self.candidate.saw(Some(lease), self.now()),
                    None => self.candidate.overtaken(),
                }
                Ok(true)
            }
        }
    }

    fn say(&self) {
        let now = self.now();
        let standing = match self.candidate.leads_until().filter(|until| now < *until) {
            Some(until) => Standing::Leads { seat: self.seat.clone(), until: self.began + until },
            None => {
                let leader = self.candidate.holder().map(ToOwned::to_owned);
                Standing::StandsBy { seat: self.seat.clone(), leader, is_blind: self.trouble.is_some() }
            }
        };
        self.says.send_if_modified(|said| {
            let is_new = *said != standing;
            *said = standing;
            is_new
        });
    }

    /// The time until the next try. Who stands by waits a little longer by chance, so that not all come at once.
    fn pause(&self) -> Duration {
        let retry = self.candidate.terms().retry;
        if self.candidate.leads(self.now()) {
            return retry;
        }
        let chance = u32::from(uuid::Uuid::new_v4().into_bytes()[0]);
        retry + retry * chance / 255 / 5
    }

    /// How long an answer may take: half of what is left to a leader, so that it may ask a second time.
    fn limit(&self) -> Duration {
        self.candidate.terms().deadline / 2
    }

    async fn give_back(&mut self) {
        // What was written last may have got no answer.
        let is_known = !self.candidate.leads(self.now()) || self.act(Act::Read).await.is_ok();
        if !is_known {
            tracing::warn!(lease = %self.seat.lease, "the Lease was not given back; it runs out by itself");
            return;
        }
        let Some((seen, record)) = self.candidate.resign(Timestamp::now()) else { return self.say() };
        self.say();
        match tokio::time::timeout(self.limit(), self.electing.write(Some(&seen), &record)).await {
            Ok(Ok(Some(_))) => tracing::info!(lease = %self.seat.lease, "the Lease was given back"),
            _ => tracing::warn!(lease = %self.seat.lease, "the Lease was not given back; it runs out by itself"),
        }
    }
}
