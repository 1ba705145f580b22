//! `managedBy: privlink`: a resource of our own, in a group in which the cloud provider does not look.

use std::collections::BTreeMap;

use crate::desired::code;
use crate::desired::resolve::Origin;
use crate::desired::resolve::Resolver;
use crate::desired::resolve::publish::exposure;
use crate::desired::resolve::publish::publications::is_misspelt;
use crate::desired::resolve::publish::publisher;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Place;
use crate::domain::annotation;
use crate::domain::cluster::ManagedCluster;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::resource::Resource;
use crate::domain::resource::private_link_service::Frontend;
use crate::domain::resource::private_link_service::PrivateLinkService;
use crate::domain::resource::subnet::SubnetPolicy;
use crate::repo::document::Document;
use crate::repo::schema::private_link_service as wire;

/// `managedBy: privlink`: the resource is ours.
pub(super) fn own(
    resolver: &mut Resolver<'_>,
    (document, service): (&Document, &wire::PrivateLinkService),
    cluster: &ManagedCluster,
) -> Option<PublisherKey> {
    let Some(PublisherKey::Own(id)) = publisher(service, cluster) else {
        let diagnostic = Diagnostic::error(code::RESOURCE_GROUP, "`managedBy: privlink` needs `resourceGroup`")
            .label(document.path_of("spec.managedBy"), "needs a group of its own")
            .help("name a group in which the cloud provider does not look: it deletes every Private Link Service on a frontend that goes");
        resolver.say(diagnostic);
        return None;
    };
    if id.resource_group() == cluster.node_resource_group {
        let diagnostic = Diagnostic::error(code::RESOURCE_GROUP, "this is the cluster's node resource group")
            .label(document.path_of("spec.resourceGroup"), "the cloud provider deletes what it finds here")
            .help("name another group");
        resolver.say(diagnostic);
    }
    let key = service.spec.service.key();
    if is_annotated(resolver, &key) {
        let diagnostic =
            Diagnostic::error(code::DISAGREE, format!("the annotations of {key} ask for a Private Link Service too"))
                .label(document.path_of("spec.managedBy"), "privlink builds one on the same frontend")
                .help("remove azure-pls-create from the Service: a frontend carries one Private Link Service");
        resolver.say(diagnostic);
    }
    check_group(resolver, document, (&key, id.resource_group().as_str()));
    check_service(resolver, document, &key);
    let name = service.spec.nat.as_ref().and_then(|nat| nat.subnet.as_ref()).map(ToString::to_string);
    let subnet = cluster.subnet(name.as_deref().or(internal_subnet(resolver, &key).as_deref()));
    let origin = |place: Place| Origin { document, place, adopt: service.metadata.annotations.adopt.of(&id) };
    if let Some(subnet) = &subnet
        && !resolver.intents.contains_key(&ResourceKey::Subnet(subnet.clone()))
    {
        resolver.add(Resource::Subnet(SubnetPolicy { id: subnet.clone() }), origin(document.path_of("spec.nat")));
    }
    let tags = resolver.policy().mark.tags(&crate::desired::resolve::mark(document));
    let resource = PrivateLinkService {
        id: id.clone(),
        location: cluster.location.clone(),
        frontend: Frontend::OfService { service: key, known: None },
        exposure: exposure(&service.spec, subnet),
        tags,
    };
    resolver.add(Resource::PrivateLinkService(resource), origin(document.place()));
    Some(PublisherKey::Own(id))
}

/// The Service's annotations may send the cloud provider to the group of ours, whoever asked for a Private Link Service.
fn check_group(resolver: &mut Resolver<'_>, document: &Document, (key, group): (&ObjectKey, &str)) {
    let annotations = annotations_of(resolver, key).unwrap_or_default();
    let searched = annotations.get(annotation::PLS_RESOURCE_GROUP).map(|text| text.trim());
    if searched.is_some_and(|searched| searched.eq_ignore_ascii_case(group)) {
        let message = format!("the annotations of {key} send the cloud provider to this resource group");
        let diagnostic = Diagnostic::error(code::RESOURCE_GROUP, message)
            .label(
                document.path_of("spec.resourceGroup"),
                "the cloud provider deletes what it finds here when the frontend moves",
            )
            .help(format!("remove {} from the Service, or name another group", annotation::PLS_RESOURCE_GROUP));
        resolver.say(diagnostic);
    }
}

/// The Service whose frontend is published must be one that this environment may touch, and an internal one.
fn check_service(resolver: &mut Resolver<'_>, document: &Document, key: &ObjectKey) {
    if let Some(problem) = resolver.policy().scope.problem_with(&ResourceKey::Service(key.clone())) {
        let diagnostic = Diagnostic::error(code::OUT_OF_SCOPE, problem)
            .label(document.path_of("spec.service.namespace"), "published from here")
            .help("move the document to another environment, or widen `scope` in privlink.toml");
        resolver.say(diagnostic);
    }
    let annotations = annotations_of(resolver, key);
    if annotations.is_some_and(|annotations| !annotation::is_internal(&annotations) && !is_misspelt(&annotations)) {
        let diagnostic =
            Diagnostic::error(code::NOT_INTERNAL, "a Private Link Service needs an internal load balancer")
                .label(document.path_of("spec.service"), format!("{key} has a public one, or none"))
                .help(format!("add the annotation {}: \"true\" to the Service", annotation::INTERNAL));
        resolver.say(diagnostic);
    }
}

fn is_annotated(resolver: &Resolver<'_>, key: &ObjectKey) -> bool {
    annotations_of(resolver, key).is_some_and(|annotations| annotation::wants_private_link(&annotations))
}

fn annotations_of(resolver: &Resolver<'_>, key: &ObjectKey) -> Option<BTreeMap<String, String>> {
    match &resolver.intents.get(&ResourceKey::Service(key.clone()))?.resource {
        Resource::Service(service) => Some(service.annotations()),
        _ => None,
    }
}

fn internal_subnet(resolver: &Resolver<'_>, key: &ObjectKey) -> Option<String> {
    annotations_of(resolver, key)?.get(annotation::INTERNAL_SUBNET).cloned()
}
