//! Only one writer: a lease with an expiry and a fencing number, taken by compare-and-swap on a store.
//!
//! A [`WriterLease`] can only be made by [`acquire`]; apply demands one. The store is a Git ref beside the config
//! repository, or a file where there is no remote.

use std::sync::Arc;
use std::sync::Mutex;

use async_trait::async_trait;
use jiff::SignedDuration;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::plan::document::PlanId;

/// How long a lease lasts unless it is renewed.
pub const LIFETIME: SignedDuration = SignedDuration::from_mins(5);

/// What the store holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeaseRecord {
    /// Who writes: host and process, for people.
    pub writer: String,
    /// The machine of the writer: only there anybody can tell whether it still lives.
    pub host: String,
    /// The taking of the lease, of which no two are alike: a process id is used again, in containers by everybody.
    pub holder: Uuid,
    /// Grows by one with every holder; an older number has lost.
    pub fencing: u64,
    /// From when on others may take it.
    pub expires_at: Timestamp,
    /// The plan that is applied.
    pub plan: Option<PlanId>,
    /// The approvals that its first write consumes.
    pub approvals: Vec<String>,
}

/// Where leases are kept.
#[async_trait]
pub trait LeaseStore: Send + Sync {
    /// Reads the record, with a version to swap against; `None` if there never was one.
    async fn read(&self) -> Result<Option<(String, LeaseRecord)>, StoreError>;
    /// Writes the record if the version still is the given one; `None` says that somebody was faster.
    async fn swap(&self, version: Option<&str>, record: &LeaseRecord) -> Result<Option<String>, StoreError>;
}

/// The store failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else holds it.
    #[error(
        "{writer} holds the lease of this environment until {expires_at}, and renews it while it lives: wait until it is done; if it is dead, the lease runs out by itself"
    )]
    Held {
        /// Who.
        writer: String,
        /// Until when, unless renewed.
        expires_at: Timestamp,
    },
    /// Somebody else took it while we held it.
    #[error("the lease was taken over by {writer}: nothing more is written")]
    Lost {
        /// Who.
        writer: String,
    },
    /// The store failed.
    #[error("the lease could not be read or written")]
    Store(#[source] StoreError),
}

/// Proof that we alone write to one environment.
#[derive(Debug)]
pub struct WriterLease {
    held: Arc<Mutex<Held>>,
}

/// Prolongs a lease beside the apply that it protects.
#[derive(Debug)]
pub struct Keeper {
    held: Arc<Mutex<Held>>,
}

impl Keeper {
    /// From when on others may take the lease, unless it is prolonged before.
    pub fn expires_at(&self) -> Timestamp {
        locked(&self.held).record.expires_at
    }
}

#[derive(Clone, Debug)]
struct Held {
    version: String,
    record: LeaseRecord,
}

/// What a new lease shall say.
#[derive(Clone, Debug)]
pub struct LeaseRequest {
    /// Who writes, for people.
    pub writer: String,
    /// The machine.
    pub host: String,
    /// This taking of the lease.
    pub holder: Uuid,
    /// The plan that is applied.
    pub plan: PlanId,
    /// The approvals it consumes.
    pub approvals: Vec<String>,
    /// The time.
    pub now: Timestamp,
}

/// Takes the lease if it is free, has run out, or is held by somebody who `is_gone`: killed before it gave it back.
///
/// # Errors
/// If somebody holds it, was faster, or the store fails.
pub async fn acquire(
    store: &dyn LeaseStore,
    request: LeaseRequest,
    is_gone: &(dyn Fn(&LeaseRecord) -> bool + Send + Sync),
) -> Result<WriterLease, LeaseError> {
    let LeaseRequest { writer, host, holder, plan, approvals, now } = request;
    let current = store.read().await.map_err(LeaseError::Store)?;
    if let Some((_, held)) = &current
        && held.expires_at > now
        && !is_gone(held)
    {
        return Err(LeaseError::Held { writer: held.writer.clone(), expires_at: held.expires_at });
    }
    let fencing = current.as_ref().map_or(1, |(_, record)| record.fencing.saturating_add(1));
    let record = LeaseRecord { writer, host, holder, fencing, expires_at: now + LIFETIME, plan: Some(plan), approvals };
    let version = current.as_ref().map(|(version, _)| version.as_str());
    match swap(store, version, &record).await.map_err(LeaseError::Store)? {
        Some(version) => Ok(WriterLease { held: Arc::new(Mutex::new(Held { version, record })) }),
        None => Err(outrun(store).await),
    }
}

/// Writes the record. Where the answer was lost, or another attempt of ours was faster, the store holds what we wrote.
async fn swap(
    store: &dyn LeaseStore,
    version: Option<&str>,
    record: &LeaseRecord,
) -> Result<Option<String>, StoreError> {
    let answer = store.swap(version, record).await;
    if matches!(answer, Ok(Some(_))) {
        return answer;
    }
    match store.read().await {
        Ok(Some((version, found))) if found == *record => Ok(Some(version)),
        _ => answer,
    }
}

/// Somebody took the lease between our look and our write.
async fn outrun(store: &dyn LeaseStore) -> LeaseError {
    match store.read().await {
        Ok(Some((_, record))) => LeaseError::Held { writer: record.writer, expires_at: record.expires_at },
        Ok(None) => LeaseError::Lost { writer: "somebody who deleted it".to_owned() },
        Err(error) => LeaseError::Store(error),
    }
}

impl WriterLease {
    /// The fencing number.
    pub fn fencing(&self) -> u64 {
        locked(&self.held).record.fencing
    }

    /// What prolongs it.
    pub fn keeper(&self) -> Keeper {
        Keeper { held: self.held.clone() }
    }

    /// Gives the lease back at once.
    ///
    /// # Errors
    /// If somebody took it over, or the store fails; it then runs out by itself.
    pub async fn release(self, store: &dyn LeaseStore, now: Timestamp) -> Result<(), LeaseError> {
        write(&self.held, store, now).await
    }
}

impl Keeper {
    /// Prolongs the lease.
    ///
    /// # Errors
    /// If somebody took it over, or the store fails: once it has run out nothing more may be written.
    pub async fn renew(&mut self, store: &dyn LeaseStore, now: Timestamp) -> Result<(), LeaseError> {
        write(&self.held, store, now + LIFETIME).await
    }
}

fn locked(held: &Mutex<Held>) -> std::sync::MutexGuard<'_, Held> {
    held.lock().expect("nobody panics while holding it")
}

async fn write(held: &Mutex<Held>, store: &dyn LeaseStore, expires_at: Timestamp) -> Result<(), LeaseError> {
    let Held { version, record } = locked(held).clone();
    let record = LeaseRecord { expires_at, ..record };
    match swap(store, Some(&version), &record).await.map_err(LeaseError::Store)? {
        Some(version) => {
            *locked(held) = Held { version, record };
            Ok(())
        }
        None => Err(lost(store).await),
    }
}

async fn lost(store: &dyn LeaseStore) -> LeaseError {
    match store.read().await {
        Ok(Some((_, record))) => LeaseError::Lost { writer: record.writer },
        Ok(None) => LeaseError::Lost { writer: "somebody who deleted it".to_owned() },
        Err(error) => LeaseError::Store(error),
    }
}
