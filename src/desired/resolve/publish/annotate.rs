//! `managedBy: cluster`: what a document says becomes annotations, on a manifest of the repository or on a Service that
//! somebody else deploys.

use std::collections::BTreeMap;

use serde_json::json;

use crate::desired::Intent;
use crate::desired::code;
use crate::desired::resolve::Origin;
use crate::desired::resolve::Resolver;
use crate::desired::resolve::publish::nat_count;
use crate::desired::resolve::publish::visibility;
use crate::diagnostic::Diagnostic;
use crate::domain::annotation;
use crate::domain::annotation::Encoder;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::mark::PUBLISHED_BY_ANNOTATION;
use crate::domain::resource::Resource;
use crate::domain::resource::service::Deployment;
use crate::domain::resource::service::Service;
use crate::repo::document::Document;
use crate::repo::schema::private_link_service as wire;

/// `managedBy: cluster`: every field becomes the annotation of the AKS documentation.
pub(super) fn annotate(
    resolver: &mut Resolver<'_>,
    document: &Document,
    service: &wire::PrivateLinkService,
) -> Option<PublisherKey> {
    let key = service.spec.service.key();
    let annotations = encode(&service.spec);
    match resolver.intents.get(&ResourceKey::Service(key.clone())) {
        Some(_) => merge(resolver, document, &key, &annotations),
        None => foreign(resolver, document, &key, annotations),
    }
    Some(PublisherKey::Cluster(key))
}

/// What a document says, as annotations.
pub(in crate::desired) fn encode(spec: &wire::Spec) -> BTreeMap<String, String> {
    let nat = spec.nat.as_ref();
    let count = nat_count(nat);
    Encoder::new()
        .text(annotation::PLS_NAME, spec.name.as_ref())
        .text(annotation::PLS_RESOURCE_GROUP, spec.resource_group.as_ref())
        .text(annotation::PLS_SUBNET, nat.and_then(|nat| nat.subnet.as_ref()))
        .text(annotation::PLS_ADDRESS_COUNT, (count != 1).then_some(count))
        .list(annotation::PLS_ADDRESSES, nat.map(|nat| nat.addresses.clone()).unwrap_or_default())
        .list(annotation::PLS_FQDNS, spec.fqdns.iter().map(|fqdn| fqdn.as_str()))
        .text(annotation::PLS_PROXY_PROTOCOL, spec.proxy_protocol.then_some("true"))
        .visibility(&visibility(&spec.visibility))
        .list(annotation::PLS_AUTO_APPROVAL, spec.auto_approval.iter().flat_map(|auto| &auto.subscriptions))
        .finish()
}

/// Adds the annotations to a manifest of the repository; what both say must agree.
fn merge(resolver: &mut Resolver<'_>, document: &Document, key: &ObjectKey, annotations: &BTreeMap<String, String>) {
    let service_key = ResourceKey::Service(key.clone());
    let Some(Intent { resource: Resource::Service(service), place, .. }) = resolver.intents.get_mut(&service_key)
    else {
        return;
    };
    let written = service.annotations();
    let mut disagreements = Vec::new();
    for annotation_key in annotation::PLS_KEYS {
        let (theirs, ours) = (written.get(annotation_key), annotations.get(annotation_key));
        match (theirs, ours) {
            (Some(theirs), Some(ours))
                if annotation::decode(annotation_key, theirs) == annotation::decode(annotation_key, ours) => {}
            (Some(theirs), ours) => disagreements.push((annotation_key, theirs.clone(), ours.cloned())),
            (None, Some(ours)) => service.manifest["metadata"]["annotations"][annotation_key] = json!(ours),
            (None, None) => {}
        }
    }
    let service_place = place.clone();
    for (annotation_key, theirs, ours) in disagreements {
        let ours = ours.map_or_else(|| "leaves it away".to_owned(), |ours| format!("means {ours:?}"));
        let diagnostic =
            Diagnostic::error(code::DISAGREE, format!("the Service {key} and its PrivateLinkService disagree"))
                .label(
                    service_place.clone().at("metadata.annotations").child(annotation_key),
                    format!("the annotation says {theirs:?}"),
                )
                .label(document.path_of("spec"), format!("the document {ours}"))
                .help("say it in one place: remove the annotation");
        resolver.say(diagnostic);
    }
}

/// Annotates a Service that somebody else deploys.
fn foreign(
    resolver: &mut Resolver<'_>,
    document: &Document,
    key: &ObjectKey,
    mut annotations: BTreeMap<String, String>,
) {
    annotations.insert(PUBLISHED_BY_ANNOTATION.to_owned(), resolver.policy().mark.to_string());
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": key.name.as_str(), "namespace": key.namespace.as_str(), "annotations": annotations },
    });
    let service = Service { key: key.clone(), deployment: Deployment::AnnotationsOnly, manifest };
    let place = document.path_of("spec.service");
    resolver.add(Resource::Service(service), Origin { document, place, adopt: None });
}
