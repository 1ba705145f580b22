//! What the API server says to a plan before anything is written: refusals, fields of other managers, and what admission
//! makes of a Service.

use privlink::cli::Exit;
use privlink::sim::fault::Fault;
use privlink::sim::world::AdmissionRule;
use serde_json::Value;
use serde_json::json;

use super::docs;
use crate::runner::Stage;
use crate::runner::worlds;

const TIMEOUT: &str = "azure-load-balancer-tcp-idle-timeout";
const PINNED: &str = "azure-load-balancer-ipv4";

/// The example world with a rule of admission, and documents.
fn stage(rule: AdmissionRule, documents: &[(&str, &str)]) -> Stage {
    let mut world = worlds::example();
    world.clusters[0].admission = vec![AdmissionRule { name: "policy.example.com".to_owned(), ..rule }];
    let stage = Stage::in_world(world);
    let settings = worlds::settings();
    let files: Vec<(&str, &str)> =
        [("privlink.toml", settings.as_str())].into_iter().chain(documents.iter().copied()).collect();
    stage.repo.commit(&files);
    stage
}

/// A rule that makes this of every Service.
fn setting(set: Value) -> AdmissionRule {
    AdmissionRule { set: Some(set), ..AdmissionRule::default() }
}

fn annotating(name: &str, value: &str) -> AdmissionRule {
    setting(json!({"metadata": {"annotations": {format!("service.beta.kubernetes.io/{name}"): value}}}))
}

/// The lines of a text that hold one of these words.
fn lines(text: &str, words: &[&str]) -> String {
    let told = text.lines().filter(|line| words.iter().any(|word| line.contains(word)));
    told.map(str::trim).collect::<Vec<_>>().join("\n")
}

/// How often the API server was asked to try something.
fn trials(stage: &Stage) -> usize {
    stage.simulator.requests().iter().filter(|request| request.query.contains("dryRun=All")).count()
}

#[test]
fn what_admission_adds_is_shown_and_stays_and_a_converged_plan_asks_nothing() {
    let adds =
        setting(json!({"metadata": {"annotations": {"team": "shop"}}, "spec": {"externalTrafficPolicy": "Local"}}));
    let stage = stage(adds, &[("environments/prod/web.yaml", &docs::service("web", &[]))]);
    let planned = stage.plan().ends(Exit::Changes);
    insta::assert_snapshot!(lines(&planned.out, &["the API server"]), @r#"
    the API server adds annotation team: "shop" (PRE-STORED-OTHERWISE)
    the API server adds spec.externalTrafficPolicy: "Local" (PRE-STORED-OTHERWISE)
    "#);
    let json: Value = serde_json::from_str(&stage.run_on_repo("plan", &["--format", "json"]).out).unwrap();
    insta::assert_snapshot!(json["steps"][0]["storedOtherwise"], @r#"[{"asked":null,"name":"metadata.annotations[team]","stored":"shop"},{"asked":null,"name":"spec.externalTrafficPolicy","stored":"Local"}]"#);
    assert_eq!(stage.writes(), 0, "a trial is no write");
    stage.converge();
    let asked = trials(&stage);
    stage.plan().ends(Exit::Done);
    assert_eq!(trials(&stage), asked);
    let live = stage.cluster().get("services", "default", "web").unwrap();
    assert_eq!(live["metadata"]["annotations"]["team"], "shop");
    // A change of our own leaves it alone.
    stage.repo.commit(&[("environments/prod/web.yaml", &docs::service("web", &[(TIMEOUT, "10")]))]);
    assert!(!stage.plan().ends(Exit::Changes).out.contains("PRE-STORED-OTHERWISE"));
    stage.converge();
}

#[test]
fn what_admission_changes_back_is_told_before_and_after_and_not_planned_for_ever() {
    let fighting = annotating(TIMEOUT, "4");
    let stage = stage(fighting, &[("environments/prod/web.yaml", &docs::service("web", &[(TIMEOUT, "30")]))]);
    let planned = stage.plan().ends(Exit::Changes);
    insta::assert_snapshot!(lines(&planned.out, &["the API server"]), @r#"the API server stores annotation azure-load-balancer-tcp-idle-timeout as "4" instead of "30" (PRE-STORED-OTHERWISE)"#);
    stage.run_on_repo("apply", &["--approve-plan", &planned.plan_id()]).ends(Exit::Done);
    stage.idle();
    let writes = stage.writes();
    let again = stage.plan().ends(Exit::Incomplete);
    insta::assert_snapshot!(lines(&again.out, &["service/default/web", "because", "help: "]), @"
    ~ service/default/web: update  [notable]
    not applicable because metadata.annotations[service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout] stays whatever is asked for: admission of the API server changes it back (PRE-STORED-OTHERWISE)
    help: Ask for what the API server stores, or have the policy changed by whoever the cluster's policies belong to.
    ");
    stage.run_on_repo("apply", &["--yes"]).ends(Exit::Incomplete);
    assert_eq!(stage.writes(), writes);
    // What the document says beside it is written, and the rest is told at that step.
    let two = docs::service_with("web", &[(TIMEOUT, "30")], "  ports:\n  - port: 81\n");
    stage.repo.commit(&[("environments/prod/web.yaml", &two)]);
    stage.plan().ends(Exit::Changes).says("instead of");
    stage.repo.commit(&[("environments/prod/web.yaml", &docs::service("web", &[(TIMEOUT, "4")]))]);
    stage.plan().ends(Exit::Done);
}

#[test]
fn a_service_that_admission_refuses_is_left_out_in_the_server_s_words_and_the_rest_is_made() {
    let refusing = AdmissionRule {
        labels: [("tier".to_owned(), "bad".to_owned())].into(),
        refuse: Some("Services of tier bad are not welcome.".to_owned()),
        ..AdmissionRule::default()
    };
    let bad = docs::service("bad", &[]).replace("metadata:\n", "metadata:\n  labels: { tier: bad }\n");
    let documents = [
        ("environments/prod/bad.yaml", bad.as_str()),
        ("environments/prod/bad-published.yaml", &docs::published("bad")),
        ("environments/prod/good.yaml", &docs::service("good", &[])),
    ];
    let stage = stage(refusing, &documents);
    let planned = stage.plan().ends(Exit::Incomplete);
    insta::assert_snapshot!(lines(&planned.out, &["because", "help: "]), @r#"
    not applicable because the API server refuses it: admission webhook "policy.example.com" denied the request: Services of tier bad are not welcome (PRE-SERVER-REFUSES)
    help: Correct the manifest, or have the policy changed by whoever the cluster's policies belong to.
    not applicable because it needs service/default/bad
    "#);
    assert_eq!(stage.writes(), 0);
    stage.run_on_repo("apply", &["--approve-plan", &planned.plan_id()]).ends(Exit::Incomplete);
    assert!(stage.cluster().get("services", "default", "good").is_some());
    assert!(stage.cluster().get("services", "default", "bad").is_none());
    stage.run(&["explain", "PRE-SERVER-REFUSES"]).ends(Exit::Done).says("store nothing");
    let welcome = docs::service("bad", &[]);
    stage.repo.commit(&[("environments/prod/bad.yaml", &welcome)]);
    stage.converge();
}

#[test]
fn consequences_are_those_of_what_would_be_stored() {
    let stage = stage(
        annotating(PINNED, "10.9.9.9"),
        &[("environments/prod/web.yaml", &docs::service("web", &[(PINNED, "10.224.10.1")]))],
    );
    let planned = stage.plan().ends(Exit::Incomplete);
    insta::assert_snapshot!(lines(&planned.out, &["because", "the API server"]), @r#"
    the API server stores annotation azure-load-balancer-ipv4 as "10.9.9.9" instead of "10.224.10.1" (PRE-STORED-OTHERWISE)
    not applicable because the address 10.9.9.9 is outside the subnet aks-subnet (10.224.0.0/16): every sync fails, when the load balancer is written (CCM-IP-OUTSIDE, DIF002, "PrivateIPAddressNotInSubnet")
    "#);
}

#[test]
fn a_private_link_service_that_admission_makes_another_one_of_is_left_out_with_its_service() {
    let documents = [
        ("environments/prod/web.yaml", docs::service("web", &[])),
        ("environments/prod/web-published.yaml", docs::published("web")),
    ];
    let stage = stage(
        annotating("azure-pls-visibility", "*"),
        &documents.each_ref().map(|(path, text)| (*path, text.as_str())),
    );
    let planned = stage.plan().ends(Exit::Incomplete);
    insta::assert_snapshot!(lines(&planned.out, &["because", "help: "]), @"
    not applicable because admission of the API server makes {*} of metadata.annotations[service.beta.kubernetes.io/azure-pls-visibility], so its Private Link Service would never be as it shall be (PRE-STORED-OTHERWISE)
    help: Ask for what the API server stores, or have the policy changed by whoever the cluster's policies belong to.
    not applicable because it needs service/default/web
    ");
    assert_eq!(stage.writes(), 0);
}

#[test]
fn a_server_that_could_not_be_asked_is_told_once_and_changes_nothing() {
    let documents = [
        ("environments/prod/web.yaml", docs::service("web", &[])),
        ("environments/prod/other.yaml", docs::service("other", &[])),
    ];
    let documents = documents.each_ref().map(|(path, text)| (*path, text.as_str()));
    let stage = stage(AdmissionRule::default(), &documents);
    let asked = stage.plan().ends(Exit::Changes);
    assert_eq!(trials(&stage), 2);
    assert!(!asked.out.contains("not looked at beforehand"), "{}", asked.out);
    let fault = |message: &str, code: &str, status: u16| Fault {
        method: Some("PATCH".to_owned()),
        path: "/services/".to_owned(),
        status,
        code: code.to_owned(),
        message: message.to_owned(),
        ..Fault::default()
    };
    let user = "services \"web\" is forbidden: User \"plan\" cannot patch resource \"services\" in API group \"\" in the \
                namespace \"default\"";
    let webhook = "admission webhook \"policy.example.com\" does not support dry run";
    for (message, code, status, calls) in [(user, "Forbidden", 403, 1), (webhook, "BadRequest", 400, 2)] {
        stage.simulator.add_fault(fault(message, code, status));
        let before = trials(&stage);
        let planned = stage.plan().ends(Exit::Changes);
        assert_eq!(planned.plan_id(), asked.plan_id());
        assert_eq!(trials(&stage) - before, calls);
        let told = planned.out.matches("what the API server says to the Services: not looked at").count();
        assert_eq!(told, 1, "{}", planned.out);
        stage.simulator.clear_faults();
    }
}

#[test]
fn a_field_that_somebody_took_is_left_to_them_until_the_document_adopts_the_service() {
    let document = docs::service("web", &[(PINNED, "10.224.10.1")]);
    let stage = stage(AdmissionRule::default(), &[("environments/prod/web.yaml", &document)]);
    stage.converge();
    let key = "service.beta.kubernetes.io/azure-load-balancer-ipv4";
    stage.cluster().annotate("default", "web", &[(key, Some("10.224.10.99"))]).unwrap();
    stage.idle();
    let planned = stage.plan().ends(Exit::Incomplete);
    insta::assert_snapshot!(lines(&planned.out, &["because", "help: "]), @"
    not applicable because kubectl-annotate holds metadata.annotations[service.beta.kubernetes.io/azure-load-balancer-ipv4] (PRE-FIELD-HELD)
    help: leave the field to them by taking it out of the document; or take it over with privlink.dev/adopt: default/web in the document's metadata.annotations
    ");
    let adopting = document.replace("  annotations:\n", "  annotations:\n    privlink.dev/adopt: default/web\n");
    stage.repo.commit(&[("environments/prod/web.yaml", &adopting)]);
    let planned = stage.plan().ends(Exit::Changes);
    insta::assert_snapshot!(lines(&planned.out, &["service/default/web", "takes over", "~ annotation"]), @r#"
    1. ~ service/default/web: update  [disruptive]
    takes over metadata.annotations[service.beta.kubernetes.io/azure-load-balancer-ipv4] from kubectl-annotate, because the document adopts the Service
    ~ annotation azure-load-balancer-ipv4  "10.224.10.99" -> "10.224.10.1"  (held by kubectl-annotate)
    "#);
    stage.converge();
    let live = stage.cluster().get("services", "default", "web").unwrap();
    assert_eq!(live["metadata"]["annotations"][key], "10.224.10.1");
}
