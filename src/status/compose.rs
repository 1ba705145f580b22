//! From what was seen and what is to do to the files of the status branch.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::azure::ResourceId;
use crate::domain::commit::RepoPath;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::resource::Resource;
use crate::domain::resource::service::Deployment;
use crate::status::Composition;
use crate::status::StatusDocument;
use crate::status::document::PrivateEndpointStatus;
use crate::status::document::PrivateLinkServiceStatus;
use crate::status::document::ServiceStatus;
use crate::status::endpoint;
use crate::status::environment;
use crate::status::link_service;
use crate::status::path;
use crate::status::service;
use crate::status::view::View;

type Documents = BTreeMap<RepoPath, StatusDocument>;

/// Composes every file of the environment's status: what is not among them goes.
pub fn compose(input: &Composition<'_>) -> BTreeMap<RepoPath, StatusDocument> {
    // Whole seconds are what people read, and what the times of Azure and Kubernetes have.
    let now = jiff::Timestamp::from_second(input.now.as_second()).expect("cutting a time stays in its range");
    let input = &Composition { now, ..*input };
    let view = View::new(input);
    let mut documents = Documents::new();
    wanted(&view, &mut documents);
    left_over(&view, &mut documents);
    let previous = match input.previous.get(&path::environment(view.environment)) {
        Some(StatusDocument::Environment(previous)) => Some(previous),
        _ => None,
    };
    let environment = environment::compose(&view, previous);
    let overview = environment::overview(&view, environment.clone(), &documents);
    documents.insert(path::environment(view.environment), StatusDocument::Environment(environment));
    documents.insert(path::overview(view.environment), StatusDocument::Overview(overview));
    records(&view, &mut documents);
    plans(&view, &mut documents);
    documents
}

/// The pending plan. As long as there is one, also what was approved before: what is left of it is still approved.
fn plans(view: &View<'_>, documents: &mut Documents) {
    let input = view.input;
    let is_kept = |(_, document): &(&RepoPath, &StatusDocument)| match document {
        StatusDocument::SavedPlan(id) => input.approved.is_none_or(|approved| approved.plans.contains(id)),
        _ => false,
    };
    let is_open = input.plan.has_changes() || !input.plan.may_run();
    let kept = input.previous.iter().filter(|_| is_open).filter(is_kept);
    documents.extend(kept.map(|(path, document)| (path.clone(), document.clone())));
    if input.plan.has_changes() {
        let id = &input.plan.id;
        documents.insert(path::plan(view.environment, id), StatusDocument::SavedPlan(id.clone()));
        documents.insert(path::plan_text(view.environment, id), StatusDocument::PendingPlanText(id.clone()));
    }
}

/// One file for each document of the repository.
fn wanted(view: &View<'_>, documents: &mut Documents) {
    for intent in view.input.desired.intents.values() {
        match &intent.resource {
            Resource::Service(wanted) if wanted.deployment == Deployment::Whole => {
                add_service(view, documents, &wanted.key);
            }
            Resource::Publication(publication) if intent.document.kind != "service" => {
                let name = intent.document.name.to_string();
                let wanted = link_service::Wanted { name, publisher: publication.key(), intent: Some(intent) };
                let path = path::own(view.environment, intent.document.kind, &intent.document.name);
                add_link(view, documents, path, wanted);
            }
            Resource::PrivateLinkService(service) => {
                let name = intent.document.name.to_string();
                let wanted = link_service::Wanted { name, publisher: service.key(), intent: Some(intent) };
                let path = path::own(view.environment, intent.document.kind, &intent.document.name);
                add_link(view, documents, path, wanted);
            }
            Resource::PrivateEndpoint(endpoint) => {
                let name = intent.document.name.to_string();
                let wanted = endpoint::Wanted { name, id: endpoint.id.clone(), intent: Some(intent) };
                let path = path::own(view.environment, intent.document.kind, &intent.document.name);
                add_endpoint(view, documents, path, wanted);
            }
            Resource::Namespace(_)
            | Resource::Service(_)
            | Resource::Publication(_)
            | Resource::Subnet(_)
            | Resource::Connection(_)
            | Resource::DnsRecord(_)
            | Resource::DnsLink(_) => {}
        }
    }
}

fn add_service(view: &View<'_>, documents: &mut Documents, key: &ObjectKey) {
    let path = path::service(view.environment, key);
    let previous = match view.input.previous.get(&path) {
        Some(StatusDocument::Service(previous)) => Some(previous),
        _ => None,
    };
    documents.insert(path, StatusDocument::Service(service::compose(view, key, previous)));
}

fn add_link(view: &View<'_>, documents: &mut Documents, path: RepoPath, wanted: link_service::Wanted<'_>) {
    let previous = match view.input.previous.get(&path) {
        Some(StatusDocument::PrivateLinkService(previous)) => Some(previous),
        _ => None,
    };
    documents.insert(path, StatusDocument::PrivateLinkService(link_service::compose(view, wanted, previous)));
}

fn add_endpoint(view: &View<'_>, documents: &mut Documents, path: RepoPath, wanted: endpoint::Wanted<'_>) {
    let previous = match view.input.previous.get(&path) {
        Some(StatusDocument::PrivateEndpoint(previous)) => Some(previous),
        _ => None,
    };
    documents.insert(path, StatusDocument::PrivateEndpoint(endpoint::compose(view, wanted, previous)));
}

/// Files of documents that are gone, as long as what they made is still there or nobody could look.
fn left_over(view: &View<'_>, documents: &mut Documents) {
    let folder = path::folder(view.environment);
    for (path, previous) in view.input.previous {
        if documents.contains_key(path) || !path.is_under(&folder) {
            continue;
        }
        match previous {
            StatusDocument::Service(status) => {
                if let Some(key) = left_service(view, status) {
                    add_service(view, documents, &key);
                }
            }
            StatusDocument::PrivateLinkService(status) => {
                if let Some(publisher) = left_publisher(view, status) {
                    let name = status.head.metadata.name.clone();
                    add_link(view, documents, path.clone(), link_service::Wanted { name, publisher, intent: None });
                }
            }
            StatusDocument::PrivateEndpoint(status) => {
                if let Some(id) = left_endpoint(view, status) {
                    let name = status.head.metadata.name.clone();
                    add_endpoint(view, documents, path.clone(), endpoint::Wanted { name, id, intent: None });
                }
            }
            StatusDocument::Environment(_)
            | StatusDocument::Applied(_)
            | StatusDocument::Overview(_)
            | StatusDocument::SavedPlan(_)
            | StatusDocument::PendingPlanText(_) => {}
        }
    }
}

/// The Service of a manifest that is gone, if it is still there and ours, or nobody could look.
fn left_service(view: &View<'_>, status: &ServiceStatus) -> Option<ObjectKey> {
    let metadata = &status.head.metadata;
    let key: ObjectKey = format!("{}/{}", metadata.namespace.as_deref()?, metadata.name).parse().ok()?;
    let mark = view.input.observed.services.get(&key).and_then(|live| live.mark.as_ref());
    let ours = mark == Some(&view.input.desired.policy.mark);
    (ours || is_unread(view, &ResourceKey::Service(key.clone()))).then_some(key)
}

/// The endpoint of a document that is gone, if it is still there and ours, or nobody could look.
fn left_endpoint(view: &View<'_>, status: &PrivateEndpointStatus) -> Option<ResourceId> {
    let id: ResourceId = status.outputs.id.as_ref()?.parse().ok()?;
    let mark = view.input.observed.private_endpoints.get(&id).and_then(|live| live.mark.as_ref());
    let ours = mark == Some(&view.input.desired.policy.mark);
    (ours || is_unread(view, &ResourceKey::PrivateEndpoint(id.clone()))).then_some(id)
}

fn is_unread(view: &View<'_>, key: &ResourceKey) -> bool {
    view.gap(key).is_some()
}

/// The Private Link Service of a document that is gone, if it still serves or nobody could look.
fn left_publisher(view: &View<'_>, status: &PrivateLinkServiceStatus) -> Option<PublisherKey> {
    let id: Option<ResourceId> = status.outputs.id.as_ref().and_then(|id| id.parse().ok());
    let service: Option<ObjectKey> = status.service.as_ref().and_then(|key| key.parse().ok());
    let observed = view.input.observed;
    let mark = Some(&view.input.desired.policy.mark);
    if let Some(id) = id {
        let ours = observed.private_link_services.get(&id).is_some_and(|live| live.mark.as_ref() == mark);
        let own = PublisherKey::Own(id);
        if ours || is_unread(view, &ResourceKey::PrivateLinkService(own.clone())) {
            return Some(own);
        }
    }
    let publisher = PublisherKey::Cluster(service?);
    let asked = view.input.desired.intents.contains_key(&ResourceKey::PrivateLinkService(publisher.clone()));
    let serves = observed.publisher(&publisher).is_some_and(|live| live.cluster_owner().is_some());
    let unread = is_unread(view, &ResourceKey::PrivateLinkService(publisher.clone()));
    (!asked && (serves || unread)).then_some(publisher)
}

/// How many records of applies are kept at least. Older ones are in the branch's history.
const RECORDS: usize = 100;

/// The records of applies: the newest, and those since the oldest approval on file, of which they say what is used up.
fn records(view: &View<'_>, documents: &mut Documents) {
    let folder = path::folder(view.environment);
    let is_record = |(path, document): &(&RepoPath, &StatusDocument)| {
        matches!(document, StatusDocument::Applied(_)) && path.is_under(&folder)
    };
    let past = view.input.previous.iter().filter(is_record);
    let mut records: Documents = past.map(|(path, document)| (path.clone(), document.clone())).collect();
    if let Some(record) = view.input.applied.and_then(|applied| applied.record.as_ref()) {
        let path = path::applied(view.environment, &record.plan);
        records.insert(path, StatusDocument::Applied(record.clone()));
    }
    if let Some(on_file) = view.input.approved {
        let mut ends: Vec<Timestamp> = records.values().filter_map(applied_at).collect();
        ends.sort_unstable();
        let newest = ends.iter().rev().nth(RECORDS - 1).or(ends.first());
        let since = newest.copied().into_iter().chain(on_file.since).min();
        records.retain(|_, record| applied_at(record) >= since);
    }
    documents.extend(records);
}

fn applied_at(document: &StatusDocument) -> Option<Timestamp> {
    match document {
        StatusDocument::Applied(record) => Some(record.applied_at),
        _ => None,
    }
}
