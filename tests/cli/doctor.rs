//! What `privlink doctor` tells on a machine where all is well, and where something is missing.

use privlink::cli::Exit;
use privlink::sim::world::World;
use serde_json::Value;

use crate::runner::Stage;
use crate::runner::worlds;
use crate::runner::worlds::CONSUMER;

/// Ports, times and commits are the run's own.
fn told(text: &str) -> String {
    let words = |line: &str| {
        let word = |word: &str| {
            let is_commit = word.len() == 10 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            let is_time = word.len() > 18 && word.ends_with('Z') && word.contains('T');
            match word.rsplit_once("127.0.0.1:") {
                Some((scheme, _)) => format!("{scheme}<address>"),
                None if is_time => "<time>".to_owned(),
                None if is_commit => "<commit>".to_owned(),
                None => word.to_owned(),
            }
        };
        line.split(' ').map(word).collect::<Vec<_>>().join(" ").trim_end().to_owned()
    };
    text.lines().map(words).collect::<Vec<_>>().join("\n")
}

#[test]
fn where_all_is_well_every_line_says_so() {
    let stage = Stage::example();
    let ran = stage.run_on_repo("doctor", &[]).ends(Exit::Done);
    insta::assert_snapshot!(told(&ran.out), @"
    prod
      ok       repository: 12 documents at commit <commit>
      ok       cloud: simulator answers
      ok       identity that plans: signed in as application 00000000-0000-0000-0000-0000000000a1, until <time>
      ok       identity that applies: signed in as application 00000000-0000-0000-0000-0000000000a2, until <time>
      ok       subscription 00000000-0000-0000-0000-000000000001: provider can be read
      ok       subscription 00000000-0000-0000-0000-000000000002: consumer can be read
      ok       cluster: Kubernetes 1.36.2 at https://<address> (context myAKSCluster)
      ok       reading: all in scope: 1 Services, 0 Private Link Services, 0 private endpoints
      ok       rights to apply: all 9 that the documents can need are held
      ok       rights to apply in the cluster: all 4 that the documents can need are held
    ");
    assert_eq!(stage.writes(), 0, "a doctor only looks");
}

#[test]
fn every_way_to_sign_in_is_told_with_what_became_of_it() {
    let stage = Stage::example();
    let url = stage.repo.url();
    let auth = ["doctor", "auth", "--repo", url.as_str(), "-e", "prod"];
    let ran = stage.run(&auth).ends(Exit::Done);
    insta::assert_snapshot!(told(&ran.out), @"
    prod: signing in to plan, as 00000000-0000-0000-0000-0000000000a1
      client secret        signed in
                           application  00000000-0000-0000-0000-0000000000a1
                           object       18a2ea91-c06c-581b-9897-1604dad1bb31
                           tenant       11111111-1111-1111-1111-111111111111
                           until        <time>
      client certificate   not asked: an earlier one answered
      federated token file not asked: an earlier one answered
      workload identity    not asked: an earlier one answered
      Azure Pipelines      not asked: an earlier one answered
      GitHub Actions       not asked: an earlier one answered
      managed identity     not asked: an earlier one answered
      Azure CLI            not asked: an earlier one answered
      Azure Developer CLI  not asked: an earlier one answered

    prod: signing in to apply, as 00000000-0000-0000-0000-0000000000a2
      client secret        signed in
                           application  00000000-0000-0000-0000-0000000000a2
                           object       faa3128b-ddb5-522a-a2ec-1a7816956d41
                           tenant       11111111-1111-1111-1111-111111111111
                           until        <time>
      client certificate   not asked: an earlier one answered
      federated token file not asked: an earlier one answered
      workload identity    not asked: an earlier one answered
      Azure Pipelines      not asked: an earlier one answered
      GitHub Actions       not asked: an earlier one answered
      managed identity     not asked: an earlier one answered
      Azure CLI            not asked: an earlier one answered
      Azure Developer CLI  not asked: an earlier one answered
    ");
    // Somebody who brought nothing, and somebody who brought the wrong thing.
    let nothing = [("AZURE_CLIENT_SECRET", ""), ("PRIVLINK_PLAN_CLIENT_SECRET", "wrong")];
    let ran = stage.run_with(&auth, &nothing).ends(Exit::Failed);
    insta::assert_snapshot!(told(&ran.out), @"
    prod: signing in to plan, as 00000000-0000-0000-0000-0000000000a1
      client secret        refused: AADSTS7000215: Invalid client secret provided; the client secret must be the value of a secret of this application, not its id
      client certificate   not asked: an earlier one answered
      federated token file not asked: an earlier one answered
      workload identity    not asked: an earlier one answered
      Azure Pipelines      not asked: an earlier one answered
      GitHub Actions       not asked: an earlier one answered
      managed identity     not asked: an earlier one answered
      Azure CLI            not asked: an earlier one answered
      Azure Developer CLI  not asked: an earlier one answered

    prod: signing in to apply, as 00000000-0000-0000-0000-0000000000a2
      client secret        not here: neither PRIVLINK_APPLY_CLIENT_SECRET nor AZURE_CLIENT_SECRET is set
                           help: set AZURE_CLIENT_SECRET to the value of a secret of the application
      client certificate   not here: neither PRIVLINK_APPLY_CLIENT_CERTIFICATE_PATH nor AZURE_CLIENT_CERTIFICATE_PATH is set
                           help: set AZURE_CLIENT_CERTIFICATE_PATH to a PEM file with certificate and key
      federated token file not here: PRIVLINK_APPLY_FEDERATED_TOKEN_FILE is not set
                           help: set PRIVLINK_APPLY_FEDERATED_TOKEN_FILE to a file with a token that the application trusts
      workload identity    not here: AZURE_FEDERATED_TOKEN_FILE is not set
                           help: in AKS: label the pod azure.workload.identity/use=true and annotate its service account
      Azure Pipelines      not here: SYSTEM_OIDCREQUESTURI is not set
                           help: it is, in a job of Azure Pipelines
      GitHub Actions       not here: ACTIONS_ID_TOKEN_REQUEST_URL is not set
                           help: in GitHub Actions: give the job permissions: { id-token: write }
      managed identity     not here: nobody answers at <address> this is no virtual machine of Azure
                           help: give the virtual machine, scale set or App Service an identity, and run privlink there
      Azure CLI            not here: az is not on PATH
                           help: install it, and az login
      Azure Developer CLI  not here: azd is not on PATH
                           help: install it, and azd auth login
    ");
    let ran = stage.run_with(&[&auth[..], &["--format", "json"]].concat(), &nothing).ends(Exit::Failed);
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document["environments"][0]["purpose"], "plan");
    assert_eq!(document["environments"][0]["ways"][0]["outcome"], "refused");
    assert_eq!(document["environments"][1]["ways"][0]["outcome"], "not-here");
    for secret in ["plan-secret", "apply-secret"] {
        assert!(!ran.out.contains(secret) && !ran.err.contains(secret));
    }
}

/// The example world, in which the identity that plans has no role in the consumer's subscription.
fn half_blind() -> World {
    let mut world = worlds::example();
    world.identities[0].subscriptions = Some(vec![worlds::PROVIDER.parse().unwrap()]);
    world
}

#[test]
fn what_cannot_be_read_comes_with_the_command_that_changes_it() {
    let stage = Stage::in_world(half_blind());
    stage.repo.commit(privlink::cli::demo::EXAMPLE);
    let ran = stage.run_on_repo("doctor", &[]).ends(Exit::Incomplete);
    let missing: Vec<&str> =
        ran.out.lines().filter(|line| line.contains("missing") || line.contains("help: ")).take(2).collect();
    insta::assert_snapshot!(told(&missing.join("\n")), @r#"
    missing  subscription 00000000-0000-0000-0000-000000000002: Azure refused to read the subscription 00000000-0000-0000-0000-000000000002: SubscriptionNotFound: The subscription '00000000-0000-0000-0000-000000000002' could not be found [request 475412be-5590-5333-b2b3-28a855eea4e6]; check the subscription id, and that this identity belongs to its tenant
             help: az role assignment create --assignee 00000000-0000-0000-0000-0000000000a1 --role "Reader" --scope /subscriptions/00000000-0000-0000-0000-000000000002
    "#);
    assert!(ran.out.contains(&format!("--scope /subscriptions/{CONSUMER}")), "{}", ran.out);
}

#[test]
fn who_cannot_sign_in_is_told_and_nothing_more_is_asked() {
    let stage = Stage::example();
    let url = stage.repo.url();
    let ran = stage.run_with(
        &["doctor", "--repo", url.as_str(), "-e", "prod", "--format", "json"],
        &[("PRIVLINK_PLAN_CLIENT_SECRET", "wrong"), ("AZURE_CLIENT_SECRET", "")],
    );
    let document: Value = serde_json::from_str(&ran.ends(Exit::Failed).out).unwrap();
    let findings = document["environments"][0]["findings"].as_array().unwrap();
    let line =
        |finding: &Value| format!("{}: {}", finding["subject"].as_str().unwrap(), finding["state"].as_str().unwrap());
    insta::assert_snapshot!(findings.iter().map(line).collect::<Vec<_>>().join("\n"), @"
    repository: ok
    cloud: ok
    identity that plans: failed
    identity that applies: unknown
    cluster: ok
    rights: unknown
    ");
}
