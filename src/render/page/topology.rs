//! Who reaches what: Service, load balancer frontend, Private Link Service, connections, endpoints, names.
//!
//! A chain is one way from a Service to its consumers, or from somebody else's Private Link Service to our endpoints. It is
//! made from the status documents; the plan only says which connections it would hit.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::domain::commit::RepoPath;
use crate::render::page::tone::Tone;
use crate::status::StatusDocument;
use crate::status::document::ConditionType;
use crate::status::document::ConnectionRecord;
use crate::status::document::Head;
use crate::status::document::LinkService;
use crate::status::document::PrivateEndpointStatus;
use crate::status::document::PrivateLinkServiceStatus;
use crate::status::document::ServiceStatus;

/// One thing of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// Addresses, alias, consumer: what there is to say beside the name.
    pub(super) told: Vec<String>,
    pub(super) tone: Tone,
}

/// A connection, and what is behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Branch {
    /// In Azure's words.
    pub(super) state: String,
    pub(super) tone: Tone,
    /// True if the pending plan would hit it.
    pub(super) is_hit: bool,
    pub(super) endpoint: Node,
    pub(super) records: Vec<Node>,
}

/// One way from a Service to its consumers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) service: Option<Node>,
    pub(super) frontend: Option<Node>,
    pub(super) link: Option<Node>,
    pub(super) branches: Vec<Branch>,
}

impl Chain {
    /// The worst of it; what a plan hits is bad.
    pub(super) fn tone(&self) -> Tone {
        let nodes = self.service.iter().chain(&self.frontend).chain(&self.link).map(|node| node.tone);
        let branches = self.branches.iter().flat_map(|branch| {
            let hit = if branch.is_hit { Tone::Bad } else { branch.tone };
            [hit, branch.endpoint.tone].into_iter().chain(branch.records.iter().map(|record| record.tone))
        });
        nodes.chain(branches).max().unwrap_or_default()
    }
}

/// What the chains are made of.
struct Parts<'a> {
    services: Vec<&'a ServiceStatus>,
    links: Vec<&'a PrivateLinkServiceStatus>,
    /// By the id of the endpoint in lower case; those without an id by their name.
    endpoints: BTreeMap<String, &'a PrivateEndpointStatus>,
    hit: &'a BTreeSet<String>,
}

/// All chains, the worst first. `hit` are the endpoints that the pending plan hits, in lower case.
pub(super) fn chains(documents: &BTreeMap<RepoPath, StatusDocument>, hit: &BTreeSet<String>) -> Vec<Chain> {
    let mut parts = Parts { services: Vec::new(), links: Vec::new(), endpoints: BTreeMap::new(), hit };
    for document in documents.values() {
        match document {
            StatusDocument::Service(status) => parts.services.push(status),
            StatusDocument::PrivateLinkService(status) => parts.links.push(status),
            StatusDocument::PrivateEndpoint(status) => {
                let id = status.outputs.id.as_deref().unwrap_or(&status.head.metadata.name);
                parts.endpoints.insert(id.to_ascii_lowercase(), status);
            }
            StatusDocument::Environment(_)
            | StatusDocument::Applied(_)
            | StatusDocument::Overview(_)
            | StatusDocument::SavedPlan(_)
            | StatusDocument::PendingPlanText(_) => {}
        }
    }
    let mut chains = parts.chains();
    // Stable: what is equally well stays in the order of its files.
    chains.sort_by_key(|chain| (std::cmp::Reverse(chain.tone()), chain.branches.is_empty()));
    chains
}

impl<'a> Parts<'a> {
    fn chains(mut self) -> Vec<Chain> {
        let mut chains = Vec::new();
        let (services, links) = (std::mem::take(&mut self.services), std::mem::take(&mut self.links));
        let name_of = |status: &ServiceStatus| title(&status.head);
        for service in &services {
            let documents: Vec<_> = links.iter().filter(|link| link.service == Some(name_of(service))).collect();
            let (node, frontend) = (Some(service_node(service)), frontend(service));
            for document in &documents {
                let link = Some(link_node(&document.head, &document.outputs));
                let branches = self.branches(&document.outputs);
                chains.push(Chain { service: node.clone(), frontend: frontend.clone(), link, branches });
            }
            if documents.is_empty() {
                let link = service.link_service.as_ref();
                let branches = link.map(|link| self.branches(link)).unwrap_or_default();
                let link = link.map(|link| link_node(&service.head, link));
                chains.push(Chain { service: node, frontend, link, branches });
            }
        }
        for document in links {
            let is_told = services.iter().any(|service| document.service == Some(name_of(service)));
            if !is_told {
                let service = document.service.as_ref().map(|name| elsewhere("Service", name, "deployed by others"));
                let link = Some(link_node(&document.head, &document.outputs));
                chains.push(Chain { service, frontend: None, link, branches: self.branches(&document.outputs) });
            }
        }
        chains.extend(self.strangers());
        chains
    }

    /// The connections of a Private Link Service; the endpoints of ours among them are used up.
    fn branches(&mut self, link: &LinkService) -> Vec<Branch> {
        let mut branches: Vec<Branch> = link.connections.iter().map(|record| self.branch(record)).collect();
        let targets = [link.id.as_deref(), link.alias.as_deref()];
        // Asked for, and not seen by the provider yet.
        let is_meant = |status: &PrivateEndpointStatus| {
            let target = status.outputs.target.as_deref();
            target.is_some_and(|target| targets.iter().flatten().any(|known| known.eq_ignore_ascii_case(target)))
        };
        let meant: Vec<String> =
            self.endpoints.iter().filter(|(_, status)| is_meant(status)).map(|(id, _)| id.clone()).collect();
        let meant: Vec<_> = meant.iter().filter_map(|id| self.endpoints.remove(id)).collect();
        branches.extend(meant.into_iter().map(|status| self.own(status)));
        branches
    }

    fn branch(&mut self, record: &ConnectionRecord) -> Branch {
        let id = record.endpoint.to_ascii_lowercase();
        let is_hit = self.hit.contains(&id);
        let (state, tone) = (record.status.clone(), Tone::of_connection(&record.status));
        if let Some(own) = self.endpoints.remove(&id) {
            return Branch { state, tone, is_hit, ..self.own(own) };
        }
        let consumer = record.consumer.clone().unwrap_or_else(|| format!("subscription {}", record.subscription));
        let endpoint = Node { kind: "Private endpoint", name: record.name.clone(), told: vec![consumer], tone };
        Branch { state, tone, is_hit, endpoint, records: Vec::new() }
    }

    fn own(&self, status: &PrivateEndpointStatus) -> Branch {
        let outputs = &status.outputs;
        let id = outputs.id.as_deref().unwrap_or_default().to_ascii_lowercase();
        let ready = condition(&status.head, ConditionType::EndpointReady);
        let state = outputs.connection_state.clone().unwrap_or_else(|| "not connected".to_owned());
        let approved = condition(&status.head, ConditionType::ConnectionApproved);
        let endpoint = Node {
            kind: "Private endpoint",
            name: status.head.metadata.name.clone(),
            told: vec![outputs.address.clone().unwrap_or_else(|| "no address".to_owned())],
            tone: ready,
        };
        let resolves = condition(&status.head, ConditionType::DnsReady);
        let record = |record: &crate::status::document::RecordOutput| Node {
            kind: "DNS record",
            name: record.name.clone(),
            told: vec![if record.addresses.is_empty() { "no answer".to_owned() } else { record.addresses.join(", ") }],
            tone: resolves,
        };
        let records = outputs.dns.iter().map(record).collect();
        Branch { tone: approved, state, is_hit: self.hit.contains(&id), endpoint, records }
    }

    /// Our endpoints on Private Link Services that no document of ours publishes, by their target.
    fn strangers(&mut self) -> Vec<Chain> {
        let mut by_target: BTreeMap<&str, Vec<&PrivateEndpointStatus>> = BTreeMap::new();
        for status in std::mem::take(&mut self.endpoints).into_values() {
            by_target.entry(status.outputs.target.as_deref().unwrap_or_default()).or_default().push(status);
        }
        let chain = |(target, endpoints): (&str, Vec<&'a PrivateEndpointStatus>)| {
            let name = target.rsplit('/').next().unwrap_or(target);
            let told = if target.starts_with('/') { "of somebody else" } else { "of somebody else, by its alias" };
            let link = (!target.is_empty()).then(|| elsewhere("Private Link Service", name, told));
            let branches = endpoints.into_iter().map(|status| self.own(status)).collect();
            Chain { service: None, frontend: None, link, branches }
        };
        by_target.into_iter().map(chain).collect()
    }
}

/// `shop/orders`, or the name alone where there is no namespace.
pub(super) fn title(head: &Head) -> String {
    match &head.metadata.namespace {
        Some(namespace) => format!("{namespace}/{}", head.metadata.name),
        None => head.metadata.name.clone(),
    }
}

fn condition(head: &Head, kind: ConditionType) -> Tone {
    head.conditions.iter().find(|condition| condition.kind == kind).map(Tone::of_condition).unwrap_or_default()
}

fn elsewhere(kind: &'static str, name: &str, told: &str) -> Node {
    Node { kind, name: name.to_owned(), told: vec![told.to_owned()], tone: Tone::Note }
}

fn service_node(status: &ServiceStatus) -> Node {
    let told = match status.outputs.ports.is_empty() {
        true => status.outputs.kind.clone().unwrap_or_else(|| "not in the cluster".to_owned()),
        false => status.outputs.ports.join(", "),
    };
    let tone = condition(&status.head, ConditionType::FrontendReady);
    Node { kind: "Service", name: title(&status.head), told: vec![told], tone }
}

fn frontend(status: &ServiceStatus) -> Option<Node> {
    let outputs = &status.outputs;
    let name = match (outputs.addresses.is_empty(), outputs.kind.as_deref()) {
        (false, _) => outputs.addresses.join(", "),
        (true, Some("LoadBalancer")) => "no address yet".to_owned(),
        (true, _) => return None,
    };
    let told = outputs.frontend.as_deref().map(balancer);
    let tone = condition(&status.head, ConditionType::FrontendReady);
    Some(Node { kind: "Load balancer frontend", name, told: told.into_iter().collect(), tone })
}

/// The load balancer of a frontend: `kubernetes-internal`.
fn balancer(frontend: &str) -> String {
    let parts: Vec<&str> = frontend.split('/').collect();
    let at = parts.iter().position(|part| part.eq_ignore_ascii_case("loadBalancers"));
    at.and_then(|at| parts.get(at + 1)).copied().unwrap_or(frontend).to_owned()
}

fn link_node(head: &Head, link: &LinkService) -> Node {
    let own = link.id.as_deref().and_then(|id| id.rsplit('/').next());
    let tones = [ConditionType::LinkServiceReady, ConditionType::Published].map(|kind| condition(head, kind));
    Node {
        kind: "Private Link Service",
        name: own.unwrap_or(&head.metadata.name).to_owned(),
        told: vec![link.alias.clone().unwrap_or_else(|| "no alias yet".to_owned())],
        tone: tones.into_iter().max().unwrap_or_default(),
    }
}
