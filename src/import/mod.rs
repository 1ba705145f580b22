//! Observed → documents: what a repository would say that asks for exactly what is there.
//!
//! A document is written only for what nobody else has marked and no document asks for. What cannot be said in one is told,
//! with the reason; nothing is passed over in silence. Whether the documents are right is for a plan to say: whoever writes
//! them to disk makes one first.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod dns;
mod endpoint;
mod link;
mod name;
mod service;

use std::fmt::Display;

use serde_json::Value as Json;

use crate::desired::Desired;
use crate::domain::azure::ResourceGroup;
use crate::domain::azure::ResourceId;
use crate::domain::key::ResourceKey;
use crate::domain::mark::Mark;
use crate::observed::Observed;
use name::Names;

/// Everything that importing looks at.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What is there.
    pub observed: &'a Observed,
    /// What documents ask for already; its policy says what may be touched.
    pub desired: &'a Desired,
    /// Only what lies in this resource group; a Service lies in that of the nodes, with its load balancer.
    pub group: Option<&'a ResourceGroup>,
    /// True to write what is asked for already once more, as it is there now.
    pub again: bool,
}

/// The documents, and what is not in them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Import {
    /// The documents, in the order in which a person would read them.
    pub drafts: Vec<Draft>,
    /// What is there and gets no document.
    pub left: Vec<Left>,
    /// How many resources documents ask for already.
    pub asked: usize,
}

/// A document to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The resource that it is about; an endpoint's records and links follow from it.
    pub key: ResourceKey,
    /// Its file, below the folder of the environment and without `.yaml`.
    pub file: String,
    /// What it is, for people: `Service shop/orders`.
    pub what: String,
    /// What it says.
    pub document: Json,
    /// The existing resources that it asks to adopt.
    pub adopts: Vec<String>,
}

/// Something that is there and gets no document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Left {
    /// What.
    pub subject: String,
    /// Why.
    pub reason: String,
}

/// Writes documents for what is there.
pub fn import(source: Source<'_>) -> Import {
    let mut importer = Importer { source, names: Names::of(source.desired), found: Import::default() };
    service::import(&mut importer);
    link::import(&mut importer);
    endpoint::import(&mut importer);
    importer.found.left.sort();
    importer.found.left.dedup();
    importer.found
}

/// The state of one import.
struct Importer<'a> {
    source: Source<'a>,
    names: Names,
    found: Import,
}

impl<'a> Importer<'a> {
    fn observed(&self) -> &'a Observed {
        self.source.observed
    }

    fn leave(&mut self, subject: impl Display, reason: impl Into<String>) {
        self.found.left.push(Left { subject: subject.to_string(), reason: reason.into() });
    }

    fn draft(&mut self, draft: Draft) {
        self.found.drafts.push(draft);
    }

    /// Whether a document asks for it already; counts it if so.
    fn is_asked(&mut self, key: &ResourceKey) -> bool {
        let asked = self.source.desired.intents.contains_key(key);
        self.found.asked += usize::from(asked);
        asked && !self.source.again
    }

    /// Whether a mark is somebody else's; tells it if so.
    fn is_foreign(&mut self, subject: &dyn Display, mark: Option<&Mark>) -> bool {
        let Some(mark) = mark.filter(|mark| **mark != self.source.desired.policy.mark) else { return false };
        self.leave(subject, format!("belongs to {mark}"));
        true
    }

    /// True if an Azure resource lies where this import looks.
    fn is_meant(&self, id: &ResourceId) -> bool {
        self.source.group.is_none_or(|group| id.resource_group() == *group) && self.source.desired.policy.scope.has(id)
    }

    /// True if a document asks for it, one of these or one that was there.
    fn is_documented(&self, key: &ResourceKey) -> bool {
        self.source.desired.intents.contains_key(key) || self.found.drafts.iter().any(|draft| draft.key == *key)
    }
}
