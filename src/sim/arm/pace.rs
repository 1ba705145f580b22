//! How long operations take, and how clients learn that they run.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

/// How a write that has not ended yet is announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// `Azure-AsyncOperation`, and for a delete `Location` as well: what the network resource provider does.
    #[default]
    AzureAsyncOperation,
    /// `Location` only: 202 until the end, then the resource, or 204 after a delete.
    Location,
    /// No header: clients look at the resource's `provisioningState`, or for its absence.
    ProvisioningState,
}

/// How long operations take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Looks at an operation until it has ended; 0 makes every write synchronous.
    pub polls: u32,
    /// Time that an operation takes at least, on the simulator's clock.
    pub least: Duration,
    /// What `Retry-After` says, in seconds. 0 suits our own client; azcore and azure-core (Python, so `az` too) take it for
    /// absent and fall back to 30 s, so that they need 1.
    pub retry_after: u32,
    /// How operations are announced.
    pub style: Style,
    /// Looks and time of types that differ, by the type in lower case.
    pub by_type: BTreeMap<String, (u32, Duration)>,
}

impl Pace {
    /// Looks and time of a type's operations.
    pub(crate) fn of(&self, resource_type: &str) -> (u32, Duration) {
        let own = self.by_type.get(&resource_type.to_ascii_lowercase());
        own.copied().unwrap_or((self.polls, self.least))
    }
}
