//! Who must say yes to what, and which yes does not count.

use jiff::SignedDuration;
use jiff::Timestamp;
use privlink::approval::Authors;
use privlink::approval::Circumstances;
use privlink::approval::Decision;
use privlink::approval::Evidence;
use privlink::approval::LocalConsent;
use privlink::approval::Missing;
use privlink::approval::decide;
use privlink::approval::file::ApprovalFile;
use privlink::approval::file::Signing;
use privlink::approval::signature::Signer;
use privlink::approval::signature::Unverified;
use privlink::approval::used::CarriedOut;
use privlink::approval::used::Used;
use privlink::desired::loosening::in_force;
use privlink::desired::policy::Approver;
use privlink::desired::policy::Consent;
use privlink::desired::policy::Keys;
use privlink::desired::policy::Policy;
use privlink::domain::resource::connection::ConnectionStatus;
use privlink::plan::Plan;
use privlink::plan::document::ChangeDigest;
use privlink::plan::document::PlanId;
use privlink::plan::document::change_digest;
use privlink::plan::risk::Risk;

use crate::support::case::Case;
use crate::support::case::STRANGER;
use crate::support::case::network;
use crate::support::converge::carry_out;
use crate::support::converge::converge;
use crate::support::say::plan_of;
use crate::support::world::World;

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

/// A plan with one change of each of three risks: a label, a new Service, a Service's port.
fn plan_with(rules: &str) -> Plan {
    let world = converge(&Case::shop().without("web").resolve());
    let case = Case::shop().edit("payments", "  name: payments\n", "  name: payments\n  labels: { a: b }\n");
    plan_of(
        &case.without("payments").with("payments", &Case::shop().files["payments.yaml"]).also(rules).resolve(),
        &world,
    )
}

/// A disruptive plan: one Service without a Private Link Service gets another port.
fn disruptive(rules: &str) -> Plan {
    let world = converge(&Case::shop().resolve());
    plan_of(&Case::shop().edit("web", "port: 80", "port: 81").also(rules).resolve(), &world)
}

fn severing(rules: &str) -> (Plan, World) {
    let world = converge(&Case::shop().resolve());
    let plan = plan_of(&Case::shop().edit("orders", "10.224.0.25", "10.224.0.26").also(rules).resolve(), &world);
    (plan, world)
}

pub(super) fn file(plan: &Plan, approver: &str) -> Evidence {
    let signing = Signing {
        approver: approver.parse().unwrap(),
        at: now() - hours(1),
        expires_at: now() + hours(23),
        reason: None,
    };
    Evidence {
        file: ApprovalFile::of(plan, signing),
        brought_by: vec![format!("{approver} <{approver}@example.com>").parse().unwrap()],
        signed_by: Err(Unverified::Unsigned),
    }
}

pub(super) fn circumstances(local: LocalConsent) -> Circumstances {
    Circumstances {
        now: now(),
        first_seen: Some(now() - hours(48)),
        authors: Authors { addresses: ["dave@example.com".to_owned()].into(), ..Authors::default() },
        used: Used::default(),
        bodies: [].into(),
        local,
    }
}

/// What is used up once some changes were carried out after an approval.
pub(super) fn used(approval: &Evidence, digests: &[&ChangeDigest]) -> Used {
    let steps = digests.iter().map(|digest| ("", *digest)).collect();
    Used::of([CarriedOut { at: approval.file.approved_at, approvers: &[], steps }], [&approval.file])
}

pub(super) fn approved(plan: &Plan, evidence: &[Evidence], local: LocalConsent) -> bool {
    matches!(decide(plan, evidence, &circumstances(local)), Decision::Approved(_))
}

#[track_caller]
fn missing(plan: &Plan, evidence: &[Evidence], circumstances: &Circumstances) -> Missing {
    match decide(plan, evidence, circumstances) {
        Decision::Missing(missing) => missing,
        Decision::Approved(approval) => panic!("approved by {:?}", approval.approvers()),
    }
}

#[test]
fn what_is_automatic_or_merged_needs_nobody() {
    let plan = plan_with("");
    assert_eq!(plan.risk(), Risk::Notable);
    assert!(approved(&plan, &[], LocalConsent::None));
    let plan = plan_with("approval = { notable = 1 }");
    assert!(!approved(&plan, &[], LocalConsent::Unattended), "--yes is nobody");
    assert!(approved(&plan, &[file(&plan, "alice")], LocalConsent::None));
    assert!(approved(&plan, &[], LocalConsent::Person));
}

#[test]
fn drift_is_nobodys_commit() {
    let desired = Case::shop().resolve();
    let mut world = converge(&desired);
    world.observed.dns_records.values_mut().for_each(|live| live.record.ttl = 60);
    let plan = privlink::plan::plan(&desired, &world.observed, Some(&desired));
    assert_eq!(plan.risk(), Risk::Notable);
    assert!(!approved(&plan, &[], LocalConsent::Unattended));
    assert!(approved(&plan, &[file(&plan, "alice")], LocalConsent::None));
    assert!(approved(&plan, &[], LocalConsent::Person));
}

#[test]
fn a_disruptive_change_needs_one_person() {
    let plan = disruptive("");
    let missing = missing(&plan, &[], &circumstances(LocalConsent::None));
    let need = &missing.needs[&Risk::Disruptive];
    assert_eq!((need.have, need.changes.as_slice()), (0, ["service/default/web".to_owned()].as_slice()));
    assert!(approved(&plan, &[file(&plan, "alice")], LocalConsent::None));
    assert!(approved(&plan, &[], LocalConsent::Person));
}

#[test]
fn without_signatures_one_person_counts_at_most() {
    let (plan, _) = severing("");
    let two = [file(&plan, "alice"), file(&plan, "bob")];
    let missing = missing(&plan, &two, &circumstances(LocalConsent::Person));
    assert_eq!(missing.needs[&Risk::Severing].have, 1);
    let (plan, _) = severing("approval = { severing = 1 }");
    assert!(approved(&plan, &[file(&plan, "bob")], LocalConsent::None));
}

/// An approval that its approver signed.
fn signed(plan: &Plan, approver: &str) -> Evidence {
    let signed_by = Ok(Signer::Approver(approver.parse().unwrap()));
    Evidence { signed_by, ..file(plan, approver) }
}

/// A severing plan in an environment that requires signatures: two people have to say yes.
fn severing_signed() -> Plan {
    let mut plan = severing("").0;
    plan.policy.approval.signatures_required = true;
    plan
}

#[test]
fn where_signatures_are_required_only_signed_approvals_count_and_every_person_does() {
    let plan = severing_signed();
    let unsigned = missing(&plan, &[file(&plan, "alice"), signed(&plan, "bob")], &circumstances(LocalConsent::None));
    assert_eq!(unsigned.needs[&Risk::Severing].have, 1);
    assert_eq!(unsigned.refused[0].reason, "is not proved: its commit is not signed");
    assert!(approved(&plan, &[signed(&plan, "alice"), signed(&plan, "bob")], LocalConsent::None));
    let twice = missing(&plan, &[signed(&plan, "bob"), signed(&plan, "bob")], &circumstances(LocalConsent::None));
    assert_eq!(twice.needs[&Risk::Severing].have, 1);
    // Who sits here may be the one who signed.
    let here = missing(&plan, &[signed(&plan, "bob")], &circumstances(LocalConsent::Person));
    assert_eq!(here.needs[&Risk::Severing].have, 1);
}

#[test]
fn an_approval_is_its_signers_and_nobody_elses() {
    for required in [true, false] {
        let mut plan = disruptive("");
        plan.policy.approval.signatures_required = required;
        let mut theirs = signed(&plan, "alice");
        theirs.file.approver = "bob".parse().unwrap();
        let missing = missing(&plan, &[theirs], &circumstances(LocalConsent::None));
        assert_eq!(missing.refused[0].reason, "is signed by alice");
    }
}

#[test]
fn who_signed_the_change_does_not_approve_it() {
    let plan = severing_signed();
    let both = [signed(&plan, "alice"), signed(&plan, "bob")];
    let mut theirs = circumstances(LocalConsent::None);
    theirs.authors.signers.insert(Signer::Approver("alice".parse().unwrap()));
    let by_key = missing(&plan, &both, &theirs);
    assert_eq!(by_key.refused[0].reason, "is by alice, who signed the change itself");
    // Under another address, in a commit that a forge signed.
    let mut plan = plan;
    plan.policy.approvers.get_mut(&"bob".parse().unwrap()).unwrap().emails.insert("dave@example.com".to_owned());
    let by_address = missing(&plan, &both, &circumstances(LocalConsent::None));
    assert_eq!(by_address.refused[0].reason, "is by bob, who wrote or committed the change itself as dave@example.com");
}

#[test]
fn a_change_that_nobody_signed_is_nobodys_merge_and_may_be_its_approvers() {
    let mut plan = plan_with("");
    plan.policy.approval.signatures_required = true;
    assert!(approved(&plan, &[], LocalConsent::None), "a signed change is merged");
    let mut unsigned = circumstances(LocalConsent::None);
    unsigned.authors.unsigned.push("commit 1234567890 by Dave <dave@example.com> is not signed".to_owned());
    let missing = missing(&plan, &[signed(&plan, "alice")], &unsigned);
    assert_eq!(missing.needs[&Risk::Notable].have, 0);
    assert_eq!(missing.unsigned, unsigned.authors.unsigned);
    assert_eq!(
        missing.refused[0].reason,
        "cannot be told from an approval by the author: commit 1234567890 by Dave <dave@example.com> is not signed"
    );
    unsigned.local = LocalConsent::Person;
    assert!(matches!(decide(&plan, &[], &unsigned), Decision::Approved(_)), "who applies by hand takes it on");
}

#[track_caller]
fn refuses(change: impl Fn(&mut Evidence, &mut Circumstances), reason: &str) {
    let plan = disruptive("");
    let (mut evidence, mut circumstances) = (file(&plan, "alice"), circumstances(LocalConsent::None));
    change(&mut evidence, &mut circumstances);
    let missing = missing(&plan, &[evidence], &circumstances);
    assert_eq!(missing.refused.len(), 1, "{missing:?}");
    assert!(missing.refused[0].reason.contains(reason), "{:?}", missing.refused);
}

#[test]
fn what_does_not_count_is_refused_with_its_reason() {
    refuses(|evidence, _| evidence.file.environment = "test".parse().unwrap(), "is for 6f1c0000");
    refuses(
        |evidence, _| evidence.file.owner = "00000000-0000-0000-0000-00000000000f".parse().unwrap(),
        "is for 00000000",
    );
    refuses(|evidence, _| evidence.file.approver = "mallory".parse().unwrap(), "not in [approvers]");
    refuses(|evidence, _| evidence.file.expires_at = now(), "expired at 2026-11-23T12:00:00Z");
    refuses(|evidence, _| evidence.file.approved_at = now() + hours(1), "in the future");
    refuses(|_, circumstances| circumstances.first_seen = Some(now()), "first sight");
    refuses(
        |evidence, _| evidence.brought_by = vec!["Dave <Dave@Example.com>".parse().unwrap()],
        "was committed by Dave <Dave@Example.com>",
    );
    refuses(
        |evidence, _| evidence.brought_by.push("Dave <dave@example.com>".parse().unwrap()),
        "wrote or committed the change itself",
    );
}

#[test]
fn a_prefix_is_no_plan_id_and_another_plan_is_not_this_one() {
    let plan = disruptive("");
    assert!(plan.id.as_str()[..63].parse::<PlanId>().is_err());
    assert!(plan.id.as_str().to_uppercase().parse::<PlanId>().is_err());
    let mut other = file(&plan, "alice");
    other.file.plan = PlanId::of_body("another");
    other.file.changes.clear();
    assert!(!approved(&plan, &[other], LocalConsent::None));
}

#[test]
fn an_approval_is_used_up_change_by_change() {
    let plan = disruptive("");
    let digest = change_digest(&plan.steps[0].change);
    let mut spent = circumstances(LocalConsent::None);
    let approval = file(&plan, "alice");
    spent.used = used(&approval, &[&digest]);
    let missing = missing(&plan, &[approval], &spent);
    assert_eq!(missing.needs[&Risk::Disruptive].have, 0);
}

#[test]
fn an_approval_that_is_used_up_whole_is_not_told_with_every_other_plan() {
    let earlier = disruptive("");
    let plan = plan_with("approval = { notable = 1 }");
    let mut approval = file(&earlier, "alice");
    let digests: Vec<ChangeDigest> = approval.file.changes.iter().map(|change| change.digest.clone()).collect();
    let mut spent = circumstances(LocalConsent::None);
    let told = |approval: &Evidence, spent: &Circumstances| {
        missing(&plan, std::slice::from_ref(approval), spent).refused.len()
    };
    assert_eq!(told(&approval, &spent), 1);
    spent.used = used(&approval, &digests.iter().collect::<Vec<_>>());
    assert_eq!(told(&approval, &spent), 0);
    approval.file.expires_at = approval.file.approved_at;
    assert_eq!(told(&approval, &spent), 0, "nor when it has expired");
}

#[test]
fn the_rest_of_an_interrupted_plan_is_still_approved() {
    let case = Case::shop().edit("web", "port: 80", "port: 81").edit("orders", "port: 80,", "port: 81,");
    let desired = case.also("approval = { severing = 1 }").resolve();
    let mut world = converge(&Case::shop().resolve());
    let whole = plan_of(&desired, &world);
    assert_eq!(whole.steps.len(), 2);
    let approval = file(&whole, "alice");
    let mut first = whole.clone();
    first.steps.truncate(1);
    assert!(carry_out(&first, &mut world).is_empty());
    let rest = plan_of(&desired, &world);
    assert_eq!((rest.steps.len(), rest.id == whole.id), (1, false));
    assert!(approved(&rest, std::slice::from_ref(&approval), LocalConsent::None));
    // One more consumer is a consequence that nobody approved.
    let link = world.link("shop/orders").service.id.clone();
    world.connect(&link, &network(STRANGER, "rg-s", "privateEndpoints/new"), ConnectionStatus::Approved);
    let worse = plan_of(&desired, &world);
    let missing = missing(&worse, &[approval], &circumstances(LocalConsent::None));
    assert_eq!(missing.news[0].plan, whole.id);
    insta::assert_snapshot!(missing.news[0].differences.join("\n"), @"service/shop/orders: its change, or what follows from it, is not what was approved");
}

#[test]
fn the_rest_of_an_interrupted_creation_is_still_approved() {
    let desired = Case::shop().also("approval = { notable = 1 }").resolve();
    let mut world = World::new(desired.policy.mark.clone());
    world.prepare(&desired);
    let whole = plan_of(&desired, &world);
    let approval = file(&whole, "alice");
    for done in 1..whole.steps.len() {
        let mut world = world.clone();
        let mut first = whole.clone();
        first.steps.truncate(done);
        assert!(carry_out(&first, &mut world).is_empty());
        let rest = plan_of(&desired, &world);
        let decision = decide(&rest, std::slice::from_ref(&approval), &circumstances(LocalConsent::None));
        assert!(matches!(decision, Decision::Approved(_)), "after {done} steps: {decision:?}");
    }
}

#[test]
fn an_approval_names_the_plan_and_who_said_yes() {
    let plan = disruptive("");
    let Decision::Approved(approval) = decide(&plan, &[file(&plan, "alice")], &circumstances(LocalConsent::None))
    else {
        panic!("alice is enough");
    };
    assert_eq!(approval.plan(), &plan.id);
    assert_eq!(approval.approvers().iter().map(String::as_str).collect::<Vec<_>>(), ["alice"]);
    let path = file(&plan, "alice").file.path().unwrap();
    assert_eq!(path.as_str(), format!("approvals/prod/{}/alice.yaml", plan.id));
}

/// A converged repository whose commit changes nothing but rules, as they are after rules of before.
fn loosened(before: &str, now: &str) -> Plan {
    let accepted = Case::shop().also(before).resolve().policy;
    let mut desired = Case::shop().also(now).resolve();
    desired.policy = in_force(desired.policy, Some(&accepted));
    plan_of(&desired, &converge(&Case::shop().resolve()))
}

#[test]
fn loosening_a_rule_is_a_severing_change_under_the_rules_of_before() {
    let plan = loosened("", "approval = { severing = 1, disruptive = \"merge\" }");
    assert_eq!(plan.risk(), Risk::Severing);
    assert_eq!(plan.policy.approval.severing, Consent::People(2));
    insta::assert_snapshot!(plan.loosening().join("\n"), @"
    disruptive changes need merge instead of 1 person
    severing changes need 1 person instead of 2 people
    ");
    let missing = missing(&plan, &[file(&plan, "alice")], &circumstances(LocalConsent::None));
    assert_eq!(missing.needs[&Risk::Severing].have, 1);
    assert_eq!(missing.needs[&Risk::Severing].changes.len(), 2);
    let tightened = loosened("approval = { severing = 1 }", "");
    assert!(!tightened.has_changes() && tightened.policy.approval.severing == Consent::People(2));
}

#[test]
fn an_approved_loosening_is_approved_once() {
    let plan = loosened("approval = { severing = 1 }", "approval = { severing = 1, notable = \"automatic\" }");
    let approval = file(&plan, "alice");
    assert!(approved(&plan, std::slice::from_ref(&approval), LocalConsent::None));
    let mut spent = circumstances(LocalConsent::None);
    spent.used = used(&approval, &[&approval.file.changes[0].digest]);
    let missing = missing(&plan, &[approval], &spent);
    assert!(missing.refused[0].reason.ends_with("was used up when that was applied"), "{missing:?}");
}

#[test]
fn whom_the_change_makes_an_approver_does_not_approve_it() {
    let accepted = Case::shop().resolve().policy;
    let mut desired = Case::shop().edit("web", "port: 80", "port: 81").resolve();
    desired.policy.approvers.insert("mallory".parse().unwrap(), Approver::default());
    desired.policy = in_force(desired.policy, Some(&accepted));
    let plan = plan_of(&desired, &converge(&Case::shop().resolve()));
    assert_eq!(plan.loosening(), ["mallory may approve"]);
    let missing = missing(&plan, &[file(&plan, "mallory")], &circumstances(LocalConsent::None));
    assert!(missing.refused[0].reason.contains("whom the change itself puts into [approvers]"), "{missing:?}");
}

#[test]
fn another_key_is_another_person_where_keys_count() {
    let with_key = |key: &str, required: bool| {
        let mut policy = Case::shop().resolve().policy;
        policy.approval.signatures_required = required;
        let keys = Keys { ssh: Some(key.to_owned()), openpgp: None };
        policy
            .approvers
            .insert("alice".parse().unwrap(), Approver { keys, emails: ["a@b".to_owned()].into(), github_id: None });
        policy
    };
    let policy = in_force(with_key("new", true), Some(&with_key("old", true)));
    assert_eq!(policy.loosening, ["alice approves with another key"]);
    assert!(policy.newcomers.contains(&"alice".parse().unwrap()));
    // Where no key was looked at, the first one says nothing new about who she is.
    let policy = in_force(with_key("new", true), Some(&with_key("old", false)));
    assert!(policy.loosening.is_empty() && policy.newcomers.is_empty());
    let optional = in_force(with_key("old", false), Some(&with_key("old", true)));
    assert_eq!(optional.loosening, ["signatures are not required any more"]);
    assert!(optional.approval.signatures_required);
}

#[test]
fn reviews_of_another_account_count_once_somebody_agreed_to_that() {
    let with_account = |github_id| {
        let mut policy = Case::shop().resolve().policy;
        policy.approvers.insert("alice".parse().unwrap(), Approver { github_id, ..Approver::default() });
        policy
    };
    let of_alice = |policy: &Policy| policy.approvers[&"alice".parse().unwrap()].github_id;
    for before in [None, Some(1)] {
        let policy = in_force(with_account(Some(2)), Some(&with_account(before)));
        assert_eq!(policy.loosening, ["alice approves by reviews of the GitHub account 2"]);
        assert_eq!(of_alice(&policy), None);
    }
    let policy = in_force(with_account(Some(2)), Some(&with_account(Some(2))));
    assert_eq!((policy.loosening.len(), of_alice(&policy)), (0, Some(2)));
    assert_eq!(in_force(with_account(None), Some(&with_account(Some(2)))).loosening.len(), 0);
}

#[test]
fn a_freeze_holds_up_what_everybody_approved_until_it_ends() {
    for rules in ["", "approval = { notable = \"automatic\" }"] {
        let plan =
            plan_with(&format!("freeze = {{ reason = \"the sale\", until = \"2026-11-23T13:00:00+00:30\" }}\n{rules}"));
        let all = [file(&plan, "alice"), file(&plan, "bob")];
        let frozen = missing(&plan, &all, &circumstances(LocalConsent::Person)).frozen.unwrap();
        // The part that people approve meanwhile may run then.
        let nobody = missing(&plan, &[], &circumstances(LocalConsent::None));
        assert_eq!(nobody.changes_at(), Some(frozen.until));
        assert_eq!((frozen.reason.as_str(), frozen.until.to_string().as_str()), ("the sale", "2026-11-23T12:30:00Z"));
        let after = Circumstances { now: frozen.until, ..circumstances(LocalConsent::None) };
        assert!(matches!(decide(&plan, &all, &after), Decision::Approved(_)), "it ends at its time");
    }
}
