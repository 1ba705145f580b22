//! Publishing: `PrivateLinkService` documents become annotations or a resource of our own, and every Service whose
//! annotations ask for a Private Link Service becomes a publication to wait for.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::json;

use crate::desired::ConnectionRules;
use crate::desired::Intent;
use crate::desired::Requester;
use crate::desired::code;
use crate::desired::resolve::Origin;
use crate::desired::resolve::Resolver;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Place;
use crate::domain::annotation;
use crate::domain::annotation::Encoder;
use crate::domain::annotation::PrivateLinkAnnotations;
use crate::domain::azure::ResourceId;
use crate::domain::cluster::ManagedCluster;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::mark::PUBLISHED_BY_ANNOTATION;
use crate::domain::resource::Resource;
use crate::domain::resource::private_link_service::Exposure;
use crate::domain::resource::private_link_service::Frontend;
use crate::domain::resource::private_link_service::Nat;
use crate::domain::resource::private_link_service::PrivateLinkService;
use crate::domain::resource::private_link_service::Publication;
use crate::domain::resource::private_link_service::Visibility;
use crate::domain::resource::service::Deployment;
use crate::domain::resource::service::Service;
use crate::domain::resource::subnet::SubnetPolicy;
use crate::repo::document::Body;
use crate::repo::document::Document;
use crate::repo::schema::private_link_service as wire;

pub(super) fn resolve(resolver: &mut Resolver<'_>, documents: &[&Document]) {
    let mut origins: BTreeMap<ObjectKey, &Document> = BTreeMap::new();
    let mut published: BTreeMap<ObjectKey, &Document> = BTreeMap::new();
    for document in documents {
        match &document.body {
            Body::PrivateLinkService(service) => {
                let key = service.spec.service.key();
                if let Some(first) = published.insert(key.clone(), document) {
                    refuse_second(resolver, &key, document, first);
                    continue;
                }
                publish(resolver, document, service);
                origins.insert(key, document);
            }
            Body::Service(service) => {
                origins.entry(service.key.clone()).or_insert(document);
            }
            Body::PrivateEndpoint(_) => {}
        }
    }
    publications(resolver, &origins);
}

/// A frontend carries one Private Link Service, whoever builds it.
fn refuse_second(resolver: &mut Resolver<'_>, key: &ObjectKey, document: &Document, first: &Document) {
    let diagnostic = Diagnostic::error(code::DUPLICATE, format!("two documents publish the Service {key}"))
        .label(document.path_of("spec.service"), "again here")
        .label(first.path_of("spec.service"), "first here")
        .help("keep one of them");
    resolver.say(diagnostic);
}

/// What a document publishes under; the endpoints' targets ask the same.
pub(super) fn publisher(document: &wire::PrivateLinkService, cluster: &ManagedCluster) -> Option<PublisherKey> {
    let spec = &document.spec;
    match spec.managed_by {
        wire::ManagedBy::Cluster => Some(PublisherKey::Cluster(spec.service.key())),
        wire::ManagedBy::Privlink => {
            let group = spec.resource_group.as_ref()?;
            let name =
                spec.name.as_ref().map_or_else(|| format!("pls-{}", document.metadata.name), ToString::to_string);
            let subscription = cluster.id.subscription();
            Some(PublisherKey::Own(ResourceId::new(
                &subscription,
                group,
                "Microsoft.Network/privateLinkServices",
                &name,
            )))
        }
    }
}

fn publish(resolver: &mut Resolver<'_>, document: &Document, service: &wire::PrivateLinkService) {
    let Some(cluster) = resolver.cluster(&document.place()) else { return };
    check_visibility(resolver, document, service);
    check_count(resolver, document, service);
    let publisher = match service.spec.managed_by {
        wire::ManagedBy::Cluster => annotate(resolver, document, service),
        wire::ManagedBy::Privlink => own(resolver, (document, service), cluster),
    };
    if let (Some(publisher), Some(rules)) = (publisher, &service.spec.connections) {
        let rules = connection_rules(rules, document.path_of("spec.connections"));
        if let Some(first) = resolver.connections.get(&publisher) {
            let diagnostic =
                Diagnostic::error(code::DUPLICATE, "two documents rule over the connections of one service")
                    .label(rules.place, "again here")
                    .label(first.place.clone(), "first here");
            return resolver.say(diagnostic);
        }
        resolver.connections.insert(publisher, rules);
    }
}

fn connection_rules(rules: &wire::Connections, place: Place) -> ConnectionRules {
    let set = |list: &[wire::Requester]| -> BTreeSet<Requester> {
        let convert = |requester: &wire::Requester| match requester {
            wire::Requester::Subscription(id) => Requester::Subscription(id.clone()),
            wire::Requester::Endpoint(id) => Requester::Endpoint(id.clone()),
        };
        list.iter().map(convert).collect()
    };
    ConnectionRules {
        approve: set(&rules.approve),
        reject: set(&rules.reject),
        reject_others: rules.otherwise == wire::Otherwise::Reject,
        place,
    }
}

fn check_visibility(resolver: &mut Resolver<'_>, document: &Document, service: &wire::PrivateLinkService) {
    let Some(auto) = &service.spec.auto_approval else { return };
    for (at, id) in auto.subscriptions.iter().enumerate() {
        let visible = match &service.spec.visibility {
            wire::Visibility::AnyoneWithAlias => true,
            wire::Visibility::Subscriptions(ids) => ids.contains(id),
            wire::Visibility::RoleBased => false,
        };
        if !visible {
            let diagnostic = Diagnostic::error(
                code::NOT_VISIBLE,
                format!("{id} is let in without asking but cannot see the service"),
            )
            .label(document.path_of(&format!("spec.autoApproval.subscriptions[{at}]")), "not in `visibility`")
            .label(document.path_of("spec.visibility").on_key(), "who can see it")
            .help("add the subscription to `visibility`: Azure demands that auto-approval is a subset of it");
            resolver.say(diagnostic);
        }
    }
}

fn check_count(resolver: &mut Resolver<'_>, document: &Document, service: &wire::PrivateLinkService) {
    let Some(nat) = &service.spec.nat else { return };
    let Some(count) = nat.count else { return };
    if nat.addresses.len() > usize::from(count.get()) {
        let diagnostic = Diagnostic::error(
            code::NAT_COUNT,
            format!("{} NAT addresses do not fit into a count of {}", nat.addresses.len(), count.get()),
        )
        .label(document.path_of("spec.nat.count"), "too small")
        .label(document.path_of("spec.nat.addresses").on_key(), "these")
        .help("leave `count` away: it then is the number of addresses");
        resolver.say(diagnostic);
    }
}

fn exposure(spec: &wire::Spec, nat_subnet: Option<ResourceId>) -> Exposure {
    let nat = spec.nat.as_ref();
    let addresses: Vec<IpAddr> =
        nat.map(|nat| nat.addresses.iter().copied().map(IpAddr::V4).collect()).unwrap_or_default();
    Exposure {
        nat: Nat { subnet: nat_subnet, count: nat_count(nat), addresses },
        visibility: visibility(&spec.visibility),
        auto_approval: spec.auto_approval.iter().flat_map(|auto| auto.subscriptions.iter().cloned()).collect(),
        fqdns: spec.fqdns.iter().map(|fqdn| fqdn.as_str().to_owned()).collect(),
        proxy_protocol: spec.proxy_protocol,
    }
}

fn nat_count(nat: Option<&wire::Nat>) -> u8 {
    let Some(nat) = nat else { return 1 };
    let statics = u8::try_from(nat.addresses.len()).unwrap_or(u8::MAX);
    nat.count.map_or(statics.max(1), |count| count.get())
}

fn visibility(visibility: &wire::Visibility) -> Visibility {
    match visibility {
        wire::Visibility::RoleBased => Visibility::RoleBased,
        wire::Visibility::AnyoneWithAlias => Visibility::AnyoneWithAlias,
        wire::Visibility::Subscriptions(ids) => Visibility::Subscriptions(ids.iter().cloned().collect()),
    }
}

/// `managedBy: cluster`: every field becomes the annotation of the AKS documentation.
fn annotate(
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

/// `managedBy: privlink`: the resource is ours.
fn own(
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
    check_service(resolver, document, &key);
    let name = service.spec.nat.as_ref().and_then(|nat| nat.subnet.as_ref()).map(ToString::to_string);
    let subnet = subnet(cluster, name.as_deref().or(internal_subnet(resolver, &key).as_deref()));
    let origin = |place: Place| Origin {
        document,
        place,
        adopt: service.metadata.annotations.adopt.as_ref().map(ToString::to_string),
    };
    if let Some(subnet) = &subnet
        && !resolver.intents.contains_key(&ResourceKey::Subnet(subnet.clone()))
    {
        resolver.add(Resource::Subnet(SubnetPolicy { id: subnet.clone() }), origin(document.path_of("spec.nat")));
    }
    let tags = resolver.policy().mark.tags(&super::mark(document));
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

/// A subnet of the cluster's network by name; without a name, the nodes'.
fn subnet(cluster: &ManagedCluster, name: Option<&str>) -> Option<ResourceId> {
    match name.filter(|name| !name.trim().is_empty()) {
        None => cluster.node_subnet.clone(),
        Some(name) => cluster.virtual_network().map(|network| network.child("subnets", name)),
    }
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
fn publications(resolver: &mut Resolver<'_>, origins: &BTreeMap<ObjectKey, &Document>) {
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
        let by_name = asked.subnet.clone().or_else(|| annotations.get(annotation::INTERNAL_SUBNET).cloned());
        let known_subnet = deployment == Deployment::Whole || asked.subnet.is_some();
        // Whose annotations we do not see in the files may name another subnet.
        let nat_subnet = known_subnet.then(|| subnet(cluster, by_name.as_deref())).flatten();
        let name = asked.name.clone();
        let publication = Publication { service: key, name, exposure: asked.into_exposure(nat_subnet) };
        resolver.add(Resource::Publication(publication), Origin { document, place: document.place(), adopt: None });
    }
}

/// True if the Service is meant to be internal and is not: a rule says how its flag is spelled.
fn is_misspelt(annotations: &BTreeMap<String, String>) -> bool {
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
