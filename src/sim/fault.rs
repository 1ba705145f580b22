//! Faults: which request goes wrong, how, and how often.
//!
//! A fault is looked for before a request is served, so it also hits requests that would have been refused. With
//! `in_operation` the request itself is accepted and its long-running operation ends badly, which is how Azure reports most
//! real trouble. Connections that are cut and reads that are stale exist over HTTP only: the simulated cloud provider,
//! which calls from inside, meets refusals and failing operations.

mod probability;
mod rules;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::probability::Probability;
pub use self::rules::Faults;
pub(crate) use self::rules::{Hit, Rule};
use crate::sim::arm::{ArmError, Reply};

/// A rule for making requests fail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fault {
    /// Only this method; any if absent.
    pub method: Option<String>,
    /// Only paths that contain this, without regard to case; with `*` it is matched as a glob against the whole path.
    pub path: String,
    /// Only clients whose user agent contains this.
    pub client: Option<String>,
    /// The HTTP status to answer with; 0 lets the request through (for a delay).
    pub status: u16,
    /// The code in the error body.
    pub code: String,
    /// The message in the error body.
    pub message: String,
    /// Headers of the answer, such as `Retry-After`.
    pub headers: Vec<(String, String)>,
    /// What `Retry-After` of the answer says, in seconds.
    pub retry_after_seconds: Option<u32>,
    /// The body as raw text instead of an error in Azure's shape.
    pub body: Option<String>,
    /// How many requests to hit; all of them if absent.
    pub times: Option<u32>,
    /// How many matching requests to let through first.
    pub after: u32,
    /// Of the requests that could be hit, the share that is, from 0 to 1; which ones follows from the world's seed.
    pub probability: Option<Probability>,
    /// End this long after the fault began, on the simulator's clock, in milliseconds.
    pub for_milliseconds: Option<u64>,
    /// How long to wait before answering, on the simulator's clock, in milliseconds.
    pub delay_milliseconds: u64,
    /// Never answer, and do nothing either.
    pub hang: bool,
    /// Serve the request and never answer: who asked does not know what came of it.
    pub withhold: bool,
    /// Accept the request and let its long-running operation fail with `code`; a code that starts with `Canceled` makes
    /// it end as canceled.
    pub in_operation: bool,
    /// With `in-operation`: end it as canceled, whatever the code.
    pub canceled: bool,
    /// With `in-operation`: the number of looks at the operation until it ends; that of the world if absent.
    pub polls: Option<u32>,
    /// Cut the connection before the request has any effect.
    pub drop_request: bool,
    /// Serve the request and cut the connection instead of answering.
    pub drop_connection: bool,
    /// Answer reads with what was there when the fault began.
    pub stale: bool,
}

/// How the operation of a request is to end badly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) error: ArmError,
    pub(crate) is_cancel: bool,
    /// The looks at the operation until then, if not as many as others take.
    pub(crate) polls: Option<u32>,
}

impl Fault {
    fn matches(&self, method: &str, path: &str, client: &str) -> bool {
        let method_fits = self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method));
        let client_fits = self.client.as_ref().is_none_or(|wanted| client.contains(wanted.as_str()));
        let kind_fits = !self.stale || matches!(method, "GET" | "HEAD");
        let path_fits = || path_fits(&self.path.to_ascii_lowercase(), &path.to_ascii_lowercase());
        method_fits && client_fits && kind_fits && path_fits()
    }

    /// True if it answers in place of the server.
    pub(crate) fn refuses(&self) -> bool {
        self.status != 0
    }

    /// How long the request waits.
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_milliseconds)
    }

    /// The answer this fault gives.
    pub(crate) fn reply(&self) -> Reply {
        match &self.body {
            Some(text) => Reply { status: self.status, headers: self.all_headers(), body: text.clone().into() },
            None => self.error().reply(),
        }
    }

    /// The headers of its answer.
    pub(crate) fn all_headers(&self) -> Vec<(String, String)> {
        let wait = self.retry_after_seconds.map(|seconds| ("Retry-After".to_owned(), seconds.to_string()));
        self.headers.iter().cloned().chain(wait).collect()
    }

    fn error(&self) -> ArmError {
        let code = if self.code.is_empty() { "InternalServerError" } else { &self.code };
        let message = if self.message.is_empty() { "A fault of the simulator." } else { &self.message };
        let mut error = ArmError::new(self.status, code, message);
        // Azure never sends this code alone: the detail says what the request has to wait for.
        error.detail = (code == "RetryableError").then(|| "RetryableErrorDueToAnotherOperation".to_owned());
        error.headers = self.all_headers();
        error
    }

    fn failure(&self) -> Failure {
        let mut error = self.error();
        error.status = if error.status == 0 { 500 } else { error.status };
        let is_cancel = self.canceled || error.code.starts_with("Canceled");
        Failure { error, is_cancel, polls: self.polls }
    }
}

fn path_fits(pattern: &str, path: &str) -> bool {
    if !pattern.contains('*') {
        return path.contains(pattern);
    }
    let mut rest = path;
    for (index, piece) in pattern.split('*').enumerate() {
        let Some(at) = rest.find(piece) else { return false };
        if index == 0 && at != 0 {
            return false;
        }
        rest = &rest[at + piece.len()..];
    }
    pattern.ends_with('*') || rest.is_empty() || path.ends_with(pattern.rsplit('*').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_pattern_is_a_part_of_the_path_or_a_glob() {
        assert!(path_fits("privatelinkservices/", "/x/privatelinkservices/p"));
        assert!(path_fits("*/privatelinkservices/*", "/x/privatelinkservices/p"));
        assert!(path_fits("/x/*/p", "/x/y/p"));
        assert!(!path_fits("/x/*/p", "/x/y/q"));
        assert!(!path_fits("x*", "/x"));
    }

    #[test]
    fn a_busy_resource_says_in_a_detail_what_it_waits_for() {
        let fault =
            Fault { status: 429, code: "RetryableError".into(), retry_after_seconds: Some(3), ..Fault::default() };
        let reply = fault.reply();
        assert_eq!(reply.header("retry-after"), Some("3"));
        assert_eq!(reply.body["error"]["details"][0]["code"], "RetryableErrorDueToAnotherOperation");
    }

    #[test]
    fn a_fault_is_written_in_kebab_case_and_unknown_words_are_refused() {
        let fault: Fault =
            serde_json::from_str(r#"{"drop-request": true, "probability": 0.25, "for-milliseconds": 5}"#).unwrap();
        assert!(fault.drop_request && fault.probability == Some(Probability::of(0.25).unwrap()));
        assert!(serde_json::from_str::<Fault>(r#"{"drop_request": true}"#).is_err());
        assert!(serde_json::from_str::<Fault>(r#"{"probability": 1.5}"#).is_err());
    }
}
