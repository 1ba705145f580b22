//! The status of a private endpoint: its address, the provider's answer, and the records that lead to it.

use std::net::IpAddr;

use crate::desired::Intent;
use crate::domain::azure::ResourceId;
use crate::domain::key::ResourceKey;
use crate::domain::resource::Provisioning;
use crate::domain::resource::Resource;
use crate::domain::resource::connection::ConnectionStatus;
use crate::domain::resource::dns::Addresses;
use crate::domain::resource::private_endpoint::LivePrivateEndpoint;
use crate::domain::resource::private_endpoint::Target;
use crate::status::condition::Finding;
use crate::status::document::ConditionType;
use crate::status::document::EndpointOutputs;
use crate::status::document::Metadata;
use crate::status::document::PrivateEndpointStatus;
use crate::status::document::RecordOutput;
use crate::status::reason;
use crate::status::view::Subject;
use crate::status::view::View;

/// Which document's status is composed.
pub(super) struct Wanted<'a> {
    pub(super) name: String,
    pub(super) id: ResourceId,
    /// The wish; `None` once no document asks for it.
    pub(super) intent: Option<&'a Intent>,
}

/// Composes the status of one `PrivateEndpoint` document.
pub(super) fn compose(
    view: &View<'_>,
    wanted: Wanted<'_>,
    previous: Option<&PrivateEndpointStatus>,
) -> PrivateEndpointStatus {
    let Wanted { name, id, intent } = wanted;
    let own = ResourceKey::PrivateEndpoint(id.clone());
    let mut keys = intent.map(|intent| view.siblings(intent)).unwrap_or_default();
    if !keys.contains(&own) {
        keys.push(own);
    }
    let mut findings = findings(view, &id);
    findings.extend(dns(view, &id, &keys));
    let outputs = outputs(view, &id, &keys, previous);
    let subject = Subject { kind: "PrivateEndpointStatus", metadata: Metadata { name, namespace: None }, intent, keys };
    PrivateEndpointStatus { head: view.head(subject, findings, previous.map(|previous| &previous.head)), outputs }
}

fn findings(view: &View<'_>, id: &ResourceId) -> Vec<Finding> {
    use ConditionType::{ConnectionApproved, EndpointReady};
    let key = ResourceKey::PrivateEndpoint(id.clone());
    if let Some(gap) = view.gap(&key) {
        return vec![Finding::unread(EndpointReady, gap), Finding::unread(ConnectionApproved, gap)];
    }
    let live = view.input.observed.private_endpoints.get(id);
    let failure = view.failure(&key);
    vec![ready(live).blame(failure), approved(live)]
}

fn ready(live: Option<&LivePrivateEndpoint>) -> Finding {
    let kind = ConditionType::EndpointReady;
    let Some(live) = live else { return Finding::no(kind, reason::NOT_CREATED, "there is no private endpoint") };
    match (&live.provisioning, live.private_address) {
        (Provisioning::Underway, _) => Finding::no(kind, reason::PROVISIONING, "Azure is at work on it"),
        (Provisioning::Failed, _) => {
            Finding::no(kind, reason::PROVISIONING_FAILED, "the last operation of Azure on it failed")
        }
        (Provisioning::Succeeded, None) => {
            Finding::no(kind, reason::ADDRESS_PENDING, "its network interface has no address yet")
        }
        (Provisioning::Succeeded, Some(_)) => Finding::yes(kind, reason::ADDRESS_ASSIGNED),
    }
}

fn approved(live: Option<&LivePrivateEndpoint>) -> Finding {
    let kind = ConditionType::ConnectionApproved;
    let Some(live) = live else { return Finding::no(kind, reason::NOT_CREATED, "there is no private endpoint") };
    let said = |what: &str| match live.status_description.as_str() {
        "" => what.to_owned(),
        description => format!("{what}: {description:?}"),
    };
    match &live.status {
        ConnectionStatus::Approved => Finding::yes(kind, reason::APPROVED),
        ConnectionStatus::Pending => {
            Finding::no(kind, reason::PENDING_APPROVAL, said("the provider has not answered the request yet"))
        }
        ConnectionStatus::Rejected => Finding::no(kind, reason::REJECTED, said("the provider rejected the request")),
        ConnectionStatus::Disconnected => Finding::no(
            kind,
            reason::DISCONNECTED,
            said("the provider removed the connection; the endpoint has to be replaced"),
        ),
        ConnectionStatus::Other(state) => {
            Finding::no(kind, reason::UNKNOWN_STATE, said(&format!("Azure says {state:?}")))
        }
    }
}

/// Whether every record and link of the document is as it shall be; nothing where the document has none.
fn dns(view: &View<'_>, id: &ResourceId, keys: &[ResourceKey]) -> Option<Finding> {
    let kind = ConditionType::DnsReady;
    let is_dns = |key: &&ResourceKey| matches!(key, ResourceKey::DnsRecord(_) | ResourceKey::DnsLink(_));
    let mine: Vec<&ResourceKey> = keys.iter().filter(is_dns).collect();
    if mine.is_empty() {
        return None;
    }
    if let Some(gap) = mine.iter().find_map(|key| view.gap(key)) {
        return Some(Finding::unread(kind, gap));
    }
    let address = view.input.observed.private_endpoints.get(id).and_then(|live| live.private_address);
    let trouble = mine.into_iter().find_map(|key| {
        let finding = match key {
            ResourceKey::DnsRecord(record) => record_trouble(view, record, address),
            ResourceKey::DnsLink(link) => link_trouble(view, link),
            _ => None,
        };
        finding.map(|finding| finding.blame(view.failure(key)))
    });
    Some(trouble.unwrap_or_else(|| Finding::yes(kind, reason::RESOLVES)))
}

fn record_trouble(view: &View<'_>, id: &ResourceId, address: Option<IpAddr>) -> Option<Finding> {
    let kind = ConditionType::DnsReady;
    let name = full_name(id);
    let Some(live) = view.input.observed.dns_records.get(id) else {
        return Some(Finding::no(kind, reason::RECORD_MISSING, format!("there is no A record {name}")));
    };
    let Addresses::Known(answers) = &live.record.addresses else { return None };
    let right = |address: IpAddr| answers.len() == 1 && answers.iter().all(|answer| IpAddr::V4(*answer) == address);
    // An endpoint without an address has nothing that a record could answer: that is its own condition.
    if address.is_none_or(right) {
        return None;
    }
    let shown: Vec<String> = answers.iter().map(ToString::to_string).collect();
    let message = format!("{name} answers {} instead of the endpoint's address", shown.join(", "));
    Some(Finding::no(kind, reason::RECORD_DIFFERS, message))
}

fn link_trouble(view: &View<'_>, id: &ResourceId) -> Option<Finding> {
    let kind = ConditionType::DnsReady;
    let observed = view.input.observed;
    let twin = || match &view.input.desired.intents.get(&ResourceKey::DnsLink(id.clone()))?.resource {
        Resource::DnsLink(link) => observed.twin_of(link),
        _ => None,
    };
    match observed.dns_links.get(id).or_else(twin) {
        None => {
            let message = format!("there is no virtual network link {}", id.name());
            Some(Finding::no(kind, reason::LINK_MISSING, message))
        }
        Some(live) if !live.completed => {
            let message = format!("the virtual network link {} is not complete yet", live.link.id.name());
            Some(Finding::no(kind, reason::LINK_PENDING, message))
        }
        Some(_) => None,
    }
}

/// `api.orders.internal`; the record `@` is the zone itself.
fn full_name(record: &ResourceId) -> String {
    let zone = record.parent().map(|zone| zone.name().to_owned()).unwrap_or_default();
    if record.name() == "@" { zone } else { format!("{}.{zone}", record.name()) }
}

fn outputs(
    view: &View<'_>,
    id: &ResourceId,
    keys: &[ResourceKey],
    previous: Option<&PrivateEndpointStatus>,
) -> EndpointOutputs {
    let before = previous.map(|previous| previous.outputs.clone()).unwrap_or_default();
    let dns = records(view, keys, &before);
    if view.gap(&ResourceKey::PrivateEndpoint(id.clone())).is_some() {
        return EndpointOutputs { dns, ..before };
    }
    let Some(live) = view.input.observed.private_endpoints.get(id) else {
        return EndpointOutputs { dns, ..EndpointOutputs::default() };
    };
    let target = match &live.endpoint.target {
        Target::Id(id) => Some(id.to_string()),
        Target::Alias(alias) => Some(alias.to_string()),
        Target::Produced { known, .. } => known.as_ref().map(ToString::to_string),
    };
    EndpointOutputs {
        id: Some(id.to_string()),
        address: live.private_address.map(|address| address.to_string()),
        network_interface: live.network_interface.as_ref().map(ToString::to_string),
        connection_state: Some(live.status.to_string()),
        target,
        dns,
    }
}

fn records(view: &View<'_>, keys: &[ResourceKey], before: &EndpointOutputs) -> Vec<RecordOutput> {
    let of = |key: &ResourceKey| {
        let ResourceKey::DnsRecord(id) = key else { return None };
        let name = full_name(id);
        if view.gap(key).is_some() {
            return before.dns.iter().find(|record| record.name == name).cloned();
        }
        let live = view.input.observed.dns_records.get(id).map(|live| &live.record.addresses);
        let addresses = match live {
            Some(Addresses::Known(answers)) => answers.iter().map(ToString::to_string).collect(),
            Some(Addresses::OfEndpoint { known, .. }) => known.iter().map(ToString::to_string).collect(),
            None => Vec::new(),
        };
        Some(RecordOutput { name, addresses })
    };
    let mut records: Vec<RecordOutput> = keys.iter().filter_map(of).collect();
    records.sort();
    records
}
