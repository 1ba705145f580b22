//! Intent in normal form: what the documents of one environment ask for, resolved and defaulted.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod authority;
pub mod check;
pub mod code;
pub mod loosening;
pub mod migrate;
pub mod policy;
pub mod resolve;
pub mod uses;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::diagnostic::Place;
use crate::domain::azure::ResourceId;
use crate::domain::azure::SubscriptionId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::mark::DocumentMark;
use crate::domain::name::DocumentName;
use crate::domain::resource::Resource;
use crate::domain::resource::connection::Verdict;
use crate::domain::suspension::Suspension;
use policy::Policy;

/// Everything one environment asks for.
#[derive(Clone, Debug)]
pub struct Desired {
    /// The rules the environment lives by.
    pub policy: Policy,
    /// The resources, by identity.
    pub intents: BTreeMap<ResourceKey, Intent>,
    /// What each Private Link Service answers to connection requests.
    pub connections: BTreeMap<PublisherKey, ConnectionRules>,
    /// Whose consumers move where, by the Private Link Service that they move to.
    pub replacements: BTreeMap<PublisherKey, Replacement>,
    /// The documents that are left alone for a while: what they ask for stays as it is.
    pub suspended: BTreeMap<DocumentMark, Suspension>,
    /// False if the environment's folder is not in the tree: then nothing is pruned.
    pub path_exists: bool,
}

impl Desired {
    /// The subscriptions in which something is asked for or referred to.
    pub fn subscriptions(&self) -> BTreeSet<SubscriptionId> {
        let ids = self.intents.values().flat_map(|intent| intent.resource.mentions());
        ids.map(ResourceId::subscription).collect()
    }
}

/// One resource, and where it was asked for.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The resource as it shall be.
    pub resource: Resource,
    /// The document it follows from, as its mark says it.
    pub document: DocumentMark,
    /// Where it was asked for.
    pub place: Place,
    /// The existing resource that the document asks to adopt: an Azure id, or `namespace/name` of a Service.
    pub adopt: Option<String>,
}

/// Who is let in, who is turned away, and what happens to the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionRules {
    /// Requests that are approved.
    pub approve: BTreeSet<Requester>,
    /// Requests that are turned away; stronger than `approve`.
    pub reject: BTreeSet<Requester>,
    /// True if a request that no rule names is turned away; false leaves it pending.
    pub reject_others: bool,
    /// Where the rules stand.
    pub place: Place,
}

/// A Private Link Service beside another one, whose consumers it takes over one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The document of the old one.
    pub old: DocumentName,
    /// What that document publishes under; `None` once it is gone.
    pub publisher: Option<PublisherKey>,
    /// The Service behind the new one.
    pub service: ObjectKey,
}

/// Whom a connection rule means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Requester {
    /// Every endpoint of a subscription.
    Subscription(SubscriptionId),
    /// One endpoint.
    Endpoint(ResourceId),
}

impl Requester {
    fn matches(&self, endpoint: &ResourceId) -> bool {
        match self {
            Self::Subscription(id) => *id == endpoint.subscription(),
            Self::Endpoint(id) => id == endpoint,
        }
    }
}

impl ConnectionRules {
    /// What a rule that names this endpoint says; `None` if none does.
    pub fn named_verdict(&self, endpoint: &ResourceId) -> Option<Verdict> {
        if self.reject.iter().any(|requester| requester.matches(endpoint)) {
            Some(Verdict::Rejected)
        } else if self.approve.iter().any(|requester| requester.matches(endpoint)) {
            Some(Verdict::Approved)
        } else {
            None
        }
    }
}
