//! What is left of an approved plan after an interruption, and what is more than that.

use privlink::approval::Circumstances;
use privlink::approval::Decision;
use privlink::approval::Evidence;
use privlink::approval::LocalConsent;
use privlink::approval::decide;
use privlink::desired::Desired;
use privlink::domain::resource::connection::ConnectionStatus;
use privlink::plan::Plan;
use privlink::plan::document::PlanId;
use privlink::plan::document::change_digest;
use privlink::plan::document::step_digest;
use proptest::prelude::*;

use super::approval::circumstances;
use super::approval::file;
use crate::support::case::Case;
use crate::support::case::STRANGER;
use crate::support::case::network;
use crate::support::converge::carry_out;
use crate::support::converge::converge;
use crate::support::random::case_of;
use crate::support::random::documents;
use crate::support::say::plan_of;
use crate::support::world::World;

/// One person is enough for everything, and nothing goes without.
const ONE: &str = "approval = { safe = 1, notable = 1, disruptive = 1, severing = 1 }";

/// The Service of the shop that consumers are connected to moves.
fn moved() -> Case {
    Case::shop().edit("orders", "10.224.0.25", "10.224.0.26").also(ONE)
}

/// A plan that somebody approved, and what they approved it with.
struct Approved {
    plan: Plan,
    evidence: Evidence,
}

impl Approved {
    fn of(plan: Plan) -> Self {
        let evidence = file(&plan, "alice");
        Self { plan, evidence }
    }

    fn circumstances(&self) -> Circumstances {
        let bodies = [(self.plan.id.clone(), self.plan.body.clone())].into();
        Circumstances { bodies, ..circumstances(LocalConsent::None) }
    }

    /// The changes of a later plan that lack an approval.
    fn lacking(&self, rest: &Plan, circumstances: &Circumstances) -> Vec<String> {
        if !rest.has_changes() {
            return Vec::new();
        }
        match decide(rest, std::slice::from_ref(&self.evidence), circumstances) {
            Decision::Approved(approval) => {
                assert_eq!(approval.plan(), &rest.id);
                Vec::new()
            }
            Decision::Missing(missing) => missing.needs.into_values().flat_map(|need| need.changes).collect(),
        }
    }
}

/// The world after the first steps of a plan, and what is planned then.
fn after(plan: &Plan, steps: usize, desired: &Desired, world: &World) -> (World, Plan) {
    let (mut world, mut first) = (world.clone(), plan.clone());
    first.steps.truncate(steps);
    carry_out(&first, &mut world);
    let rest = plan_of(desired, &world);
    (world, rest)
}

#[test]
fn an_interrupted_replacement_goes_on_without_asking() {
    let desired = moved().resolve();
    let world = converge(&Case::shop().resolve());
    let approved = Approved::of(plan_of(&desired, &world));
    let mut differing = 0;
    for done in 0..approved.plan.steps.len() {
        let (_, rest) = after(&approved.plan, done, &desired, &world);
        assert_eq!(approved.lacking(&rest, &approved.circumstances()), Vec::<String>::new(), "after {done} steps");
        differing += usize::from(!approved.lacking(&rest, &circumstances(LocalConsent::None)).is_empty());
    }
    assert!(differing > 0, "the list of changes alone does not cover it");
}

/// The approved plan, and the world and the plan after its Service moved.
fn interrupted() -> (Approved, World, Plan) {
    let desired = moved().resolve();
    let world = converge(&Case::shop().resolve());
    let approved = Approved::of(plan_of(&desired, &world));
    let (world, rest) = (1..approved.plan.steps.len())
        .map(|done| after(&approved.plan, done, &desired, &world))
        .find(|(_, rest)| !approved.lacking(rest, &circumstances(LocalConsent::None)).is_empty())
        .unwrap();
    (approved, world, rest)
}

#[test]
fn what_is_more_than_was_approved_is_not_what_is_left() {
    let (approved, world, rest) = interrupted();
    let lacks = |rest: &Plan, circumstances: &Circumstances| {
        let lacking = approved.lacking(rest, circumstances);
        assert!(!lacking.is_empty(), "all of it is approved:\n{}", rest.body);
    };
    // Another wish, a change that was made already, and a plan that is not what its id says.
    let other = moved().edit("endpoints", "message: \"please\"", "message: \"now\"").resolve();
    lacks(&plan_of(&other, &world), &approved.circumstances());
    let mut used = approved.circumstances();
    let all = approved.plan.steps.iter().map(|step| (approved.plan.id.clone(), change_digest(&step.change)));
    used.used.extend(all);
    lacks(&rest, &used);
    let mut forged = approved.circumstances();
    forged.bodies.insert(approved.plan.id.clone(), approved.plan.body.replace("\"orders\"", "\"other\""));
    lacks(&rest, &forged);
    let mut elsewhere = approved.circumstances();
    elsewhere.bodies = [(PlanId::of_body("another"), approved.plan.body.clone())].into();
    lacks(&rest, &elsewhere);
    // Somebody connected to what is to be rebuilt once more.
    let desired = moved().resolve();
    let mut crowded = converge(&Case::shop().resolve());
    let link = crowded.link("shop/orders").service.id.clone();
    crowded.connect(&link, &network(STRANGER, "rg-s", "privateEndpoints/new"), ConnectionStatus::Approved);
    lacks(&plan_of(&desired, &crowded), &approved.circumstances());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn whatever_is_left_of_an_approved_plan_is_still_approved(
        before in documents(),
        then in documents(),
        done in any::<prop::sample::Index>(),
    ) {
        let desired = case_of(&then, 2, false).also(ONE).resolve();
        let mut world = converge(&case_of(&before, 2, false).resolve());
        world.prepare(&desired);
        let approved = Approved::of(plan_of(&desired, &world));
        let done = done.index(approved.plan.steps.len() + 1);
        let (_, rest) = after(&approved.plan, done, &desired, &world);
        let known: Vec<String> = approved.plan.steps.iter().map(|step| step.change.key.to_string()).collect();
        let lacking = approved.lacking(&rest, &approved.circumstances());
        let lacking: Vec<_> = lacking.into_iter().filter(|key| known.contains(key)).collect();
        prop_assert_eq!(lacking, Vec::<String>::new(), "after {} of\n{}\nthere is\n{}", done, approved.plan.body, rest.body);
    }

    #[test]
    fn a_step_in_a_body_has_the_digest_of_its_change(before in documents(), then in documents()) {
        let world = converge(&case_of(&before, 2, false).resolve());
        let plan = plan_of(&case_of(&then, 2, false).resolve(), &world);
        let body: serde_json::Value = serde_json::from_str(&plan.body).unwrap();
        for (step, written) in plan.steps.iter().zip(body["steps"].as_array().unwrap()) {
            prop_assert_eq!(change_digest(&step.change), step_digest(written));
        }
    }
}
