//! The front door: one origin for resource manager, authority, metadata and admin, over HTTPS and over HTTP.
//!
//! Their paths never clash, and most clients expect to find them at one address. Faults are looked for first, then the
//! token is checked, then the request goes to whom it is for.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::sim::admin::{Admin, AdminRequest};
use crate::sim::arm::{Arm, ArmError, Caller, Reply, Request, parse_query};
use crate::sim::challenge;
use crate::sim::clock::Clock;
use crate::sim::directory;
use crate::sim::entra::Entra;
use crate::sim::fault::Hit;
use crate::sim::identity;
use crate::sim::log::{Entry, Surface};
use crate::sim::metadata;
use crate::sim::server::{Cut, Peer};
use crate::sim::token::BadToken;

/// Requests larger than this are refused, in bytes; ARM's own limit is 4 MiB.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// What the front door leads to.
pub(crate) struct Front {
    pub(crate) arm: Arm,
    pub(crate) entra: Arc<Entra>,
    pub(crate) admin: Admin,
    pub(crate) clock: Clock,
    pub(crate) origins: Vec<String>,
    pub(crate) locations: Vec<String>,
}

/// A request with its body read.
struct Arrived {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Bytes,
    origin: String,
    is_plain: bool,
    /// True for the simulator's own cloud provider.
    is_internal: bool,
    peer: Option<IpAddr>,
}

impl Arrived {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn json(&self) -> Result<Option<Value>, ArmError> {
        if self.body.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(&self.body).map(Some).map_err(|_| ArmError::body_is_not_an_object())
    }
}

/// The router of one listener.
pub(crate) fn router(front: Arc<Front>, is_plain: bool) -> Router {
    Router::new().fallback(serve).with_state((front, is_plain))
}

async fn serve(State((front, is_plain)): State<(Arc<Front>, bool)>, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_LIMIT).await else {
        return respond(Reply { status: 413, headers: Vec::new(), body: Value::Null });
    };
    let headers: BTreeMap<String, String> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let scheme = if is_plain { "http" } else { "https" };
    let host = headers.get("host").map_or("127.0.0.1", String::as_str);
    let mut arrived = Arrived {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        origin: format!("{scheme}://{host}"),
        headers,
        body,
        is_plain,
        is_internal: false,
        peer: parts.extensions.get::<Peer>().map(|peer| peer.0),
    };
    arrived.is_internal = front.is_internal(&arrived);
    front.serve(arrived).await
}

impl Front {
    async fn serve(&self, arrived: Arrived) -> Response {
        if let Some(path) = arrived.path.strip_prefix("/_sim/").filter(|_| arrived.is_plain) {
            return self.administer(&arrived, path);
        }
        let client = arrived.header("user-agent").to_owned();
        let hit = self.arm.faults().take_for_request(&arrived.method, &arrived.path, &client);
        if let Some(Hit { fault, .. }) = &hit {
            if fault.hang {
                // Until the client gives up or the server stops.
                std::future::pending::<()>().await;
            }
            self.clock.sleep(fault.delay()).await;
        }
        let past = hit.as_ref().filter(|hit| hit.fault.stale).and_then(|hit| self.arm.past(hit.rule));
        let fault = hit.map(|hit| hit.fault);
        let (surface, mut reply) = match &fault {
            Some(fault) if fault.drop_request => (Surface::ResourceManager, Reply::empty(502)),
            Some(fault) if fault.refuses() => (Surface::ResourceManager, fault.reply()),
            _ => self.dispatch(&arrived, past.as_ref()),
        };
        let is_withheld = fault.as_ref().is_some_and(|fault| fault.withhold);
        let is_cut = fault.is_some_and(|fault| fault.drop_connection || fault.drop_request);
        if arrived.method == "HEAD" {
            reply.body = Value::Null;
        }
        let status = if is_cut || is_withheld { 0 } else { reply.status };
        self.record(&arrived, surface, (status, reply.status));
        if is_withheld {
            std::future::pending::<()>().await;
        }
        let mut response = respond(reply);
        if is_cut {
            response.extensions_mut().insert(Cut);
        }
        response
    }

    fn administer(&self, arrived: &Arrived, path: &str) -> Response {
        let query = parse_query(&arrived.query);
        let (status, body) = match arrived.json() {
            Err(_) => (400, json!({ "error": "The body is not JSON." })),
            Ok(body) => self.admin.answer(AdminRequest {
                method: &arrived.method,
                path,
                query: &query,
                headers: &arrived.headers,
                body,
            }),
        };
        self.record(arrived, Surface::Admin, (status, status));
        respond(Reply { status, headers: Vec::new(), body })
    }

    fn record(&self, arrived: &Arrived, surface: Surface, (status, decided): (u16, u16)) {
        self.arm.log().record(&Entry {
            surface,
            method: &arrived.method,
            path: &arrived.path,
            query: &arrived.query,
            status,
            decided,
            client: arrived.header("user-agent"),
            is_internal: arrived.is_internal,
            peer: arrived.peer,
            if_match: arrived.headers.get("if-match").map(String::as_str),
            body: if surface == Surface::ResourceManager { &arrived.body } else { &[] },
        });
    }

    /// True if the simulated cloud provider asks, for a token or with one. Faults hit it like anybody.
    fn is_internal(&self, arrived: &Arrived) -> bool {
        if is_managed_identity(&arrived.path) {
            let query = parse_query(&arrived.query);
            return query.get("client_id").is_some_and(|id| self.entra.is_cloud_provider(id));
        }
        matches!(self.authenticate(arrived), Ok(Caller::Identity(principal)) if principal.is_internal)
    }

    fn dispatch(&self, arrived: &Arrived, past: Option<&Arm>) -> (Surface, Reply) {
        let query = parse_query(&arrived.query);
        let path = format!("/{}", arrived.path.trim_matches('/'));
        match path.as_str() {
            "/metadata/endpoints" => {
                let version = query.get("api-version").map(String::as_str).unwrap_or_default();
                let body = metadata::endpoints(&arrived.origin, version, &self.locations);
                return (Surface::ResourceManager, Reply::ok(body));
            }
            path if is_managed_identity(path) => {
                let is_meant = arrived.header("metadata") == "true" || !arrived.header("x-identity-header").is_empty();
                let (status, body) = match is_meant {
                    true => self.entra.managed_identity(&arrived.origin, &query),
                    false => (
                        400,
                        json!({ "error": "invalid_request", "error_description": "Required metadata header not specified" }),
                    ),
                };
                return (Surface::Authority, Reply { status, headers: Vec::new(), body });
            }
            _ => {}
        }
        let mut form = parse_query(&String::from_utf8_lossy(&arrived.body));
        form.extend(query.clone());
        if let Some((status, body)) = self.entra.answer(&path, &arrived.origin, &form) {
            return (Surface::Authority, Reply { status, headers: Vec::new(), body });
        }
        if let Some(path) = path.strip_prefix("/v1.0/") {
            return (Surface::Authority, self.look_up(arrived, path, &query).unwrap_or_else(|error| error.reply()));
        }
        let arm = past.unwrap_or(&self.arm);
        let mut reply = self.manage(arm, arrived, query).unwrap_or_else(|error| error.reply());
        let region = self.locations.first().map_or("", String::as_str);
        identity::stamp(&self.arm, (&arrived.headers, region), &mut reply);
        (Surface::ResourceManager, reply)
    }

    /// A request to the resource manager proper.
    fn manage(&self, arm: &Arm, arrived: &Arrived, query: BTreeMap<String, String>) -> Result<Reply, ArmError> {
        let caller = self.authenticate(arrived)?;
        let request = Request {
            method: arrived.method.clone(),
            path: arrived.path.clone(),
            query,
            headers: arrived.headers.clone(),
            body: arrived.json()?,
            origin: arrived.origin.clone(),
            caller,
        };
        Ok(arm.answer(&request))
    }

    /// A request to the directory, which everybody with a token may read.
    fn look_up(&self, arrived: &Arrived, path: &str, query: &BTreeMap<String, String>) -> Result<Reply, ArmError> {
        self.authenticate(arrived)?;
        let body = arrived.json()?;
        let (status, body) = directory::answer(
            (self.entra.identities(), self.entra.tenant()),
            (&arrived.method, path),
            (query, body.as_ref()),
            &arrived.origin,
        );
        Ok(Reply { status, headers: Vec::new(), body })
    }

    fn authenticate(&self, arrived: &Arrived) -> Result<Caller, ArmError> {
        let header = arrived.header("authorization");
        let token = header.strip_prefix("Bearer ").or_else(|| header.strip_prefix("bearer "));
        let mut origins = self.origins.clone();
        origins.push(arrived.origin.clone());
        let (code, message, reason) = match token.map(|token| self.entra.authenticate(token.trim(), &origins)) {
            Some(Ok(caller)) => return Ok(caller),
            Some(Err(BadToken::Expired)) => ("ExpiredAuthenticationToken", "The access token has expired.", None),
            Some(Err(BadToken::NotOurs)) => (
                "InvalidAuthenticationToken",
                "The access token is invalid: it was not issued by this authority for this audience.",
                None,
            ),
            Some(Err(BadToken::Challenged(newer_than))) => (
                "InvalidAuthenticationToken",
                "Continuous access evaluation resulted in challenge with result: InteractionRequired.",
                Some(challenge::encoded(newer_than)),
            ),
            None => {
                ("InvalidAuthenticationToken", "The access token is missing: send Authorization: Bearer <token>.", None)
            }
        };
        let mut error = ArmError::new(401, code, message);
        let error_word = if reason.is_some() { "insufficient_claims" } else { "invalid_token" };
        let claims = reason.map(|claims| format!(", claims=\"{claims}\"")).unwrap_or_default();
        let challenge = format!(
            "Bearer authorization_uri=\"{}/{}\", error=\"{error_word}\", error_description=\"{message}\"{claims}",
            arrived.origin,
            self.entra.tenant()
        );
        error.headers.push(("WWW-Authenticate".to_owned(), challenge));
        Err(error)
    }
}

fn is_managed_identity(path: &str) -> bool {
    matches!(path, "/msi/token" | "/metadata/identity/oauth2/token")
}

/// Puts a reply on the wire: JSON, nothing, or raw text.
fn respond(reply: Reply) -> Response {
    let (body, content_type) = match reply.body {
        Value::Null => (Body::empty(), None),
        Value::String(text) => (Body::from(text), Some("text/html")),
        json => (Body::from(json.to_string()), Some("application/json; charset=utf-8")),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(content_type) = content_type {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            headers.insert(name, value);
        }
    }
    response
}
