//! Deterministic chance: every GUID of the simulator follows from the world's seed.
//!
//! A purpose counts on its own, so the alias of one Private Link Service does not depend on how many etags somebody else
//! used up before. The second alias of the same name differs from the first: a rebuilt service gets a new one, as in
//! Azure.

use std::collections::BTreeMap;

use uuid::Uuid;

/// Hands out GUIDs.
#[derive(Clone, Debug)]
pub(crate) struct Chance {
    seed: u64,
    drawn: BTreeMap<String, u64>,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, drawn: BTreeMap::new() }
    }

    /// How often each purpose has drawn.
    pub(crate) fn drawn(&self) -> &BTreeMap<String, u64> {
        &self.drawn
    }

    /// Goes on after these draws.
    pub(crate) fn restore(&mut self, drawn: BTreeMap<String, u64>) {
        self.drawn = drawn;
    }

    /// The next GUID for this purpose.
    pub(crate) fn guid(&mut self, purpose: &str) -> Uuid {
        let purpose = purpose.to_ascii_lowercase();
        let count = self.drawn.entry(purpose.clone()).or_default();
        *count += 1;
        Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("privlink-sim/{}/{purpose}/{count}", self.seed).as_bytes())
    }
}
