//! Reading the answers of forges: only what is asked for, and an error that names what is missing.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::domain::commit::CommitId;
use crate::domain::pull_request::CommitStatus;
use crate::domain::pull_request::StatusState;
use crate::domain::pull_request::shortened;
use crate::forge::error::ForgeError;
use crate::forge::error::Purpose;
use crate::forge::error::shown;

/// A text at a JSON pointer.
pub(crate) fn text<'a>(json: &'a Json, pointer: &str) -> Option<&'a str> {
    json.pointer(pointer).and_then(Json::as_str)
}

/// An id, which is a number or a text.
pub(crate) fn id(json: &Json, pointer: &str) -> Option<String> {
    match json.pointer(pointer)? {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Reads an answer with a function that gives up where something is missing.
pub(crate) fn read<T>(
    purpose: &Purpose,
    json: &Json,
    what: &str,
    read: impl FnOnce(&Json) -> Option<T>,
) -> Result<T, ForgeError> {
    read(json).ok_or_else(|| {
        let has = match json.as_object() {
            Some(own) => format!("it has the fields {}", shown(&own.keys().cloned().collect::<Vec<_>>().join(", "))),
            None => "it has no fields".to_owned(),
        };
        ForgeError::unexpected(
            purpose,
            format!("it is no {what}: {has}; check the address, and that no proxy answers in its place"),
        )
    })
}

/// Reads the entries of a list.
pub(crate) fn read_all<T>(
    purpose: &Purpose,
    list: &[Json],
    (what, entry): (&str, impl Fn(&Json) -> Option<T>),
) -> Result<Vec<T>, ForgeError> {
    list.iter().map(|json| read(purpose, json, what, &entry)).collect()
}

/// The id of a commit at a JSON pointer.
pub(crate) fn commit(json: &Json, pointer: &str) -> Option<CommitId> {
    text(json, pointer)?.parse().ok()
}

/// The last status of each context: the one with the highest number.
pub(crate) fn last_of_each(list: &[Json], status: impl Fn(&Json) -> Option<(String, Told)>) -> BTreeMap<String, Told> {
    let mut list: Vec<&Json> = list.iter().collect();
    list.sort_by_key(|json| json.get("id").and_then(Json::as_u64));
    list.into_iter().filter_map(status).collect()
}

/// A status as a forge tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) state: Option<StatusState>,
    pub(crate) description: String,
    pub(crate) target_url: Option<String>,
}

impl Told {
    /// Reads one; forges differ in the words of a state and in where the address is.
    pub(crate) fn of(json: &Json, state: Option<StatusState>, target_url: &str) -> Self {
        Self {
            state,
            description: text(json, "/description").unwrap_or_default().to_owned(),
            target_url: text(json, target_url).map(ToOwned::to_owned),
        }
    }

    /// True if it says what the status is to say.
    pub(crate) fn says(&self, status: &CommitStatus) -> bool {
        self.state == Some(status.state)
            && self.description == shortened(&status.description)
            && self.target_url.as_deref().unwrap_or_default() == status.target_url.as_deref().unwrap_or_default()
    }
}
