//! Breaking the glass: what it takes, and what it never gives.

use jiff::Timestamp;
use privlink::approval;
use privlink::approval::Authors;
use privlink::approval::Circumstances;
use privlink::approval::Decision;
use privlink::approval::LocalConsent;
use privlink::approval::Missing;
use privlink::approval::emergency::Unbreakable;
use privlink::approval::emergency::break_glass;
use privlink::approval::used::Used;
use privlink::desired::Desired;
use privlink::desired::loosening::in_force;
use privlink::plan::Plan;

use crate::support::case::Case;
use crate::support::converge::converge;
use crate::support::say::plan_of;

const FROZEN: &str = "freeze = { reason = \"the sale\", until = \"2027-01-03T00:00:00Z\" }\n\
                      windows = { allow = [{ last = \"2026-11-26\", risks = [\"disruptive\"] }] }";

fn missing(plan: &Plan) -> Missing {
    let now: Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
    let (authors, used) = (Authors::default(), Used::default());
    let circumstances =
        Circumstances { now, first_seen: None, authors, used, bodies: [].into(), local: LocalConsent::None };
    match approval::decide(plan, &[], &circumstances) {
        Decision::Missing(missing) => missing,
        Decision::Approved(_) => panic!("it lacks nothing"),
    }
}

fn broken(plan: &Plan) -> Result<approval::Approval, Unbreakable> {
    break_glass(plan, &missing(plan), ("Erin <erin@example.com>".to_owned(), "the gateway is down".to_owned()))
}

/// A Service of the shop gets another port, under these rules, after rules that were accepted.
fn changed(rules: &str, accepted: &str) -> Plan {
    let accepted = Case::shop().also(accepted).resolve().policy;
    let desired = Case::shop().edit("web", "port: 80", "port: 81").also(rules).resolve();
    let policy = in_force(desired.policy.clone(), Some(&accepted));
    plan_of(&Desired { policy, ..desired }, &converge(&Case::shop().resolve()))
}

#[test]
fn one_person_applies_what_is_held_up_and_is_named_with_what_was_skipped() {
    let rules = format!("break-glass = true\n{FROZEN}");
    let plan = changed(&rules, &rules);
    let approval = broken(&plan).unwrap();
    assert_eq!(approval.plan(), &plan.id);
    let emergency = approval.emergency().unwrap();
    assert_eq!((emergency.by.as_str(), emergency.reason.as_str()), ("Erin <erin@example.com>", "the gateway is down"));
    insta::assert_snapshot!(emergency.skipped.join("\n"), @"
    disruptive changes need 1 person
    frozen until 2027-01-03T00:00:00Z
    outside the change windows of disruptive changes
    ");
    assert_eq!(
        approval.approvers().iter().map(String::as_str).collect::<Vec<_>>(),
        ["Erin <erin@example.com> (break-glass)"]
    );
}

#[test]
fn where_the_rules_do_not_allow_it_the_glass_is_not_broken() {
    assert_eq!(broken(&changed(FROZEN, FROZEN)).unwrap_err(), Unbreakable::Forbidden);
    // Nor by a commit that allows it to itself.
    let plan = changed("break-glass = true", "");
    assert_eq!(plan.loosening(), ["the glass may be broken"]);
    assert_eq!(broken(&plan).unwrap_err(), Unbreakable::Forbidden);
    assert_ne!(changed("break-glass = true", "break-glass = true").id, changed("", "").id, "it is in the plan id");
}

#[test]
fn rules_are_loosened_by_approval_only() {
    let accepted = Case::shop().also("break-glass = true").resolve().policy;
    let desired = Case::shop().also("break-glass = true\napproval = { severing = 1 }").resolve();
    let policy = in_force(desired.policy.clone(), Some(&accepted));
    let plan = plan_of(&Desired { policy, ..desired }, &converge(&Case::shop().resolve()));
    assert!(plan.has_changes());
    assert_eq!(broken(&plan).unwrap_err(), Unbreakable::OnlyRules);
}

#[test]
fn deletes_that_only_an_unapproved_rule_makes_room_for_stay() {
    let world = converge(&Case::shop().resolve());
    let accepted = Case::shop().also("break-glass = true").rule("max-deletes = 20", "max-deletes = 0").resolve().policy;
    for (limit, answer) in [("max-deletes = 20", Some(Unbreakable::Deletes)), ("max-deletes = 0", None)] {
        let desired = Case::shop().without("web").also("break-glass = true").rule("max-deletes = 20", limit).resolve();
        let policy = in_force(desired.policy.clone(), Some(&accepted));
        let plan = plan_of(&Desired { policy, ..desired }, &world);
        assert_eq!(plan.deletes(), 1);
        // Without the new rule it is blocked before anybody is asked.
        assert_eq!(plan.may_run(), answer.is_some());
        if let Some(answer) = answer {
            assert_eq!(broken(&plan).unwrap_err(), answer);
        }
    }
}
