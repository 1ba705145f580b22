//! `privlink.dev/suspend` on a document: how it is written, and that its end needs nobody.

use privlink::plan::plan;

use crate::support::case::Case;
use crate::support::converge::converge;
use crate::support::say::steps;

/// The shop, where the Service `web` has these annotations and another port.
fn web(annotations: &str) -> Case {
    let case = Case::shop().edit("web", "port: 80", "port: 81");
    let lines: String = annotations.split(", ").map(|line| format!("    {line}\n")).collect();
    case.edit("web", "  annotations:\n", &format!("  annotations:\n{lines}"))
}

const SUSPENDED: &str = "privlink.dev/suspend: INC-7";

#[test]
fn a_change_of_a_suspended_document_waits_for_its_end() {
    let converged = Case::shop().resolve();
    let world = converge(&converged);
    let plan_of = |case: &Case| plan(&case.resolve(), &world.observed, Some(&converged));
    let held = plan_of(&web(SUSPENDED));
    assert_eq!(steps(&held), [""; 0]);
    assert_eq!(held.suspended().count(), 1);
    let later = plan_of(&web(&format!("{SUSPENDED}, privlink.dev/suspend-until: \"2026-06-01T14:00:01+02:00\"")));
    assert_eq!(later.id, held.id, "the time is no part of what is approved");
    let free = plan_of(&web("other: word"));
    assert_eq!(free.suspended().count(), 0);
    assert_eq!(steps(&free), ["update service/default/web (disruptive)"]);
}

#[test]
fn a_suspension_that_is_over_is_told_and_holds_no_more() {
    let case = web(&format!("{SUSPENDED}, privlink.dev/suspend-until: \"2026-06-01T14:00:00+02:00\""));
    let (desired, diagnostics, shown) = case.read();
    assert!(desired.suspended.is_empty() && !diagnostics.has_errors());
    insta::assert_snapshot!(shown, @r#"
    warning[DES014]: the suspension of Service default/web is over
     --> environments/prod/web.yaml:7:33
      |
    6 |     privlink.dev/suspend: INC-7
      |                           ----- its reason
    7 |     privlink.dev/suspend-until: "2026-06-01T14:00:00+02:00"
      |                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^ passed
      |
      = help: remove both annotations, or write a later end

    1 warning in 1 file
    "#);
}

#[test]
fn a_suspension_without_a_reason_or_with_an_end_that_is_none_is_an_error() {
    let own = |annotations: &str| {
        let with = format!("name: orders-pe, annotations: {{ {annotations} }} }}");
        Case::shop().edit("endpoints", "name: orders-pe }", &with)
    };
    let mut told = Vec::new();
    for annotations in [
        "privlink.dev/suspend: \" \"",
        "privlink.dev/suspend: INC-7, privlink.dev/suspend-until: tomorrow",
        "privlink.dev/suspend-until: \"2026-12-24T08:00:00Z\"",
    ] {
        for case in [web(annotations), own(annotations)] {
            let (_, diagnostics, shown) = case.read();
            assert!(diagnostics.has_errors(), "{shown}");
            assert!(diagnostics.iter().any(|it| it.code.as_str() == "DES013"), "{shown}");
            told.push(shown);
        }
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    error[DES013]: a suspension needs a reason
     --> environments/prod/web.yaml:6:27
      |
    6 |     privlink.dev/suspend: " "
      |                           ^^^ empty
      |
      = help: say why, for whoever finds it: the text stands in every plan and in the status

    1 error in 1 file

    error[DES013]: a suspension needs a reason
     --> environments/prod/endpoints.yaml:3:67
      |
    3 | metadata: { name: orders-pe, annotations: { privlink.dev/suspend: " " } }
      |                                                                   ^^^ empty
      |
      = help: say why, for whoever finds it: the text stands in every plan and in the status

    1 error in 1 file

    error[DES013]: the end of a suspension is not a time
     --> environments/prod/web.yaml:7:33
      |
    7 |     privlink.dev/suspend-until: tomorrow
      |                                 ^^^^^^^^ not a time of RFC 3339
      |
      = help: write date, time and offset, such as "2026-12-24T08:00:00+01:00"

    1 error in 1 file

    error[DES013]: the end of a suspension is not a time
     --> environments/prod/endpoints.yaml:3:102
      |
    3 | metadata: { name: orders-pe, annotations: { privlink.dev/suspend: INC-7, privlink.dev/suspend-until: tomorrow } }
      |                                                                                                      ^^^^^^^^ not a time of RFC 3339
      |
      = help: write date, time and offset, such as "2026-12-24T08:00:00+01:00"

    1 error in 1 file

    error[DES013]: privlink.dev/suspend-until suspends nothing without privlink.dev/suspend
     --> environments/prod/web.yaml:6:33
      |
    6 |     privlink.dev/suspend-until: "2026-12-24T08:00:00Z"
      |                                 ^^^^^^^^^^^^^^^^^^^^^^ the end of what?
      |
      = help: add privlink.dev/suspend with the reason, or remove this

    1 error in 1 file

    error[DES013]: privlink.dev/suspend-until suspends nothing without privlink.dev/suspend
     --> environments/prod/endpoints.yaml:3:73
      |
    3 | metadata: { name: orders-pe, annotations: { privlink.dev/suspend-until: "2026-12-24T08:00:00Z" } }
      |                                                                         ^^^^^^^^^^^^^^^^^^^^^^ the end of what?
      |
      = help: add privlink.dev/suspend with the reason, or remove this

    1 error in 1 file
    "#);
}

#[test]
fn suspending_loosens_no_rule() {
    let accepted = Case::shop().resolve().policy;
    let policy = privlink::desired::loosening::in_force(web(SUSPENDED).resolve().policy, Some(&accepted));
    assert!(policy.loosening.is_empty());
}
