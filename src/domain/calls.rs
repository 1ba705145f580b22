//! How many calls a run makes, by whom it asks, method and kind: what `--stats` prints.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

/// A kind of call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// Who is asked: `Azure` or `Kubernetes`.
    pub whom: &'static str,
    /// The HTTP method.
    pub method: String,
    /// The type of what is asked about, such as `Microsoft.Network/privateEndpoints` or `services`.
    pub kind: String,
}

/// Counts calls; clones share the count.
#[derive(Clone, Debug, Default)]
pub struct CallLog(Arc<Mutex<BTreeMap<Call, u64>>>);

impl CallLog {
    /// Counts one call.
    pub fn count(&self, call: Call) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(call).or_default() += 1;
    }

    /// What was counted so far.
    pub fn counts(&self) -> BTreeMap<Call, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
