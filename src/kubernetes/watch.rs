//! Which Services of a cluster change, as it happens.
//!
//! ```text
//! list ─▶ watch from there ─▶ ended by the server, or by the network ─▶ watch from where it was
//!   ▲                          forgotten by the server (410) ──┐         (bookmarks keep that place fresh)
//!   └──────────────────────────────────────────────────────────┘
//! ```
//! Nobody has to start it again: what goes wrong is told once and waited out. A write that changes nothing anybody asked for
//! (a new version, a manager's note) is no change.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fmt;
use std::hash::DefaultHasher;
use std::hash::Hash as _;
use std::hash::Hasher as _;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;
use http::StatusCode;
use kube::core::WatchEvent;
use serde_json::Value as Json;
use tokio::time::Instant;

use crate::domain::calls::Call;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::patience;
use crate::kubernetes::Cluster;
use crate::kubernetes::codec;
use crate::kubernetes::error::ClusterError;
use crate::kubernetes::random;
use crate::kubernetes::refusal;
use crate::kubernetes::request;

/// How long the server is asked to go on. What is silent for longer than this and [`GRACE`] is not there any more.
const TERM: Duration = Duration::from_secs(290);
/// How late the server may be to end it.
const GRACE: Duration = Duration::from_secs(30);
/// A watch that ends sooner than this helps nobody: the next one waits.
const SHORT: Duration = Duration::from_secs(1);

const CALL: &str = "watch the Services of all namespaces";

/// What a watch tells.
#[derive(Debug)]
pub enum Sign {
    /// This Service of type `LoadBalancer` came, went, or is not as it was.
    Changed(ObjectKey),
    /// For a while nobody says what changes.
    Lost(ClusterError),
    /// It is told again, and what changed meanwhile follows.
    Back,
}

/// What the server sends, one after the other.
type Events = BoxStream<'static, Result<WatchEvent<Json>, kube::Error>>;

/// A watch of the Services of all namespaces.
pub struct Watch<'a> {
    cluster: &'a Cluster,
    /// A digest of each Service; `None` until the first list.
    known: Option<BTreeMap<ObjectKey, u64>>,
    /// Where to go on; `None` to list.
    version: Option<String>,
    events: Option<(Events, Instant)>,
    signs: VecDeque<Sign>,
    failures: u32,
    /// When to ask again.
    due: Option<Instant>,
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("version", &self.version)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

impl<'a> Watch<'a> {
    /// A watch that has not begun. What is there at its first list is no change.
    pub fn new(cluster: &'a Cluster) -> Self {
        Self { cluster, known: None, version: None, events: None, signs: VecDeque::new(), failures: 0, due: None }
    }

    /// Waits for the next sign. Dropping the wait loses none.
    pub async fn next(&mut self) -> Sign {
        loop {
            if let Some(sign) = self.signs.pop_front() {
                return sign;
            }
            if let Some(due) = self.due {
                tokio::time::sleep_until(due).await;
                self.due = None;
            }
            if let Err(error) = self.step().await {
                self.fail(error);
            }
        }
    }

    /// Lists, begins to watch, or waits for one event.
    async fn step(&mut self) -> Result<(), ClusterError> {
        let Some(version) = self.version.clone() else { return self.list().await };
        let Some((events, began)) = &mut self.events else {
            self.events = Some((self.cluster.events(&version).await?, Instant::now()));
            return Ok(());
        };
        let began = *began;
        let event = tokio::time::timeout_at(began + TERM + GRACE, events.try_next()).await.unwrap_or(Ok(None));
        match event {
            Ok(Some(event)) => self.note(event),
            // The server ended it as asked, or the network did: it goes on where it was.
            Ok(None) => {
                self.events = None;
                self.due = (began.elapsed() < SHORT).then(|| Instant::now() + SHORT);
                Ok(())
            }
            // Nothing was changed for longer than the connection may be silent. If the server is gone, the next request says so.
            Err(error) if is_silence(&error) => {
                self.events = None;
                Ok(())
            }
            Err(error) => Err(self.cluster.broken(error)),
        }
    }

    async fn list(&mut self) -> Result<(), ClusterError> {
        let mut found = BTreeMap::new();
        let version = self.cluster.pages(CALL, None, |item| {
            found.extend(codec::key(item).ok().and_then(|key| Some((key, digest(item)?))));
            Ok(())
        });
        let version = version.await?;
        self.well();
        if let Some(known) = self.known.replace(found) {
            let found = self.known.as_ref().expect("it was put there");
            let all = known.keys().chain(found.keys().filter(|key| !known.contains_key(*key)));
            self.signs.extend(all.filter(|key| known.get(*key) != found.get(*key)).cloned().map(Sign::Changed));
        }
        self.version = Some(version);
        Ok(())
    }

    fn note(&mut self, event: WatchEvent<Json>) -> Result<(), ClusterError> {
        let known = self.known.get_or_insert_default();
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                self.version = version(&object).or_else(|| self.version.take());
                // A name that no document can hold is nobody's we know.
                if let Ok(key) = codec::key(&object) {
                    let now = digest(&object);
                    let before = match now {
                        Some(now) => known.insert(key.clone(), now),
                        None => known.remove(&key),
                    };
                    self.signs.extend((before != now).then_some(Sign::Changed(key)));
                }
            }
            WatchEvent::Deleted(object) => {
                self.version = version(&object).or_else(|| self.version.take());
                let key = codec::key(&object).ok().filter(|key| known.remove(key).is_some());
                self.signs.extend(key.map(Sign::Changed));
            }
            WatchEvent::Bookmark(bookmark) => self.version = Some(bookmark.metadata.resource_version),
            WatchEvent::Error(status) => return Err(self.cluster.broken(kube::Error::Api(status))),
        }
        self.well();
        Ok(())
    }

    /// What the server says arrives.
    fn well(&mut self) {
        if std::mem::take(&mut self.failures) > 0 {
            self.signs.push_front(Sign::Back);
        }
    }

    fn fail(&mut self, error: ClusterError) {
        self.events = None;
        if is_forgotten(&error) && self.version.take().is_some() {
            return; // Listing anew is the answer to that, and nothing is wrong.
        }
        self.due = Some(Instant::now() + patience::for_ever(self.failures, random()));
        self.failures += 1;
        if self.failures == 1 {
            self.signs.push_back(Sign::Lost(error));
        }
    }
}

impl Cluster {
    /// Begins to watch every Service from a version on.
    async fn events(&self, version: &str) -> Result<Events, ClusterError> {
        let request = request::watch(version, TERM);
        let count =
            || self.calls.count(Call { whom: "Kubernetes", method: "GET".to_owned(), kind: "services".to_owned() });
        let Some(tokens) = &self.tokens else {
            count();
            let events = self.client.request_events(request).await.map_err(|error| self.broken(error))?;
            return Ok(Box::pin(events));
        };
        let mut refused = None;
        loop {
            let token = tokens.token(refused.as_ref()).await;
            let token = token.map_err(|source| self.without_credentials(CALL, source))?;
            count();
            match self.client.request_events(self.signed(CALL, request.clone(), &token)?).await {
                Ok(events) => return Ok(Box::pin(events)),
                Err(kube::Error::Api(status)) if status.code == 401 && refused.is_none() => refused = Some(token),
                Err(error) => return Err(self.broken(error)),
            }
        }
    }

    /// What the library says of a refusal, in our words.
    fn broken(&self, error: kube::Error) -> ClusterError {
        let kube::Error::Api(status) = error else { return self.failed(CALL, error) };
        let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = serde_json::to_value(&*status).unwrap_or_default();
        body["kind"] = Json::from("Status");
        let (call, place) = (CALL.to_owned(), self.place.clone());
        ClusterError::Refused { call, place, refusal: Box::new(refusal(code, &body)) }
    }
}

/// True if nothing came for as long as a connection may be silent.
fn is_silence(error: &kube::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let Some(error) = error.downcast_ref::<std::io::Error>() else {
            next = error.source();
            continue;
        };
        if error.kind() == std::io::ErrorKind::TimedOut {
            return true;
        }
        // An error of input and output hides the one it is made of from its sources.
        next = error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static));
    }
    false
}

/// True if the server knows no more what happened since a version.
fn is_forgotten(error: &ClusterError) -> bool {
    matches!(error, ClusterError::Refused { refusal, .. } if refusal.code == 410)
}

fn version(object: &Json) -> Option<String> {
    object.pointer("/metadata/resourceVersion").and_then(Json::as_str).map(ToOwned::to_owned)
}

/// What of a Service somebody may have meant to change; `None` for one without a load balancer, which exposes nothing.
fn digest(object: &Json) -> Option<u64> {
    if object.pointer("/spec/type").and_then(Json::as_str) != Some("LoadBalancer") {
        return None;
    }
    let mut object = object.clone();
    // A list leaves out the kind of its items, a watch does not.
    for (part, fields) in [("", ["apiVersion", "kind"]), ("/metadata", ["managedFields", "resourceVersion"])] {
        let part = object.pointer_mut(part).and_then(Json::as_object_mut);
        part.into_iter().for_each(|part| fields.iter().for_each(|field| drop(part.remove(*field))));
    }
    let mut hasher = DefaultHasher::new();
    object.to_string().hash(&mut hasher);
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn silence_is_told_from_what_breaks() {
        let of = |kind| kube::Error::ReadEvents(std::io::Error::other(std::io::Error::new(kind, "while it was read")));
        assert!(is_silence(&of(std::io::ErrorKind::TimedOut)));
        assert!(!is_silence(&of(std::io::ErrorKind::ConnectionReset)));
    }

    #[test]
    fn only_what_somebody_meant_is_a_change() {
        let object = |version: &str, manager: &str, address: &str| {
            json!({"kind": "Service", "metadata": {"name": "orders", "resourceVersion": version,
                "managedFields": [{"manager": manager}]}, "spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{"ip": address}]}}})
        };
        let first = digest(&object("1", "helm", "10.0.0.4"));
        assert_eq!(first, digest(&object("2", "kubectl", "10.0.0.4")));
        assert_ne!(first, digest(&object("1", "helm", "10.0.0.5")));
        let mut listed = object("1", "helm", "10.0.0.4");
        listed.as_object_mut().unwrap().remove("kind");
        assert_eq!(first, digest(&listed));
        listed["spec"]["type"] = json!("ClusterIP");
        assert_eq!(digest(&listed), None, "it exposes nothing");
    }
}
