//! The status of a Service that the repository deploys.

use serde_json::Value as Json;

use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::resource::service::LiveService;
use crate::status::StatusDocument;
use crate::status::condition::Finding;
use crate::status::document::ConditionType;
use crate::status::document::Metadata;
use crate::status::document::ServiceOutputs;
use crate::status::document::ServiceStatus;
use crate::status::link_service;
use crate::status::reason;
use crate::status::view::Subject;
use crate::status::view::View;

/// Composes the status of one Service, whether or not somebody still asks for it.
pub(super) fn compose(view: &View<'_>, key: &ObjectKey, previous: Option<&ServiceStatus>) -> ServiceStatus {
    let own = ResourceKey::Service(key.clone());
    let publisher = PublisherKey::Cluster(key.clone());
    let mut keys = vec![own.clone()];
    let mut findings = vec![frontend(view, key)];
    let before = previous.and_then(|previous| previous.link_service.as_ref());
    let published = is_published_here(view, key) || (before.is_some() && link_service::is_unread(view, &publisher));
    let link = published.then(|| {
        keys.push(ResourceKey::PrivateLinkService(publisher.clone()));
        findings.extend(link_service::findings(view, &publisher));
        link_service::outputs(view, &publisher, before)
    });
    // What stops being published still remembers its aliases.
    let link = link.or_else(|| link_service::memory(view, &publisher, before));
    let metadata = Metadata { name: key.name.to_string(), namespace: Some(key.namespace.to_string()) };
    let intent = view.input.desired.intents.get(&own);
    let subject = Subject { kind: "ServiceStatus", metadata, intent, keys };
    ServiceStatus {
        head: view.head(subject, findings, previous.map(|previous| &previous.head)),
        outputs: outputs(view, key, previous),
        link_service: link,
    }
}

/// True if its Private Link Service has no document of its own: its annotations ask for it, or did.
fn is_published_here(view: &View<'_>, key: &ObjectKey) -> bool {
    let publisher = PublisherKey::Cluster(key.clone());
    match view.input.desired.intents.get(&ResourceKey::PrivateLinkService(publisher.clone())) {
        Some(publication) => publication.document.kind == "service",
        None => {
            let link = view.input.observed.publisher(&publisher);
            let owned = link.filter(|link| link.cluster_owner().as_ref() == Some(key));
            owned.is_some_and(|link| !is_told_elsewhere(view, &link.service.id))
        }
    }
}

/// True if the file of a document that is gone still tells of it.
fn is_told_elsewhere(view: &View<'_>, link: &ResourceId) -> bool {
    view.input.previous.values().any(|document| match document {
        StatusDocument::PrivateLinkService(status) => {
            status.outputs.id.as_ref().and_then(|id| id.parse::<ResourceId>().ok()).as_ref() == Some(link)
        }
        _ => false,
    })
}

/// Whether a Service has its address.
pub(super) fn frontend(view: &View<'_>, key: &ObjectKey) -> Finding {
    let kind = ConditionType::FrontendReady;
    let own = ResourceKey::Service(key.clone());
    if let Some(gap) = view.gap(&own) {
        return Finding::unread(kind, gap);
    }
    let finding = match view.input.observed.services.get(key) {
        None => Finding::no(kind, reason::NOT_CREATED, format!("the Service {key} is not in the cluster")),
        Some(live) if live.deleting => Finding::no(kind, reason::DELETING, "the Service is being deleted"),
        Some(live) if live.addresses.is_empty() => {
            let warning = view.input.observed.warnings.get(key);
            let said =
                warning.map(|event| format!("; the cloud provider says {}", event.summary())).unwrap_or_default();
            let text = format!("the load balancer has not given it an address yet{said}");
            Finding::no(kind, reason::ADDRESS_PENDING, text)
        }
        Some(_) => Finding::yes(kind, reason::ADDRESS_ASSIGNED),
    };
    finding.blame(view.failure(&own))
}

fn outputs(view: &View<'_>, key: &ObjectKey, previous: Option<&ServiceStatus>) -> ServiceOutputs {
    if view.gap(&ResourceKey::Service(key.clone())).is_some() {
        return previous.map(|previous| previous.outputs.clone()).unwrap_or_default();
    }
    let Some(live) = view.input.observed.services.get(key) else { return ServiceOutputs::default() };
    let text = |path: &str| live.manifest.pointer(path).and_then(Json::as_str);
    let before = previous.and_then(|previous| previous.outputs.frontend.clone());
    ServiceOutputs {
        kind: Some(text("/spec/type").unwrap_or("ClusterIP").to_owned()),
        cluster_ip: text("/spec/clusterIP").map(ToOwned::to_owned),
        addresses: live.addresses.iter().map(ToString::to_string).collect(),
        ports: ports(live),
        created_at: text("/metadata/creationTimestamp").and_then(|text| text.parse().ok()),
        frontend: match view.input.observed.frontend_of(key) {
            Some(frontend) => Some(frontend.id.to_string()),
            // Load balancers are an area of their own, and absence may be concluded from a complete look only.
            None if !view.input.observed.gaps.is_empty() => before,
            None => None,
        },
    }
}

/// Ports as kubectl prints them: `443:30443/TCP`.
fn ports(live: &LiveService) -> Vec<String> {
    let ports = live.manifest.pointer("/spec/ports").and_then(Json::as_array);
    let port = |port: &Json| {
        let protocol = port.get("protocol").and_then(Json::as_str).unwrap_or("TCP");
        let number = port.get("port").and_then(Json::as_u64)?;
        Some(match port.get("nodePort").and_then(Json::as_u64) {
            Some(node) if node > 0 => format!("{number}:{node}/{protocol}"),
            _ => format!("{number}/{protocol}"),
        })
    };
    ports.into_iter().flatten().filter_map(port).collect()
}
