//! `operations`: how long writes take in a world, and how clients learn that they have ended.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::sim::arm::{Pace, Style};

/// How long operations take.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Operations {
    /// How a write that has not ended yet is announced.
    pub style: Style,
    /// Looks at an operation until it has ended; 0 makes every write synchronous.
    pub polls: u32,
    /// Wall time that an operation takes at least, in milliseconds.
    pub milliseconds: u64,
    /// What `Retry-After` says, in seconds: 0 for our own client, 1 for others, which take 0 for absent and wait 30 s.
    pub retry_after_seconds: u32,
    /// Items per page of a list; 0 means no paging.
    pub page_size: usize,
    /// Resource types that take longer or shorter, such as `Microsoft.Network/privateEndpoints`.
    pub durations: BTreeMap<String, Length>,
}

/// How long the operations of one resource type take.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Length {
    /// Looks at an operation until it has ended.
    pub polls: u32,
    /// Time that an operation takes at least, in milliseconds.
    #[serde(default)]
    pub milliseconds: u64,
}

impl Default for Operations {
    fn default() -> Self {
        Self {
            style: Style::default(),
            polls: 2,
            milliseconds: 0,
            retry_after_seconds: 0,
            page_size: 0,
            durations: BTreeMap::new(),
        }
    }
}

impl Operations {
    /// The same in the resource manager's words.
    pub(crate) fn pace(&self) -> Pace {
        let length = |own: &Length| (own.polls, Duration::from_millis(own.milliseconds));
        Pace {
            polls: self.polls,
            least: Duration::from_millis(self.milliseconds),
            retry_after: self.retry_after_seconds,
            style: self.style,
            by_type: self.durations.iter().map(|(name, own)| (name.to_ascii_lowercase(), length(own))).collect(),
        }
    }
}
