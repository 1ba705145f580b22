//! The simulator's own API, under `/_sim/` on the plain-HTTP port: look behind the scenes, and change things there.
//!
//! | request | does |
//! |---|---|
//! | `GET requests?writes=true&client=C&since=N` | the request log, or the part of it that is asked for |
//! | `GET resources?type=T`; `GET, PUT, PATCH, DELETE resources/{id}` | Azure behind everybody's back |
//! | `GET objects?kind=K`; `GET, PUT, PATCH, DELETE objects/{kind}/{namespace or -}/{name}` | a cluster; `?cluster=` names one |
//! | `GET, POST, DELETE faults`; `DELETE faults/{id}` | faults in force; add one; end all; end one |
//! | `GET clock`; `POST clock?advance-milliseconds=N` | the clock; moves it |
//! | `POST resync`; `GET state` | cloud providers retry what failed; everything there is |
//!
//! It needs the random token of this start. It refuses what a browser sends for a web page, by `Origin` and by a `Host` that
//! is not loopback: this port is reachable from every page a developer opens.

mod behind;
mod objects;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::sim::arm::Arm;
use crate::sim::clock::Clock;
use crate::sim::cluster::Clusters;
use crate::sim::fault::{Fault, Rule};
use crate::sim::log::LoggedRequest;

/// The admin API.
pub(crate) struct Admin {
    pub(crate) token: String,
    pub(crate) arm: Arm,
    pub(crate) clock: Clock,
    pub(crate) clusters: Clusters,
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

type Answer = (u16, Value);

fn problem(status: u16, message: impl AsRef<str>) -> Answer {
    (status, json!({ "error": message.as_ref() }))
}

/// True for the names under which a client on this machine reaches a port on loopback.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Admin {
    pub(crate) fn answer(&self, request: AdminRequest<'_>) -> Answer {
        if request.headers.contains_key("origin") {
            return problem(403, "Requests from web pages are refused: leave out the Origin header.");
        }
        // A name that a stranger's DNS server points at loopback is not one of ours.
        if !request.headers.get("host").is_some_and(|host| is_loopback(host)) {
            return problem(403, "Requests to other names than loopback's are refused: use 127.0.0.1 or localhost.");
        }
        let given = request.headers.get("authorization").and_then(|value| value.strip_prefix("Bearer "));
        if given != Some(self.token.as_str()) {
            return problem(401, "Send the admin token of this start as Authorization: Bearer <token>.");
        }
        let (room, rest) = request.path.split_once('/').unwrap_or((request.path, ""));
        match (request.method, room) {
            ("GET", "requests") => (200, json!({ "value": self.requests(request.query) })),
            (_, "resources") => behind::answer(&self.arm, &request, rest),
            (_, "objects") => objects::answer(&self.clusters, &request, rest),
            (method, "faults") => self.faults(method, rest, request.body),
            (method, "clock") => self.move_clock(method, request.query),
            ("POST", "resync") => {
                self.clusters.resync();
                (200, json!({}))
            }
            ("GET", "state") => (200, self.state()),
            _ => problem(404, "There are requests, resources, objects, faults, clock, resync and state here."),
        }
    }

    fn requests(&self, query: &BTreeMap<String, String>) -> Vec<LoggedRequest> {
        let mut requests = self.arm.log().requests();
        let since: u64 = query.get("since").and_then(|text| text.parse().ok()).unwrap_or(0);
        let only_writes = query.get("writes").is_some_and(|text| text == "true");
        let client = query.get("client").map_or("", String::as_str);
        requests.retain(|own| own.sequence > since && (own.is_write || !only_writes) && own.client.contains(client));
        requests
    }

    fn faults(&self, method: &str, id: &str, body: Option<Value>) -> Answer {
        match (method, id) {
            ("GET", "") => {}
            ("DELETE", "") => self.arm.faults().clear(),
            ("DELETE", id) => {
                if !id.parse().is_ok_and(|id| self.arm.faults().end(id)) {
                    return problem(404, format!("There is no fault {id}."));
                }
            }
            ("POST", "") => match serde_json::from_value::<Fault>(body.unwrap_or_default()) {
                Ok(fault) => self.add_fault(fault),
                Err(error) => return problem(400, format!("This is not a fault: {error}.")),
            },
            _ => return problem(405, "Use GET, POST or DELETE."),
        }
        (200, json!({ "value": self.arm.faults().list().iter().map(shown).collect::<Vec<_>>() }))
    }

    fn add_fault(&self, fault: Fault) {
        let is_stale = fault.stale;
        let id = self.arm.add_fault(fault);
        if is_stale {
            self.clusters.all().values().for_each(|cluster| cluster.api.keep_for(id));
        }
    }

    fn move_clock(&self, method: &str, query: &BTreeMap<String, String>) -> Answer {
        match method {
            "GET" => {}
            "POST" => match query.get("advance-milliseconds").and_then(|text| text.parse().ok()) {
                Some(milliseconds) => self.clock.advance(Duration::from_millis(milliseconds)),
                None => return problem(400, "Say by how much: advance-milliseconds=1000."),
            },
            _ => return problem(405, "Use GET or POST."),
        }
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let now = Timestamp::from_second(self.clock.unix_seconds()).unwrap_or_default();
        let elapsed = milliseconds(self.clock.elapsed());
        let ahead = milliseconds(self.clock.ahead());
        (200, json!({ "elapsed-milliseconds": elapsed, "ahead-milliseconds": ahead, "now": now.to_string() }))
    }

    /// Everything there is, without what is secret.
    fn state(&self) -> Value {
        let clusters: BTreeMap<_, _> =
            self.clusters.all().into_iter().map(|(name, cluster)| (name, cluster.api.save())).collect();
        let faults: Vec<Value> = self.arm.faults().list().iter().map(shown).collect();
        let (_, clock) = self.move_clock("GET", &BTreeMap::new());
        json!({ "clock": clock, "azure": self.arm.save(), "clusters": clusters, "faults": faults })
    }
}

/// A fault in force: what was asked for, without what was not, and what it has done.
fn shown(rule: &Rule) -> Value {
    let value = |fault: &Fault| serde_json::to_value(fault).unwrap_or_default();
    let (mut own, unset) = (value(&rule.fault), value(&Fault::default()));
    if let Some(fields) = own.as_object_mut() {
        fields.retain(|name, value| unset[name.as_str()] != *value);
    }
    json!({ "id": rule.id, "seen": rule.seen, "hits": rule.hits, "fault": own })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_a_name_of_ours() {
        for own in ["127.0.0.1", "127.0.0.1:8080", "localhost:1", "LOCALHOST", "[::1]:8080", "[::1]", "127.3.2.1:9"] {
            assert!(is_loopback(own), "{own}");
        }
        for other in ["", "evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example", "10.0.0.1", "[::2]:1"]
        {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
