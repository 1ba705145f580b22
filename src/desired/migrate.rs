//! A second way to a published Service, beside the first: the documents that let its consumers move without being cut.
//!
//! A Private Link Service lives and dies with its frontend, so a frontend that has to change gets a successor with a Service
//! of its own. What belongs to one Service alone is not copied: names, addresses, whatever the API server picked.

pub mod link;
mod service;

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value as Json;

use crate::domain::annotation;
use crate::domain::annotation::PrivateLinkAnnotations;
use crate::domain::azure::AzureName;
use crate::domain::commit::RepoPath;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::kubernetes::ServiceName;
use crate::domain::name::DocumentName;
use crate::domain::name::InvalidName;
use crate::repo::document::Body;
use crate::repo::document::Document;
use crate::repo::document::ServiceManifest;
use crate::repo::schema::private_endpoint::Target;
use crate::repo::schema::private_link_service::PrivateLinkService;

/// What a person wants of the second one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Its name, for document and Service. Default: the old ones, counted on.
    pub name: Option<DocumentName>,
    /// A static address for its frontend. Default: Azure picks one.
    pub address: Option<IpAddr>,
    /// The subnet of its frontend, by name. Default: the old one's.
    pub subnet: Option<AzureName>,
}

/// The documents of the second one, and what to do with them.
#[derive(Clone, Debug, PartialEq)]
pub struct Migration {
    /// The name of the new PrivateLinkService.
    pub name: DocumentName,
    /// The Service that it publishes.
    pub service: ObjectKey,
    /// The documents to write. There is no Service among them if somebody else deploys the old one.
    pub documents: Vec<Json>,
    /// What of the old Service was not copied, as a person would name it.
    pub not_copied: Vec<String>,
    /// The old documents, to be deleted at the end: name and file.
    pub old: Vec<(String, RepoPath)>,
    /// Endpoints of this environment that go to the old one.
    pub endpoints: Vec<Move>,
}

impl Migration {
    /// True if the second Service is among the documents.
    pub fn has_service(&self) -> bool {
        self.documents.len() > 1
    }
}

/// An endpoint that can be moved by an edit of its document.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// The name of its document.
    pub endpoint: String,
    /// Its file.
    pub file: RepoPath,
    /// What its `target` becomes.
    pub target: String,
}

/// No second one can be written.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// There is no such document.
    #[error("no PrivateLinkService is called {name}{}", known_as(.known))]
    NoDocument {
        /// What was named.
        name: DocumentName,
        /// The names there are.
        known: Vec<String>,
    },
    /// Annotations alone publish it, and nobody can count who moves from what no document names.
    #[error(
        "{service} is published by annotations alone: commit the document above first, which asks for what the annotations \
         ask for and changes nothing, then migrate {name}"
    )]
    ByAnnotations {
        /// The Service.
        service: ObjectKey,
        /// The name of the document.
        name: DocumentName,
        /// The document that says what the annotations say.
        document: Box<Json>,
        /// Where it belongs: beside the Service.
        beside: RepoPath,
    },
    /// Another document has the name.
    #[error("{0} is there already: name the second one with --as")]
    Taken(String),
    /// A migration is under way.
    #[error("{successor} replaces {name} already: its consumers can move there")]
    UnderWay {
        /// What was named.
        name: DocumentName,
        /// What replaces it.
        successor: DocumentName,
    },
    /// A name that was made up is none.
    #[error("the second one needs another name: use --as")]
    Name(#[from] InvalidName),
    /// An address that another Service pins: frontends that share it clash on their ports.
    #[error("{service} has the address {address}: the second Service needs one of its own")]
    AddressTaken {
        /// The address.
        address: IpAddr,
        /// Who has it.
        service: ObjectKey,
    },
    /// The frontend belongs to a Service that is not written here.
    #[error("{service} is not in this repository: give {option} to the Service where it is deployed from")]
    NotOurs {
        /// The Service.
        service: ObjectKey,
        /// The option that cannot be followed.
        option: &'static str,
    },
}

fn known_as(known: &[String]) -> String {
    if known.is_empty() { "; there is none here".to_owned() } else { format!("; there are {}", known.join(", ")) }
}

/// Writes a second Private Link Service beside the one of a document, and a second Service in front of the same pods.
///
/// # Errors
/// See [`MigrateError`]. `documents` are those of one environment.
pub fn migrate(documents: &[&Document], old: &DocumentName, wish: &Wish) -> Result<Migration, MigrateError> {
    let (document, link) = find(documents, old)?;
    if let Some(successor) = successor(documents, old) {
        return Err(MigrateError::UnderWay { name: old.clone(), successor });
    }
    let key = link.spec.service.key();
    let mut manifests = documents.iter().filter_map(|document| Some((*document, document.service()?)));
    let manifest = manifests.find(|(_, manifest)| manifest.key == key);
    let name = new_name(documents, old, wish)?;
    let service = ObjectKey { namespace: key.namespace.clone(), name: new_service(documents, &key, wish)? };
    let resource = new_resource(documents, link)?;
    check_wish(documents, (&key, manifest.is_some()), wish)?;
    let copy = manifest.map(|(_, manifest)| service::second(manifest, &service.name, wish));
    let (copy, not_copied) = copy.unzip();
    let second = link::second(link, (&name, &service, resource.as_ref()));
    let mut olds = vec![(format!("PrivateLinkService {old}"), document.file.clone())];
    olds.extend(manifest.map(|(document, _)| (format!("Service {key}"), document.file.clone())));
    Ok(Migration {
        endpoints: moves(documents, (old, &key), (&name, &service)),
        documents: copy.into_iter().chain([second]).collect(),
        not_copied: not_copied.unwrap_or_default(),
        old: olds,
        name,
        service,
    })
}

fn links<'a>(documents: &[&'a Document]) -> impl Iterator<Item = (&'a Document, &'a PrivateLinkService)> {
    documents.iter().filter_map(|document| Some((*document, document.private_link_service()?)))
}

fn find<'a>(
    documents: &[&'a Document],
    name: &DocumentName,
) -> Result<(&'a Document, &'a PrivateLinkService), MigrateError> {
    let found = links(documents).find(|(_, link)| link.metadata.name == *name);
    found.ok_or_else(|| {
        by_annotations(documents, name).unwrap_or_else(|| MigrateError::NoDocument {
            name: name.clone(),
            known: links(documents).map(|(_, link)| link.metadata.name.to_string()).collect(),
        })
    })
}

/// The Service that annotations publish under this name, if no document does.
pub fn is_published_by_annotations(document: &Document, name: &DocumentName) -> bool {
    let publishes = |manifest: &ServiceManifest| {
        manifest.key.name.as_str() == name.as_str() && annotation::wants_private_link(&manifest.annotations)
    };
    document.service().is_some_and(publishes)
}

fn by_annotations(documents: &[&Document], name: &DocumentName) -> Option<MigrateError> {
    let document = documents.iter().find(|document| is_published_by_annotations(document, name))?;
    let manifest = document.service()?;
    let is_published = links(documents).any(|(_, link)| link.spec.service.key() == manifest.key);
    let asked = PrivateLinkAnnotations::read(&manifest.annotations).ok().flatten().filter(|_| !is_published)?;
    Some(MigrateError::ByAnnotations {
        service: manifest.key.clone(),
        name: name.clone(),
        document: Box::new(link::said_by(&manifest.key, name.as_str(), &asked)),
        beside: document.file.clone(),
    })
}

fn successor(documents: &[&Document], old: &DocumentName) -> Option<DocumentName> {
    let found = links(documents).find(|(_, link)| link.spec.replaces.as_ref() == Some(old));
    found.map(|(_, link)| link.metadata.name.clone())
}

fn new_name(documents: &[&Document], old: &DocumentName, wish: &Wish) -> Result<DocumentName, MigrateError> {
    let taken: BTreeSet<String> = links(documents).map(|(_, link)| link.metadata.name.to_string()).collect();
    match &wish.name {
        Some(name) if taken.contains(name.as_str()) => Err(MigrateError::Taken(format!("PrivateLinkService {name}"))),
        Some(name) => Ok(name.clone()),
        None => Ok(counted_on(old.as_str(), &taken).parse()?),
    }
}

fn new_service(documents: &[&Document], old: &ObjectKey, wish: &Wish) -> Result<ServiceName, MigrateError> {
    let key = |document: &&Document| match &document.body {
        Body::Service(service) => service.key.clone(),
        Body::PrivateLinkService(link) => link.spec.service.key(),
        Body::PrivateEndpoint(_) => old.clone(),
    };
    let keys = documents.iter().map(key).filter(|key| key.namespace == old.namespace);
    let taken: BTreeSet<String> = keys.map(|key| key.name.to_string()).collect();
    match &wish.name {
        Some(name) if taken.contains(name.as_str()) => Err(MigrateError::Taken(format!("Service {name}"))),
        Some(name) => Ok(name.as_str().parse()?),
        None => Ok(counted_on(old.name.as_str(), &taken).parse()?),
    }
}

/// The name of the new Azure resource, if the old one is named: one that is not is derived from a name that is new anyway.
fn new_resource(documents: &[&Document], link: &PrivateLinkService) -> Result<Option<AzureName>, MigrateError> {
    let taken = links(documents).filter_map(|(_, link)| link.spec.name.as_ref());
    let taken: BTreeSet<String> = taken.map(ToString::to_string).collect();
    let named = link.spec.name.as_ref().map(|name| counted_on(&name.to_string(), &taken).parse());
    Ok(named.transpose()?)
}

/// `orders`, `orders-2`, `orders-3`: the first that is not taken.
fn counted_on(old: &str, taken: &BTreeSet<String>) -> String {
    let (stem, number) = match old.rsplit_once('-').map(|(stem, number)| (stem, number.parse::<u16>())) {
        Some((stem, Ok(number))) if !stem.is_empty() => (stem, u32::from(number)),
        _ => (old, 1),
    };
    let mut names = (number + 1..).map(|number| format!("{stem}-{number}"));
    names.find(|name| !taken.contains(name)).expect("there are more numbers than documents")
}

fn check_wish(
    documents: &[&Document],
    (service, is_ours): (&ObjectKey, bool),
    wish: &Wish,
) -> Result<(), MigrateError> {
    let options = [("--address", wish.address.is_some()), ("--subnet", wish.subnet.is_some())];
    if let Some((option, _)) = options.into_iter().find(|(_, is_given)| *is_given && !is_ours) {
        return Err(MigrateError::NotOurs { service: service.clone(), option });
    }
    let Some(address) = wish.address else { return Ok(()) };
    let mut manifests = documents.iter().filter_map(|document| document.service());
    let holder = manifests.find(|manifest| service::pins(manifest, address)).map(|manifest| manifest.key.clone());
    holder.map_or(Ok(()), |service| Err(MigrateError::AddressTaken { address, service }))
}

fn moves(
    documents: &[&Document],
    (old, key): (&DocumentName, &ObjectKey),
    (name, service): (&DocumentName, &ObjectKey),
) -> Vec<Move> {
    let of = |document: &&Document| {
        let Body::PrivateEndpoint(endpoint) = &document.body else { return None };
        let target = match &endpoint.spec.target {
            Target::PrivateLinkService(target) if target == old => format!("{{ privateLinkService: {name} }}"),
            Target::Service(target) if target == key => {
                format!("{{ service: {{ namespace: {}, name: {} }} }}", service.namespace, service.name)
            }
            Target::PrivateLinkService(_) | Target::Service(_) | Target::Id(_) | Target::Alias(_) => return None,
        };
        Some(Move { endpoint: endpoint.metadata.name.to_string(), file: document.file.clone(), target })
    };
    documents.iter().filter_map(of).collect()
}
