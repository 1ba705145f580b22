//! Only one writer, on a store in memory.

use std::sync::Mutex;

use async_trait::async_trait;
use jiff::SignedDuration;
use jiff::Timestamp;
use privlink::apply::lease::LIFETIME;
use privlink::apply::lease::LeaseError;
use privlink::apply::lease::LeaseRecord;
use privlink::apply::lease::LeaseRequest;
use privlink::apply::lease::LeaseStore;
use privlink::apply::lease::StoreError;
use privlink::apply::lease::WriterLease;
use privlink::apply::lease::acquire;
use privlink::plan::document::PlanId;

/// A store that swaps, and lets others in between a read and a write.
#[derive(Default)]
struct Memory {
    held: Mutex<Option<(u64, LeaseRecord)>>,
    /// What it answers instead of what it did.
    lies: Option<fn() -> Result<Option<String>, StoreError>>,
}

#[async_trait]
impl LeaseStore for Memory {
    async fn read(&self) -> Result<Option<(String, LeaseRecord)>, StoreError> {
        let held = self.held.lock().unwrap().clone();
        tokio::task::yield_now().await;
        Ok(held.map(|(version, record)| (version.to_string(), record)))
    }

    async fn swap(&self, version: Option<&str>, record: &LeaseRecord) -> Result<Option<String>, StoreError> {
        tokio::task::yield_now().await;
        let mut held = self.held.lock().unwrap();
        let now = held.as_ref().map(|(version, _)| version.to_string());
        if now.as_deref() != version {
            return Ok(None);
        }
        let next = held.as_ref().map_or(1, |(version, _)| version + 1);
        *held = Some((next, record.clone()));
        self.lies.map_or_else(|| Ok(Some(next.to_string())), |lie| lie())
    }
}

fn noon() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn request(writer: &str, now: Timestamp) -> LeaseRequest {
    LeaseRequest {
        writer: writer.to_owned(),
        host: "here".to_owned(),
        holder: uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, writer.as_bytes()),
        plan: PlanId::of_body("plan"),
        approvals: vec!["alice".to_owned()],
        now,
    }
}

async fn take(store: &Memory, writer: &str, now: Timestamp) -> Result<WriterLease, LeaseError> {
    acquire(store, request(writer, now), &|_| false).await
}

#[tokio::test]
async fn a_free_lease_is_taken_and_says_what_it_is_for() {
    let store = Memory::default();
    let lease = take(&store, "a", noon()).await.unwrap();
    let (_, record) = store.read().await.unwrap().unwrap();
    assert_eq!((lease.fencing(), record.writer.as_str(), record.fencing), (1, "a", 1));
    assert_eq!((record.plan, record.approvals), (Some(PlanId::of_body("plan")), vec!["alice".to_owned()]));
    assert_eq!(record.expires_at, noon() + LIFETIME);
}

#[tokio::test]
async fn a_held_lease_is_refused_until_it_has_run_out() {
    let store = Memory::default();
    take(&store, "a", noon()).await.unwrap();
    let refused = take(&store, "b", noon() + LIFETIME - SignedDuration::from_secs(1)).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "a holds the lease of this environment until 2026-11-23T12:05:00Z, and renews it while it lives: wait until it is \
         done; if it is dead, the lease runs out by itself"
    );
    assert_eq!(take(&store, "b", noon() + LIFETIME).await.unwrap().fencing(), 2);
}

#[tokio::test]
async fn who_lost_the_lease_cannot_renew_or_release_it() {
    let store = Memory::default();
    let first = take(&store, "a", noon()).await.unwrap();
    let later = noon() + LIFETIME;
    let second = take(&store, "b", later).await.unwrap();
    let lost = first.keeper().renew(&store, later).await.unwrap_err();
    assert_eq!(lost.to_string(), "the lease was taken over by b: nothing more is written");
    assert!(first.release(&store, later).await.is_err());
    assert_eq!(store.read().await.unwrap().unwrap().1.writer, "b");
    second.keeper().renew(&store, later).await.unwrap();
}

#[tokio::test]
async fn whose_answers_are_lost_holds_the_lease_all_the_same() {
    let cut = || Err(StoreError("the connection was cut".to_owned()));
    let repeated = || Ok(None);
    for lie in [cut as fn() -> _, repeated] {
        let store = Memory { lies: Some(lie), ..Memory::default() };
        let lease = take(&store, "a", noon()).await.unwrap();
        lease.keeper().renew(&store, noon()).await.unwrap();
        assert!(take(&store, "b", noon()).await.is_err());
        lease.release(&store, noon()).await.unwrap();
        assert_eq!(take(&store, "b", noon()).await.unwrap().fencing(), 2);
    }
}

#[tokio::test]
async fn a_renewed_lease_lasts_longer_and_keeps_its_number() {
    let store = Memory::default();
    let lease = take(&store, "a", noon()).await.unwrap();
    let soon = noon() + SignedDuration::from_mins(4);
    lease.keeper().renew(&store, soon).await.unwrap();
    assert!(take(&store, "b", noon() + LIFETIME).await.is_err());
    let (_, record) = store.read().await.unwrap().unwrap();
    assert_eq!((record.expires_at, record.fencing), (soon + LIFETIME, 1));
    lease.release(&store, soon).await.unwrap();
    assert_eq!(take(&store, "b", soon).await.unwrap().fencing(), 2);
}

#[tokio::test]
async fn of_racing_writers_exactly_one_gets_in_and_the_others_hear_who() {
    let store = Memory::default();
    let names: Vec<String> = (0..20).map(|number| format!("writer-{number}")).collect();
    for round in 1..=5 {
        let now = noon() + SignedDuration::from_hours(round);
        let all = futures_util::future::join_all(names.iter().map(|name| take(&store, name, now))).await;
        let holders: Vec<u64> = all.iter().flatten().map(WriterLease::fencing).collect();
        assert_eq!(holders, [u64::try_from(round).unwrap()], "the number grows with every holder");
        let refused = all.into_iter().filter_map(Result::err).filter(|error| matches!(error, LeaseError::Held { .. }));
        assert_eq!(refused.count(), names.len() - 1);
    }
}

#[tokio::test]
async fn the_lease_of_a_writer_that_is_known_to_be_gone_is_taken_at_once() {
    let store = Memory::default();
    let before = take(&store, "a", noon()).await.unwrap();
    let after = acquire(&store, request("b", noon()), &|held| held.writer == "a").await.unwrap();
    assert_eq!(after.fencing(), 2);
    assert!(before.keeper().renew(&store, noon()).await.is_err(), "the one before has lost it");
}
