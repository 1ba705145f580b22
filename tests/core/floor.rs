//! The runner's floor: in force is the stricter of the rules and of what the runner demands.

use privlink::desired::authority;
use privlink::desired::loosening::{in_force, raised};
use privlink::desired::policy::{Consent, Policy};
use privlink::diagnostic::FileName;
use privlink::domain::window::{Grade, are_open};
use privlink::render;
use privlink::repo::settings::floor;

use crate::support::case::Case;

fn read(text: &str) -> Result<floor::Floors, String> {
    let file = FileName::outside("/etc/privlink/floor.toml");
    let (floors, diagnostics, sources) = floor::read(&file, text.as_bytes());
    floors.ok_or_else(|| render::diagnostic::render(&diagnostics, &sources, false))
}

/// The rules of the shop with these lines, raised to a floor of `prod`.
fn on(rules: &str, floor: &str) -> Policy {
    let floors = authority::floors(&read(&format!("[environments.prod]\n{floor}")).unwrap());
    raised(Case::shop().also(rules).resolve().policy, &floors[&"prod".parse().unwrap()])
}

#[test]
fn what_is_stricter_is_in_force_and_what_is_absent_demands_nothing() {
    let policy = on(
        "approval = { notable = \"automatic\", disruptive = 1 }",
        "approval = { notable = 1, disruptive = \"merge\" }",
    );
    assert_eq!((policy.approval.notable, policy.approval.disruptive), (Consent::People(1), Consent::People(1)));
    let plain = Case::shop().resolve().policy;
    assert_eq!(on("", ""), plain);
    assert!(on("", "signatures = \"required\"").approval.signatures_required);
    assert!(on("break-glass = true", "").break_glass && on("break-glass = true", "break-glass = true").break_glass);
    assert!(!on("break-glass = true", "break-glass = false").break_glass);
    assert!(!on("", "break-glass = true").break_glass, "a floor gives nothing");
}

#[test]
fn both_calendars_have_to_be_open() {
    let own = "windows = { allow = [{ from = \"08:00\", to = \"12:00\" }] }";
    let policy = on(own, "windows = { allow = [{ from = \"10:00\", to = \"14:00\" }] }");
    let open = |time: &str| {
        are_open(&policy.windows, &[Grade::Notable].into(), format!("2026-11-23T{time}:00Z").parse().unwrap())
    };
    assert_eq!(["09:00", "11:00", "13:00"].map(open), [false, true, false]);
    assert_eq!(on(own, own).windows.len(), 1, "what is demanded already is not demanded twice");
}

#[test]
fn a_commit_that_loosens_what_the_floor_demands_is_told_and_gains_nothing() {
    let accepted = Case::shop().also("approval = { notable = 1 }").resolve().policy;
    let tip = Case::shop().resolve().policy;
    let policy = in_force(tip, Some(&accepted));
    let floors = authority::floors(&read("[environments.prod.approval]\nnotable = 2\n").unwrap());
    let policy = raised(policy, &floors[&"prod".parse().unwrap()]);
    assert_eq!(policy.loosening, ["notable changes need merge instead of 1 person"]);
    assert_eq!(policy.approval.notable, Consent::People(2));
}

#[test]
fn a_floor_that_cannot_be_read_is_told_at_its_place() {
    insta::assert_snapshot!(read("[environments.prod.approval]\nnotabel = 1\n").unwrap_err(), @"
    error[REPO011]: unknown key `notabel` in `environments.prod.approval`
     --> /etc/privlink/floor.toml:2:1
      |
    2 | notabel = 1
      | ^^^^^^^ nothing reads this
      |
      = help: did you mean `notable`?

    1 error in 1 file
    ");
    assert!(read("").unwrap_err().contains("environments"));
}
