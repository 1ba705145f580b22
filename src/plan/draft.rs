//! A plan in the making: the decisions taken so far, and the questions every decision asks.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::desired::Desired;
use crate::desired::Intent;
use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::mark::Mark;
use crate::domain::resource::Resource;
use crate::domain::resource::dns::Addresses;
use crate::domain::resource::private_endpoint::Target;
use crate::domain::resource::private_link_service::Frontend;
use crate::observed::Observed;
use crate::plan::action::Action;
use crate::plan::change::Blocker;
use crate::plan::change::Change;
use crate::plan::change::Input;
use crate::plan::change::Note;
use crate::plan::change::Refusal;
use crate::plan::diff;
use crate::plan::mode::Mode;
use crate::plan::moved;
use crate::plan::moved::Migration;
use crate::plan::preflight;
use crate::value::Output;

/// The decisions taken so far.
pub(super) struct Draft<'a> {
    pub(super) desired: &'a Desired,
    pub(super) observed: &'a Observed,
    pub(super) changes: BTreeMap<ResourceKey, Change>,
    pub(super) notes: Vec<Note>,
    pub(super) postponed: BTreeSet<ResourceKey>,
    pub(super) blockers: Vec<Blocker>,
    pub(super) refusals: BTreeMap<ResourceKey, Vec<Refusal>>,
    pub(super) modes: Vec<Mode>,
    pub(super) smaller_edits: Vec<Note>,
    pub(super) unchanged: usize,
    /// The Private Link Services that the cloud provider deletes because of a Service of this plan.
    pub(super) lost: BTreeSet<ResourceId>,
    /// The migrations under way, by the Private Link Service that goes.
    pub(super) migrations: BTreeMap<ResourceId, Migration>,
}

/// Whose an existing resource is, as far as an intent is concerned.
pub(super) enum Claim {
    /// It carries our mark.
    Ours,
    /// It is not ours, and the document asks to adopt exactly this one.
    Adoptable,
    /// It is somebody else's.
    Foreign,
}

impl<'a> Draft<'a> {
    pub(super) fn new(desired: &'a Desired, observed: &'a Observed) -> Self {
        Self {
            desired,
            observed,
            changes: BTreeMap::new(),
            notes: Vec::new(),
            postponed: BTreeSet::new(),
            blockers: Vec::new(),
            refusals: BTreeMap::new(),
            modes: Vec::new(),
            smaller_edits: Vec::new(),
            unchanged: 0,
            lost: BTreeSet::new(),
            migrations: moved::migrations(desired, observed),
        }
    }

    /// The intents of one kind, in the order of their keys.
    pub(super) fn intents(&self, wanted: fn(&Resource) -> bool) -> Vec<(&'a ResourceKey, &'a Intent)> {
        let desired = self.desired;
        desired.intents.iter().filter(|(_, intent)| wanted(&intent.resource)).collect()
    }

    pub(super) fn note(&mut self, subject: impl std::fmt::Display, text: impl Into<String>) {
        self.notes.push(Note { subject: subject.to_string(), text: text.into() });
    }

    /// Keeps the whole plan from being applied.
    pub(super) fn block(
        &mut self,
        subject: impl std::fmt::Display,
        problem: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.blockers.push(Blocker { subject: subject.to_string(), problem: problem.into(), help: help.into() });
    }

    /// Keeps one change, and what needs it, out of the plan.
    pub(super) fn refuse(&mut self, key: &ResourceKey, problem: impl Into<String>, help: impl Into<String>) {
        self.refuse_by(
            key,
            Refusal { rule: None, problem: problem.into(), help: help.into(), right: None, access: None },
        );
    }

    /// As [`Draft::refuse`], by a rule.
    pub(super) fn refuse_by(&mut self, key: &ResourceKey, refusal: Refusal) {
        self.refusals.entry(key.clone()).or_default().push(refusal);
    }

    /// Records a change, with the place and the inputs that follow from its resource.
    pub(super) fn add(&mut self, mut change: Change) {
        if let Some(intent) = self.desired.intents.get(&change.key) {
            change.place = Some(intent.place.clone());
        }
        if let Some(resource) = &change.resource {
            change.inputs = inputs(resource);
        }
        self.changes.insert(change.key.clone(), change);
    }

    /// Records that a resource is as it shall be.
    pub(super) fn keep(&mut self) {
        self.unchanged += 1;
    }

    /// True if the resource is new, replaced or gone after this plan: what is known of it now will not hold.
    fn is_renewed(&self, key: &ResourceKey) -> bool {
        self.changes.get(key).is_some_and(|change| change.action == Action::Create || change.action.is_destructive())
    }

    /// Whether absence may be concluded; notes the reason if not.
    pub(super) fn is_blind(&mut self, key: &ResourceKey) -> bool {
        let Some(gap) = self.observed.gap_for(key) else { return false };
        let text = format!("not planned: {} could not be read", gap.area);
        self.note(key, text);
        true
    }

    /// Whether nobody can tell who is connected through a Service; notes the reason if so.
    ///
    /// Such a Service is neither changed nor deleted: those who would suffer could not be named.
    pub(super) fn is_blind_to_link_of(&mut self, service: &ObjectKey) -> bool {
        let link = ResourceKey::PrivateLinkService(PublisherKey::Cluster(service.clone()));
        let Some(gap) = self.observed.gap_for(&link) else { return false };
        let text = format!("not planned: {} could not be read, so nobody knows who is connected", gap.area);
        self.note(ResourceKey::Service(service.clone()), text);
        true
    }

    /// The Service whose frontend a Private Link Service stands on, where a document says it.
    pub(super) fn service_behind(&self, publisher: &PublisherKey) -> Option<ObjectKey> {
        match publisher {
            PublisherKey::Cluster(service) => Some(service.clone()),
            PublisherKey::Own(_) => {
                let key = ResourceKey::PrivateLinkService(publisher.clone());
                match &self.desired.intents.get(&key)?.resource {
                    Resource::PrivateLinkService(service) => match &service.frontend {
                        Frontend::OfService { service, .. } => Some(service.clone()),
                        Frontend::Id(_) => None,
                    },
                    _ => None,
                }
            }
        }
    }

    /// The Private Link Service that a target means, where the rules of this repository answer its connections.
    pub(super) fn publisher_of(&self, target: &Target) -> Option<&'a PublisherKey> {
        let is_meant = |publisher: &&PublisherKey| match target {
            Target::Produced { publisher: meant, .. } => meant == *publisher,
            Target::Id(id) => self.observed.publisher(publisher).is_some_and(|live| live.service.id == *id),
            Target::Alias(alias) => {
                self.observed.publisher(publisher).is_some_and(|live| live.alias.as_ref() == Some(alias))
            }
        };
        let desired = self.desired;
        desired.connections.keys().find(is_meant)
    }

    /// Whether something that exists refers to what is not known and not made here; notes it if so.
    ///
    /// It is left as it is: to compare it with nothing would replace it.
    pub(super) fn is_adrift(&mut self, key: &ResourceKey, resource: &Resource) -> bool {
        let inputs = inputs(resource);
        let is_unknown = |input: &&Input| input.known.is_none() && !self.changes.contains_key(&input.producer);
        let Some(input) = inputs.iter().find(is_unknown) else { return false };
        let input = input.clone();
        self.note(key, format!("left alone: waits for the {} of {}", input.output, input.producer));
        self.postpone(key, &input.producer);
        true
    }

    /// Remembers what a later plan can do: the producer is there, and others or Azure are still at work on it.
    pub(super) fn postpone(&mut self, key: &ResourceKey, producer: &ResourceKey) {
        if self.observed.get(producer).is_some() {
            self.postponed.insert(key.clone());
        }
    }

    /// Whose an existing resource with this mark is.
    pub(super) fn claim(&self, intent: &Intent, mark: Option<&Mark>, full_id: &str) -> Claim {
        if mark == Some(&self.desired.policy.mark) {
            return Claim::Ours;
        }
        let adopts = intent.adopt.as_deref().is_some_and(|adopt| adopt.eq_ignore_ascii_case(full_id));
        // Another repository's mark is a claim of its own: adopting it would be stealing.
        if adopts && mark.is_none() { Claim::Adoptable } else { Claim::Foreign }
    }

    /// Says that something with the wanted identity exists and is not ours.
    pub(super) fn block_foreign(&mut self, key: &ResourceKey, mark: Option<&Mark>, full_id: &str) {
        let (problem, help) = match mark {
            Some(mark) => (
                format!("it exists already and belongs to {mark}"),
                "take it out of that repository first, or choose another name here".to_owned(),
            ),
            None => (
                "it exists already and nobody's mark is on it".to_owned(),
                format!(
                    "to take it over as it is, add to the document's metadata.annotations: {}: {full_id}",
                    crate::domain::mark::ADOPT_ANNOTATION
                ),
            ),
        };
        self.refuse_by(key, Refusal { help, ..Refusal::by(&preflight::rule::FOREIGN, problem) });
    }

    /// Decides an adoption: it must be proved by a plan without a difference beside the mark.
    pub(super) fn adopt(&mut self, mut change: Change) {
        let is_mark = |name: &str| {
            name.contains("privlink-owner") || name.contains("privlink-document") || name.contains("privlink.dev/")
        };
        let differing: Vec<String> =
            change.fields.iter().filter(|field| !is_mark(&field.name)).map(|field| field.name.clone()).collect();
        if differing.is_empty() {
            change.action = Action::Adopt;
            self.add(change);
            return;
        }
        self.refuse(
            &change.key,
            format!("it cannot be adopted: {} would change", differing.join(", ")),
            "make the document say what is there, adopt it, then change it in a commit of its own",
        );
    }

    /// Notes that an adopt annotation has done its work.
    pub(super) fn note_needless_adopt(&mut self, key: &ResourceKey, intent: &Intent) {
        if intent.adopt.is_some() {
            self.note(key, format!("{} is not needed any more: it is ours", crate::domain::mark::ADOPT_ANNOTATION));
        }
    }

    /// Fills in what other resources of the plan already yield.
    pub(super) fn link(&self, resource: &Resource) -> Resource {
        let mut resource = resource.clone();
        match &mut resource {
            Resource::PrivateEndpoint(endpoint) => {
                if let Target::Produced { publisher, known } = &mut endpoint.target {
                    *known = self.publisher_id(publisher);
                }
            }
            Resource::PrivateLinkService(service) => {
                if let Frontend::OfService { service, known } = &mut service.frontend {
                    let key = ResourceKey::Service(service.clone());
                    let frontend = self.observed.frontend_of(service).filter(|_| !self.is_renewed(&key));
                    *known = frontend.map(|frontend| frontend.id.clone());
                }
            }
            Resource::DnsRecord(record) => {
                if let Addresses::OfEndpoint { endpoint, known } = &mut record.addresses {
                    let live = self.observed.private_endpoints.get(endpoint);
                    let live = live.filter(|_| !self.is_renewed(&ResourceKey::PrivateEndpoint(endpoint.clone())));
                    *known = live.and_then(|live| match live.private_address {
                        Some(std::net::IpAddr::V4(address)) => Some(address),
                        _ => None,
                    });
                }
            }
            Resource::Namespace(_)
            | Resource::Service(_)
            | Resource::Subnet(_)
            | Resource::Publication(_)
            | Resource::Connection(_)
            | Resource::DnsLink(_) => {}
        }
        resource
    }

    /// The id of a Private Link Service that exists and stays.
    fn publisher_id(&self, publisher: &PublisherKey) -> Option<ResourceId> {
        if self.is_renewed(&ResourceKey::PrivateLinkService(publisher.clone())) {
            return None;
        }
        self.observed.publisher(publisher).map(|live| live.service.id.clone())
    }
}

/// What a resource needs from others.
fn inputs(resource: &Resource) -> Vec<Input> {
    let input = |producer, output, known: Option<String>| vec![Input { producer, output, known }];
    match resource {
        Resource::PrivateEndpoint(endpoint) => match &endpoint.target {
            Target::Produced { publisher, known } => {
                let producer = ResourceKey::PrivateLinkService(publisher.clone());
                input(producer, Output::Id, known.as_ref().map(ToString::to_string))
            }
            Target::Id(_) | Target::Alias(_) => Vec::new(),
        },
        Resource::PrivateLinkService(service) => match &service.frontend {
            Frontend::OfService { service, known } => {
                let producer = ResourceKey::Service(service.clone());
                input(producer, Output::Frontend, known.as_ref().map(ToString::to_string))
            }
            Frontend::Id(_) => Vec::new(),
        },
        Resource::DnsRecord(record) => match &record.addresses {
            Addresses::OfEndpoint { endpoint, known } => {
                let producer = ResourceKey::PrivateEndpoint(endpoint.clone());
                input(producer, Output::Address, known.as_ref().map(ToString::to_string))
            }
            Addresses::Known(_) => Vec::new(),
        },
        Resource::Namespace(_)
        | Resource::Service(_)
        | Resource::Subnet(_)
        | Resource::Publication(_)
        | Resource::Connection(_)
        | Resource::DnsLink(_) => Vec::new(),
    }
}

/// A create with all its fields.
pub(super) fn creation(key: &ResourceKey, resource: Resource) -> Change {
    let mut change = Change::new(key.clone(), Action::Create);
    change.fields = diff::all_new(&super::document::fields_of(&resource));
    change.resource = Some(resource);
    change
}
