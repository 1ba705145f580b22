//! Services that the repository deploys.

use serde_json::Value as Json;
use serde_json::json;

use crate::desired::resolve::Manifests;
use crate::desired::resolve::Origin;
use crate::desired::resolve::Resolver;
use crate::domain::mark::ADOPT_ANNOTATION;
use crate::domain::mark::Mark;
use crate::domain::mark::SUSPEND_ANNOTATION;
use crate::domain::mark::SUSPEND_UNTIL_ANNOTATION;
use crate::domain::resource::Resource;
use crate::domain::resource::service::Deployment;
use crate::domain::resource::service::Service;
use crate::repo::document::Body;
use crate::repo::document::Document;
use crate::repo::document::ServiceManifest;

pub(super) fn resolve(resolver: &mut Resolver<'_>, documents: &[&Document]) {
    for document in documents {
        let Body::Service(manifest) = &document.body else { continue };
        let place = document.place();
        if resolver.cluster(&place).is_none() {
            continue;
        }
        let service = Service {
            key: manifest.key.clone(),
            deployment: Deployment::Whole,
            manifest: match resolver.manifests {
                Manifests::Whole => normalise(manifest, &resolver.policy().mark),
                Manifests::Annotations => json!({ "metadata": { "annotations": manifest.annotations } }),
            },
        };
        let adopt = manifest.annotations.get(ADOPT_ANNOTATION).cloned();
        resolver.add(Resource::Service(service), Origin { document, place, adopt });
    }
}

/// What is applied: the manifest with its namespace and our labels, and with the key fields that merging needs.
fn normalise(service: &ServiceManifest, mark: &Mark) -> Json {
    let mut manifest = service.manifest.value();
    let metadata = &mut manifest["metadata"];
    metadata["namespace"] = json!(service.key.namespace.as_str());
    for (name, value) in mark.labels() {
        metadata["labels"][name] = json!(value);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Json::as_object_mut) {
        for own in [ADOPT_ANNOTATION, SUSPEND_ANNOTATION, SUSPEND_UNTIL_ANNOTATION] {
            annotations.remove(own);
        }
    }
    // Kubernetes merges ports by port and protocol: a protocol left out would be another key than the defaulted one.
    for port in manifest.pointer_mut("/spec/ports").and_then(Json::as_array_mut).into_iter().flatten() {
        if port.get("protocol").is_none() {
            port["protocol"] = json!("TCP");
        }
    }
    manifest
}
