//! The simulated Azure Resource Manager: a store of JSON resources, rules per type, long-running operations.
//!
//! ```text
//!  HTTP ─ front ─┐
//!                ├─▶ answer: route → access → read | write | remove | action ─▶ Reply
//!  Arm::call ────┘                              └ rules of the type, operation
//! ```
//! It shares no model with the program that it is tried with: resources stay JSON, and each file of rules says where its
//! rule comes from. Codes that nobody has seen on the wire are marked as such in the rule files.

mod access;
mod address;
mod announcement;
mod authorization;
mod deployment;
mod error;
mod extension;
mod index;
mod kind;
mod load_balancer;
mod managed_cluster;
mod network_interface;
mod operation;
mod pace;
mod private_dns;
mod private_endpoint;
mod private_endpoint_connection;
mod private_link_service;
mod provider;
mod public_ip_address;
mod reach;
mod read;
mod remove;
mod request;
mod resource_graph;
mod resource_group;
mod route;
mod rules;
mod saved;
mod scale_set;
mod shown;
mod state;
mod store;
mod subscription;
mod template;
mod throttle;
mod view;
mod virtual_network;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::sim::arm::authorization::Grants;
pub(crate) use crate::sim::arm::authorization::{Assignment, RoleDefinition, built_in_roles};
pub(crate) use crate::sim::arm::error::ArmError;
use crate::sim::arm::kind::Kind;
pub(crate) use crate::sim::arm::managed_cluster::{SERVER as CLUSTER_AUDIENCE, kubeconfig_entry};
use crate::sim::arm::operation::Status;
pub use crate::sim::arm::pace::{Pace, Style};
pub(crate) use crate::sim::arm::request::{Caller, Principal, Request, parse_query};
use crate::sim::arm::route::{ResourcePath, Route};
pub(crate) use crate::sim::arm::saved::SavedArm;
pub(crate) use crate::sim::arm::state::{ClusterAccess, State, Subscription};
use crate::sim::arm::throttle::Throttle;
pub use crate::sim::arm::throttle::Throttling;
use crate::sim::chance::Chance;
use crate::sim::clock::Clock;
use crate::sim::fault::{Fault, Faults};
use crate::sim::log::{Entry, RequestLog, Surface};

/// An answer of the resource manager.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers beside the content type.
    pub headers: Vec<(String, String)>,
    /// The JSON body; null for none, a string for a body that is text already.
    pub body: Value,
}

const WRITTEN_JSON: (&str, &str) = ("Content-Type", "application/json; charset=utf-8");

impl Reply {
    /// A body that is written already, because it is long: only a client in this process needs it read again.
    pub(crate) fn written(json: String) -> Self {
        let header = (WRITTEN_JSON.0.to_owned(), WRITTEN_JSON.1.to_owned());
        Self { status: 200, headers: vec![header], body: json.into() }
    }

    /// The reply with its body as JSON, whichever way it was made.
    #[must_use]
    fn into_json(mut self) -> Self {
        if self.header(WRITTEN_JSON.0) == Some(WRITTEN_JSON.1) {
            self.body = self.body.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            self.headers.retain(|(name, _)| name != WRITTEN_JSON.0);
        }
        self
    }

    pub(crate) fn ok(body: Value) -> Self {
        Self { status: 200, headers: Vec::new(), body }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Value::Null }
    }

    /// The value of a header, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// `error.code` of the body; empty if it is not an error.
    pub fn error_code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    /// True for a 2xx status.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// The simulated resource manager; clones share their state.
#[derive(Clone, Debug)]
pub struct Arm {
    state: Arc<Mutex<State>>,
    throttle: Throttle,
    log: RequestLog,
    faults: Faults,
    /// What was there when each fault of stale reads began.
    pasts: Arc<Mutex<BTreeMap<u64, Self>>>,
}

/// What an empty resource manager is made of.
#[derive(Clone, Debug)]
pub(crate) struct ArmOptions {
    pub(crate) seed: u64,
    pub(crate) location: String,
    pub(crate) pace: Pace,
    pub(crate) page_size: usize,
    pub(crate) throttling: Throttling,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) log: RequestLog,
}

impl Arm {
    /// Makes a resource manager with subscriptions and nothing in them.
    pub(crate) fn new(options: ArmOptions) -> Self {
        let ArmOptions { seed, location, pace, page_size, throttling, subscriptions, clock, faults, log } = options;
        let throttle = Throttle::new(throttling, clock.clone());
        let state = State {
            store: Default::default(),
            operations: Default::default(),
            chance: Chance::new(seed),
            clock,
            faults: faults.clone(),
            pace,
            page_size,
            location,
            subscriptions: subscriptions.into_iter().map(|own| (own.id.to_ascii_lowercase(), own)).collect(),
            authorization: Default::default(),
            quota: Default::default(),
            clusters: Default::default(),
            alias_guid: None,
        };
        Self { state: Arc::new(Mutex::new(state)), throttle, log, faults, pasts: Arc::default() }
    }

    /// The state. A panic elsewhere leaves it usable: every write is made in one go at its end.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a request of the platform itself, without authorization, with the same rules as over HTTP.
    ///
    /// `path_and_query` may leave out `api-version`. The `User-Agent` header tells in the request log who it was; the
    /// request counts as internal and so is never among the simulator's writes.
    pub fn call(&self, method: &str, path_and_query: &str, headers: &[(&str, &str)], body: Option<Value>) -> Reply {
        let mut request = Request::internal(method, path_and_query, headers, body);
        request.query.entry("api-version".to_owned()).or_insert_with(|| "2025-05-01".to_owned());
        let client = request.client();
        let reply = match self.faults.take_for_call(&request.method, &request.path, &client) {
            Some(fault) => fault.reply(),
            None => self.answer(&request).into_json(),
        };
        let query = path_and_query.split_once('?').map_or("", |(_, query)| query);
        self.log.record(&Entry {
            surface: Surface::ResourceManager,
            method: &request.method,
            path: &request.path,
            query,
            status: reply.status,
            decided: reply.status,
            client: &client,
            is_internal: true,
            peer: None,
            if_match: request.headers.get("if-match").map(String::as_str),
            body: &[],
        });
        reply
    }

    /// Waits for the operation that a reply announced, as a polling client does, and returns what became of it.
    ///
    /// After a write that is the resource as it is now, after a delete an empty 204. An operation that failed gives its
    /// error, with the status that the error would have had as a refusal. A reply without operation is returned as it is.
    pub fn settle(&self, reply: &Reply) -> Reply {
        let Some(id) = reply.header("x-ms-request-id").map(str::to_owned) else {
            return reply.clone();
        };
        let mut state = self.state();
        state.finish(&id);
        match state.status_of(&id) {
            Some((Status::Failed | Status::Canceled, Some(failure))) => failure.reply(),
            _ => match state.written(&id) {
                Some(body) => Reply { status: reply.status, headers: Vec::new(), body },
                None => match reply.body["id"].as_str() {
                    Some(gone) => ArmError::not_found(gone).reply(),
                    None => Reply::empty(204),
                },
            },
        }
    }

    /// Serves a request. The caller is known; whether it may is decided here.
    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let charge = self.throttle.charge(request);
        let answered = match charge.refusal {
            Some(refusal) => Err(refusal),
            None => answer(&mut self.state(), request),
        };
        let mut reply = answered.unwrap_or_else(|error| error.reply());
        reply.headers.extend(charge.headers);
        reply
    }

    /// Adds a fault and returns its id. If it makes reads stale, what is there now is kept for it.
    pub(crate) fn add_fault(&self, fault: Fault) -> u64 {
        let is_stale = fault.stale;
        let id = self.faults.add(fault);
        let now = is_stale.then(|| (id, self.copy()));
        let live: Vec<u64> = self.faults.list().iter().map(|rule| rule.id).collect();
        let mut pasts = self.pasts.lock().unwrap_or_else(PoisonError::into_inner);
        pasts.retain(|past, _| live.contains(past));
        pasts.extend(now);
        id
    }

    /// What was there when a fault began.
    pub(crate) fn past(&self, fault: u64) -> Option<Self> {
        self.pasts.lock().unwrap_or_else(PoisonError::into_inner).get(&fault).cloned()
    }

    /// The same resources, in which nothing happens any more.
    fn copy(&self) -> Self {
        let state = State { operations: Default::default(), ..self.state().clone() };
        Self { state: Arc::new(Mutex::new(state)), pasts: Arc::default(), ..self.clone() }
    }

    /// The log that all servers of this simulator write to.
    pub fn log(&self) -> &RequestLog {
        &self.log
    }

    /// The faults in force.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Sets how the credential actions of a managed cluster describe its API server.
    pub(crate) fn set_cluster_access(&self, cluster_id: &str, access: ClusterAccess) {
        self.state().clusters.insert(cluster_id.to_ascii_lowercase(), access);
    }

    /// While the seed runs: the GUID of the next alias.
    pub(crate) fn set_next_alias(&self, guid: Option<String>) {
        self.state().alias_guid = guid;
    }

    /// The raw resource behind an id, as the admin API shows it.
    pub(crate) fn raw_get(&self, id: &str) -> Option<Value> {
        let state = self.state();
        view::show(&state.store, &ResourcePath::parse(id)?)
    }

    /// Everything as the admin API lists it: of one type, or of all.
    pub(crate) fn raw_list(&self, resource_type: &str) -> Vec<Value> {
        let state = self.state();
        let is_wanted = |own: &str| {
            let segment = own.rsplit('/').next().unwrap_or_default();
            resource_type.is_empty() || [own, segment].iter().any(|name| name.eq_ignore_ascii_case(resource_type))
        };
        let wanted = state.store.below("").filter(|own| is_wanted(own.path.resource_type));
        wanted.map(|own| view::present(&state.store, own)).collect()
    }

    /// Puts a resource behind everybody's back: no rules, no operation, a new etag. Returns false for an unknown type.
    pub(crate) fn raw_put(&self, id: &str, body: Value) -> bool {
        write::raw_put(&mut self.state(), id, body)
    }

    /// Takes a resource away behind everybody's back. Returns false if it is not there.
    pub(crate) fn raw_delete(&self, id: &str) -> bool {
        remove::raw_delete(&mut self.state(), id)
    }
}

fn answer(state: &mut State, request: &Request) -> Result<Reply, ArmError> {
    let route = route::route(&request.path);
    if route == Route::Unknown {
        return Err(ArmError::new(
            404,
            "InvalidResourceType",
            format!("No resource type is served at {}.", request.path),
        ));
    }
    let grants = Grants::of(&state.authorization, &request.caller);
    access::check(state, request, &route, &grants)?;
    if !request.query.contains_key("api-version") {
        return Err(ArmError::invalid(
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        ));
    }
    match (request.method.as_str(), &route) {
        (_, Route::Operation { id, is_result }) => state.poll(request, id, *is_result),
        (_, Route::Extension { scope, name }) => extension::answer(state, request, (scope, name), &grants),
        ("GET" | "HEAD", _) => read::answer(state, request, &route, &grants),
        ("PUT", Route::Resource(path)) if path.kind == Kind::Deployment => deployment::put(state, request, path),
        ("POST", Route::Action { path, action }) if path.kind == Kind::Deployment => {
            deployment::act(state, request, path, action)
        }
        ("PUT", Route::Resource(path)) => write::put(state, request, path),
        ("PATCH", Route::Resource(path)) => write::patch(state, request, path),
        ("DELETE", Route::Resource(path)) => remove::delete(state, request, path),
        ("PUT" | "PATCH" | "DELETE", Route::Group { subscription, group }) => {
            resource_group::write(state, request, subscription, group)
        }
        ("POST", Route::Action { path, action }) => rules::act(state, request, path, action),
        ("POST", Route::LocationAction { subscription, action }) => {
            reach::act_at_location(state, request, (subscription, action), &grants)
        }
        ("POST", Route::Providers { subscription, namespace: Some(namespace), registers: true }) => {
            provider::register(state, subscription, namespace)
        }
        ("POST", Route::ResourceGraph) => resource_graph::answer(state, request, &grants),
        (method, _) => Err(ArmError::new(
            405,
            "MethodNotAllowed",
            format!("The method {method} is not allowed on {}.", request.path),
        )),
    }
}
