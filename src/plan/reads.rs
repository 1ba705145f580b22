//! The values a decision read, taken when planning and compared again just before writing.

use std::collections::BTreeMap;
use std::fmt;

use crate::domain::resource::Live;
use crate::domain::resource::Provisioning;
use crate::domain::resource::Resource;
use crate::domain::resource::private_endpoint::LivePrivateEndpoint;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::plan::change::FieldChange;
use crate::plan::change::Reads;
use crate::plan::change::StoredOtherwise;
use crate::plan::diff;
use crate::value::Fields;
use crate::value::Value;

/// The reads of a decision that compared fields of something that exists.
pub fn of_changed(fields: &[FieldChange]) -> Reads {
    let before = fields.iter().filter_map(|field| Some((field.name.clone(), field.before.clone()?)));
    Reads { exists: true, fields: before.collect(), ..Reads::default() }
}

/// Every connection of a Private Link Service, by endpoint (by its own id where Azure tells no endpoint).
pub fn connections(live: &LivePrivateLinkService) -> BTreeMap<String, String> {
    let of = |connection: &crate::domain::resource::connection::LiveConnection| {
        let id = connection.endpoint.as_ref().unwrap_or(&connection.id).folded();
        (id, connection.status.to_string())
    };
    live.connections.iter().map(of).collect()
}

/// The one connection of an endpoint, seen from its own side.
pub fn own_connection(live: &LivePrivateEndpoint) -> BTreeMap<String, String> {
    BTreeMap::from([(live.endpoint.id.folded(), live.status.to_string())])
}

/// What is different from what the plan read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// What differs: a field, a connection, or the existence itself.
    pub what: String,
    /// What the plan read.
    pub planned: String,
    /// What is there now.
    pub now: String,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was {} when the plan was made and is {} now", self.what, self.planned, self.now)
    }
}

/// Compares what the plan read with what is there now; `publisher` is the Private Link Service whose connections count.
///
/// # Errors
/// The first difference.
pub fn verify(reads: &Reads, live: Option<&Live>, publisher: Option<&LivePrivateLinkService>) -> Result<(), Stale> {
    let Reads { exists, fields, connections: planned, publisher: _ } = reads;
    let word = |exists: bool| if exists { "present" } else { "absent" }.to_owned();
    if *exists != live.is_some() {
        return Err(Stale { what: "the resource".to_owned(), planned: word(*exists), now: word(live.is_some()) });
    }
    let now = live.map(fields_of).unwrap_or_default();
    for (name, value) in fields {
        if now.get(name) != Some(value) {
            let shown = now.get(name).map_or_else(|| "unset".to_owned(), Value::to_string);
            return Err(Stale { what: name.clone(), planned: value.to_string(), now: shown });
        }
    }
    let seen = match (live, publisher) {
        (_, Some(publisher)) => connections(publisher),
        (Some(Live::PrivateLinkService(live)), None) => connections(live),
        (Some(Live::PrivateEndpoint(live)), None) if !planned.is_empty() => own_connection(live),
        _ => return Ok(()),
    };
    verify_connections(planned, &seen)
}

fn verify_connections(planned: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Result<(), Stale> {
    let absent = || "absent".to_owned();
    // A connection that went away meanwhile hurts nobody; a new one, or one in a new state, was not in what was approved.
    for (endpoint, status) in now {
        if planned.get(endpoint) != Some(status) {
            let planned = planned.get(endpoint).cloned().unwrap_or_else(absent);
            return Err(Stale { what: format!("the connection of {endpoint}"), planned, now: status.clone() });
        }
    }
    Ok(())
}

/// True if what is there already is what a write would make of it: because an answer was lost on its way back.
///
/// Marks are fields, so what others made alike does not count. What the API server was to store otherwise counts as it is.
pub fn is_as_wanted((resource, stored): (&Resource, &[StoredOtherwise]), live: &Live) -> bool {
    let same = |before: &Fields, after: &Fields| diff::diff_named(before, after).is_empty();
    match (resource, live) {
        (Resource::Service(service), Live::Service(live)) => {
            let fields = live.fields();
            let is_foreseen = |field: &FieldChange| {
                let of_server = stored.iter().find(|other| other.name == field.name);
                of_server.is_some_and(|other| other.stored.as_ref() == fields.get(&field.name))
            };
            !live.deleting && diff::diff_service(live, service).iter().all(is_foreseen)
        }
        (Resource::Namespace(namespace), Live::Namespace(live)) => {
            !live.deleting && same(&live.fields(), &namespace.fields())
        }
        (Resource::Subnet(subnet), Live::Subnet(live)) => same(&live.fields(), &subnet.fields()),
        (Resource::PrivateLinkService(service), Live::PrivateLinkService(live)) => {
            live.provisioning != Provisioning::Failed && same(&live.service.fields(), &service.fields())
        }
        (Resource::PrivateEndpoint(endpoint), Live::PrivateEndpoint(live)) => {
            live.provisioning != Provisioning::Failed && same(&live.endpoint.fields(), &endpoint.fields())
        }
        (Resource::Connection(connection), Live::Connection(live)) => connection.verdict.is_met_by(&live.status),
        (Resource::DnsRecord(record), Live::DnsRecord(live)) => same(&live.record.fields(), &record.fields()),
        (Resource::DnsLink(link), Live::DnsLink(live)) => {
            live.provisioning != Provisioning::Failed && same(&live.link.fields(), &link.fields())
        }
        _ => false,
    }
}

/// The comparable fields of anything seen.
pub fn fields_of(live: &Live) -> Fields {
    let mut fields = own_fields_of(live);
    let provisioning = match live {
        Live::PrivateLinkService(live) => &live.provisioning,
        Live::PrivateEndpoint(live) => &live.provisioning,
        Live::DnsLink(live) => &live.provisioning,
        Live::Namespace(_) | Live::Service(_) | Live::Subnet(_) | Live::Connection(_) | Live::DnsRecord(_) => {
            &Provisioning::Succeeded
        }
    };
    fields.extend(diff::failed(provisioning).and_then(|field| Some((field.name, field.before?))));
    fields
}

fn own_fields_of(live: &Live) -> Fields {
    match live {
        Live::Service(live) => live.fields(),
        Live::Namespace(live) => live.fields(),
        Live::Subnet(live) => live.fields(),
        Live::PrivateLinkService(live) => live.service.fields(),
        Live::PrivateEndpoint(live) => {
            let mut fields = live.endpoint.fields();
            fields.insert("connection.state".to_owned(), Value::text(&live.status));
            fields
        }
        Live::Connection(live) => Fields::from([("state".to_owned(), Value::text(&live.status))]),
        Live::DnsRecord(live) => live.record.fields(),
        Live::DnsLink(live) => live.link.fields(),
    }
}
