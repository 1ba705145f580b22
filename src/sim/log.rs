//! The request log: what clients sent, in the order in which they were answered.
//!
//! Tests read it to prove what was *not* sent. So every entry says whether it is a write and whether it came from inside
//! (the simulated cloud provider), because a plan of ours that causes no write must not be blamed for the controller's.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::Value;

/// Which server a request reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Surface {
    /// Azure Resource Manager, metadata included.
    ResourceManager,
    /// Entra ID and managed identity tokens.
    Authority,
    /// A cluster's Kubernetes API.
    Kubernetes,
    /// The simulator's own admin API.
    Admin,
}

/// One request and how it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoggedRequest {
    /// Position in the log, from 1.
    pub sequence: u64,
    /// The server it reached.
    pub surface: Surface,
    /// The HTTP method.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// The query without its `?`; empty if there is none.
    pub query: String,
    /// The status of the answer; 0 if the connection was cut.
    pub status: u16,
    /// The status that the server decided on, whatever became of the answer: what a cut connection did. 502 if the request was
    /// lost on its way. Only seen from inside.
    #[serde(skip)]
    pub decided: u16,
    /// The user agent.
    pub client: String,
    /// True for requests of the simulator itself, such as the cloud provider's.
    pub is_internal: bool,
    /// True for a PUT, PATCH, POST or DELETE on Azure or on a cluster by a client outside, unless it is a dry run.
    pub is_write: bool,
    /// The address that it came from, for a request over HTTP. Only seen from inside.
    #[serde(skip)]
    pub peer: Option<IpAddr>,
    /// When it was answered, on the machine's clock. Only seen from inside.
    #[serde(skip, default = "SystemTime::now")]
    pub at: SystemTime,
    /// `If-Match`, for a request to the resource manager that had one. Only seen from inside.
    #[serde(skip)]
    pub if_match: Option<String>,
    /// The body of a request to the resource manager, if bodies are kept. Only seen from inside.
    #[serde(skip)]
    pub body: Option<Value>,
}

/// What a server tells the log.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) surface: Surface,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) status: u16,
    pub(crate) decided: u16,
    pub(crate) client: &'a str,
    pub(crate) is_internal: bool,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) if_match: Option<&'a str>,
    /// Raw; empty for none.
    pub(crate) body: &'a [u8],
}

/// The log; clones share their entries.
#[derive(Clone, Debug, Default)]
pub struct RequestLog(Arc<Mutex<Entries>>);

/// How many requests are kept; a simulator may run for weeks.
const KEPT: usize = 200_000;

#[derive(Debug, Default)]
struct Entries {
    kept: VecDeque<LoggedRequest>,
    count: u64,
    writes: usize,
    keeps_bodies: bool,
}

impl Entries {
    fn add(&mut self, request: LoggedRequest) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.count += 1;
        self.writes += usize::from(request.is_write);
        self.kept.push_back(LoggedRequest { sequence: self.count, ..request });
    }
}

impl RequestLog {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn record(&self, entry: &Entry<'_>) {
        let served = matches!(entry.surface, Surface::ResourceManager | Surface::Kubernetes);
        let mutates = matches!(entry.method, "PUT" | "PATCH" | "POST" | "DELETE");
        let mut entries = self.entries();
        let body = if entries.keeps_bodies { serde_json::from_slice(entry.body).ok() } else { None };
        entries.add(LoggedRequest {
            sequence: 0,
            surface: entry.surface,
            method: entry.method.to_owned(),
            path: entry.path.to_owned(),
            query: entry.query.to_owned(),
            status: entry.status,
            decided: entry.decided,
            client: entry.client.to_owned(),
            is_internal: entry.is_internal,
            is_write: served
                && mutates
                && !entry.is_internal
                && !is_read_by_post(entry.path)
                && !is_dry_run(entry.query),
            peer: entry.peer,
            at: SystemTime::now(),
            if_match: entry.if_match.map(str::to_owned),
            body,
        });
    }

    /// Forgets everything, such as what the seed did.
    pub(crate) fn clear(&self) {
        let mut entries = self.entries();
        *entries = Entries { keeps_bodies: entries.keeps_bodies, ..Entries::default() };
    }

    /// Keeps bodies from now on. Otherwise they are dropped, because a simulator may run for weeks.
    pub fn keep_bodies(&self) {
        self.entries().keeps_bodies = true;
    }

    /// How many requests there were.
    pub(crate) fn count(&self) -> u64 {
        self.entries().count
    }

    /// How many writes by clients outside there were.
    pub fn write_count(&self) -> usize {
        self.entries().writes
    }

    /// Everything so far; of very many the latest.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.entries().kept.iter().cloned().collect()
    }

    /// Writes by clients outside; of very many requests those among the latest.
    pub fn writes(&self) -> Vec<LoggedRequest> {
        self.entries().kept.iter().filter(|request| request.is_write).cloned().collect()
    }
}

/// A cluster tries such a write and stores nothing.
fn is_dry_run(query: &str) -> bool {
    query.split('&').any(|pair| pair == "dryRun=All")
}

/// Azure has reads that are POSTs: asking for credentials, for visibility, or for a query changes nothing.
fn is_read_by_post(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let path = path.to_ascii_lowercase();
    last.starts_with("listcluster")
        || last == "checkprivatelinkservicevisibility"
        || path.ends_with("/microsoft.resourcegraph/resources")
        || path.contains("selfsubject")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_forgets_the_oldest_and_goes_on_counting() {
        let log = RequestLog::default();
        let entry = Entry {
            surface: Surface::Kubernetes,
            method: "PATCH",
            path: "/a",
            query: "",
            status: 200,
            decided: 200,
            client: "",
            is_internal: false,
            peer: None,
            if_match: None,
            body: &[],
        };
        (0..KEPT + 2).for_each(|_| log.record(&entry));
        let requests = log.requests();
        assert_eq!((requests.len(), requests[0].sequence, log.count()), (KEPT, 3, KEPT as u64 + 2));
        assert_eq!((log.writes().len(), log.write_count()), (KEPT, KEPT + 2));
    }
}
