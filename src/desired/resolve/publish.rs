//! Publishing: `PrivateLinkService` documents become annotations or a resource of our own, and every Service whose
//! annotations ask for a Private Link Service becomes a publication to wait for.

mod annotate;
mod own;
mod publications;
mod replace;

pub(in crate::desired) use annotate::encode;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::desired::ConnectionRules;
use crate::desired::Requester;
use crate::desired::code;
use crate::desired::resolve::Resolver;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Place;
use crate::domain::azure::ResourceId;
use crate::domain::cluster::ManagedCluster;
use crate::domain::key::PublisherKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::resource::private_link_service::Exposure;
use crate::domain::resource::private_link_service::Nat;
use crate::domain::resource::private_link_service::Visibility;
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
    publications::publications(resolver, &origins);
    replace::resolve(resolver, documents);
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
        wire::ManagedBy::Cluster => annotate::annotate(resolver, document, service),
        wire::ManagedBy::Privlink => own::own(resolver, (document, service), cluster),
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
    let visibility = visibility(&service.spec.visibility);
    for (at, id) in auto.subscriptions.iter().enumerate() {
        if !visibility.names(id) {
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
