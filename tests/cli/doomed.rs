//! Changes that are bound to fail: they are left out, the rest is applied, and Azure really refuses what was left out.

use privlink::cli::Exit;
use serde_json::Value;

use super::docs;
use crate::runner::Stage;
use crate::runner::worlds;

const PINNED: &str = "azure-load-balancer-ipv4";

#[test]
fn what_does_not_need_a_doomed_change_is_applied_and_what_is_left_out_is_not_written() {
    let stage = Stage::in_world(worlds::example());
    stage.repo.commit(&[
        ("privlink.toml", &worlds::settings()),
        ("environments/prod/bad.yaml", &docs::service("bad", &[(PINNED, "10.9.9.9")])),
        ("environments/prod/bad-published.yaml", &docs::published("bad")),
        ("environments/prod/bad-endpoint.yaml", &docs::endpoint("bad")),
        ("environments/prod/good.yaml", &docs::service("good", &[(PINNED, "10.224.10.1")])),
    ]);
    let planned = stage
        .plan()
        .ends(Exit::Incomplete)
        .says("3 changes left out")
        .says("CCM-IP-OUTSIDE")
        .says("not applicable because it needs privatelinkservice/default/bad");
    let id = planned.plan_id();
    stage
        .run_on_repo("apply", &["--approve-plan", &id])
        .ends(Exit::Incomplete)
        .says("done     create service/default/good")
        .says("left out: service/default/bad");
    assert!(stage.cluster().get("services", "default", "good").is_some());
    assert!(stage.cluster().get("services", "default", "bad").is_none());
    // What is left alone is told by every later plan, and applied by none.
    let writes = stage.writes();
    stage.plan().ends(Exit::Incomplete).says("Nothing can be changed in prod before this is out of the way.");
    stage.run_on_repo("apply", &["--yes"]).ends(Exit::Incomplete);
    stage.pass().ends(Exit::Incomplete);
    assert_eq!(stage.writes(), writes);
    // The cure brings the rest.
    let free = docs::service("bad", &[(PINNED, "10.224.10.2")]);
    stage.repo.commit(&[("environments/prod/bad.yaml", &free)]);
    stage.converge();
}

#[test]
fn an_approval_holds_for_what_is_left_out_and_no_longer() {
    let stage = Stage::in_world(worlds::example());
    let bad = |address: &str| docs::service("bad", &[(PINNED, address)]);
    stage.repo.commit(&[
        ("privlink.toml", &worlds::settings()),
        ("environments/prod/bad.yaml", &bad("10.9.9.9")),
        ("environments/prod/good.yaml", &docs::service("good", &[(PINNED, "10.224.10.1")])),
    ]);
    let id = stage.plan().ends(Exit::Incomplete).plan_id();
    stage.repo.commit(&[("environments/prod/bad.yaml", &bad("10.224.10.2"))]);
    stage.run_on_repo("apply", &["--approve-plan", &id]).ends(Exit::Approval);
    assert_eq!(stage.cluster().get("services", "default", "bad"), None::<Value>);
}
