//! Private endpoints, and the records and links that make them findable.

use std::collections::BTreeMap;

use crate::desired::code;
use crate::desired::resolve::Origin;
use crate::desired::resolve::Resolver;
use crate::desired::resolve::publish;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::did_you_mean;
use crate::domain::azure::AzureName;
use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::mark::DocumentMark;
use crate::domain::resource::Resource;
use crate::domain::resource::dns::Addresses;
use crate::domain::resource::dns::DnsLink;
use crate::domain::resource::dns::DnsRecord;
use crate::domain::resource::private_endpoint::PrivateEndpoint;
use crate::domain::resource::private_endpoint::Request;
use crate::domain::resource::private_endpoint::Target;
use crate::repo::document::Body;
use crate::repo::document::Document;
use crate::repo::schema::own::Adopt;
use crate::repo::schema::private_endpoint as wire;
use crate::repo::schema::private_link_service as link_wire;

/// The time to live of a record that names none, in seconds.
const DEFAULT_TTL: u32 = 300;

pub(super) fn resolve(resolver: &mut Resolver<'_>, documents: &[&Document]) {
    let mut links: BTreeMap<String, &link_wire::PrivateLinkService> = BTreeMap::new();
    let mut origins: BTreeMap<String, &Document> = BTreeMap::new();
    for document in documents {
        let Body::PrivateLinkService(link) = &document.body else { continue };
        let name = link.metadata.name.to_string();
        if let Some(first) = origins.insert(name.clone(), document) {
            let diagnostic = Diagnostic::error(code::DUPLICATE, format!("two PrivateLinkServices are named {name}"))
                .label(document.path_of("metadata.name"), "the second")
                .label(first.path_of("metadata.name"), "the first")
                .help("names are unique in an environment");
            resolver.say(diagnostic);
        }
        links.insert(name, link);
    }
    let mut names: BTreeMap<String, &Document> = BTreeMap::new();
    for document in documents {
        let Body::PrivateEndpoint(wire) = &document.body else { continue };
        if let Some(first) = names.insert(wire.metadata.name.to_string(), document) {
            let diagnostic =
                Diagnostic::error(code::DUPLICATE, format!("two PrivateEndpoints are named {}", wire.metadata.name))
                    .label(document.path_of("metadata.name"), "the second")
                    .label(first.path_of("metadata.name"), "the first")
                    .help("names are unique in an environment");
            resolver.say(diagnostic);
            continue;
        }
        endpoint(resolver, (document, wire), &links);
    }
}

fn endpoint(
    resolver: &mut Resolver<'_>,
    (document, wire): (&Document, &wire::PrivateEndpoint),
    links: &BTreeMap<String, &link_wire::PrivateLinkService>,
) {
    let spec = &wire.spec;
    let Some(target) = target(resolver, document, &spec.target, links) else { return };
    let subscription = spec.subscription.as_ref().unwrap_or(&resolver.policy().subscription);
    let name = spec.name.as_ref().map_or_else(|| wire.metadata.name.to_string(), ToString::to_string);
    let id = ResourceId::new(subscription, &spec.resource_group, "Microsoft.Network/privateEndpoints", &name);
    let Some((connection_name, request)) = connection(resolver, (document, wire), &target, &name) else { return };
    let mut tags = spec.tags.0.clone();
    tags.extend(resolver.policy().mark.tags(&super::mark(document)));
    let resource = PrivateEndpoint {
        id: id.clone(),
        location: spec.location.clone(),
        subnet: subnet(&spec.subnet, &id),
        target,
        connection_name,
        request,
        address: spec.ip_address,
        network_interface_name: spec.network_interface_name.clone(),
        application_security_groups: spec.application_security_groups.iter().map(|group| group.id().clone()).collect(),
        tags,
    };
    let adopt = &wire.metadata.annotations.adopt;
    let origin = Origin { document, place: document.place(), adopt: adopt.of(&id) };
    resolver.add(Resource::PrivateEndpoint(resource), origin);
    for (at, record) in spec.dns.iter().enumerate() {
        dns(resolver, (document, adopt), (at, record), &id);
    }
}

fn subnet(subnet: &wire::Subnet, endpoint: &ResourceId) -> ResourceId {
    match subnet {
        wire::Subnet::Id(id) => id.clone(),
        wire::Subnet::Named { resource_group, virtual_network, name } => {
            let own = endpoint.resource_group();
            let group = resource_group.as_ref().unwrap_or(&own);
            let network = ResourceId::new(
                &endpoint.subscription(),
                group,
                "Microsoft.Network/virtualNetworks",
                virtual_network.as_str(),
            );
            network.child("subnets", name.as_str())
        }
    }
}

fn connection(
    resolver: &mut Resolver<'_>,
    (document, wire): (&Document, &wire::PrivateEndpoint),
    target: &Target,
    endpoint_name: &str,
) -> Option<(AzureName, Request)> {
    let connection = wire.spec.connection.as_ref();
    let is_manual = connection.is_some_and(|connection| connection.request == wire::Request::Manual);
    if matches!(target, Target::Alias(_)) && !is_manual {
        let diagnostic =
            Diagnostic::error(code::ALIAS_NEEDS_MANUAL, "an alias can only be connected to by a manual request")
                .label(document.path_of("spec.target.alias"), "an alias")
                .help("add `connection: { request: manual }`: Azure takes an alias nowhere else");
        resolver.say(diagnostic);
        return None;
    }
    let name = match connection.and_then(|connection| connection.name.clone()) {
        Some(name) => name,
        // That a document's name is none in Azure is a rule, and said there.
        None => endpoint_name.parse().ok()?,
    };
    let request = if is_manual {
        let written = connection.and_then(|connection| connection.message.as_ref());
        let message =
            written.map_or_else(|| format!("requested by {}", wire.metadata.name), |text| text.as_str().to_owned());
        // 140 characters is Azure's limit.
        Request::Manual { message: message.chars().take(140).collect() }
    } else {
        Request::Automatic
    };
    Some((name, request))
}

fn target(
    resolver: &mut Resolver<'_>,
    document: &Document,
    target: &wire::Target,
    links: &BTreeMap<String, &link_wire::PrivateLinkService>,
) -> Option<Target> {
    match target {
        wire::Target::Id(id) => Some(Target::Id(id.clone())),
        wire::Target::Alias(alias) => Some(Target::Alias(alias.clone())),
        wire::Target::PrivateLinkService(name) => {
            let Some(link) = links.get(name.as_str()) else {
                let known: Vec<&str> = links.keys().map(String::as_str).collect();
                let diagnostic =
                    Diagnostic::error(code::NO_REFERENT, format!("there is no PrivateLinkService named {name}"))
                        .label(document.path_of("spec.target.privateLinkService"), "not in this environment")
                        .help(did_you_mean(name.as_str(), known));
                resolver.say(diagnostic);
                return None;
            };
            let cluster = resolver.cluster(&document.path_of("spec.target"))?;
            publish::publisher(link, cluster).map(|publisher| Target::Produced { publisher, known: None })
        }
        wire::Target::Service(key) => service_target(resolver, document, key, links),
    }
}

fn service_target(
    resolver: &mut Resolver<'_>,
    document: &Document,
    key: &ObjectKey,
    links: &BTreeMap<String, &link_wire::PrivateLinkService>,
) -> Option<Target> {
    let cluster = resolver.cluster(&document.path_of("spec.target"))?;
    if let Some(link) = links.values().find(|link| link.spec.service.key() == *key) {
        return publish::publisher(link, cluster).map(|publisher| Target::Produced { publisher, known: None });
    }
    let publisher = PublisherKey::Cluster(key.clone());
    let is_deployed = resolver.intents.contains_key(&ResourceKey::Service(key.clone()));
    let is_published = resolver.intents.contains_key(&ResourceKey::PrivateLinkService(publisher.clone()));
    if is_deployed && !is_published && !resolver.diagnostics.has_errors() {
        let diagnostic = Diagnostic::error(code::NO_REFERENT, format!("the Service {key} is not published"))
            .label(document.path_of("spec.target.service"), "nothing to connect to")
            .help(format!(
                "add the annotation {}: \"true\" to it, or a PrivateLinkService document",
                crate::domain::annotation::PLS_CREATE
            ));
        resolver.say(diagnostic);
        return None;
    }
    Some(Target::Produced { publisher, known: None })
}

fn dns(
    resolver: &mut Resolver<'_>,
    (document, adopt): (&Document, &Adopt),
    (at, record): (usize, &wire::DnsRecord),
    endpoint: &ResourceId,
) {
    let subscription = record.subscription.as_ref().unwrap_or(&resolver.policy().subscription);
    let zone = ResourceId::new(
        subscription,
        &record.resource_group,
        "Microsoft.Network/privateDnsZones",
        record.zone.as_str(),
    );
    let marks = resolver.policy().mark.tags(&super::mark(document));
    let place = document.path_of(&format!("spec.dns[{at}]"));
    let id = zone.child("A", record.record.as_str());
    let origin = Origin { document, place, adopt: adopt.of(&id) };
    let resource = DnsRecord {
        id,
        ttl: record.ttl.map_or(DEFAULT_TTL, |ttl| ttl.get()),
        addresses: Addresses::OfEndpoint { endpoint: endpoint.clone(), known: None },
        metadata: marks.clone(),
    };
    resolver.add(Resource::DnsRecord(resource), origin);
    for (number, network) in record.links.iter().enumerate() {
        let id = zone.child("virtualNetworkLinks", &format!("privlink-{}", network.id().name()));
        let adopt = adopt.of(&id);
        if is_shared(resolver, (&id, network.id()), (super::mark(document), &adopt)) {
            continue;
        }
        let link = DnsLink { id, virtual_network: network.id().clone(), tags: marks.clone() };
        let place = document.path_of(&format!("spec.dns[{at}].links[{number}]"));
        resolver.add(Resource::DnsLink(link), Origin { document, place, adopt });
    }
}

/// True if another record asks for the same link already. It then carries the mark of the first of them by name: the order
/// of files must not show.
fn is_shared(
    resolver: &mut Resolver<'_>,
    (id, network): (&ResourceId, &ResourceId),
    (mark, adopt): (DocumentMark, &Option<String>),
) -> bool {
    let owner = resolver.policy().mark.clone();
    let Some(intent) = resolver.intents.get_mut(&ResourceKey::DnsLink(id.clone())) else { return false };
    let Resource::DnsLink(link) = &mut intent.resource else { return false };
    if link.virtual_network != *network {
        return false;
    }
    if mark < intent.document {
        link.tags = owner.tags(&mark);
        intent.document = mark;
    }
    // One document that asks for the adoption is enough.
    intent.adopt = intent.adopt.take().or_else(|| adopt.clone());
    true
}
