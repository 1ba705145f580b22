//! Worlds that are as a repository asks for, and plans carried out on worlds.

use std::collections::BTreeSet;

use privlink::desired::Desired;
use privlink::domain::key::ResourceKey;
use privlink::domain::resource::Live;
use privlink::domain::resource::Resource;
use privlink::domain::resource::connection::ConnectionStatus;
use privlink::domain::resource::connection::Verdict;
use privlink::domain::resource::private_endpoint::Target;
use privlink::plan::Plan;
use privlink::plan::action::Action;
use privlink::plan::action::Actor;
use privlink::plan::change::Change;
use privlink::plan::reads;

use super::world::World;

/// The world as the repository asks for: what a plan would leave, made without a plan.
pub(crate) fn converge(desired: &Desired) -> World {
    let mut world = World::new(desired.policy.mark.clone());
    world.prepare(desired);
    // The order of the keys is the order of creation: Services, subnets, publications, endpoints, records.
    for intent in desired.intents.values() {
        world.put(&intent.resource);
    }
    for (publisher, rules) in &desired.connections {
        let Some(link) = world.observed.publisher(publisher) else { continue };
        for connection in link.connections.clone() {
            let Some(endpoint) = connection.endpoint else { continue };
            let pending = connection.status == ConnectionStatus::Pending;
            let by_default = (rules.reject_others && pending).then_some(Verdict::Rejected);
            match rules.named_verdict(&endpoint).or(by_default) {
                Some(Verdict::Approved) => world.answer(&endpoint, &ConnectionStatus::Approved),
                Some(Verdict::Rejected) => world.answer(&endpoint, &ConnectionStatus::Rejected),
                None => {}
            }
        }
    }
    world
}

/// Carries out every step in order, as apply does: a step whose reads are not true any more fails, and blocks.
///
/// Returns the steps that failed.
pub(crate) fn carry_out(plan: &Plan, world: &mut World) -> Vec<String> {
    let mut failed: BTreeSet<usize> = BTreeSet::new();
    for (at, step) in plan.steps.iter().enumerate() {
        let blocked = step.after.iter().any(|after| failed.contains(after));
        if blocked || !carry_out_change(&step.change, world) {
            failed.insert(at);
        }
    }
    failed.into_iter().map(|at| plan.steps[at].change.key.to_string()).collect()
}

fn carry_out_change(change: &Change, world: &mut World) -> bool {
    let live = live_of(change, world);
    let is_gone = change.action == Action::Delete && live.is_none();
    let publisher = change.reads.publisher.as_ref().and_then(|id| world.observed.private_link_services.get(id));
    let is_announced = matches!(change.key, ResourceKey::Connection { .. }) && !change.reads.exists;
    if change.removed_by.is_some() {
        assert!(live.is_none(), "{} is still there", change.key);
    }
    let is_fresh =
        is_announced || change.removed_by.is_some() || reads::verify(&change.reads, live.as_ref(), publisher).is_ok();
    if is_gone || (change.actor == Actor::Privlink && !is_fresh) {
        return is_gone;
    }
    // What the cloud provider replaces, it replaced when the Service was written.
    if change.action.is_destructive() && change.actor == Actor::Privlink && change.removed_by.is_none() {
        remove(change, world);
    }
    if change.action != Action::Delete {
        let resource = change.resource.as_ref().expect("a write has a resource");
        if !has_target(resource, world) {
            return false;
        }
        world.put(resource);
    }
    true
}

/// False if the cloud provider took away what an endpoint shall reach: Azure refuses such an endpoint.
fn has_target(resource: &Resource, world: &World) -> bool {
    match resource {
        Resource::PrivateEndpoint(endpoint) => match &endpoint.target {
            Target::Produced { publisher, .. } => world.observed.publisher(publisher).is_some(),
            Target::Id(_) | Target::Alias(_) => true,
        },
        _ => true,
    }
}

fn live_of(change: &Change, world: &World) -> Option<Live> {
    let existing = change.existing.as_ref();
    match &change.key {
        ResourceKey::Connection { .. } if existing.is_some() => {
            let mut all = world.observed.private_link_services.values().flat_map(|live| &live.connections);
            all.find(|connection| Some(&connection.id) == existing).cloned().map(Live::Connection)
        }
        ResourceKey::PrivateLinkService(_) if existing.is_some() => {
            existing.and_then(|id| world.observed.private_link_services.get(id)).cloned().map(Live::PrivateLinkService)
        }
        key => world.observed.get(key),
    }
}

fn remove(change: &Change, world: &mut World) {
    match &change.key {
        ResourceKey::Service(key) => world.remove_service(key),
        ResourceKey::Namespace(name) => panic!("{name}: a namespace is never deleted"),
        ResourceKey::Subnet(id) => panic!("{id}: a subnet is never deleted"),
        ResourceKey::PrivateLinkService(publisher) => {
            let id = world.observed.publisher(publisher).map(|live| live.service.id.clone());
            let id = change.existing.clone().or(id).expect("it is known which one goes");
            let open = world.observed.private_link_services.get(&id).map_or(0, |live| live.connections.len());
            assert_eq!(open, 0, "Azure refuses to delete {id}: it has connections");
            world.remove_link(&id);
        }
        ResourceKey::PrivateEndpoint(id) => world.remove_endpoint(id),
        ResourceKey::Connection { .. } => {
            world.remove_connection(change.existing.as_ref().expect("it is known which one goes"));
        }
        ResourceKey::DnsRecord(id) => {
            world.observed.dns_records.remove(id);
        }
        ResourceKey::DnsLink(id) => {
            world.observed.dns_links.remove(id);
        }
    }
}
