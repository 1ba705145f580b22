//! Faults: which request goes wrong, how, and how often.
//!
//! A fault is looked for before a request is served, so it also hits requests that would have been refused. With
//! `in_operation` the request itself is accepted and its long-running operation ends badly, which is how Azure reports most
//! real trouble.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::sim::arm::{ArmError, Reply};

/// A rule for making requests fail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The body as raw text instead of an error in Azure's shape.
    pub body: Option<String>,
    /// How many requests to hit; all of them if absent.
    pub times: Option<u32>,
    /// How many matching requests to let through first.
    pub after: u32,
    /// How long to wait before answering, in milliseconds.
    pub delay_milliseconds: u64,
    /// Never answer.
    pub hang: bool,
    /// Accept the request and let its long-running operation fail with `code`; a code that starts with `Canceled` makes
    /// it end as canceled.
    pub in_operation: bool,
    /// Serve the request and cut the connection instead of answering.
    pub drop_connection: bool,
}

impl Fault {
    fn matches(&self, method: &str, path: &str, client: &str) -> bool {
        let method_fits = self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method));
        let client_fits = self.client.as_ref().is_none_or(|wanted| client.contains(wanted.as_str()));
        method_fits && client_fits && path_fits(&self.path.to_ascii_lowercase(), &path.to_ascii_lowercase())
    }

    /// The answer this fault gives.
    pub(crate) fn reply(&self) -> Reply {
        match &self.body {
            Some(text) => Reply { status: self.status, headers: self.headers.clone(), body: text.clone().into() },
            None => self.error().reply(),
        }
    }

    fn error(&self) -> ArmError {
        let code = if self.code.is_empty() { "InternalServerError" } else { &self.code };
        let message = if self.message.is_empty() { "A fault of the simulator." } else { &self.message };
        let mut error = ArmError::new(self.status, code, message);
        error.headers.clone_from(&self.headers);
        error
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

#[derive(Debug)]
struct Rule {
    fault: Fault,
    seen: u32,
    hits: u32,
}

/// The faults in force; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Vec<Rule>>>);

impl Faults {
    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a fault behind the others.
    pub fn add(&self, fault: Fault) {
        self.rules().push(Rule { fault, seen: 0, hits: 0 });
    }

    /// Ends all faults.
    pub fn clear(&self) {
        self.rules().clear();
    }

    /// The faults in force.
    pub fn list(&self) -> Vec<Fault> {
        self.rules().iter().map(|rule| rule.fault.clone()).collect()
    }

    fn take(&self, in_operation: bool, request: (&str, &str, &str)) -> Option<Fault> {
        let (method, path, client) = request;
        for rule in self.rules().iter_mut() {
            if rule.fault.in_operation != in_operation || !rule.fault.matches(method, path, client) {
                continue;
            }
            rule.seen += 1;
            let is_spent = rule.fault.times.is_some_and(|times| rule.hits >= times);
            if rule.seen > rule.fault.after && !is_spent {
                rule.hits += 1;
                return Some(rule.fault.clone());
            }
        }
        None
    }

    /// The fault that hits this request, if one does.
    pub(crate) fn take_for_request(&self, method: &str, path: &str, client: &str) -> Option<Fault> {
        self.take(false, (method, path, client))
    }

    /// How the operation that this request starts is to fail, if it is.
    pub(crate) fn take_for_operation(&self, method: &str, path: &str, client: &str) -> Option<ArmError> {
        self.take(true, (method, path, client)).map(|fault| {
            let mut error = fault.error();
            error.status = if error.status == 0 { 500 } else { error.status };
            error
        })
    }
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
    fn a_fault_lets_some_requests_through_and_ends_after_its_count() {
        let faults = Faults::default();
        faults.add(Fault { path: "/a".into(), after: 1, times: Some(1), status: 503, ..Fault::default() });
        let hits: Vec<bool> = (0..4).map(|_| faults.take_for_request("GET", "/a", "").is_some()).collect();
        assert_eq!(hits, [false, true, false, false]);
    }
}
