//! Services with an internal load balancer, as somebody would write them: without what the API server filled in.
//!
//! Somebody else's Service is not taken: whoever deploys it would write it back. What we hold on one stays a document.

use std::collections::BTreeMap;

use serde_json::Map;
use serde_json::Value as Json;
use serde_json::json;

use crate::domain::annotation;
use crate::domain::key::ResourceKey;
use crate::domain::mark::ADOPT_ANNOTATION;
use crate::domain::mark::ENVIRONMENT_LABEL;
use crate::domain::mark::OWNER_LABEL;
use crate::domain::mark::PUBLISHED_BY_ANNOTATION;
use crate::domain::mark::SUSPEND_ANNOTATION;
use crate::domain::mark::SUSPEND_UNTIL_ANNOTATION;
use crate::domain::resource::service::LiveService;
use crate::domain::resource::service::port_path;
use crate::import::Draft;
use crate::import::Importer;
use crate::import::link;

/// What the API server picks: written only where somebody asked for it.
const ALLOCATED: [&str; 3] = ["spec.clusterIP", "spec.clusterIPs", "spec.healthCheckNodePort"];

/// What kubectl remembers of the last manifest: the manifest itself, once more.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Writes documents for the Services of the cluster.
pub(super) fn import(importer: &mut Importer<'_>) {
    let observed = importer.observed();
    let Some(cluster) = &observed.cluster else { return };
    if importer.source.group.is_some_and(|group| *group != cluster.node_resource_group) {
        return;
    }
    let (meant, others): (Vec<&LiveService>, Vec<&LiveService>) =
        observed.services.values().partition(|live| is_exposed(live));
    if !others.is_empty() {
        let reason = format!("{} without an internal load balancer or a Private Link Service", others.len());
        importer.leave("Services", reason);
    }
    meant.into_iter().for_each(|live| service(importer, live));
}

fn text<'a>(live: &'a LiveService, field: &str) -> Option<&'a str> {
    live.manifest.pointer(field).and_then(Json::as_str).filter(|text| !text.is_empty())
}

fn is_exposed(live: &LiveService) -> bool {
    let annotations = live.annotations();
    text(live, "/spec/type") == Some("LoadBalancer")
        && (annotation::is_internal(&annotations) || annotation::wants_private_link(&annotations))
}

fn service(importer: &mut Importer<'_>, live: &LiveService) {
    let key = ResourceKey::Service(live.key.clone());
    if importer.is_asked(&key) || is_somebody_else_s(importer, live) {
        return;
    }
    let ours = Some(&importer.source.desired.policy.mark);
    if live.mark.as_ref() != ours && live.published_by.as_ref() == ours {
        return link::published_by_us(importer, live);
    }
    let adopts = live.mark.is_none().then(|| live.key.to_string());
    let document = document(live, adopts.as_deref());
    let (namespace, name) = (live.key.namespace.as_str(), live.key.name.as_str());
    let file = if namespace == "default" { name.to_owned() } else { format!("{namespace}/{name}") };
    importer.draft(Draft {
        key,
        file: format!("services/{file}"),
        what: format!("Service {}", live.key),
        document,
        adopts: adopts.into_iter().collect(),
    });
}

/// Whether somebody else answers for it; tells who.
fn is_somebody_else_s(importer: &mut Importer<'_>, live: &LiveService) -> bool {
    let subject = format!("Service {}", live.key);
    if importer.is_foreign(&subject, live.mark.as_ref()) || importer.is_foreign(&subject, live.published_by.as_ref()) {
        return true;
    }
    let ours = Some(&importer.source.desired.policy.mark);
    let reason = if live.deleting {
        "it is being deleted".to_owned()
    } else if let Some(class) = text(live, "/spec/loadBalancerClass") {
        format!("the load balancer class {class} takes care of it, and not AKS's cloud provider")
    } else if let (Some(deployer), true) =
        (live.deployer(), live.mark.as_ref() != ours && live.published_by.as_ref() != ours)
    {
        format!("{deployer} deploys it and would write it back: {}", deployer.advice())
    } else {
        return false;
    };
    importer.leave(subject, reason);
    true
}

/// The manifest as a person would have written it.
fn document(live: &LiveService, adopts: Option<&str>) -> Json {
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), json!(live.key.name));
    if live.key.namespace.as_str() != "default" {
        metadata.insert("namespace".to_owned(), json!(live.key.namespace));
    }
    let mut labels = live.labels();
    labels.retain(|key, _| key != OWNER_LABEL && key != ENVIRONMENT_LABEL);
    let mut annotations = live.annotations();
    // What speaks to privlink in a document says nothing on a live object.
    let left_behind = [LAST_APPLIED, ADOPT_ANNOTATION, SUSPEND_ANNOTATION, SUSPEND_UNTIL_ANNOTATION];
    annotations.retain(|key, _| !left_behind.contains(&key.as_str()) && !is_ours_alone(live, key));
    annotations.extend(adopts.map(|key| (ADOPT_ANNOTATION.to_owned(), key.to_owned())));
    put(&mut metadata, "labels", labels);
    put(&mut metadata, "annotations", annotations);
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec(live) })
}

/// Where a whole Service is ours, what says that its annotations are is written by nobody any more.
fn is_ours_alone(live: &LiveService, key: &str) -> bool {
    key == PUBLISHED_BY_ANNOTATION && !live.owned.contains(&format!("metadata.annotations[{key}]"))
}

fn put(metadata: &mut Map<String, Json>, name: &str, texts: BTreeMap<String, String>) {
    if !texts.is_empty() {
        metadata.insert(name.to_owned(), json!(texts));
    }
}

fn spec(live: &LiveService) -> Json {
    let mut spec = Map::new();
    for (name, value) in live.manifest.get("spec").and_then(Json::as_object).into_iter().flatten() {
        let value = match value {
            Json::Array(ports) if name == "ports" => ports.iter().map(|item| port(live, item)).collect(),
            value if keeps(live, &format!("spec.{name}"), value) => value.clone(),
            _ => continue,
        };
        spec.insert(name.clone(), value);
    }
    spec.into()
}

/// True for what somebody asked for: we hold it, or it is not what the API server puts there by itself.
fn keeps(live: &LiveService, path: &str, value: &Json) -> bool {
    let below = |name: &String| name == path || name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
    if live.owned.iter().any(below) {
        return true;
    }
    if ALLOCATED.contains(&path) || path.ends_with("].nodePort") {
        // What the API server allocates has no manager.
        return live.managers.contains_key(path);
    }
    !is_default(path, value)
}

/// What the API server writes into a Service that does not say it.
fn is_default(path: &str, value: &Json) -> bool {
    match path {
        "spec.internalTrafficPolicy" | "spec.externalTrafficPolicy" => value == "Cluster",
        "spec.sessionAffinity" => value == "None",
        "spec.allocateLoadBalancerNodePorts" => value == true,
        "spec.ipFamilyPolicy" => value == "SingleStack",
        "spec.ipFamilies" => *value == json!(["IPv4"]),
        _ => false,
    }
}

fn port(live: &LiveService, item: &Json) -> Json {
    let number = item.get("port").and_then(Json::as_i64).unwrap_or_default();
    let protocol = item.get("protocol").and_then(Json::as_str).unwrap_or("TCP");
    let path = port_path(number, protocol);
    let mut port = Map::new();
    for (name, value) in item.as_object().into_iter().flatten() {
        let is_implied = match name.as_str() {
            "protocol" => protocol == "TCP",
            "targetPort" => value.as_i64() == Some(number) && !live.owned.contains(&format!("{path}.targetPort")),
            "port" => false,
            _ => !keeps(live, &format!("{path}.{name}"), value),
        };
        if !is_implied {
            port.insert(name.clone(), value.clone());
        }
    }
    port.into()
}
