//! Documents → intent: references followed, defaults filled in, every default written here and nowhere else.

mod endpoints;
mod publish;
mod services;
mod suspend;

pub(super) use publish::encode as link_annotations;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::desired::ConnectionRules;
use crate::desired::Desired;
use crate::desired::Intent;
use crate::desired::Replacement;
use crate::desired::check;
use crate::desired::code;
use crate::desired::policy::Policy;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Place;
use crate::diagnostic::Severity;
use crate::domain::azure::ResourceId;
use crate::domain::cluster::Balancing;
use crate::domain::cluster::ManagedCluster;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::mark::DocumentMark;
use crate::domain::resource::Resource;
use crate::domain::suspension::Suspension;
use crate::repo::document::Body;
use crate::repo::document::Document;

/// Everything that resolving looks at.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The documents of every environment; those of others are passed over.
    pub documents: &'a [Document],
    /// The rules of this one.
    pub policy: &'a Policy,
    /// The cluster it exposes: read from Azure, or [`unseen_cluster`] where only the files count.
    pub cluster: Option<&'a ManagedCluster>,
    /// Whether the environment's folder is in the tree.
    pub path_exists: bool,
    /// The time: suspensions end.
    pub now: Timestamp,
}

/// A stand-in for a cluster that was not read: good enough to find mistakes in files, never to plan.
pub fn unseen_cluster(id: &ResourceId) -> ManagedCluster {
    let group = "MC_unseen".parse().expect("a valid group name");
    let network = ResourceId::new(&id.subscription(), &group, "Microsoft.Network/virtualNetworks", "unseen");
    ManagedCluster {
        id: id.clone(),
        location: "unseen".parse().expect("a valid location"),
        node_resource_group: group,
        ip_families: Vec::new(),
        node_subnet: Some(network.child("subnets", "unseen")),
        version: None,
        balancing: Balancing::default(),
        principal: None,
    }
}

/// Resolves the documents of one environment, and says everything that is wrong with them.
pub fn resolve(source: Source<'_>) -> (Desired, Diagnostics) {
    let (Resolver { intents, connections, replacements, suspended, .. }, diagnostics) = run(source, Manifests::Whole);
    let (policy, path_exists) = (source.policy.clone(), source.path_exists);
    let desired = Desired { policy, intents, connections, replacements, suspended, path_exists };
    (desired, diagnostics)
}

/// Says the same about the documents without making what is applied: a manifest is the largest part of an intent.
pub fn diagnose(source: Source<'_>) -> Diagnostics {
    run(source, Manifests::Annotations).1
}

/// How much of each manifest an intent gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manifests {
    /// All of it: it is applied.
    Whole,
    /// Its annotations: no more of it is looked at while documents are resolved.
    Annotations,
}

fn run(source: Source<'_>, manifests: Manifests) -> (Resolver<'_>, Diagnostics) {
    let mut resolver = Resolver {
        source,
        manifests,
        intents: BTreeMap::new(),
        connections: BTreeMap::new(),
        replacements: BTreeMap::new(),
        suspended: BTreeMap::new(),
        diagnostics: Diagnostics::new(),
    };
    let environment = &source.policy.mark.environment;
    let documents: Vec<&Document> =
        source.documents.iter().filter(|document| document.environment == *environment).collect();
    services::resolve(&mut resolver, &documents);
    publish::resolve(&mut resolver, &documents);
    endpoints::resolve(&mut resolver, &documents);
    suspend::resolve(&mut resolver, &documents);
    let resolved = std::mem::take(&mut resolver.diagnostics);
    let diagnostics = with_rules(resolved, check::check(&documents, source.policy));
    (resolver, diagnostics)
}

/// Both, each mistake once: that an annotation means nothing is only said if no rule said why.
fn with_rules(resolved: Diagnostics, found: Diagnostics) -> Diagnostics {
    let document = |diagnostic: &Diagnostic| diagnostic.place().map(|place| (place.file.clone(), place.document));
    let errors = found.iter().filter(|found| found.severity == Severity::Error);
    let told: BTreeSet<_> = errors.filter_map(document).collect();
    let echoes = |diagnostic: &Diagnostic| {
        diagnostic.code == code::ANNOTATION && document(diagnostic).is_some_and(|document| told.contains(&document))
    };
    let mut all: Diagnostics = resolved.into_iter().filter(|diagnostic| !echoes(diagnostic)).collect();
    all.extend(found);
    all
}

/// The state of one resolution.
struct Resolver<'a> {
    source: Source<'a>,
    manifests: Manifests,
    intents: BTreeMap<ResourceKey, Intent>,
    connections: BTreeMap<PublisherKey, ConnectionRules>,
    replacements: BTreeMap<PublisherKey, Replacement>,
    suspended: BTreeMap<DocumentMark, Suspension>,
    diagnostics: Diagnostics,
}

/// What an intent says beside its resource.
struct Origin<'a> {
    document: &'a Document,
    place: Place,
    adopt: Option<String>,
}

impl<'a> Resolver<'a> {
    fn policy(&self) -> &'a Policy {
        self.source.policy
    }

    fn say(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Adds an intent, unless another document asks for the same resource.
    fn add(&mut self, resource: Resource, origin: Origin<'_>) {
        let Origin { document, place, adopt } = origin;
        let key = resource.key();
        if let Some(first) = self.intents.get(&key) {
            let diagnostic = Diagnostic::error(code::DUPLICATE, format!("two documents are {key}"))
                .label(place, "the same resource again")
                .label(first.place.clone(), "asked for here first")
                .help("keep one of them, or give one another name");
            return self.say(diagnostic);
        }
        self.check_scope(&key, &place);
        self.intents.insert(key, Intent { resource, document: mark(document), place, adopt });
    }

    fn check_scope(&mut self, key: &ResourceKey, place: &Place) {
        if matches!(key, ResourceKey::Subnet(_)) {
            return; // Its document is judged by what it publishes; the write itself is judged by the plan.
        }
        if let Some(problem) = self.policy().scope.problem_with(key) {
            let diagnostic = Diagnostic::error(code::OUT_OF_SCOPE, problem)
                .label(place.clone(), "asked for here")
                .help("move the document to another environment, or widen `scope` in privlink.toml");
            self.say(diagnostic);
        }
    }

    /// The cluster, or a diagnostic that there is none.
    fn cluster(&mut self, place: &Place) -> Option<&'a ManagedCluster> {
        if self.source.cluster.is_none() {
            let environment = &self.policy().mark.environment;
            let diagnostic = Diagnostic::error(code::NO_CLUSTER, format!("environment {environment} has no cluster"))
                .label(place.clone(), "needs one")
                .help(format!("add `cluster = {{ aks = \"…\" }}` to [environments.{environment}] in privlink.toml"));
            self.say(diagnostic);
        }
        self.source.cluster
    }
}

/// What the tags of a document's resources say.
fn mark(document: &Document) -> DocumentMark {
    let (kind, name) = match &document.body {
        Body::Service(service) => {
            let name = format!("{}.{}", service.key.namespace, service.key.name);
            ("service", name.parse().expect("two labels with a dot between are a document name"))
        }
        Body::PrivateLinkService(service) => ("privatelinkservice", service.metadata.name.clone()),
        Body::PrivateEndpoint(endpoint) => ("privateendpoint", endpoint.metadata.name.clone()),
    };
    DocumentMark { kind, name }
}
