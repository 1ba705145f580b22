//! What a write has for itself: Azure cancels or refuses a second one on the same network, load balancer or service.
//!
//! Locks are numbered, and worked out once a step: in a plan of a thousand steps on few networks each is looked at thousands
//! of times before it is its turn.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::resource::Resource;
use crate::domain::resource::private_endpoint::Target;
use crate::domain::resource::private_link_service::Frontend;
use crate::plan::change::Change;
use crate::value::Value;

/// The numbers of the locks of each step.
#[derive(Debug, Default)]
pub(super) struct Register {
    numbers: BTreeMap<String, usize>,
    steps: BTreeMap<usize, Vec<usize>>,
}

impl Register {
    /// The locks of a step. Its change is asked for the first time only, so what it waits for has to be over by then.
    pub(super) fn of(&mut self, step: usize, change: impl FnOnce() -> Change) -> &[usize] {
        let Self { numbers, steps } = self;
        steps.entry(step).or_insert_with(|| {
            let number = |name: String| {
                let next = numbers.len();
                *numbers.entry(name).or_insert(next)
            };
            of(&change()).into_iter().map(number).collect()
        })
    }
}

/// Who writes at the moment, and to what.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// By the number of the lock. More than one where somebody else takes away what our steps wait for.
    holders: BTreeMap<usize, Vec<usize>>,
    /// The steps that change a subnet.
    pub(super) subnets: Vec<usize>,
}

impl Held {
    /// Notes that a step writes.
    pub(super) fn add(&mut self, step: usize, locks: &[usize]) {
        for lock in locks {
            self.holders.entry(*lock).or_default().push(step);
        }
    }

    /// True if nobody but the step holds any of these.
    pub(super) fn is_free_for(&self, step: usize, locks: &[usize]) -> bool {
        let holders = locks.iter().filter_map(|lock| self.holders.get(lock));
        holders.flatten().all(|holder| *holder == step)
    }
}

/// The locks of a change whose resource is resolved as far as it can be.
fn of(change: &Change) -> BTreeSet<String> {
    let mut locks = BTreeSet::new();
    match &change.resource {
        Some(Resource::PrivateEndpoint(endpoint)) => {
            locks.insert(network(&endpoint.subnet));
            match &endpoint.target {
                Target::Id(id) => locks.extend([id.folded()]),
                Target::Alias(alias) => locks.extend([alias.folded()]),
                Target::Produced { publisher, known } => {
                    locks.insert(service(publisher));
                    locks.extend(known.as_ref().map(ResourceId::folded));
                }
            }
        }
        Some(Resource::PrivateLinkService(service)) => {
            locks.extend(service.exposure.nat.subnet.as_ref().map(network));
            let frontend = match &service.frontend {
                Frontend::Id(id) => Some(id),
                Frontend::OfService { known, .. } => known.as_ref(),
            };
            locks.extend(frontend.and_then(ResourceId::parent).map(|balancer| balancer.folded()));
        }
        Some(Resource::Subnet(subnet)) => locks.extend([network(&subnet.id)]),
        Some(
            Resource::Namespace(_)
            | Resource::Service(_)
            | Resource::Publication(_)
            | Resource::Connection(_)
            | Resource::DnsRecord(_)
            | Resource::DnsLink(_),
        )
        | None => {}
    }
    if let ResourceKey::Connection { publisher, .. } | ResourceKey::PrivateLinkService(publisher) = &change.key {
        locks.insert(service(publisher));
        // A connection that exists says which service it is a child of.
        let existing = change.existing.as_ref();
        locks.extend(existing.map(|id| id.parent().unwrap_or_else(|| id.clone()).folded()));
    }
    // What is taken away is known by what the plan read of it.
    for (name, value) in &change.reads.fields {
        match (name.as_str(), value) {
            ("subnet", Value::Id(id)) => locks.extend([network(id)]),
            ("target", Value::Id(id)) => locks.extend([id.folded()]),
            _ => {}
        }
    }
    locks
}

fn network(subnet: &ResourceId) -> String {
    subnet.parent().unwrap_or_else(|| subnet.clone()).folded()
}

fn service(publisher: &PublisherKey) -> String {
    match publisher {
        PublisherKey::Own(id) => id.folded(),
        PublisherKey::Cluster(service) => service.to_string(),
    }
}
