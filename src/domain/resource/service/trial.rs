//! A write of a Service that was tried: what the API server says to it without storing it.
//!
//! The server does to a trial all that it does to a write: it validates, fills in defaults, asks its admission webhooks and
//! policies, and looks for fields of other managers. So what it says is its word, not a model of it.

use std::collections::BTreeMap;

use serde_json::Value as Json;

/// What the API server would do with a write.
#[derive(Clone, Debug, PartialEq)]
pub enum Trial {
    /// It would store this object. What the server chooses itself in it, such as an address, is invented.
    Stored(Json),
    /// It would refuse the object: validation or admission, in its own words.
    Refused(String),
    /// Other managers hold fields that the write would change: field, in the server's spelling, to manager.
    Held(BTreeMap<String, String>),
    /// There is no namespace for it.
    NoNamespace {
        /// True if there is one, and it is being deleted.
        is_leaving: bool,
    },
}
