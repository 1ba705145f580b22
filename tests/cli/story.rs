//! The whole story of the example: wait for approval, approve, apply, status, nothing more to do.

use privlink::cli::Exit;

use crate::runner::Stage;
use crate::runner::redact;

#[test]
fn the_agent_waits_for_approval_applies_reports_and_then_does_nothing() {
    let stage = Stage::example();
    let waits = stage.pass().ends(Exit::Approval).says("error: approval is missing");
    assert_eq!(stage.writes(), 0, "nothing is written before somebody says yes");
    let plan = waits.plan_id();
    stage.approve(&plan, "alice").ends(Exit::Done).says("approved until");
    stage.pass().ends(Exit::Done).says("16 of 17 steps done, 1 waiting");
    stage.idle();
    let (writes, tips) = (stage.writes(), stage.repo.tips());
    stage.pass().ends(Exit::Done).says("prod: no changes");
    assert_eq!(stage.writes(), writes, "a converged pass writes nothing");
    assert_eq!(stage.repo.tips(), tips, "a converged pass commits nothing");
    redact::settings(&stage).bind(|| insta::assert_snapshot!(stage.status(), @""));
}
