//! The statuses at every step of a pull request's life.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::approval::Authors;
use crate::approval::Circumstances;
use crate::approval::Evidence;
use crate::approval::LocalConsent;
use crate::approval::decide;
use crate::approval::file::ApprovalFile;
use crate::approval::file::Signing;
use crate::approval::signature::Signer;
use crate::approval::used::Used;
use crate::desired::policy::Approver;
use crate::desired::policy::Freeze;
use crate::domain::pull_request::LONGEST_DESCRIPTION;
use crate::plan::fixture::World;

fn severing() -> World {
    let mut world = World::converged();
    world.manifest()["metadata"]["annotations"]["service.beta.kubernetes.io/azure-load-balancer-ipv4"] =
        json!("10.224.10.40");
    for name in ["alice", "bob"] {
        world.desired.policy.approvers.insert(name.parse().unwrap(), Approver::default());
    }
    world
}

fn now() -> jiff::Timestamp {
    "2026-11-29T12:00:00Z".parse().unwrap()
}

fn circumstances() -> Circumstances {
    Circumstances {
        now: now(),
        first_seen: None,
        authors: Authors::default(),
        used: Used::default(),
        bodies: BTreeMap::new(),
        local: LocalConsent::None,
    }
}

fn by(plan: &Plan, who: &str) -> Evidence {
    let signing = Signing {
        approver: who.parse().unwrap(),
        at: now() - jiff::SignedDuration::from_hours(1),
        expires_at: now() + jiff::SignedDuration::from_hours(1),
        reason: None,
    };
    let file = ApprovalFile::of(plan, signing);
    let signed_by = Ok(Signer::Approver(file.approver.clone()));
    Evidence { file, brought_by: Vec::new(), signed_by }
}

fn told(plan: &Plan, people: &[&str]) -> String {
    let evidence: Vec<Evidence> = people.iter().map(|who| by(plan, who)).collect();
    let status = approved(plan, &decide(plan, &evidence, &circumstances()));
    format!("{:?}: {}", status.state, status.description)
}

#[test]
fn a_plan_with_changes_is_a_success_and_says_its_verdict() {
    let status = planned(&severing().plan());
    assert_eq!((status.context.as_str(), status.state), ("privlink/plan/prod", StatusState::Success));
    insta::assert_snapshot!(status.description, @"2 replace, 2 update: 3 connections cut, SEVERING");
    assert_eq!(planned(&World::converged().plan()).description, "nothing to do");
}

#[test]
fn a_plan_that_is_bound_to_fail_or_blind_is_a_failure() {
    let mut world = severing();
    world.blind_to_services();
    let status = planned(&world.plan());
    assert_eq!(status.state, StatusState::Failure);
    assert!(status.description.contains("something could not be read"), "{}", status.description);
    let mut world = World::converged();
    world.manifest()["metadata"]["annotations"]["service.beta.kubernetes.io/azure-load-balancer-ipv4"] =
        json!("10.99.0.1");
    let status = planned(&world.plan());
    assert_eq!(status.state, StatusState::Failure);
    assert!(status.description.ends_with("bound to fail"), "{}", status.description);
}

#[test]
fn approvals_are_counted_until_there_are_enough() {
    let plan = severing().plan();
    assert_eq!(told(&plan, &[]), "Pending: severing: 0 of 2 approvals");
    assert_eq!(told(&plan, &["alice"]), "Pending: severing: 1 of 2 approvals");
    assert_eq!(told(&plan, &["alice", "alice"]), "Pending: severing: 1 of 2 approvals");
    assert_eq!(told(&plan, &["alice", "bob"]), "Success: approved by alice, bob");
    assert_eq!(told(&plan, &["alice", "mallory"]), "Pending: severing: 1 of 2 approvals");
    assert_eq!(told(&World::converged().plan(), &[]), "Success: nothing to approve");
}

#[test]
fn what_the_rules_let_through_by_merging_needs_nobody() {
    let mut world = World::converged();
    world.endpoint().tags.insert("team".to_owned(), "orders".to_owned());
    assert_eq!(told(&world.plan(), &[]), "Success: the rules ask for nobody: merging is enough");
}

#[test]
fn a_freeze_delays_what_is_approved_and_is_no_reason_not_to_merge() {
    let mut world = severing();
    let until = "2026-12-24T00:00:00Z".parse().unwrap();
    world.desired.policy.freeze = Some(Freeze { reason: "the year ends".to_owned(), until });
    let told = told(&world.plan(), &["alice", "bob"]);
    assert_eq!(told, "Success: approved; nothing is applied before 2026-12-24T00:00:00Z: frozen");
}

#[test]
fn without_a_plan_nothing_is_approved() {
    let name: EnvironmentName = "prod".parse().unwrap();
    let [plan, approved] = unplanned(&name, "the files have 2 errors");
    assert_eq!((plan.state, approved.state), (StatusState::Failure, StatusState::Pending));
    assert!(untouched(&name).iter().all(|it| it.state == StatusState::Success && it.description == "nothing to do"));
}

proptest::proptest! {
    #[test]
    fn the_plan_that_a_status_names_is_read_back_whole_whatever_stands_before_it(
        text in "\\PC{0,400}|; plan [0-9a-f]{64}",
        id in "[0-9a-f]{64}",
    ) {
        let [plan, _] = unplanned(&"prod".parse().unwrap(), &text);
        let status = naming(plan, &id.parse().unwrap());
        proptest::prop_assert!(status.description.chars().count() <= LONGEST_DESCRIPTION);
        proptest::prop_assert_eq!(named(&status.description), Some(id.parse().unwrap()));
    }

    #[test]
    fn no_description_is_longer_than_any_forge_takes_or_has_two_lines(text in "\\PC{0,400}|[\\x00-\\x1f]{0,200}") {
        let [plan, _] = unplanned(&"prod".parse().unwrap(), &text);
        proptest::prop_assert!(plan.description.chars().count() <= LONGEST_DESCRIPTION);
        proptest::prop_assert!(!plan.description.contains(char::is_control));
    }
}
