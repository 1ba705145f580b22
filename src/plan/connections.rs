//! Decides what to answer to connection requests, by the rules of each Private Link Service.

use std::collections::BTreeMap;

use crate::desired::ConnectionRules;
use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::resource::Resource;
use crate::domain::resource::connection::Connection;
use crate::domain::resource::connection::ConnectionStatus;
use crate::domain::resource::connection::Verdict;
use crate::domain::resource::private_endpoint::PrivateEndpoint;
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::change::FieldChange;
use crate::plan::change::Reads;
use crate::plan::draft::Draft;
use crate::plan::preflight;
use crate::value::Fields;
use crate::value::Value;

pub(super) fn decide(draft: &mut Draft<'_>) {
    for (publisher, rules) in &draft.desired.connections {
        let key = ResourceKey::PrivateLinkService(publisher.clone());
        if draft.observed.gap_for(&key).is_some() {
            continue; // The gap is noted where the service itself is decided.
        }
        let existing = existing(draft, publisher, rules);
        for (endpoint, status) in existing.iter().chain(&announced(draft, publisher, &existing)) {
            answer(draft, publisher, rules, (endpoint, status));
        }
    }
}

/// The connections that are there and stay there.
fn existing(
    draft: &mut Draft<'_>,
    publisher: &PublisherKey,
    rules: &ConnectionRules,
) -> BTreeMap<ResourceId, ConnectionStatus> {
    let key = ResourceKey::PrivateLinkService(publisher.clone());
    let replaced = draft.changes.get(&key).is_some_and(|change| change.action.is_destructive());
    let Some(live) = draft.observed.publisher(publisher).filter(|_| !replaced) else { return BTreeMap::new() };
    let auto = &live.service.exposure.auto_approval;
    let mut unlisted = Vec::new();
    let mut found = BTreeMap::new();
    for connection in &live.connections {
        let Some(endpoint) = &connection.endpoint else { continue };
        let renewed = draft.changes.get(&ResourceKey::PrivateEndpoint(endpoint.clone()));
        if renewed.is_some_and(|change| change.action.is_destructive()) {
            continue;
        }
        let unnamed = rules.named_verdict(endpoint).is_none() && !auto.names(&endpoint.subscription());
        if unnamed && connection.status == ConnectionStatus::Approved {
            unlisted.push(endpoint.name().to_owned());
        }
        found.insert(endpoint.clone(), connection.status.clone());
    }
    if !unlisted.is_empty() {
        let text = format!(
            "left alone: no rule permits {} any more, and approved connections are not cut by that",
            unlisted.join(", ")
        );
        draft.note(key, text);
    }
    found
}

/// The connections that endpoints of this plan will ask for.
fn announced(
    draft: &Draft<'_>,
    publisher: &PublisherKey,
    existing: &BTreeMap<ResourceId, ConnectionStatus>,
) -> BTreeMap<ResourceId, ConnectionStatus> {
    let mut announced = BTreeMap::new();
    for change in draft.changes.values() {
        let Some(Resource::PrivateEndpoint(endpoint)) = &change.resource else { continue };
        let is_new = matches!(change.action, Action::Create | Action::Replace);
        let asks = draft.publisher_of(&endpoint.target) == Some(publisher);
        if is_new && asks && !existing.contains_key(&endpoint.id) {
            let is_let_in = is_let_in(draft, publisher, endpoint);
            let status = if is_let_in { ConnectionStatus::Approved } else { ConnectionStatus::Pending };
            announced.insert(endpoint.id.clone(), status);
        }
    }
    announced
}

/// True if Azure approves the endpoint by itself, because the service approves its subscription.
fn is_let_in(draft: &Draft<'_>, publisher: &PublisherKey, endpoint: &PrivateEndpoint) -> bool {
    let key = ResourceKey::PrivateLinkService(publisher.clone());
    let exposure = match draft.desired.intents.get(&key).map(|intent| &intent.resource) {
        Some(Resource::Publication(publication)) => &publication.exposure,
        Some(Resource::PrivateLinkService(service)) => &service.exposure,
        _ => return false,
    };
    exposure.auto_approval.names(&endpoint.id.subscription())
}

fn answer(
    draft: &mut Draft<'_>,
    publisher: &PublisherKey,
    rules: &ConnectionRules,
    (endpoint, status): (&ResourceId, &ConnectionStatus),
) {
    let pending = *status == ConnectionStatus::Pending;
    let by_default = (rules.reject_others && pending).then_some(Verdict::Rejected);
    let Some(verdict) = rules.named_verdict(endpoint).or(by_default) else { return };
    let is_open = matches!(status, ConnectionStatus::Pending | ConnectionStatus::Approved | ConnectionStatus::Rejected);
    if verdict.is_met_by(status) || !is_open {
        return;
    }
    let connection = Connection { publisher: publisher.clone(), endpoint: endpoint.clone(), verdict };
    if *status == ConnectionStatus::Rejected {
        let rule = &preflight::rule::CONNECTION_REJECTED;
        let text = format!("may stay rejected ({}): if so, the endpoint has to be made anew", rule.id);
        draft.note(connection.key(), text);
    }
    let mut change = Change::new(connection.key(), Action::Update);
    let before = Value::text(status);
    change.fields = vec![FieldChange {
        name: "state".to_owned(),
        before: Some(before.clone()),
        after: Some(Value::text(verdict)),
        forces_replacement: false,
        manager: None,
    }];
    let seen = draft.observed.connection(publisher, endpoint).is_some();
    let fields = if seen { Fields::from([("state".to_owned(), before)]) } else { Fields::new() };
    change.reads = Reads { exists: seen, fields, ..Reads::default() };
    change.resource = Some(Resource::Connection(connection));
    change.place = Some(rules.place.clone());
    draft.add(change);
}
