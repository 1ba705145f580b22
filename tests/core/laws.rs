//! What holds for every repository and every world.

use privlink::domain::azure::SubscriptionId;
use privlink::domain::key::PublisherKey;
use privlink::domain::key::ResourceKey;
use privlink::domain::resource::connection::ConnectionStatus;
use privlink::observed::Area;
use privlink::observed::Gap;
use privlink::plan::Plan;
use privlink::plan::action::Action;
use privlink::plan::plan;
use proptest::prelude::*;

use crate::support::case::CONSUMER;
use crate::support::case::Case;
use crate::support::case::PROVIDER;
use crate::support::case::STRANGER;
use crate::support::case::network;
use crate::support::converge::carry_out;
use crate::support::converge::converge;
use crate::support::random::case_of;
use crate::support::random::documents;
use crate::support::say::blockers;
use crate::support::say::plan_of;
use crate::support::say::steps;
use crate::support::world::World;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// Plans and carries out until nothing is left to plan; the cloud provider severs what no plan foresees yet.
fn settle(case: &Case, world: &mut World, passes: usize) -> Result<(), TestCaseError> {
    let desired = case.resolve();
    world.prepare(&desired);
    let mut told = Vec::new();
    for _ in 0..passes {
        let plan = plan_of(&desired, world);
        // A frontend does not go under a Private Link Service of our own: that one has to be taken back first.
        if blockers(&plan).iter().any(|blocker| blocker.contains("CCM-PLS-GROUP")) {
            return Ok(());
        }
        prop_assert_eq!(blockers(&plan), Vec::<String>::new());
        if plan.steps.is_empty() {
            return Ok(());
        }
        let failed = carry_out(&plan, world);
        told.push((steps(&plan), failed));
    }
    let rest = steps(&plan_of(&desired, world));
    prop_assert!(rest.is_empty(), "after {told:#?}\nthere is still {rest:#?}");
    Ok(())
}

/// Everything about a world that no decision may depend on.
fn stir(world: &mut World) {
    for live in world.observed.services.values_mut() {
        live.resource_version = "999999".parse().unwrap();
        live.manifest["metadata"]["annotations"]["somebody/else"] = "was here".into();
    }
    for live in world.observed.subnets.values_mut() {
        live.seen.etag = "W/\"other\"".parse().ok();
        live.seen.body = serde_json::json!({ "attached": ["a foreign network interface"] });
    }
    for live in world.observed.private_link_services.values_mut() {
        live.seen.etag = "W/\"other\"".parse().ok();
        for connection in &mut live.connections {
            connection.description = "looks good".to_owned();
        }
    }
    for live in world.observed.private_endpoints.values_mut() {
        live.seen.etag = "W/\"other\"".parse().ok();
        live.status_description = "looks good".to_owned();
    }
}

fn any_area() -> impl Strategy<Value = Area> {
    let id = |text: &str| -> SubscriptionId { text.parse().unwrap() };
    let mut areas = vec![Area::ManagedCluster, Area::Services];
    for of in [PROVIDER, CONSUMER] {
        areas.extend([
            Area::Networks(id(of)),
            Area::Frontends(id(of)),
            Area::PrivateLinkServices(id(of)),
            Area::PrivateEndpoints(id(of)),
            Area::Dns(id(of)),
        ]);
    }
    prop::sample::select(areas)
}

fn is_deleted_blindly(plan: &Plan, world: &World) -> Option<String> {
    let gap = |key: &ResourceKey| world.observed.gap_for(key).is_some();
    let is_blind = |key: &ResourceKey| match key {
        ResourceKey::Service(service) => {
            gap(key) || gap(&ResourceKey::PrivateLinkService(PublisherKey::Cluster(service.clone())))
        }
        _ => gap(key),
    };
    let destructive = plan.steps.iter().filter(|step| step.change.action.is_destructive());
    destructive.map(|step| &step.change).find(|change| is_blind(&change.key)).map(|change| change.key.to_string())
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn a_converged_world_has_nothing_to_plan(documents in documents()) {
        let desired = case_of(&documents, 3, false).resolve();
        let plan = plan_of(&desired, &converge(&desired));
        prop_assert_eq!((steps(&plan), blockers(&plan)), (Vec::new(), Vec::new()));
    }

    #[test]
    fn what_is_created_from_nothing_is_created_in_one_pass(documents in documents()) {
        let case = case_of(&documents, 3, false);
        let mut world = World::new(case.resolve().policy.mark);
        settle(&case, &mut world, 1)?;
    }

    #[test]
    fn from_any_repository_to_any_other_there_is_a_way(before in documents(), after in documents()) {
        let mut world = converge(&case_of(&before, 2, false).resolve());
        settle(&case_of(&after, 2, false), &mut world, 4)?;
    }

    #[test]
    fn an_apply_that_stops_anywhere_is_taken_up_by_the_next(
        before in documents(),
        after in documents(),
        stop in any::<prop::sample::Index>(),
    ) {
        let mut world = converge(&case_of(&before, 2, false).resolve());
        let case = case_of(&after, 2, false);
        let desired = case.resolve();
        world.prepare(&desired);
        let mut plan = plan_of(&desired, &world);
        plan.steps.truncate(stop.index(plan.steps.len() + 1));
        carry_out(&plan, &mut world);
        settle(&case, &mut world, 4)?;
    }

    #[test]
    fn order_files_comments_and_folders_do_not_show(
        before in documents(),
        after in documents().prop_shuffle_twice(),
        files in 1_usize..5,
    ) {
        let (one, other) = after;
        let mut world = converge(&case_of(&before, 1, false).resolve());
        let (one, other) = (case_of(&one, 1, false).resolve(), case_of(&other, files, true).resolve());
        world.prepare(&one);
        let (one, other) = (plan_of(&one, &world), plan_of(&other, &world));
        prop_assert_eq!(one.body, other.body);
        prop_assert_eq!(one.id, other.id);
    }

    #[test]
    fn versions_descriptions_and_others_attachments_do_not_show(before in documents(), after in documents()) {
        let mut world = converge(&case_of(&before, 1, false).resolve());
        let desired = case_of(&after, 1, false).resolve();
        world.prepare(&desired);
        let first = plan_of(&desired, &world);
        stir(&mut world);
        prop_assert_eq!(first.body, plan_of(&desired, &world).body);
    }

    #[test]
    fn partial_sight_never_deletes(before in documents(), after in documents(), area in any_area()) {
        let mut world = converge(&case_of(&before, 1, false).resolve());
        let desired = case_of(&after, 1, false).resolve();
        world.prepare(&desired);
        world.observed.gaps.insert(Gap { area: area.clone(), reason: "timeout".to_owned() });
        // Half of what was asked for came back before the read failed, or all of it: neither is to be believed.
        let plan = plan_of(&desired, &world);
        prop_assert_eq!(is_deleted_blindly(&plan, &world), None);
        prop_assert!(!plan.is_complete());
        let created = plan.steps.iter().filter(|step| step.change.action == Action::Create);
        for step in created {
            prop_assert!(world.observed.gap_for(&step.change.key).is_none(), "{area}: {}", step.change.key);
        }
    }

    #[test]
    fn one_more_consumer_of_what_is_severed_changes_the_plan(before in documents(), after in documents()) {
        let mut world = converge(&case_of(&before, 1, false).resolve());
        let desired = case_of(&after, 1, false).resolve();
        world.prepare(&desired);
        let first = plan_of(&desired, &world);
        let severed = first.steps.iter().find_map(|step| match &step.change.key {
            ResourceKey::PrivateLinkService(publisher) if step.change.action.is_destructive() => {
                world.observed.publisher(publisher)
            }
            ResourceKey::Service(_) => {
                let lost = step.change.reads.publisher.as_ref();
                lost.and_then(|id| world.observed.private_link_services.get(id))
            }
            _ => None,
        });
        let Some(link) = severed.map(|live| live.service.id.clone()) else { return Ok(()) };
        world.connect(&link, &network(STRANGER, "rg", "privateEndpoints/new"), ConnectionStatus::Approved);
        prop_assert_ne!(first.id, plan_of(&desired, &world).id);
    }

    #[test]
    fn the_baseline_decides_about_causes_and_not_about_the_plan(before in documents(), after in documents()) {
        let before = case_of(&before, 1, false).resolve();
        let mut world = converge(&before);
        let desired = case_of(&after, 1, false).resolve();
        world.prepare(&desired);
        let with = plan(&desired, &world.observed, Some(&before));
        prop_assert_eq!(with.body, plan_of(&desired, &world).body);
    }
}

/// The same documents in two orders.
trait ShuffleTwice: Strategy<Value = Vec<String>> + Sized {
    fn prop_shuffle_twice(self) -> BoxedStrategy<(Vec<String>, Vec<String>)>;
}

impl<S: Strategy<Value = Vec<String>> + 'static> ShuffleTwice for S {
    fn prop_shuffle_twice(self) -> BoxedStrategy<(Vec<String>, Vec<String>)> {
        self.prop_flat_map(|documents| (Just(documents.clone()), Just(documents).prop_shuffle())).boxed()
    }
}
