//! The Kubernetes API over HTTP: who asks, what the body is, and how an answer is written.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::Cluster;
use super::access::Caller;
use super::call::{Answer, Call};
use super::protobuf;
use super::status_error::ApiError;
use super::watch::watch;
use crate::sim::fault::{Fault, Hit};
use crate::sim::log::{Entry, Surface};
use crate::sim::server::{Cut, Peer};

/// The API server's own limit for a request body.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

impl Cluster {
    /// The API as a router, to be served over TLS.
    pub fn router(&self) -> Router {
        Router::new().fallback(serve).with_state(self.clone())
    }
}

async fn serve(State(cluster): State<Cluster>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let agent = text(&parts.headers, header::USER_AGENT.as_str());
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let (method, path) = (parts.method.as_str(), parts.uri.path().to_owned());
    let hit = cluster.faults().take_for_request(method, &path, &agent);
    if let Some(Hit { fault, .. }) = &hit {
        if fault.hang {
            // Until the client gives up or the server stops.
            std::future::pending::<()>().await;
        }
        cluster.clock().sleep(fault.delay()).await;
    }
    let past = hit.as_ref().filter(|hit| hit.fault.stale).and_then(|hit| cluster.past(hit.rule));
    let fault = hit.map(|hit| hit.fault);
    let mut response = match &fault {
        Some(fault) if fault.drop_request => json_response(502, Body::empty()),
        Some(fault) if fault.refuses() => broken(fault),
        _ => {
            let call = Call::new(method, &format!("{path}?{query}")).agent(&agent);
            let call = call.accept(&text(&parts.headers, "accept")).content_type(&text(&parts.headers, "content-type"));
            // A watch is about what comes, so it is never stale.
            let asked = past.as_ref().filter(|_| !call.is_watch()).unwrap_or(&cluster);
            answer(asked, (&parts.headers, body), call).await
        }
    };
    let decided = response.status().as_u16();
    let is_withheld = fault.as_ref().is_some_and(|fault| fault.withhold);
    let is_cut = fault.is_some_and(|fault| fault.drop_connection || fault.drop_request);
    if is_cut {
        response.extensions_mut().insert(Cut);
    }
    cluster.log().record(&Entry {
        surface: Surface::Kubernetes,
        method,
        path: &path,
        query: &query,
        status: if is_cut || is_withheld { 0 } else { decided },
        decided,
        client: &agent,
        is_internal: false,
        peer: parts.extensions.get::<Peer>().map(|peer| peer.0),
        if_match: None,
        body: &[],
    });
    if is_withheld {
        std::future::pending::<()>().await;
    }
    response
}

/// The answer of a fault: raw text, or a Status whose reason is the fault's code.
fn broken(fault: &Fault) -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "reason": fault.code, "message": fault.message, "code": fault.status,
    });
    let body = fault.body.clone().unwrap_or_else(|| status.to_string());
    let mut response = json_response(fault.status, Body::from(body));
    for (name, value) in &fault.all_headers() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str())) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

async fn answer(cluster: &Cluster, (headers, body): (&HeaderMap, Body), call: Call) -> Response {
    let is_open = matches!(call.path.as_str(), "/healthz" | "/livez" | "/readyz" | "/version");
    let call = match caller(cluster, headers) {
        Some(caller) => call.caller(caller),
        None if is_open => call,
        None => return write(&Answer::refusal(&ApiError::unauthorized()), false),
    };
    let call = match read_body(body, &call.content_type).await {
        Ok(body) => call.body(body),
        Err(error) => return write(&Answer::refusal(&error), false),
    };
    if !call.is_watch() {
        return write(&cluster.call(&call), call.wants_yaml());
    }
    match watch(cluster, call) {
        Ok(lines) => json_response(200, Body::from_stream(lines)),
        Err(error) => write(&Answer::refusal(&error), false),
    }
}

fn caller(cluster: &Cluster, headers: &HeaderMap) -> Option<Caller> {
    cluster.caller(text(headers, "authorization").strip_prefix("Bearer ")?)
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

async fn read_body(body: Body, content_type: &str) -> Result<Value, ApiError> {
    let too_large = |_| ApiError {
        code: 413,
        reason: "RequestEntityTooLarge",
        message: format!("Request entity too large: limit is {BODY_LIMIT}"),
        details: Value::Null,
    };
    let bytes = to_bytes(body, BODY_LIMIT).await.map_err(too_large)?;
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    match content_type.split(';').next().unwrap_or_default().trim() {
        protobuf::CONTENT_TYPE => protobuf::decode(&bytes)
            .ok_or_else(|| ApiError::bad_request("the body of the request is not protobuf of a kind that is served")),
        // JSON is YAML, too, but has an error message of its own.
        "application/yaml" | "application/apply-patch+yaml" if !bytes.starts_with(b"{") => {
            serde_yaml::from_slice(&bytes).map_err(|error| ApiError::bad_request(format!("yaml: {error}")))
        }
        "" | "application/json" | "application/yaml" => parse_json(&bytes),
        patch if patch.starts_with("application/") && patch.contains("patch+") => parse_json(&bytes),
        other => Err(ApiError::unsupported_media_type(
            other,
            "application/json, application/yaml, application/vnd.kubernetes.protobuf",
        )),
    }
}

fn parse_json(bytes: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        ApiError::bad_request(format!("the object provided is unrecognized (must be of type Object): {error}"))
    })
}

fn write(answer: &Answer, is_yaml: bool) -> Response {
    // Health checks answer with plain text, everything else with JSON, or YAML for those who ask.
    let (body, content_type) = match &answer.body {
        Value::String(text) => (text.clone(), "text/plain; charset=utf-8"),
        body if is_yaml => (serde_yaml::to_string(body).unwrap_or_default(), "application/yaml"),
        body => (body.to_string(), answer.content_type),
    };
    let mut response = json_response(answer.status, Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for warning in &answer.warnings {
        if let Ok(value) = HeaderValue::from_str(&format!("299 - {warning:?}")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    response
}

fn json_response(status: u16, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
