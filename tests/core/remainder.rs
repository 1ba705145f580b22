//! What is left of an approved plan after an interruption, and what is more than that.

use std::collections::BTreeMap;

use privlink::approval::Circumstances;
use privlink::approval::Decision;
use privlink::approval::Evidence;
use privlink::approval::LocalConsent;
use privlink::approval::decide;
use privlink::approval::used::Used;
use privlink::cloud_provider::rule::LINK_UNDER_MOVE;
use privlink::desired::Desired;
use privlink::domain::resource::connection::ConnectionStatus;
use privlink::plan::Plan;
use privlink::plan::document::PlanId;
use privlink::plan::document::change_digest;
use privlink::plan::document::step_digest;
use privlink::plan::risk::Risk;
use privlink::value::Value;
use proptest::prelude::*;

use super::approval::circumstances;
use super::approval::file;
use super::approval::used;
use crate::support::case::Case;
use crate::support::case::STRANGER;
use crate::support::case::network;
use crate::support::converge::carry_out;
use crate::support::converge::converge;
use crate::support::random::case_of;
use crate::support::random::documents;
use crate::support::say::plan_of;
use crate::support::say::steps;
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

    /// All of it was carried out.
    fn used(&self) -> Used {
        let digests: Vec<_> = self.plan.steps.iter().map(|step| change_digest(&step.change)).collect();
        used(&self.evidence, &digests.iter().collect::<Vec<_>>())
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

/// True if a plan changes the state of a connection that was approved before.
fn is_granted(plan: &Plan, key: &str) -> bool {
    let of_key = plan.steps.iter().filter(|step| step.change.key.to_string() == key);
    let granted = Some(Value::Text("Approved".to_owned()));
    of_key.flat_map(|step| &step.change.fields).any(|field| field.name == "state" && field.before == granted)
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
    let mut spent = approved.circumstances();
    spent.used = approved.used();
    lacks(&rest, &spent);
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
        // Nobody has recorded what becomes of a Private Link Service whose frontend moves away: what is left may be anything.
        prop_assume!(!approved.plan.body.contains(LINK_UNDER_MOVE.id));
        let done = done.index(approved.plan.steps.len() + 1);
        let (_, rest) = after(&approved.plan, done, &desired, &world);
        let risks = |plan: &Plan| -> BTreeMap<String, Risk> {
            plan.steps.iter().map(|step| (step.change.key.to_string(), step.change.risk)).collect()
        };
        let (approved_risks, risks) = (risks(&approved.plan), risks(&rest));
        // A request that is to be rejected may be granted before anybody could: to reject it then is worse.
        let is_worse = |key: &String| {
            let is_riskier = approved_risks.get(key).is_none_or(|risk| risks[key] > *risk);
            is_riskier || (is_granted(&rest, key) && !is_granted(&approved.plan, key))
        };
        let mut lacking = approved.lacking(&rest, &approved.circumstances());
        lacking.retain(|key| !is_worse(key));
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

/// Two Services of the shop change, and somebody approved that; then one more consumer connects to one of them.
fn crowded(rules: &str) -> (Approved, Plan, World) {
    let case = Case::shop().edit("web", "port: 80", "port: 81").edit("orders", "10.224.0.25", "10.224.0.26");
    let desired = case.also(rules).resolve();
    let mut world = converge(&Case::shop().resolve());
    let approved = Approved::of(plan_of(&desired, &world));
    let link = world.link("shop/orders").service.id.clone();
    world.connect(&link, &network(STRANGER, "rg-s", "privateEndpoints/new"), ConnectionStatus::Approved);
    let plan = plan_of(&desired, &world);
    (approved, plan, world)
}

fn in_part(approved: &Approved, plan: &Plan, circumstances: &Circumstances) -> Option<Plan> {
    let (part, approval) = privlink::approval::in_part(plan, std::slice::from_ref(&approved.evidence), circumstances)?;
    assert_eq!(approval.plan(), &part.id);
    Some(part)
}

#[test]
fn what_was_approved_goes_on_when_something_else_has_new_consequences() {
    let (approved, plan, mut world) = crowded(ONE);
    assert!(!approved.lacking(&plan, &approved.circumstances()).is_empty());
    let part = in_part(&approved, &plan, &approved.circumstances()).unwrap();
    insta::assert_snapshot!(steps(&part).join("\n"), @"update service/default/web (disruptive)");
    let told = |left: &privlink::plan::change::LeftOut| {
        let why = left.refusals.iter().map(|refusal| refusal.problem.clone());
        let needs = left.needs.iter().map(|key| format!("needs {key}"));
        format!("{}: {}", left.key, why.chain(needs).collect::<Vec<_>>().join("; "))
    };
    insta::assert_snapshot!(part.left_out.iter().map(told).collect::<Vec<_>>().join("\n"), @"
    service/shop/orders: it is not what was approved any more: another change, or more follows from it
    privatelinkservice/shop/orders: it goes together with a change that nobody has approved yet; needs service/shop/orders
    privateendpoint/orders-pe: needs service/shop/orders; needs privatelinkservice/shop/orders
    connection/orders-pe -> shop/orders: needs privatelinkservice/shop/orders; needs privateendpoint/orders-pe
    dnsrecord/api.orders.internal: needs privateendpoint/orders-pe; needs connection/orders-pe -> shop/orders
    ");
    assert!(!part.is_whole() && part.id != plan.id && PlanId::of_body(&part.body) == part.id);
    // The rest is the plan that waits afterwards.
    assert!(carry_out(&part, &mut world).is_empty());
    let case = Case::shop().edit("web", "port: 80", "port: 81").edit("orders", "10.224.0.25", "10.224.0.26");
    let rest = plan_of(&case.also(ONE).resolve(), &world);
    let left: Vec<_> = part.left_out.iter().map(|left| left.key.clone()).collect();
    let mut waits: Vec<_> = rest.steps.iter().map(|step| step.change.key.clone()).collect();
    waits.sort();
    assert_eq!(waits, left);
    assert!(in_part(&approved, &rest, &approved.circumstances()).is_none());
}

#[test]
fn no_part_runs_of_what_was_never_approved_as_a_whole() {
    let none = |rules: &str, change: &dyn Fn(&Approved, &Plan, &mut Circumstances)| {
        let (approved, plan, _) = crowded(rules);
        let mut circumstances = approved.circumstances();
        change(&approved, &plan, &mut circumstances);
        let part = in_part(&approved, &plan, &circumstances);
        assert!(part.is_none(), "{rules}: {:?}", part.map(|part| steps(&part)));
    };
    // The other change needed somebody more.
    none(
        "approval = { safe = 1, notable = 1, disruptive = 1, severing = 2 }\nsignatures = \"required\"",
        &|_, _, _| {},
    );
    // Nobody knows any more what it was, it was done, or its time is over.
    none(ONE, &|_, _, circumstances| circumstances.bodies.clear());
    none(ONE, &|approved, _, circumstances| {
        circumstances.used = approved.used();
    });
    none(ONE, &|approved, _, circumstances| circumstances.now = approved.evidence.file.expires_at);
    // Nothing is applied now.
    none(&format!("{ONE}\nfreeze = {{ reason = \"the sale\", until = \"2026-11-24T00:00:00Z\" }}"), &|_, _, _| {});
    // A plan that waits for its second person is no plan that was approved.
    let (approved, _, _) = crowded(ONE);
    assert!(in_part(&approved, &approved.plan, &approved.circumstances()).is_none());
}
