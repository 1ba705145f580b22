//! Watches: the changes after a version, as lines of JSON, for as long as the client listens.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use super::call::Call;
use super::kind::{Target, target_of};
use super::list::{self, Page, Selection};
use super::status_error::{ApiError, Cause};
use super::store::{Change, ChangeKind};
use super::{Cluster, access};

/// The annotation of the bookmark that ends the initial events of a watch-list.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

struct Watch {
    cluster: Cluster,
    call: Call,
    target: Target,
    selection: Selection,
    version: u64,
    pending: VecDeque<Value>,
    changed: Receiver<u64>,
    closed: Receiver<bool>,
    ends: Option<Instant>,
    is_over: bool,
}

/// Starts a watch and returns its lines.
///
/// # Errors
/// 400 if the selectors or the version cannot be read, 403 without the right, 404 if the path names nothing.
pub(crate) fn watch(
    cluster: &Cluster,
    call: Call,
) -> Result<impl Stream<Item = Result<Bytes, Infallible>> + use<>, ApiError> {
    access::check(&call)?;
    let target = target_of(&call.path).ok_or_else(ApiError::unknown_path)?;
    let selection = call.selection(&target)?;
    check_options(&call)?;
    let seconds = call.text("timeoutSeconds").and_then(|text| text.parse::<u64>().ok());
    let mut watch = Watch {
        cluster: cluster.clone(),
        changed: cluster.changes(),
        closed: cluster.closed(),
        ends: seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds)),
        call,
        target,
        selection,
        version: 0,
        pending: VecDeque::new(),
        is_over: false,
    };
    watch.start()?;
    Ok(unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        let line = Bytes::from(format!("{event}\n"));
        Some((Ok(line), watch))
    }))
}

/// A watch with initial events says from when they may be; one without does not.
fn check_options(call: &Call) -> Result<(), ApiError> {
    let (sends, matching) = (call.text("sendInitialEvents"), call.text("resourceVersionMatch"));
    let why = match (sends, matching) {
        (Some(_), Some("NotOlderThan")) | (None, None) => return Ok(()),
        (Some(_), _) => "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        (None, Some(_)) => "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
    };
    Err(ApiError::invalid("ListOptions.meta.k8s.io", "", &[Cause::forbidden("resourceVersionMatch", why)]))
}

impl Watch {
    /// Without a version, or at version 0, a watch starts with everything there is.
    fn start(&mut self) -> Result<(), ApiError> {
        let given = self.call.text("resourceVersion").unwrap_or("0").to_owned();
        let version: u64 = given.parse().map_err(|_| {
            ApiError::bad_request(format!("Invalid value: {given:?}: the resourceVersion of a watch is a number"))
        })?;
        let with_initial = self.call.flag("sendInitialEvents");
        if version != 0 && !with_initial {
            self.version = version;
            return Ok(());
        }
        let found = list::list(&self.cluster.state().store, (self.target.kind, &self.selection), &Page::default())?;
        let text = found.metadata["resourceVersion"].as_str().unwrap_or_default();
        self.version = text.parse().unwrap_or_default();
        for object in found.items {
            self.push("ADDED", object);
        }
        if with_initial {
            self.bookmark(&json!({INITIAL_EVENTS_END: "true"}));
        }
        Ok(())
    }

    fn push(&mut self, what: &str, object: Value) {
        let object = self.cluster.render(&self.call, &self.target, object);
        self.pending.push_back(json!({"type": what, "object": object}));
    }

    fn bookmark(&mut self, annotations: &Value) {
        let metadata = json!({"resourceVersion": self.version.to_string(), "annotations": annotations});
        let kind = self.target.kind;
        let object = json!({"kind": kind.name, "apiVersion": kind.api_version(), "metadata": metadata});
        self.pending.push_back(json!({"type": "BOOKMARK", "object": object}));
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            if self.is_over || *self.closed.borrow() {
                return None;
            }
            // Marked as seen before reading, so a change in between wakes us again.
            self.changed.borrow_and_update();
            self.read_changes();
            if self.pending.is_empty() && !self.wait().await {
                return None;
            }
        }
    }

    /// Waits for a change; false when the watch is to end.
    async fn wait(&mut self) -> bool {
        let ends = self.ends;
        let deadline = async move {
            match ends {
                Some(ends) => tokio::time::sleep_until(ends).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = self.changed.changed() => changed.is_ok(),
            _ = self.closed.wait_for(|closed| *closed) => false,
            () = deadline => false,
        }
    }

    fn read_changes(&mut self) {
        let (newest, changes) = self.cluster.changes_since(self.version);
        let Some(changes) = changes else {
            let oldest = self.cluster.state().store.oldest();
            let error = ApiError::expired(format!("too old resource version: {} ({oldest})", self.version));
            self.pending.push_back(json!({"type": "ERROR", "object": error.to_value()}));
            self.is_over = true;
            return;
        };
        for change in changes.into_iter().filter(|change| change.key.kind == self.target.kind.stored_name()) {
            self.show(change);
        }
        self.version = self.version.max(newest);
    }

    /// A change of an object that enters or leaves the selection shows as its addition or deletion.
    fn show(&mut self, change: Change) {
        let Change { key, what, object, previous, .. } = change;
        let before = previous.as_ref().is_some_and(|previous| self.selection.takes(&key, previous));
        let after = what != ChangeKind::Deleted && self.selection.takes(&key, &object);
        let name = match (before, after) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return,
        };
        self.push(name, object);
    }
}
