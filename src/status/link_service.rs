//! The status of a Private Link Service, whoever built it, and of the connections on it.

use crate::desired::Intent;
use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::resource::Provisioning;
use crate::domain::resource::Resource;
use crate::domain::resource::connection::ConnectionStatus;
use crate::domain::resource::connection::LiveConnection;
use crate::domain::resource::private_link_service::Frontend;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::plan::moved;
use crate::status::condition::Finding;
use crate::status::document::ConditionType;
use crate::status::document::ConnectionRecord;
use crate::status::document::LinkService;
use crate::status::document::Metadata;
use crate::status::document::PastAlias;
use crate::status::document::PrivateLinkServiceStatus;
use crate::status::document::Replaces;
use crate::status::reason;
use crate::status::service;
use crate::status::view::Subject;
use crate::status::view::View;

/// Which document's status is composed.
pub(super) struct Wanted<'a> {
    pub(super) name: String,
    pub(super) publisher: PublisherKey,
    /// The wish; `None` once no document asks for it.
    pub(super) intent: Option<&'a Intent>,
}

/// Composes the status of one `PrivateLinkService` document.
pub(super) fn compose(
    view: &View<'_>,
    wanted: Wanted<'_>,
    previous: Option<&PrivateLinkServiceStatus>,
) -> PrivateLinkServiceStatus {
    let Wanted { name, publisher, intent } = wanted;
    let mut keys = intent.map(|intent| view.siblings(intent)).unwrap_or_default();
    let own = ResourceKey::PrivateLinkService(publisher.clone());
    if !keys.contains(&own) {
        keys.push(own);
    }
    let service = service_of(&publisher, intent);
    let mut findings: Vec<Finding> = service.iter().map(|key| service::frontend(view, key)).collect();
    findings.extend(self::findings(view, &publisher));
    let metadata = Metadata { name, namespace: None };
    let subject = Subject { kind: "PrivateLinkServiceStatus", metadata, intent, keys };
    let before = previous.and_then(|previous| previous.service.clone());
    PrivateLinkServiceStatus {
        head: view.head(subject, findings, previous.map(|previous| &previous.head)),
        service: service.map(|key| key.to_string()).or(before),
        outputs: outputs(view, &publisher, previous.map(|previous| &previous.outputs)),
        replaces: replaces(view, &publisher, previous.and_then(|previous| previous.replaces.as_ref())),
    }
}

fn replaces(view: &View<'_>, new: &PublisherKey, previous: Option<&Replaces>) -> Option<Replaces> {
    let replacement = view.input.desired.replacements.get(new)?;
    let is_unseen = |publisher: &PublisherKey| is_unread(view, publisher);
    if is_unseen(new) || replacement.publisher.as_ref().is_some_and(is_unseen) {
        return previous.cloned();
    }
    let migration = moved::migration(view.input.desired, view.input.observed, new)?;
    let mut missing: Vec<String> = migration.missing.iter().map(|connection| who(view, connection)).collect();
    missing.sort_unstable();
    let (moved, consumers) = (migration.arrived, migration.consumers);
    Some(Replaces { name: replacement.old.to_string(), moved, consumers, missing })
}

/// `acme-dr of ACME trading`: enough to call somebody.
fn who(view: &View<'_>, connection: &LiveConnection) -> String {
    let endpoint = connection.endpoint.as_ref().unwrap_or(&connection.id);
    let subscription = endpoint.subscription();
    match view.input.desired.policy.consumers.get(&subscription) {
        Some(consumer) => format!("{} of {}", endpoint.name(), consumer.name),
        None => format!("{} of subscription {subscription}", endpoint.name()),
    }
}

fn service_of(publisher: &PublisherKey, intent: Option<&Intent>) -> Option<ObjectKey> {
    match (publisher, intent.map(|intent| &intent.resource)) {
        (PublisherKey::Cluster(key), _) => Some(key.clone()),
        (PublisherKey::Own(_), Some(Resource::PrivateLinkService(service))) => match &service.frontend {
            Frontend::OfService { service, .. } => Some(service.clone()),
            Frontend::Id(_) => None,
        },
        (PublisherKey::Own(_), _) => None,
    }
}

pub(super) fn is_unread(view: &View<'_>, publisher: &PublisherKey) -> bool {
    view.gap(&ResourceKey::PrivateLinkService(publisher.clone())).is_some()
}

/// Whether it serves, whether it is published, and whether requests wait.
pub(super) fn findings(view: &View<'_>, publisher: &PublisherKey) -> Vec<Finding> {
    use ConditionType::{ConnectionApproved, LinkServiceReady, Published};
    let key = ResourceKey::PrivateLinkService(publisher.clone());
    if let Some(gap) = view.gap(&key) {
        return [LinkServiceReady, ConnectionApproved, Published].map(|kind| Finding::unread(kind, gap)).into();
    }
    let live = view.input.observed.publisher(publisher);
    let ready = ready(live).blame(view.failure(&key));
    let asked = view.input.desired.intents.contains_key(&key);
    vec![published(live, asked), requests(live), ready]
}

fn ready(live: Option<&LivePrivateLinkService>) -> Finding {
    let kind = ConditionType::LinkServiceReady;
    let Some(live) = live else {
        return Finding::no(kind, reason::NOT_CREATED, "there is no Private Link Service");
    };
    let name = live.service.id.name();
    match (&live.provisioning, &live.alias) {
        (Provisioning::Underway, _) => Finding::no(kind, reason::PROVISIONING, format!("Azure is at work on {name}")),
        (Provisioning::Failed, _) => {
            let message = format!("the last operation of Azure on {name} failed");
            Finding::no(kind, reason::PROVISIONING_FAILED, message)
        }
        (Provisioning::Succeeded, None) => Finding::no(kind, reason::ALIAS_PENDING, format!("{name} has no alias yet")),
        (Provisioning::Succeeded, Some(_)) => Finding::yes(kind, reason::SERVING),
    }
}

/// A Private Link Service serves until it is gone, whatever Azure is doing with it.
fn published(live: Option<&LivePrivateLinkService>, asked: bool) -> Finding {
    let kind = ConditionType::Published;
    match (live, asked) {
        (None, _) => Finding::no(kind, reason::NOT_PUBLISHED, "no consumer can reach it"),
        (Some(live), _) if live.alias.is_none() => {
            Finding::no(kind, reason::NOT_PUBLISHED, "no consumer can reach it before it has an alias")
        }
        (Some(_), true) => Finding::yes(kind, reason::PUBLISHED),
        (Some(live), false) => {
            let number = live.connections.len();
            let consumers = if number == 1 { "1 consumer".to_owned() } else { format!("{number} consumers") };
            let message = format!("nobody asks for it any more, and {consumers} can still reach it");
            Finding::yes(kind, reason::STILL_PUBLISHED).message(message)
        }
    }
}

fn requests(live: Option<&LivePrivateLinkService>) -> Finding {
    let kind = ConditionType::ConnectionApproved;
    let connections = live.map(|live| live.connections.as_slice()).unwrap_or_default();
    let waiting = connections.iter().filter(|connection| connection.status == ConnectionStatus::Pending);
    let mut names: Vec<&str> =
        waiting.map(|connection| connection.endpoint.as_ref().unwrap_or(&connection.id).name()).collect();
    if names.is_empty() {
        return Finding::yes(kind, reason::NO_REQUEST_WAITS);
    }
    names.sort_unstable();
    let verb = if names.len() == 1 { "waits" } else { "wait" };
    Finding::no(kind, reason::REQUESTS_WAIT, format!("{} {verb} for an answer", names.join(", ")))
}

/// Id, alias and connections, with what is remembered of earlier ones.
pub(super) fn outputs(view: &View<'_>, publisher: &PublisherKey, previous: Option<&LinkService>) -> LinkService {
    if is_unread(view, publisher) {
        return previous.cloned().unwrap_or_default();
    }
    let live = view.input.observed.publisher(publisher);
    let alias = live.and_then(|live| live.alias.as_ref()).map(ToString::to_string);
    LinkService {
        id: live.map(|live| live.service.id.to_string()),
        alias_history: history(view, alias.as_deref(), previous),
        alias,
        connections: live.map(|live| connections(view, live, previous)).unwrap_or_default(),
    }
}

/// What is remembered of a Private Link Service that is gone, or has a document of its own now: its past aliases.
pub(super) fn memory(view: &View<'_>, publisher: &PublisherKey, previous: Option<&LinkService>) -> Option<LinkService> {
    let alias = view.input.observed.publisher(publisher).and_then(|live| live.alias.as_ref());
    let alias_history = history(view, alias.map(ToString::to_string).as_deref(), previous);
    (!alias_history.is_empty()).then(|| LinkService { alias_history, ..LinkService::default() })
}

fn history(view: &View<'_>, alias: Option<&str>, previous: Option<&LinkService>) -> Vec<PastAlias> {
    let Some(previous) = previous else { return Vec::new() };
    let mut history = previous.alias_history.clone();
    if let Some(before) = &previous.alias
        && !alias.is_some_and(|alias| alias.eq_ignore_ascii_case(before))
    {
        history.push(PastAlias { alias: before.clone(), until: view.input.now });
    }
    history
}

fn connections(
    view: &View<'_>,
    live: &LivePrivateLinkService,
    previous: Option<&LinkService>,
) -> Vec<ConnectionRecord> {
    let known = previous.map(|previous| previous.connections.as_slice()).unwrap_or_default();
    let consumers = &view.input.desired.policy.consumers;
    let mut records: Vec<ConnectionRecord> = live
        .connections
        .iter()
        .map(|connection| {
            let endpoint: &ResourceId = connection.endpoint.as_ref().unwrap_or(&connection.id);
            let before = known.iter().find(|record| record.endpoint.eq_ignore_ascii_case(endpoint.as_str()));
            ConnectionRecord {
                name: endpoint.name().to_owned(),
                consumer: consumers.get(&endpoint.subscription()).map(|consumer| consumer.name.clone()),
                // Azure's spelling of an id changes from answer to answer: the first one stays.
                endpoint: before.map_or_else(|| endpoint.to_string(), |before| before.endpoint.clone()),
                subscription: endpoint.subscription().to_string(),
                status: connection.status.to_string(),
                link_id: connection.link_identifier.clone(),
                first_seen: before.map_or(view.input.now, |before| before.first_seen),
            }
        })
        .collect();
    records.sort_by_key(|record| record.endpoint.to_ascii_lowercase());
    records
}
