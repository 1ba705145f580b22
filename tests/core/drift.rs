//! What the settings let happen to what changed outside Git.

use privlink::desired::loosening::in_force;
use privlink::desired::policy::OnDrift;
use privlink::domain::resource::Resource;
use privlink::plan::Plan;
use privlink::plan::plan;
use privlink::plan::risk::Risk;

use crate::core::approval::approved;
use crate::core::approval::file;
use crate::support::case::Case;
use crate::support::case::endpoint;
use crate::support::converge::converge;
use crate::support::say::change;
use crate::support::say::plan_of;
use crate::support::say::steps;
use crate::support::world::World;
use privlink::approval::LocalConsent::None as Nobody;

/// The plan of a converged shop with these rules, after somebody changed the world behind Git's back.
fn drifted(rules: &str, by: impl FnOnce(&mut World)) -> Plan {
    let desired = Case::shop().also(rules).resolve();
    let mut world = converge(&desired);
    by(&mut world);
    plan(&desired, &world.observed, Some(&desired))
}

/// A notable change: DNS records live shorter.
fn other_ttl(world: &mut World) {
    world.observed.dns_records.values_mut().for_each(|live| live.record.ttl = 60);
}

/// A disruptive one, and what follows from it: somebody deletes an endpoint.
fn no_endpoint(world: &mut World) {
    world.observed.private_endpoints.remove(&endpoint("orders-pe")).unwrap();
}

#[test]
fn what_is_healed_needs_nobody_and_what_a_commit_asks_for_keeps_its_consent() {
    let rules = "approval = { notable = 1 }\ndrift = { notable = \"heal\" }";
    let plan = drifted(rules, other_ttl);
    assert_eq!(plan.risk(), Risk::Notable);
    assert!(plan.steps.iter().all(|step| plan.on_drift(&step.change) == Some(OnDrift::Heal)));
    assert!(approved(&plan, &[], Nobody));
    let mut world = converge(&Case::shop().resolve());
    other_ttl(&mut world);
    let by_a_commit = plan_of(&Case::shop().also(rules).resolve(), &world);
    assert!(!approved(&by_a_commit, &[], Nobody));
}

#[test]
fn what_is_proposed_needs_a_person_even_where_commits_need_nobody() {
    let plan = drifted("approval = { notable = \"automatic\" }\ndrift = { notable = \"propose\" }", other_ttl);
    assert!(!approved(&plan, &[], Nobody));
    assert!(approved(&plan, &[file(&plan, "alice")], Nobody));
}

#[test]
fn where_nothing_is_written_what_needs_nobody_is_healed_and_the_rest_is_proposed() {
    let drift = |rules: &str| Case::shop().also(rules).resolve().policy.drift;
    let usual = drift("");
    assert_eq!((usual.safe, usual.notable), (OnDrift::Heal, OnDrift::Propose));
    assert_eq!((usual.disruptive, usual.severing), (OnDrift::Propose, OnDrift::Propose));
    assert_eq!(drift("approval = { safe = 1 }").safe, OnDrift::Propose);
    assert_eq!(drift("approval = { notable = \"automatic\" }").notable, OnDrift::Heal);
}

#[test]
fn what_is_only_reported_is_no_step_and_keeps_nothing_else_from_being_done() {
    let plan = drifted("drift = { notable = \"report\" }", other_ttl);
    assert!(!plan.has_changes() && plan.is_whole() && plan.may_run());
    let reported: Vec<String> = plan.reported().map(|left| left.key.to_string()).collect();
    assert_eq!(reported, ["dnsrecord/api.orders.internal"]);
    let desired = Case::shop().also("drift = { notable = \"report\" }").resolve();
    let mut world = converge(&desired);
    other_ttl(&mut world);
    let next = Case::shop().also("drift = { notable = \"report\" }").edit("web", "port: 80", "port: 81").resolve();
    let plan = privlink::plan::plan(&next, &world.observed, Some(&desired));
    assert_eq!(steps(&plan), ["update service/default/web (disruptive)"]);
    assert!(plan.is_whole());
}

#[test]
fn what_needs_a_reported_resource_waits_with_it_and_a_commits_change_is_not_whole_without_it() {
    let rules = "drift = { notable = \"report\", disruptive = \"heal\" }";
    let plan = drifted(rules, no_endpoint);
    assert!(steps(&plan).is_empty() && plan.is_whole(), "{:?}", steps(&plan));
    assert!(plan.reported().any(|left| left.refusals.is_empty()), "the record only needs the endpoint");
    let desired = Case::shop().also(rules).resolve();
    let mut world = converge(&desired);
    no_endpoint(&mut world);
    let next = Case::shop().also(rules).edit("endpoints", "record: api", "record: api2").resolve();
    let plan = privlink::plan::plan(&next, &world.observed, Some(&desired));
    let unmet: Vec<String> = plan.unmet().map(|left| left.key.to_string()).collect();
    assert_eq!(unmet, ["dnsrecord/api2.orders.internal"]);
}

#[test]
fn a_reported_repair_is_withheld_with_everything_that_it_brings_about() {
    let unpublished = |world: &mut World| {
        let annotations = &mut world.service("shop/orders").manifest["metadata"]["annotations"];
        annotations.as_object_mut().unwrap().remove("service.beta.kubernetes.io/azure-pls-create").unwrap();
        let is_other = |owner: privlink::domain::kubernetes::ObjectKey| owner.to_string() != "shop/orders";
        world.observed.private_link_services.retain(|_, live| live.cluster_owner().is_none_or(is_other));
    };
    let plan = drifted("drift = { notable = \"heal\" }", unpublished);
    assert_eq!(change(&plan, "service/shop/orders").risk, Risk::Notable);
    assert_eq!(change(&plan, "privatelinkservice/shop/orders").risk, Risk::Safe);
    let plan = drifted("drift = { safe = \"report\", notable = \"heal\" }", unpublished);
    let led = plan.reported().find(|left| left.key.to_string() == "service/shop/orders").unwrap();
    assert!(led.refusals[0].problem.starts_with("drift of what it brings about at "), "{:?}", led.refusals);
}

#[test]
fn to_heal_what_was_proposed_is_a_loosening_and_not_in_force_before_somebody_agrees() {
    let accepted = Case::shop().also("drift = { disruptive = \"report\" }").resolve().policy;
    let now = Case::shop().also("drift = { notable = \"heal\", disruptive = \"propose\" }").resolve().policy;
    let policy = in_force(now, Some(&accepted));
    insta::assert_snapshot!(policy.loosening.join("\n"), @"
    notable drift is healed without asking instead of proposed
    disruptive drift is proposed instead of only reported
    ");
    assert_eq!((policy.drift.notable, policy.drift.disruptive), (OnDrift::Propose, OnDrift::Report));
    let stricter = Case::shop().also("drift = { safe = \"report\" }").resolve().policy;
    assert!(in_force(stricter, Some(&Case::shop().resolve().policy)).loosening.is_empty());
}

#[test]
fn other_rules_for_drift_are_another_plan_and_the_usual_ones_are_not() {
    let usual = drifted("", other_ttl);
    assert_eq!(usual.id, drifted("drift = { notable = \"propose\" }", other_ttl).id);
    let healed = drifted("drift = { notable = \"heal\" }", other_ttl);
    assert_ne!(usual.id, healed.id);
    let told = privlink::plan::compare::differences(&usual.body, &healed.body);
    assert_eq!(told, ["other rules for drift are in force than before"]);
}

#[test]
fn a_record_that_nobody_touched_is_no_drift() {
    let plan = drifted("drift = { safe = \"report\", notable = \"report\", disruptive = \"report\" }", |_| {});
    assert!(plan.left_out.is_empty());
    let records = Case::shop().resolve().intents;
    assert!(records.values().any(|intent| matches!(intent.resource, Resource::DnsRecord(_))));
}
