//! Long-running operations: what a write answers with, and what happens when it ends.
//!
//! Time passes when somebody asks. An operation ends with the Nth look at it: a poll of its URL, a GET or a list that shows
//! the resource, or a write that is refused because of it. So no test sleeps, and a client that died in mid-operation
//! does not leave the resource locked for ever. A world may demand wall time as well, for demonstrations.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::sim::arm::error::ArmError;
use crate::sim::arm::request::Request;
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::state::State;
use crate::sim::arm::store::Store;
use crate::sim::arm::{Reply, remove};

/// How long operations take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Looks at an operation until it has ended; 0 makes every write synchronous.
    pub polls: u32,
    /// Wall time that an operation takes at least.
    pub least: Duration,
    /// What `Retry-After` says, in seconds. 0 suits our own client; azcore and azure-core (Python, so `az` too) take it for
    /// absent and fall back to 30 s, so that they need 1.
    pub retry_after: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    InProgress,
    Succeeded,
    Failed,
    Canceled,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
        }
    }
}

/// What an operation does to its resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Write,
    Delete,
    DeleteGroup { subscription: String, group: String },
}

#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) key: String,
    verb: Verb,
    polls_left: u32,
    ready_at: Duration,
    failure: Option<ArmError>,
    pub(crate) status: Status,
}

/// All operations, the ended ones too: clients may ask long after.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    by_id: BTreeMap<String, Operation>,
    running: BTreeMap<String, String>,
}

impl Operations {
    pub(crate) fn are_running(&self) -> bool {
        !self.running.is_empty()
    }

    pub(crate) fn running_verb(&self, key: &str) -> Option<&Verb> {
        self.running.get(key).and_then(|id| self.by_id.get(id)).map(|operation| &operation.verb)
    }

    pub(crate) fn running_id(&self, key: &str) -> Option<&String> {
        self.running.get(key)
    }
}

impl State {
    /// Starts an operation on a resource and returns its id, or `None` if it has already ended.
    pub(crate) fn begin(&mut self, path: &ResourcePath, verb: Verb, request: &Request) -> Option<String> {
        let failure = self.faults.take_for_operation(&request.method, &request.path, &request.client());
        self.begin_keyed(path.key(), verb, failure)
    }

    pub(crate) fn begin_keyed(&mut self, key: String, verb: Verb, failure: Option<ArmError>) -> Option<String> {
        if self.pace.polls == 0 && self.pace.least.is_zero() && failure.is_none() {
            self.conclude(&key, verb, Status::Succeeded);
            return None;
        }
        let id = self.chance.guid("operation").to_string();
        let operation = Operation {
            key: key.clone(),
            verb,
            polls_left: self.pace.polls,
            ready_at: self.clock.elapsed() + self.pace.least,
            failure,
            status: Status::InProgress,
        };
        self.operations.by_id.insert(id.clone(), operation);
        self.operations.running.insert(key, id.clone());
        Some(id)
    }

    /// Lets one unit of time pass for the operation that runs on a resource.
    pub(crate) fn tick(&mut self, key: &str) {
        if let Some(id) = self.operations.running.get(key).cloned() {
            self.look_at(&id);
        }
    }

    fn look_at(&mut self, id: &str) {
        let now = self.clock.elapsed();
        let Some(operation) = self.operations.by_id.get_mut(id) else { return };
        operation.polls_left = operation.polls_left.saturating_sub(1);
        if operation.status == Status::InProgress && operation.polls_left == 0 && now >= operation.ready_at {
            self.finish(id);
        }
    }

    /// Ends an operation now, whatever it was still waiting for.
    pub(crate) fn finish(&mut self, id: &str) {
        let Some(operation) = self.operations.by_id.get_mut(id) else { return };
        if operation.status != Status::InProgress {
            return;
        }
        let status = match &operation.failure {
            None => Status::Succeeded,
            Some(failure) if failure.code.starts_with("Canceled") => Status::Canceled,
            Some(_) => Status::Failed,
        };
        operation.status = status;
        let (key, verb) = (operation.key.clone(), operation.verb.clone());
        self.operations.running.remove(&key);
        self.conclude(&key, verb, status);
    }

    /// What the end of an operation does to its resource.
    fn conclude(&mut self, key: &str, verb: Verb, status: Status) {
        match (verb, status) {
            (Verb::Delete, Status::Succeeded) => remove::take_away(self, key),
            (Verb::DeleteGroup { subscription, group }, Status::Succeeded) => {
                remove::take_away_group(self, &subscription, &group);
            }
            (Verb::Write | Verb::Delete, ended) => self.settle_state(key, ended),
            (Verb::DeleteGroup { .. }, _) => {}
        }
    }

    fn settle_state(&mut self, key: &str, status: Status) {
        let etag = self.next_etag_for_key(key);
        self.store.stamp(key, etag, Some(status.as_str()));
    }

    /// Answers a poll of `Azure-AsyncOperation` or `Location`.
    pub(crate) fn poll(&mut self, id: &str, is_result: bool) -> Result<Reply, ArmError> {
        self.look_at(id);
        let Some(operation) = self.operations.by_id.get(id) else {
            return Err(ArmError::new(404, "OperationNotFound", format!("The operation '{id}' was not found.")));
        };
        let retry_after = self.retry_after();
        if is_result {
            return Ok(match operation.status {
                Status::InProgress => Reply { status: 202, headers: vec![retry_after], body: Value::Null },
                Status::Succeeded => Reply::empty(204),
                Status::Failed | Status::Canceled => {
                    let failure = operation.failure.clone().unwrap_or_else(|| ArmError::new(500, "Failed", "Failed."));
                    return Err(failure);
                }
            });
        }
        let mut body = json!({ "status": operation.status.as_str() });
        if let Some(failure) = operation.failure.as_ref().filter(|_| operation.status != Status::InProgress) {
            body["error"] = failure.body();
        }
        Ok(Reply { status: 200, headers: vec![retry_after], body })
    }

    pub(crate) fn status_of(&self, id: &str) -> Option<(Status, Option<ArmError>)> {
        self.operations.by_id.get(id).map(|operation| (operation.status, operation.failure.clone()))
    }
}

impl State {
    pub(crate) fn retry_after(&self) -> (String, String) {
        ("Retry-After".to_owned(), self.pace.retry_after.to_string())
    }

    /// The region in whose name the operations of a resource run.
    fn operation_region(&self, holder: &ResourcePath) -> String {
        let own = self.store.get(holder).map(|own| own.location().to_owned());
        own.filter(|own| !own.is_empty() && own != "global").unwrap_or_else(|| self.location.clone())
    }

    /// The headers that announce an operation, with the request's origin and api-version.
    pub(crate) fn announce(&self, request: &Request, path: &ResourcePath, id: &str) -> Vec<(String, String)> {
        let location = self.operation_region(&Store::holder_path(path));
        let origin = &request.origin;
        let version = request.query.get("api-version").map_or("2024-05-01", String::as_str);
        let namespace = path.resource_type.split('/').next().unwrap_or_default();
        let (status, result) = if path.kind.is_private_dns() {
            let base =
                format!("/subscriptions/{}/resourceGroups/{}/providers/{namespace}", path.subscription, path.group);
            (format!("{base}/privateDnsOperationStatuses/{id}"), format!("{base}/privateDnsOperationResults/{id}"))
        } else {
            let base = format!("/subscriptions/{}/providers/{namespace}/locations/{location}", path.subscription);
            (format!("{base}/operations/{id}"), format!("{base}/operationResults/{id}"))
        };
        let mut headers = vec![
            ("Azure-AsyncOperation".to_owned(), format!("{origin}{status}?api-version={version}")),
            ("Azure-AsyncNotification".to_owned(), "Enabled".to_owned()),
            ("x-ms-request-id".to_owned(), id.to_owned()),
            self.retry_after(),
        ];
        if request.method == "DELETE" {
            headers.push(("Location".to_owned(), format!("{origin}{result}?api-version={version}")));
        }
        headers
    }
}
