//! Worlds that are as a repository asks for, and plans carried out on worlds.

use privlink::desired::Desired;
use privlink::domain::key::ResourceKey;
use privlink::domain::resource::connection::ConnectionStatus;
use privlink::domain::resource::connection::Verdict;
use privlink::plan::Plan;
use privlink::plan::action::Action;
use privlink::plan::change::Change;

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

/// Carries out every step in order, as apply does when nothing fails.
pub(crate) fn carry_out(plan: &Plan, world: &mut World) {
    for step in &plan.steps {
        carry_out_change(&step.change, world);
    }
}

fn carry_out_change(change: &Change, world: &mut World) {
    if matches!(change.action, Action::Delete | Action::Replace) {
        remove(change, world);
    }
    if change.action != Action::Delete {
        world.put(change.resource.as_ref().expect("a write has a resource"));
    }
}

fn remove(change: &Change, world: &mut World) {
    match &change.key {
        ResourceKey::Service(key) => world.remove_service(key),
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
