//! What a rule looks at: a Service, with what its own annotations and the document that publishes it ask for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::desired::resolve::link_annotations;
use crate::diagnostic::Place;
use crate::domain::annotation;
use crate::domain::kubernetes::ObjectKey;
use crate::repo::document::Body;
use crate::repo::document::Document;
use crate::repo::document::ServiceManifest;
use crate::repo::schema::private_link_service as wire;
use crate::repo::schema::service::IpFamily;
use crate::repo::schema::service::IpFamilyPolicy;
use crate::repo::schema::service::ServicePort;
use crate::repo::schema::service::ServiceSpec;
use crate::repo::schema::service::ServiceType;
use crate::repo::schema::service::TrafficPolicy;

/// A Service: its manifest, the document that publishes it, or both.
pub(super) struct Subject<'a> {
    /// Its namespace and name.
    pub(super) key: ObjectKey,
    manifest: Option<(&'a Document, &'a ServiceManifest)>,
    link: Option<Link<'a>>,
}

struct Link<'a> {
    document: &'a Document,
    managed_by: wire::ManagedBy,
    annotations: BTreeMap<String, String>,
}

/// An annotation, or the field of a document that stands for one.
pub(super) struct Note<'a> {
    /// Its full key.
    pub(super) key: &'a str,
    /// Its text.
    pub(super) text: Cow<'a, str>,
    document: &'a Document,
    is_field: bool,
}

impl Note<'_> {
    /// Where its value stands.
    pub(super) fn place(&self) -> Place {
        match self.is_field {
            true => self.document.path_of(field(self.key)),
            false => self.document.annotation(self.key),
        }
    }

    /// Where its key stands.
    pub(super) fn key_place(&self) -> Place {
        self.place().on_key()
    }

    /// Where some bytes of its text stand; of a field, the field.
    pub(super) fn part(&self, token: &annotation::Token<'_>) -> Place {
        if self.is_field { self.place() } else { self.place().part(token.range.clone()) }
    }

    /// The key without its prefix.
    pub(super) fn short(&self) -> &str {
        short(self.key)
    }

    /// What people know it by: the key without its prefix, or the field.
    pub(super) fn name(&self) -> &str {
        if self.is_field { field(self.key) } else { self.short() }
    }

    /// True if there is nothing but blanks.
    pub(super) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// A key without its prefix.
pub(super) fn short(key: &str) -> &str {
    key.strip_prefix(annotation::PREFIX).unwrap_or(key)
}

// The field of a PrivateLinkService that stands for an annotation.
fn field(key: &str) -> &'static str {
    match key {
        annotation::PLS_NAME => "spec.name",
        annotation::PLS_RESOURCE_GROUP => "spec.resourceGroup",
        annotation::PLS_SUBNET => "spec.nat.subnet",
        annotation::PLS_ADDRESS_COUNT => "spec.nat.count",
        annotation::PLS_ADDRESSES => "spec.nat.addresses",
        annotation::PLS_FQDNS => "spec.fqdns",
        annotation::PLS_PROXY_PROTOCOL => "spec.proxyProtocol",
        annotation::PLS_VISIBILITY => "spec.visibility",
        annotation::PLS_AUTO_APPROVAL => "spec.autoApproval",
        _ => "spec.service",
    }
}

/// Every Service that the documents of an environment know of.
pub(super) fn subjects<'a>(documents: &[&'a Document]) -> Vec<Subject<'a>> {
    let mut links: BTreeMap<ObjectKey, Link<'a>> = BTreeMap::new();
    for document in documents {
        if let Body::PrivateLinkService(service) = &document.body {
            let link =
                Link { document, managed_by: service.spec.managed_by, annotations: link_annotations(&service.spec) };
            links.entry(service.spec.service.key()).or_insert(link);
        }
    }
    let mut subjects: Vec<Subject<'a>> = Vec::new();
    for document in documents {
        if let Body::Service(manifest) = &document.body {
            let link = links.remove(&manifest.key);
            subjects.push(Subject { key: manifest.key.clone(), manifest: Some((document, manifest)), link });
        }
    }
    subjects.extend(links.into_iter().map(|(key, link)| Subject { key, manifest: None, link: Some(link) }));
    subjects
}

impl<'a> Subject<'a> {
    /// The Service's document, or that of who publishes it.
    fn document(&self) -> &'a Document {
        let link = self.link.as_ref().map(|link| link.document);
        self.manifest.map(|(document, _)| document).or(link).expect("a subject comes from a document")
    }

    /// A value of the Service's manifest.
    pub(super) fn at(&self, path: &str) -> Place {
        self.document().path_of(path)
    }

    /// The name of the Service, as a place.
    pub(super) fn place(&self) -> Place {
        self.at(if self.manifest.is_some() { "metadata.name" } else { "spec.service" })
    }

    /// An annotation of the manifest.
    pub(super) fn written(&self, key: &'a str) -> Option<Note<'a>> {
        let (document, manifest) = self.manifest?;
        let text = manifest.annotations.get(key)?;
        Some(Note { key, text: Cow::Borrowed(text), document, is_field: false })
    }

    /// All annotations of the manifest.
    pub(super) fn all_written(&self) -> impl Iterator<Item = Note<'a>> + use<'a> {
        let (document, manifest) = self.manifest.unzip();
        let annotations = manifest.into_iter().flat_map(|manifest| &manifest.annotations);
        annotations.filter_map(move |(key, text)| {
            Some(Note { key, text: Cow::Borrowed(text), document: document?, is_field: false })
        })
    }

    /// An annotation of the manifest, or the field that stands for it.
    pub(super) fn asked(&self, key: &'a str) -> Option<Note<'a>> {
        self.written(key).or_else(|| {
            let link = self.link.as_ref()?;
            let text = link.annotations.get(key)?;
            Some(Note { key, text: Cow::Owned(text.clone()), document: link.document, is_field: true })
        })
    }

    /// What the manifest specifies; `None` for a Service that somebody else deploys.
    pub(super) fn spec(&self) -> Option<&'a ServiceSpec> {
        self.manifest.map(|(_, manifest)| &manifest.spec)
    }

    /// The ports of the manifest.
    pub(super) fn ports(&self) -> &'a [ServicePort] {
        self.spec().and_then(|spec| spec.ports.as_deref()).unwrap_or_default()
    }

    /// True if the cloud provider takes care of this Service. Who deploys it elsewhere is believed.
    pub(super) fn is_balanced(&self) -> bool {
        self.spec().is_none_or(|spec| {
            spec.service_type == Some(ServiceType::LoadBalancer) && spec.load_balancer_class.is_none()
        })
    }

    /// True if its load balancer is internal, or would be if the flag were not misspelt, which is a finding of its own; one
    /// that somebody else deploys is not known to be.
    pub(super) fn is_internal(&self) -> bool {
        let flag = self.written(annotation::INTERNAL);
        flag.is_some_and(|it| annotation::is_true_exact(&it.text) || annotation::is_misspelt_internal(&it.text))
    }

    /// True if its load balancer is public, and is meant to be.
    pub(super) fn is_public(&self) -> bool {
        self.manifest.is_some() && !self.is_internal()
    }

    /// True if a Private Link Service is asked for, whoever builds it.
    pub(super) fn is_published(&self) -> bool {
        self.link.is_some() || self.is_published_by_annotation()
    }

    /// True if the manifest itself asks for a Private Link Service.
    pub(super) fn is_published_by_annotation(&self) -> bool {
        self.written(annotation::PLS_CREATE).is_some_and(|note| annotation::is_true_trimmed(&note.text))
    }

    /// True if the cloud provider builds its Private Link Service.
    pub(super) fn is_built_by_cluster(&self) -> bool {
        self.is_published_by_annotation()
            || self.link.as_ref().is_some_and(|link| link.managed_by == wire::ManagedBy::Cluster)
    }

    /// True if an annotation is on in the reading of most flags.
    pub(super) fn is_on(&self, key: &'a str) -> bool {
        self.written(key).is_some_and(|note| annotation::is_true_folded(&note.text))
    }

    /// True if consumers are told apart by the PROXY protocol.
    pub(super) fn proxies(&self) -> bool {
        // Where a document publishes, its field counts; that an annotation disagrees is said when both are resolved.
        let text = match &self.link {
            Some(link) => link.annotations.get(annotation::PLS_PROXY_PROTOCOL).cloned(),
            None => self.written(annotation::PLS_PROXY_PROTOCOL).map(|note| note.text.into_owned()),
        };
        text.is_some_and(|text| annotation::is_true_trimmed(&text))
    }

    /// True if only nodes with a pod take traffic.
    pub(super) fn is_local(&self) -> bool {
        self.spec().is_some_and(|spec| spec.external_traffic_policy == Some(TrafficPolicy::Local))
    }

    /// Its address families, IPv4 if it names none.
    pub(super) fn families(&self) -> Vec<IpFamily> {
        let Some(spec) = self.spec() else { return Vec::new() };
        match (&spec.ip_families, spec.ip_family_policy) {
            (Some(families), Some(IpFamilyPolicy::RequireDualStack)) if families.len() == 1 => {
                vec![IpFamily::IPv4, IpFamily::IPv6]
            }
            (Some(families), _) if !families.is_empty() => families.clone(),
            (_, Some(IpFamilyPolicy::RequireDualStack)) => vec![IpFamily::IPv4, IpFamily::IPv6],
            _ => vec![IpFamily::IPv4],
        }
    }

    /// True if it may become dual-stack where the cluster is.
    pub(super) fn prefers_dual_stack(&self) -> bool {
        self.spec().is_some_and(|spec| spec.ip_family_policy == Some(IpFamilyPolicy::PreferDualStack))
    }

    /// `spec.loadBalancerIP`, unless it is empty.
    pub(super) fn load_balancer_ip(&self) -> Option<&'a str> {
        self.spec()?.load_balancer_ip.as_deref().filter(|text| !text.is_empty())
    }

    /// The addresses it pins, as the cloud provider compares them: text in lower case, and where it stands.
    pub(super) fn pins(&self) -> Vec<(String, Place)> {
        let notes = [annotation::IPV4, annotation::IPV6].into_iter().filter_map(|key| self.written(key));
        let pins: Vec<(String, Place)> =
            notes.filter(|note| !note.text.is_empty()).map(|note| (note.text.to_lowercase(), note.place())).collect();
        match self.load_balancer_ip() {
            Some(text) if pins.is_empty() => vec![(text.to_lowercase(), self.at("spec.loadBalancerIP"))],
            _ => pins,
        }
    }

    /// The same, as far as they are addresses.
    pub(super) fn pinned_addresses(&self) -> Vec<(IpAddr, Place)> {
        self.pins().into_iter().filter_map(|(text, place)| Some((text.parse().ok()?, place))).collect()
    }

    /// The static NAT addresses it asks for, and where.
    pub(super) fn nat_addresses(&self) -> Vec<(IpAddr, Place)> {
        let Some(note) = self.asked(annotation::PLS_ADDRESSES).filter(|_| self.is_published()) else {
            return Vec::new();
        };
        let tokens = annotation::tokens(&note.text);
        tokens.filter_map(|token| Some((token.text.parse().ok()?, note.part(&token)))).collect()
    }
}
