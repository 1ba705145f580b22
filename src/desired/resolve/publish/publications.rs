//! Every Service whose annotations ask for a Private Link Service becomes a publication to wait for.

use std::collections::BTreeMap;

use crate::desired::Intent;
use crate::desired::code;
use crate::desired::resolve::Origin;
use crate::desired::resolve::Resolver;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Place;
use crate::domain::annotation;
use crate::domain::annotation::PrivateLinkAnnotations;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::resource::Resource;
use crate::domain::resource::private_link_service::Publication;
use crate::domain::resource::service::Deployment;
use crate::repo::document::Body;
use crate::repo::document::Document;

/// The subnet of an internal frontend by its annotation: NAT addresses come from there too. A public one has none.
fn frontend_subnet(annotations: &BTreeMap<String, String>) -> Option<String> {
    annotations.get(annotation::INTERNAL_SUBNET).filter(|_| annotation::is_internal(annotations)).cloned()
}

/// A Service whose annotations say something about a Private Link Service.
struct Asking {
    key: ObjectKey,
    deployment: Deployment,
    place: Place,
    annotations: BTreeMap<String, String>,
    asked: Result<PrivateLinkAnnotations, Vec<annotation::InvalidAnnotation>>,
}

impl Asking {
    /// What an intent asks for; `None` if nothing.
    fn read(intent: &Intent) -> Option<Self> {
        let Resource::Service(service) = &intent.resource else { return None };
        let annotations = service.annotations();
        let asked = PrivateLinkAnnotations::read(&annotations).transpose()?;
        let (key, place) = (service.key.clone(), intent.place.clone());
        Some(Self { key, deployment: service.deployment, place, annotations, asked })
    }
}

/// Every Service whose annotations ask for a Private Link Service gets one to wait for.
pub(super) fn publications(resolver: &mut Resolver<'_>, origins: &BTreeMap<ObjectKey, &Document>) {
    let asking: Vec<Asking> = resolver.intents.values().filter_map(Asking::read).collect();
    for Asking { key, deployment, place, annotations, asked } in asking {
        let Some(document) = origins.get(&key) else { continue };
        let asked = match asked {
            Ok(asked) => asked,
            Err(errors) => {
                for error in errors {
                    refuse_annotation(resolver, document, &error);
                }
                continue;
            }
        };
        if deployment == Deployment::Whole && !annotation::is_internal(&annotations) && !floats(&annotations) {
            if is_misspelt(&annotations) {
                continue;
            }
            let diagnostic =
                Diagnostic::error(code::NOT_INTERNAL, "a Private Link Service needs an internal load balancer")
                    .label(place.clone().at("metadata.annotations").child(annotation::PLS_CREATE), "asked for here")
                    .help(format!("add the annotation {}: \"true\"", annotation::INTERNAL));
            resolver.say(diagnostic);
            continue;
        }
        let Some(cluster) = resolver.source.cluster else { continue };
        let by_name = asked.subnet.clone().or_else(|| frontend_subnet(&annotations));
        let known_subnet = deployment == Deployment::Whole || asked.subnet.is_some();
        // Whose annotations we do not see in the files may name another subnet.
        let nat_subnet = known_subnet.then(|| cluster.subnet(by_name.as_deref())).flatten();
        let name = asked.name.clone();
        let publication = Publication { service: key, name, exposure: asked.into_exposure(nat_subnet) };
        resolver.add(Resource::Publication(publication), Origin { document, place: document.place(), adopt: None });
    }
}

/// True if the Service is meant to be internal and is not: a rule says how its flag is spelled.
pub(super) fn is_misspelt(annotations: &BTreeMap<String, String>) -> bool {
    annotations.get(annotation::INTERNAL).is_some_and(|text| annotation::is_misspelt_internal(text))
}

/// With floating IP disabled the cloud provider publishes a public load balancer, too.
fn floats(annotations: &BTreeMap<String, String>) -> bool {
    annotations.get(annotation::DISABLE_FLOATING_IP).is_some_and(|text| annotation::is_true_folded(text))
}

fn refuse_annotation(resolver: &mut Resolver<'_>, document: &Document, error: &annotation::InvalidAnnotation) {
    let place = match &document.body {
        Body::Service(_) => document.annotation(error.key),
        Body::PrivateLinkService(_) | Body::PrivateEndpoint(_) => document.path_of("spec"),
    };
    let diagnostic = Diagnostic::error(code::ANNOTATION, format!("the cloud provider refuses {}", error.key))
        .label(place, format!("{:?}", error.value))
        .help(error.rule.clone());
    resolver.say(diagnostic);
}
