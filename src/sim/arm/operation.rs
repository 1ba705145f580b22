//! Long-running operations: what a write answers with, and what happens when it ends.
//!
//! Time passes when somebody asks. An operation ends with the Nth look at it: a poll of its URL, a GET or a list that shows
//! the resource, or a write that is refused because of it. So no test sleeps, and a client that died in mid-operation
//! does not leave the resource locked for ever. A world may demand wall time as well, for demonstrations.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::sim::arm::error::ArmError;
use crate::sim::arm::request::Request;
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::state::State;
use crate::sim::arm::store::Store;
use crate::sim::arm::{Reply, remove, view};
use crate::sim::fault::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verb {
    Write,
    Delete,
    /// Takes an element out of the list of the resource that holds it.
    DeleteChild {
        id: String,
    },
    DeleteGroup {
        subscription: String,
        group: String,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Operation {
    pub(crate) key: String,
    verb: Verb,
    polls_left: u32,
    ready_at: Duration,
    failure: Option<Failure>,
    /// The id of the resource that the operation writes; a delete has none to show.
    shows: Option<String>,
    pub(crate) status: Status,
}

/// All operations, the ended ones too: clients may ask long after.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operations {
    by_id: BTreeMap<String, Operation>,
    running: BTreeMap<String, String>,
}

impl Operations {
    /// These operations; those that have not ended run.
    pub(crate) fn of(by_id: BTreeMap<String, Operation>) -> Self {
        let runs = by_id.iter().filter(|(_, own)| own.status == Status::InProgress);
        let running = runs.map(|(id, own)| (own.key.clone(), id.clone())).collect();
        Self { by_id, running }
    }

    pub(crate) fn all(&self) -> &BTreeMap<String, Operation> {
        &self.by_id
    }

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
    /// Starts the operation of a request on a resource and returns its id, or `None` if it has already ended.
    pub(crate) fn begin(&mut self, path: &ResourcePath, verb: Verb, request: &Request) -> Option<String> {
        let failure = self.faults.take_for_operation(&request.method, &request.path, &request.client());
        let (polls, least) = self.pace.of(path.resource_type);
        let operation = Operation {
            key: Store::holder_path(path).key(),
            verb,
            polls_left: failure.as_ref().and_then(|failure| failure.polls).unwrap_or(polls),
            ready_at: self.clock.elapsed() + least,
            failure,
            shows: (request.method != "DELETE").then(|| path.id()),
            status: Status::InProgress,
        };
        self.run(operation)
    }

    /// Starts an operation on something that is no resource, such as a group.
    pub(crate) fn begin_keyed(&mut self, key: String, verb: Verb, failure: Option<Failure>) -> Option<String> {
        let polls_left = failure.as_ref().and_then(|failure| failure.polls).unwrap_or(self.pace.polls);
        let ready_at = self.clock.elapsed() + self.pace.least;
        self.run(Operation { key, verb, polls_left, ready_at, failure, shows: None, status: Status::InProgress })
    }

    fn run(&mut self, operation: Operation) -> Option<String> {
        let is_quick = operation.polls_left == 0 && self.clock.elapsed() >= operation.ready_at;
        if is_quick && operation.failure.is_none() {
            self.conclude(&operation.key, operation.verb, Status::Succeeded);
            return None;
        }
        let id = self.chance.guid("operation").to_string();
        self.operations.running.insert(operation.key.clone(), id.clone());
        self.operations.by_id.insert(id.clone(), operation);
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
            Some(failure) if failure.is_cancel => Status::Canceled,
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
            (Verb::DeleteChild { id }, ended) => {
                remove::conclude_child(self, &id, ended == Status::Succeeded);
                self.settle_state(key, ended);
            }
            (Verb::Write | Verb::Delete, ended) => self.settle_state(key, ended),
            (Verb::DeleteGroup { subscription, group }, _) => {
                if let Some(group) = self.store.group_mut(&subscription, &group) {
                    group.is_deleting = false;
                }
            }
        }
    }

    fn settle_state(&mut self, key: &str, status: Status) {
        let etag = self.next_etag_for_key(key);
        self.store.stamp(key, etag, Some(status.as_str()));
    }

    /// Answers a poll of `Azure-AsyncOperation` or `Location`.
    pub(crate) fn poll(&mut self, request: &Request, id: &str, is_result: bool) -> Result<Reply, ArmError> {
        self.look_at(id);
        let Some(operation) = self.operations.by_id.get(id) else {
            return Err(ArmError::new(404, "OperationNotFound", format!("The operation '{id}' was not found.")));
        };
        let retry_after = self.retry_after();
        let failure = operation.failure.as_ref().map(|failure| &failure.error);
        if is_result {
            return match operation.status {
                Status::InProgress => {
                    let here = format!("{}{}?api-version={}", request.origin, request.path, request.api_version());
                    let headers = vec![retry_after, ("Location".to_owned(), here)];
                    Ok(Reply { status: 202, headers, body: Value::Null })
                }
                Status::Succeeded => Ok(self.written(id).map_or_else(|| Reply::empty(204), Reply::ok)),
                Status::Failed | Status::Canceled => {
                    Err(failure.cloned().unwrap_or_else(|| ArmError::new(500, "Failed", "The operation failed.")))
                }
            };
        }
        let mut body = json!({ "status": operation.status.as_str() });
        if let Some(failure) = failure.filter(|_| operation.status != Status::InProgress) {
            body["error"] = failure.body();
        }
        Ok(Reply { status: 200, headers: vec![retry_after], body })
    }

    /// The resource that an operation has written, as it is now.
    pub(crate) fn written(&self, id: &str) -> Option<Value> {
        let shown = self.operations.by_id.get(id)?.shows.as_ref()?;
        view::show(&self.store, &ResourcePath::parse(shown)?)
    }

    pub(crate) fn status_of(&self, id: &str) -> Option<(Status, Option<ArmError>)> {
        let operation = self.operations.by_id.get(id)?;
        Some((operation.status, operation.failure.as_ref().map(|failure| failure.error.clone())))
    }
}
