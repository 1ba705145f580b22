//! The whole story of the example, and the ways to plan, save, approve and apply.

use privlink::cli::Exit;
use serde_json::Value;

use super::docs;
use crate::runner::Stage;
use crate::runner::redact;

#[test]
fn the_agent_waits_for_approval_applies_reports_and_then_does_nothing() {
    let stage = Stage::example();
    let waits = stage.pass().ends(Exit::Approval).says("waits for approval");
    assert_eq!(stage.writes(), 0, "nothing is written before somebody says yes");
    let plan = waits.plan_id();
    stage.approve(&plan, "alice").ends(Exit::Done).says("approved until");
    stage.pass().ends(Exit::Done).says("16 of 17 steps done, 1 waiting");
    stage.idle();
    let (writes, tips) = (stage.writes(), stage.repo.tips());
    stage.pass().ends(Exit::Done).says("prod: no changes");
    assert_eq!(stage.writes(), writes, "a converged pass writes nothing");
    assert_eq!(stage.repo.tips(), tips, "a converged pass commits nothing");
    redact::settings(&stage).bind(|| insta::assert_snapshot!(stage.status(), @r#"
    Status of prod as of [TIME] ([AGE] ago)
    applied commit [COMMIT]

    Services in namespace default
    NAME           TYPE           CLUSTER-IP     EXTERNAL-IP    PORT(S)         AGE
    internal-app   LoadBalancer   10.0.9.195     10.224.0.N     80:3[NP]/TCP    0s
    inventory      LoadBalancer   10.0.197.135   10.224.10.25   80:3[NP]/TCP    0s
    orders         LoadBalancer   10.0.211.86    10.224.0.200   443:3[NP]/TCP   0s
    payments       LoadBalancer   10.0.141.143   10.224.0.N     443:3[NP]/TCP   0s
    reporting      LoadBalancer   10.0.235.228   10.225.0.N     80:3[NP]/TCP    0s
    storefront     LoadBalancer   10.0.62.182    10.224.0.N     443:3[NP]/TCP   0s

    Private Link Services
    Name                                  Alias
    ------------------------------------  [LINE]
    pls-orders                            pls-orders.[GUID].eastus2.azure.privatelinkservice
    pls-payments                          pls-payments.[GUID].eastus2.azure.privatelinkservice
    pls-[UID                          ]  pls-[UID                          ].[GUID].eastus2.azure.privatelinkservice

    Connections
    Service                               Endpoint        State     Consumer             Subscription                          LinkId     FirstSeen
    ------------------------------------  --------------  --------  -------------------  ------------------------------------  ---------  --------------------
    pls-orders                            myOrdersPE      Approved  Orders front office  00000000-0000-0000-0000-000000000002  [LINK-ID]  [TIME]
    pls-payments                          myPaymentsPE    Approved  Orders front office  00000000-0000-0000-0000-000000000002  [LINK-ID]  [TIME]
    pls-[UID                          ]  myAKSServicePE  Approved  Orders front office  00000000-0000-0000-0000-000000000002  [LINK-ID]  [TIME]

    Private endpoints
    Name               Address     Connection  Target
    -----------------  ----------  ----------  ------------------------------------------------------------------------------------
    ledger             10.50.1.N   Pending     foreign-ledger.[GUID].eastus2.azure.privatelinkservice
    my-aks-service-pe  10.50.1.N   Approved    pls-[UID                          ]
    orders             10.50.1.N   Approved    pls-orders
    payments           10.50.1.20  Approved    pls-payments

    DNS records
    Name                 Addresses
    -------------------  ---------
    api.orders.internal  10.50.1.N

    PrivateEndpoint ledger
      ConnectionApproved False: PendingApproval for [AGE]: the provider has not answered the request yet: "orders front office, contract 2026-17"
    "#));
}

#[test]
fn twenty_passes_over_a_converged_world_write_and_commit_nothing() {
    let stage = Stage::converged_example();
    let (writes, tips) = (stage.writes(), stage.repo.tips());
    for _ in 0..20 {
        stage.pass().ends(Exit::Done);
    }
    assert_eq!((stage.writes(), stage.repo.tips()), (writes, tips));
}

#[test]
fn the_detailed_exit_code_says_whether_changes_are_pending() {
    let stage = Stage::example();
    stage.run_on_repo("plan", &[]).ends(Exit::Done);
    stage.run_on_repo("plan", &["--detailed-exitcode"]).ends(Exit::Changes);
    stage.converge();
    stage.run_on_repo("plan", &["--detailed-exitcode"]).ends(Exit::Done).says("No changes");
}

#[test]
fn all_formats_show_the_same_plan() {
    let stage = Stage::example();
    let text = stage.run_on_repo("plan", &[]).ends(Exit::Done);
    let json: Value =
        serde_json::from_str(&stage.run_on_repo("plan", &["--format", "json"]).ends(Exit::Done).out).unwrap();
    assert_eq!(json["id"], text.plan_id());
    assert_eq!((json["complete"].as_bool(), json["applicable"].as_bool()), (Some(true), Some(true)));
    let steps = json["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 17);
    let markdown = stage.run_on_repo("plan", &["--format", "markdown"]).ends(Exit::Done).out;
    assert!(markdown.contains(&text.plan_id()));
    for step in steps {
        let name = step["name"].as_str().unwrap();
        assert!(text.out.contains(name) && markdown.contains(name), "{name} is missing");
    }
}

#[test]
fn a_saved_plan_is_applied_after_its_full_id_is_approved() {
    let stage = Stage::example();
    let file = stage.folder().join("prod.plan");
    let file = file.to_str().unwrap();
    let planned = stage.run_on_repo("plan", &["--out", file]).ends(Exit::Done).says("saved: privlink apply");
    stage.run(&["apply", file, "--yes"]).ends(Exit::Approval).says("approval is missing");
    let prefix = &planned.plan_id()[..12];
    stage.run(&["apply", file, "--approve-plan", prefix]).ends(Exit::Failed).says("64 lower-case hex digits");
    assert_eq!(stage.writes(), 0);
    stage.run(&["apply", file, "--approve-plan", &planned.plan_id()]).ends(Exit::Done);
    stage.assert_converged();
}

#[test]
fn a_saved_plan_that_is_stale_is_refused_with_what_changed() {
    let stage = Stage::example();
    let file = stage.folder().join("prod.plan");
    let file = file.to_str().unwrap();
    let planned = stage.run_on_repo("plan", &["--out", file]).ends(Exit::Done);
    stage.repo.commit(&[("environments/prod/more.yaml", &docs::service("more", &[]))]);
    stage.repo.replace("environments/prod/services/inventory.yaml", "10.224.10.25", "10.224.10.26");
    stage.repo.remove(&["environments/prod/services/storefront.yaml"]);
    let refused = stage.run(&["apply", file, "--approve-plan", &planned.plan_id()]).ends(Exit::Approval);
    assert_eq!(stage.writes(), 0);
    redact::settings(&stage).bind(|| insta::assert_snapshot!(refused.err, @r#"
    planning main of file://[DIR]/config.git at [COMMIT], under the authority of main at [COMMIT]
    error: the saved plan is stale. Since it was made:
      service/default/inventory: metadata.annotations[service.beta.kubernetes.io/azure-load-balancer-ipv4] would become 10.224.10.26 instead of 10.224.10.25
      new: create service/default/more
      not planned any more: create service/default/storefront
    plan again, and look again
    "#));
}

#[test]
fn a_saved_plan_that_was_tampered_with_is_refused() {
    let stage = Stage::example();
    let file = stage.folder().join("prod.plan");
    let planned = stage.run_on_repo("plan", &["--out", file.to_str().unwrap()]).ends(Exit::Done);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("10.225.1.9", "10.225.1.7")).unwrap();
    let refused =
        stage.run(&["apply", file.to_str().unwrap(), "--approve-plan", &planned.plan_id()]).ends(Exit::Failed);
    assert_eq!(stage.writes(), 0);
    redact::settings(&stage).bind(|| insta::assert_snapshot!(refused.err, @r#"error: cannot apply [DIR]/prod.plan: the saved plan was changed after it was written: it says it is [PLAN], and its body is [PLAN]; plan again"#));
}

#[test]
fn approving_another_plan_than_the_one_looked_at_is_refused() {
    let stage = Stage::example();
    let planned = stage.plan().ends(Exit::Changes);
    stage.repo.commit(&[("environments/prod/more.yaml", &docs::service("more", &[]))]);
    stage.approve(&planned.plan_id(), "alice").ends(Exit::Approval).says("and the plan now is");
    stage
        .run_on_repo("apply", &["--approve-plan", &planned.plan_id()])
        .ends(Exit::Approval)
        .says("and the plan now is");
    assert_eq!(stage.writes(), 0);
}

#[test]
fn a_working_copy_is_checked_planned_and_applied_like_the_remote() {
    let stage = Stage::example();
    let folder = stage.folder().join("clone");
    stage.repo.clone_to(&folder);
    let folder = folder.to_str().unwrap();
    stage.run(&["check", folder]).ends(Exit::Done);
    stage.run(&["plan", folder]).ends(Exit::Failed).says("--trust-working-tree");
    let local = stage.run(&["plan", folder, "--trust-working-tree"]).ends(Exit::Done);
    assert_eq!(local.plan_id(), stage.plan().plan_id());
    stage.run(&["apply", folder, "--trust-working-tree", "--approve-plan", &local.plan_id()]).ends(Exit::Done);
    stage.assert_converged();
    stage.run(&["status", folder]).ends(Exit::Done).says("pls-orders");
}

#[test]
fn a_working_copy_applied_under_its_base_publishes_its_status() {
    let stage = Stage::example();
    let folder = stage.folder().join("clone");
    stage.repo.clone_to(&folder);
    let folder = folder.to_str().unwrap();
    let plan = stage.run(&["plan", folder, "--base", "origin/main"]).ends(Exit::Done).plan_id();
    stage.run(&["apply", folder, "--base", "origin/main", "--approve-plan", &plan]).ends(Exit::Done);
    assert_eq!(stage.repo.count("privlink/status/prod"), 1);
    stage.assert_converged();
}

#[test]
fn status_says_when_nobody_has_written_one_yet() {
    let stage = Stage::example();
    stage.run_on_repo("status", &[]).ends(Exit::Done).says("no pass has written a status yet");
}

#[test]
fn live_status_shows_what_the_branch_shows() {
    let stage = Stage::converged_example();
    let live = stage.run_on_repo("status", &["--live"]).ends(Exit::Done).out;
    let branch = stage.status();
    // A second may pass between the two.
    let ageless = |line: &str| match line.rsplit_once(' ') {
        Some((rest, age)) if age.strip_suffix('s').is_some_and(|count| count.parse::<u32>().is_ok()) => {
            rest.trim_end().to_owned()
        }
        _ => line.to_owned(),
    };
    let body = |text: &str| {
        let lines = text.lines().skip(2).take_while(|line| !line.starts_with("PrivateEndpoint "));
        lines.map(ageless).collect::<Vec<_>>()
    };
    assert_eq!(body(&live), body(&branch));
}
