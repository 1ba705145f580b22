//! A server that answers as it is told and keeps what it was asked.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::State;
use axum::response::Response;
use serde_json::Value as Json;

/// The token that whoever asks is given.
pub(super) const TOKEN: &str = "r3corded-t0ken";

/// Headers by which an answer would be another one. The others say how long a body is, or to whom it goes.
const SHOWN: [&str; 7] = [
    "accept",
    "authorization",
    "content-type",
    "if-match",
    "if-none-match",
    "user-agent",
    "x-ms-correlation-request-id",
];

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Recorded {
    /// Path and query, as they were sent.
    pub(super) target: String,
    pub(super) method: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Recorded {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The path, and the parameters of the query.
    pub(super) fn parts(&self) -> (&str, Vec<(&str, &str)>) {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let pair = |text| str::split_once(text, '=').unwrap_or((text, ""));
        (path, query.split('&').filter(|text| !text.is_empty()).map(pair).collect())
    }

    /// The body, if there is one.
    pub(super) fn json(&self) -> Option<Json> {
        (!self.body.is_empty()).then(|| serde_json::from_str(&self.body).unwrap())
    }

    /// As people read it. Secrets, and what is new in every run, are masked.
    fn shown(&self) -> String {
        let masked = |(name, value): &(String, String)| match name.as_str() {
            "authorization" => {
                assert_eq!(value, &format!("Bearer {TOKEN}"));
                "authorization: Bearer <token>".to_owned()
            }
            "x-ms-correlation-request-id" => format!("{name}: <{} characters>", value.len()),
            _ => format!("{name}: {}", value.replace(env!("CARGO_PKG_VERSION"), "<version>")),
        };
        let headers: Vec<String> = self.headers.iter().map(masked).collect();
        let body = self.json().map(|json| format!("{json:#}\n")).unwrap_or_default();
        format!("{} {}\n{}\n{body}", self.method, self.target, headers.join("; "))
    }
}

/// What the server says: status, headers, body.
pub(super) type Answer = (u16, Vec<(&'static str, String)>, Json);

#[derive(Clone)]
struct Desk {
    seen: Arc<Mutex<Vec<Recorded>>>,
    answer: fn(&str, &str) -> Answer,
}

/// The server.
pub(super) struct Recorder {
    pub(super) address: String,
    seen: Arc<Mutex<Vec<Recorded>>>,
}

impl Recorder {
    /// Starts it; `answer` is asked with method and target.
    pub(super) async fn start(answer: fn(&str, &str) -> Answer) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::default();
        let router = Router::new().fallback(serve).with_state(Desk { seen: Arc::clone(&seen), answer });
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { address, seen }
    }

    /// What came since the last call. Lists that are asked for together come in any order: here by their paths.
    fn take(&self) -> Vec<Recorded> {
        let mut seen = std::mem::take(&mut *self.seen.lock().unwrap());
        seen.sort();
        seen
    }
}

async fn serve(State(desk): State<Desk>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let shown = |name: &&str| Some(((*name).to_owned(), parts.headers.get(*name)?.to_str().ok()?.to_owned()));
    let recorded = Recorded {
        target: parts.uri.to_string(),
        method: parts.method.to_string(),
        headers: SHOWN.iter().filter_map(shown).collect(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let (status, headers, body) = (desk.answer)(&recorded.method, &recorded.target);
    // Asking for a token is no operation of the adapter; identities have tests of their own.
    if !recorded.target.starts_with("/msi/token") {
        desk.seen.lock().unwrap().push(recorded);
    }
    let mut response = Response::builder().status(status).header("content-type", "application/json");
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body.to_string())).unwrap()
}

/// What the operations sent, in the order in which they were noted.
pub(super) struct Book {
    recorder: Recorder,
    pub(super) records: Vec<Record>,
}

/// What one operation sent.
pub(super) struct Record {
    /// The function of the adapter.
    pub(super) operation: &'static str,
    /// What it was called for, where there are several.
    case: &'static str,
    pub(super) requests: Vec<Recorded>,
}

impl Book {
    pub(super) fn new(recorder: Recorder) -> Self {
        Self { recorder, records: Vec::new() }
    }

    /// Carries an operation out and notes what it sent. What it makes of the answer is not asked here.
    pub(super) async fn note<T>(
        &mut self,
        operation: &'static str,
        case: &'static str,
        call: impl Future<Output = T>,
    ) -> T {
        let result = call.await;
        let requests = self.recorder.take();
        assert!(!requests.is_empty(), "{operation} sent nothing");
        self.records.push(Record { operation, case, requests });
        result
    }

    /// The records of these methods, as people read them.
    pub(super) fn shown(&self, methods: &[&str]) -> String {
        let wanted = |record: &&Record| record.requests.iter().all(|own| methods.contains(&own.method.as_str()));
        let text = |record: &Record| {
            let requests: String = record.requests.iter().map(Recorded::shown).collect();
            let case = if record.case.is_empty() { String::new() } else { format!(": {}", record.case) };
            format!("== {}{case}\n{requests}", record.operation)
        };
        self.records.iter().filter(wanted).map(text).collect()
    }

    pub(super) fn operations(&self) -> BTreeSet<String> {
        self.records.iter().map(|record| record.operation.to_owned()).collect()
    }
}

/// The functions whose declarations begin like this, in a source file or in those of a folder.
pub(super) fn declared(place: &str, beginning: &str) -> BTreeSet<String> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join(place);
    let files = match std::fs::read_dir(&place) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect(),
        Err(_) => vec![place],
    };
    let text: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let name = |line: &str| Some(line.trim_start().strip_prefix(beginning)?.split(['(', '<']).next()?.to_owned());
    text.lines().filter_map(name).collect()
}
