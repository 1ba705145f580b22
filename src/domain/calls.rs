//! How many calls a run makes, by whom it asks, method and kind: what `--stats` prints.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

/// A kind of call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// Who is asked: `Azure`, `Kubernetes`, or the name of the forge.
    pub whom: &'static str,
    /// The HTTP method.
    pub method: String,
    /// The type of what is asked about, such as `Microsoft.Network/privateEndpoints`, `services` or
    /// `pulls/reviews`.
    pub kind: String,
}

/// Counts calls; clones share the count.
#[derive(Clone, Debug, Default)]
pub struct CallLog(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    calls: BTreeMap<Call, u64>,
    throttled: BTreeMap<&'static str, u64>,
}

impl CallLog {
    fn with<T>(&self, act: impl FnOnce(&mut Counts) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts one call.
    pub fn count(&self, call: Call) {
        self.with(|counts| *counts.calls.entry(call).or_default() += 1);
    }

    /// Counts one call that was refused because there were too many.
    pub fn throttled(&self, whom: &'static str) {
        self.with(|counts| *counts.throttled.entry(whom).or_default() += 1);
    }

    /// What was counted so far.
    pub fn counts(&self) -> BTreeMap<Call, u64> {
        self.with(|counts| counts.calls.clone())
    }

    /// The refusals that were counted so far, by who refused.
    pub fn refusals(&self) -> BTreeMap<&'static str, u64> {
        self.with(|counts| counts.throttled.clone())
    }
}
