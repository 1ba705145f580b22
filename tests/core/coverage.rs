//! Pruning and partial sight: what is deleted, and everything that keeps it from being deleted.

use privlink::domain::azure::SubscriptionId;
use privlink::observed::Area;
use privlink::observed::Gap;
use privlink::plan::action::Action;

use crate::support::case::CONSUMER;
use crate::support::case::Case;
use crate::support::case::PROVIDER;
use crate::support::converge::carry_out;
use crate::support::converge::converge;
use crate::support::say::blockers;
use crate::support::say::change;
use crate::support::say::comes_after;
use crate::support::say::notes;
use crate::support::say::plan_of;
use crate::support::say::steps;
use crate::support::world::World;

fn areas() -> Vec<Area> {
    let mut areas = vec![Area::ManagedCluster, Area::Services];
    for id in [PROVIDER, CONSUMER] {
        let id: SubscriptionId = id.parse().unwrap();
        areas.extend([
            Area::Networks(id.clone()),
            Area::Frontends(id.clone()),
            Area::PrivateLinkServices(id.clone()),
            Area::PrivateEndpoints(id.clone()),
            Area::Dns(id.clone()),
        ]);
    }
    areas
}

/// Takes an area out of a world, as a read that failed does.
fn blind(world: &World, area: &Area) -> World {
    let mut world = world.clone();
    let observed = &mut world.observed;
    match area {
        Area::ManagedCluster => {}
        Area::Services => observed.services.clear(),
        Area::Networks(id) => observed.subnets.retain(|key, _| key.subscription() != *id),
        Area::Frontends(id) => observed.frontends.retain(|key, _| key.subscription() != *id),
        Area::PrivateLinkServices(id) => observed.private_link_services.retain(|key, _| key.subscription() != *id),
        Area::PrivateEndpoints(id) => observed.private_endpoints.retain(|key, _| key.subscription() != *id),
        Area::Rights(_)
        | Area::Sight(_)
        | Area::ClusterRights(_)
        | Area::UserRights
        | Area::Namespaces
        | Area::Events
        | Area::Trials
        | Area::Addresses(_)
        | Area::ResourceGroups(_) => {
            panic!("no plan needs them")
        }
        Area::Dns(id) => {
            observed.dns_zones.retain(|key| key.subscription() != *id);
            observed.dns_records.retain(|key, _| key.subscription() != *id);
            observed.dns_links.retain(|key, _| key.subscription() != *id);
        }
    }
    observed.gaps.insert(Gap { area: area.clone(), reason: "the request timed out".to_owned() });
    world
}

#[test]
fn an_unchanged_world_that_is_seen_in_part_has_no_steps() {
    let desired = Case::shop().resolve();
    let world = converge(&desired);
    for area in areas() {
        let plan = plan_of(&desired, &blind(&world, &area));
        assert_eq!(steps(&plan), Vec::<String>::new(), "{area}");
        assert_eq!(blockers(&plan), Vec::<String>::new(), "{area}");
        assert!(!plan.is_complete());
    }
}

#[test]
fn what_was_not_seen_is_neither_created_nor_changed_nor_deleted() {
    let everything = converge(&Case::shop().resolve());
    for area in areas() {
        let plan = plan_of(&Case::empty().resolve(), &blind(&everything, &area));
        for step in &plan.steps {
            let seen = blind(&everything, &area).observed.gap_for(&step.change.key).is_none();
            assert!(seen, "{area}: {} {}", step.change.action, step.change.key);
        }
    }
    // A Service is not deleted while nobody can tell who is connected to it.
    for area in [Area::PrivateLinkServices(PROVIDER.parse().unwrap()), Area::Frontends(PROVIDER.parse().unwrap())] {
        let plan = plan_of(&Case::empty().resolve(), &blind(&everything, &area));
        let deletes_services = plan.steps.iter().any(|step| step.change.key.kind() == "service");
        assert!(!deletes_services, "{area}: {:?}", steps(&plan));
        let edited = Case::shop().edit("orders", "10.224.0.25", "10.224.0.26").resolve();
        assert_eq!(steps(&plan_of(&edited, &blind(&everything, &area))), Vec::<String>::new(), "{area}");
    }
}

#[test]
fn a_note_says_what_was_not_planned_because_of_what() {
    let desired = Case::shop().resolve();
    let world = World::new(desired.policy.mark.clone());
    let plan = plan_of(&desired, &blind(&world, &Area::Services));
    assert_eq!(notes(&plan, "service/shop/orders"), ["not planned: Services of the cluster could not be read"]);
}

#[test]
fn a_service_of_our_own_waits_until_its_subnet_was_seen() {
    let desired = Case::shop().resolve();
    let mut world = World::new(desired.policy.mark.clone());
    world.prepare(&desired);
    let plan = plan_of(&desired, &blind(&world, &Area::Networks(PROVIDER.parse().unwrap())));
    assert!(!steps(&plan).iter().any(|line| line.contains("pls-payments")), "{:?}", steps(&plan));
    assert_eq!(notes(&plan, "privatelinkservice/pls-payments").len(), 1);
}

#[test]
fn prune_deletes_what_no_document_asks_for_in_reverse_order() {
    let mut world = converge(&Case::shop().resolve());
    let desired = Case::empty().resolve();
    let plan = plan_of(&desired, &world);
    assert_eq!(blockers(&plan), Vec::<String>::new());
    assert!(comes_after(&plan, "privateendpoint/orders-pe", "dnsrecord/api.orders.internal"));
    assert!(comes_after(&plan, "service/shop/orders", "privateendpoint/orders-pe"));
    assert!(comes_after(&plan, "service/shop/payments", "privatelinkservice/pls-payments"));
    assert!(comes_after(&plan, "privatelinkservice/pls-payments", "privateendpoint/payments-pe"));
    let kept: Vec<&str> = plan
        .steps
        .iter()
        .filter(|step| step.change.action != Action::Delete)
        .map(|step| step.change.key.kind())
        .collect();
    assert_eq!(kept, ["service"], "only the annotations of somebody else's Service are taken back");
    assert_eq!(change(&plan, "service/shop/orders").consequences.len(), 1);
    assert!(carry_out(&plan, &mut world).is_empty());
    assert_eq!(steps(&plan_of(&desired, &world)), Vec::<String>::new());
    assert_eq!(world.observed.services.len(), 1);
    assert!(world.observed.private_link_services.is_empty() && world.observed.private_endpoints.is_empty());
}

#[test]
fn without_prune_everything_stays_and_a_note_says_so() {
    let world = converge(&Case::shop().resolve());
    let plan = plan_of(&Case::empty().keeping().resolve(), &world);
    assert_eq!(steps(&plan), Vec::<String>::new());
    assert_eq!(
        notes(&plan, "privateendpoint/payments-pe"),
        ["left alone: no document asks for it any more, and prune is off"]
    );
    let still = notes(&plan, "privatelinkservice/legacy/billing");
    assert!(still.len() == 1 && still[0].starts_with("still published, 1 consumer: pls-"), "{still:?}");
}

#[test]
fn a_folder_that_is_gone_deletes_nothing_and_blocks() {
    let world = converge(&Case::shop().resolve());
    let plan = plan_of(&Case::shop().without_folder().resolve(), &world);
    assert_eq!(steps(&plan), Vec::<String>::new());
    assert_eq!(blockers(&plan).len(), 1);
    assert!(blockers(&plan)[0].starts_with("folder environments/prod: "), "{:?}", blockers(&plan));
    // Not even the annotations on a Service of others, where nothing else is left.
    let case = Case::empty().with("billing", &Case::shop().files["billing.yaml"]);
    let world = converge(&case.resolve());
    let plan = plan_of(&case.without_folder().resolve(), &world);
    assert_eq!((steps(&plan), blockers(&plan).len()), (Vec::new(), 1));
}

#[test]
fn more_deletes_than_allowed_block() {
    let world = converge(&Case::shop().resolve());
    let allow = |limit: &str| {
        let case = Case::shop().without("endpoints").rule("max-deletes = 20", &format!("max-deletes = {limit}"));
        plan_of(&case.resolve(), &world)
    };
    let plan = allow("5");
    assert_eq!(blockers(&plan), ["deletes: the plan deletes 6 resources and max-deletes is 5"]);
    assert!(allow("6").is_applicable());
}

#[test]
fn what_is_not_marked_is_never_pruned() {
    let mut world = converge(&Case::shop().resolve());
    for live in world.observed.private_endpoints.values_mut() {
        live.mark = None;
    }
    let plan = plan_of(&Case::shop().without("endpoints").resolve(), &world);
    let deleted: Vec<&str> = plan.steps.iter().map(|step| step.change.key.kind()).collect();
    assert_eq!(deleted, ["dnsrecord", "dnslink"]);
}
