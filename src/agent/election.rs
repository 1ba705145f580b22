//! Who leads, of several replicas: decided purely, from what a Lease says and how long it has been saying so.
//!
//! The semantics are those of client-go's `leaderelection`. The leader renews the Lease and gives up a while before others
//! may take it. Who stands by takes it once it was given back, or has not changed for as long as it promised, measured from
//! when this replica saw it: what the clocks of others say is written for people and decides nothing. Times are since the
//! replica began, so that nothing here needs a clock.
//!
//! The law: of replicas whose clocks run at the same rate never two lead at one time. A leader counts from before its write
//! was sent, a candidate from after the change was read, and a write names the version that it replaces.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::kubernetes::ResourceVersion;
use crate::domain::lease::Lease;
use crate::domain::lease::LeaseRecord;

/// How patient an election is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long a Lease lasts that nobody renews, in whole seconds.
    pub duration: Duration,
    /// How long the leader goes on without having renewed it.
    pub deadline: Duration,
    /// The time between two tries.
    pub retry: Duration,
}

impl Terms {
    /// The shortest duration: the record knows whole seconds only, and a renewal has to fit in a few times.
    pub const SHORTEST: Duration = Duration::from_secs(3);

    /// The terms for a duration, in the proportions of client-go: of 15 s, 10 s and 2 s.
    pub fn of(duration: Duration) -> Self {
        Self { duration, deadline: duration * 2 / 3, retry: duration * 2 / 15 }
    }
}

/// What a candidate does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Read the Lease.
    Read,
    /// Write it, over the version that was seen; `None` where none was there.
    Write(Option<ResourceVersion>, LeaseRecord),
    /// Nothing, for the time of a retry: somebody else leads.
    Wait,
}

/// A replica that stands for election.
#[derive(Debug)]
pub struct Candidate {
    id: String,
    terms: Terms,
    /// What the Lease says as far as it is known: `None` if it has to be read first, `Some(None)` if there is none.
    known: Option<Option<Lease>>,
    /// The Lease that was seen last, and since when it has been as it is.
    observed: Option<(Lease, Duration)>,
    /// What we wrote, and from when on each counts: the last that was confirmed, and those after it whose answers were lost.
    /// One is known again by what it says.
    ours: Vec<(LeaseRecord, Duration)>,
    /// Until when we lead.
    leads_until: Option<Duration>,
}

/// How many writes without an answer are remembered. An older one that lands all the same is taken for somebody else's.
const UNANSWERED: usize = 16;

impl Candidate {
    /// A replica that knows nothing yet. No two may have the same name; if they do, neither is taken for the other.
    pub fn new(id: String, terms: Terms) -> Self {
        Self { id, terms, known: None, observed: None, ours: Vec::new(), leads_until: None }
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its terms.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// What to do now. `wall` is the time for people.
    pub fn next(&mut self, now: Duration, wall: Timestamp) -> Act {
        let Some(known) = self.known.take() else { return Act::Read };
        let wall = microseconds(wall);
        if !self.is_free(known.as_ref(), now) {
            return Act::Wait;
        }
        let (version, record) = match known {
            None => (None, self.record(wall, wall, 0)),
            Some(Lease { version, record }) if self.written(&record).is_some() => {
                (Some(version), self.record(record.acquired_at.unwrap_or(wall), wall, record.transitions))
            }
            Some(Lease { version, record }) => {
                (Some(version), self.record(wall, wall, record.transitions.saturating_add(1)))
            }
        };
        self.ours.push((record.clone(), now));
        if self.ours.len() > UNANSWERED {
            self.ours.remove(0);
        }
        Act::Write(version, record)
    }

    /// Takes what was read, or what our write was answered with.
    pub fn saw(&mut self, lease: Option<Lease>, now: Duration) {
        if let Some(lease) = &lease
            && self.observed.as_ref().is_none_or(|(observed, _)| observed.version != lease.version)
        {
            self.observed = Some((lease.clone(), now));
        }
        // What we wrote is ours although its answer was lost. What we did not write is not, whatever name it bears.
        let written = lease.as_ref().and_then(|lease| self.written(&lease.record));
        self.leads_until = written.map(|index| {
            self.ours.drain(..index);
            self.ours[0].1 + self.terms.deadline
        });
        self.known = Some(lease);
    }

    /// Takes that somebody was faster. The Lease has to be read; until then what was confirmed before still counts.
    pub fn overtaken(&mut self) {
        self.known = None;
    }

    /// True while we lead.
    pub fn leads(&self, now: Duration) -> bool {
        self.leads_until.is_some_and(|until| now < until)
    }

    /// Until when we lead, unless the Lease is renewed.
    pub fn leads_until(&self) -> Option<Duration> {
        self.leads_until
    }

    /// Who held the Lease when it was seen last.
    pub fn holder(&self) -> Option<&str> {
        let (lease, _) = self.observed.as_ref()?;
        Some(lease.record.holder.as_str()).filter(|holder| !holder.is_empty())
    }

    /// Gives up at once, and answers the write that lets the next one take over at once; `None` if the Lease is not ours, or
    /// has to be read first.
    pub fn resign(&mut self, wall: Timestamp) -> Option<(ResourceVersion, LeaseRecord)> {
        self.leads_until = None;
        let lease = self.known.take()??;
        self.written(&lease.record)?;
        self.ours.clear();
        let wall = microseconds(wall);
        // As client-go does: a second, for those that look at nothing else.
        let duration = Duration::from_secs(1);
        let record =
            LeaseRecord { holder: String::new(), duration, ..self.record(wall, wall, lease.record.transitions) };
        Some((lease.version, record))
    }

    /// Which of our writes this is.
    fn written(&self, record: &LeaseRecord) -> Option<usize> {
        self.ours.iter().position(|(ours, _)| ours == record)
    }

    /// True if nobody else holds it. A Lease that is gone is still held by whoever was seen to hold it.
    fn is_free(&self, lease: Option<&Lease>, now: Duration) -> bool {
        let Some((observed, since)) = &self.observed else { return lease.is_none() };
        let Lease { version, record } = lease.unwrap_or(observed);
        let ran_out = *version == observed.version && since.saturating_add(record.duration) <= now;
        record.holder.is_empty() || self.written(record).is_some() || ran_out
    }

    fn record(&self, acquired: Timestamp, renewed: Timestamp, transitions: u32) -> LeaseRecord {
        LeaseRecord {
            holder: self.id.clone(),
            duration: self.terms.duration,
            acquired_at: Some(acquired),
            renewed_at: Some(renewed),
            transitions,
        }
    }
}

/// What the record can hold: a time that is read back is the one that was written.
fn microseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}
