//! A world as it is kept across runs: one JSON document, with everything that its clients could notice.
//!
//! Resources, operations, counters of chance, objects with their versions, faults, the clock, and what clients trust and
//! sign in with: a client that was in the middle of something goes on. The document holds keys and tokens. The request log
//! and the buckets of the rate limits are not in it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sim::Options;
use crate::sim::arm::SavedArm;
use crate::sim::clock::Reading;
use crate::sim::fault::Rule;
use crate::sim::kube::SavedObjects;
use crate::sim::tls::Certificate;

/// What the document calls itself.
const FORMAT: &str = "privlink-simulator";

/// The version of the document that this program reads and writes.
const VERSION: u64 = 1;

/// A document that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// It is something else.
    #[error("this is not the state of a simulator: take another file, or delete this one to start anew")]
    Foreign,
    /// It is of another version of the program.
    #[error("this state has version {found} and this program knows version {VERSION}: delete the file to start anew")]
    Version {
        /// Its version.
        found: u64,
    },
    /// A part of it is damaged.
    #[error("this state is damaged: delete the file to start anew")]
    Damaged(#[source] serde_json::Error),
}

/// The ports of Azure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ports {
    pub(crate) http: u16,
    pub(crate) https: u16,
}

impl Ports {
    /// These, but where the options name a port, that one.
    pub(crate) fn or(self, options: &Options) -> Self {
        let choose = |asked: u16, had: u16| if asked == 0 { had } else { asked };
        Self { http: choose(options.azure_http_port, self.http), https: choose(options.azure_https_port, self.https) }
    }
}

/// A cluster: where it is reached, and what is in it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SavedEndpoint {
    pub(crate) port: u16,
    pub(crate) token: String,
    #[serde(default)]
    pub(crate) users: BTreeMap<String, String>,
    pub(crate) objects: SavedObjects,
}

/// A saved world.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Saved {
    pub(crate) world: String,
    pub(crate) ports: Ports,
    pub(crate) clock: Reading,
    pub(crate) certificate: Certificate,
    pub(crate) signing_key: [u8; 32],
    pub(crate) arm: SavedArm,
    pub(crate) clusters: BTreeMap<String, SavedEndpoint>,
    pub(crate) faults: Vec<Rule>,
}

impl fmt::Debug for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saved").field("ports", &self.ports).field("clock", &self.clock).finish_non_exhaustive()
    }
}

impl Saved {
    /// Reads a document.
    ///
    /// # Errors
    /// If it is something else, of another version, or damaged.
    pub fn parse(text: &str) -> Result<Self, SavedError> {
        let document: Value = serde_json::from_str(text).map_err(|_| SavedError::Foreign)?;
        if document["format"] != FORMAT {
            return Err(SavedError::Foreign);
        }
        match document["version"].as_u64() {
            Some(VERSION) => serde_json::from_value(document).map_err(SavedError::Damaged),
            found => Err(SavedError::Version { found: found.unwrap_or(0) }),
        }
    }

    /// The document.
    pub fn text(&self) -> String {
        let mut document = serde_json::to_value(self).expect("a saved world is plain data");
        document["format"] = FORMAT.into();
        document["version"] = VERSION.into();
        document.to_string()
    }

    /// The text of the world's file.
    pub fn world(&self) -> &str {
        &self.world
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_document_or_version_is_refused() {
        for text in ["", "hello", "{}", r#"{"format": "other", "version": 1}"#] {
            assert!(matches!(Saved::parse(text), Err(SavedError::Foreign)), "{text}");
        }
        let newer = r#"{"format": "privlink-simulator", "version": 7}"#;
        assert!(Saved::parse(newer).unwrap_err().to_string().contains("version 7"));
        let damaged = r#"{"format": "privlink-simulator", "version": 1, "world": ""}"#;
        assert!(matches!(Saved::parse(damaged), Err(SavedError::Damaged(_))));
    }
}
