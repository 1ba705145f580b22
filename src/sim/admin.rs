//! The simulator's own API, under `/_sim/` on the plain-HTTP port: look behind the scenes, and change things there.
//!
//! | request | does |
//! |---|---|
//! | `GET /_sim/requests` | the request log |
//! | `GET, PUT, DELETE /_sim/resources/{id}` | a resource behind everybody's back |
//! | `GET, POST, DELETE /_sim/faults` | faults in force; add one; end all |
//! | `POST /_sim/clock?advance-milliseconds=N` | moves the clock |
//!
//! It needs the random token of this start, and it refuses requests that a browser made for a web page: loopback is
//! reachable from every page a developer opens.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::sim::arm::Arm;
use crate::sim::clock::Clock;
use crate::sim::fault::Fault;

/// The admin API.
pub(crate) struct Admin {
    pub(crate) token: String,
    pub(crate) arm: Arm,
    pub(crate) clock: Clock,
}

/// One request to it.
pub(crate) struct AdminRequest<'a> {
    pub(crate) method: &'a str,
    /// What follows `/_sim/`.
    pub(crate) path: &'a str,
    pub(crate) query: &'a BTreeMap<String, String>,
    pub(crate) headers: &'a BTreeMap<String, String>,
    pub(crate) body: Option<Value>,
}

fn problem(status: u16, message: &str) -> (u16, Value) {
    (status, json!({ "error": message }))
}

impl Admin {
    pub(crate) fn answer(&self, request: AdminRequest<'_>) -> (u16, Value) {
        if request.headers.contains_key("origin") {
            return problem(403, "Requests from web pages are refused: leave out the Origin header.");
        }
        let given = request.headers.get("authorization").and_then(|value| value.strip_prefix("Bearer "));
        if given != Some(self.token.as_str()) {
            return problem(401, "Send the admin token of this start as Authorization: Bearer <token>.");
        }
        match (request.method, request.path.split('/').next().unwrap_or_default()) {
            ("GET", "requests") => (200, json!({ "value": self.arm.log().requests() })),
            (method, "resources") => self.resource(method, &request),
            (method, "faults") => self.faults(method, request.body),
            ("POST", "clock") => self.advance(request.query),
            _ => problem(404, "There are requests, resources, faults and clock here."),
        }
    }

    fn resource(&self, method: &str, request: &AdminRequest<'_>) -> (u16, Value) {
        let id = request.path.strip_prefix("resources").unwrap_or_default();
        let found = match (method, &request.body) {
            ("GET", _) => {
                return self.arm.raw_get(id).map_or_else(|| problem(404, "No such resource."), |own| (200, own));
            }
            ("PUT", Some(body)) => self.arm.raw_put(id, body.clone()),
            ("PUT", None) => return problem(400, "Send the resource as JSON."),
            ("DELETE", _) => self.arm.raw_delete(id),
            _ => return problem(405, "Use GET, PUT or DELETE."),
        };
        match found {
            true => (200, self.arm.raw_get(id).unwrap_or(Value::Null)),
            false => problem(404, "No such resource, or not a resource id that the simulator knows."),
        }
    }

    fn faults(&self, method: &str, body: Option<Value>) -> (u16, Value) {
        match method {
            "GET" => {}
            "DELETE" => self.arm.faults().clear(),
            "POST" => match serde_json::from_value::<Fault>(body.unwrap_or_default()) {
                Ok(fault) => drop(self.arm.add_fault(fault)),
                Err(error) => return problem(400, &format!("This is not a fault: {error}.")),
            },
            _ => return problem(405, "Use GET, POST or DELETE."),
        }
        (200, json!({ "value": self.arm.faults().list() }))
    }

    fn advance(&self, query: &BTreeMap<String, String>) -> (u16, Value) {
        let Some(milliseconds) = query.get("advance-milliseconds").and_then(|text| text.parse().ok()) else {
            return problem(400, "Say by how much: advance-milliseconds=1000.");
        };
        self.clock.advance(Duration::from_millis(milliseconds));
        (200, json!({ "elapsed-milliseconds": u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX) }))
    }
}
