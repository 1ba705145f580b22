//! Changes under review: what `--base` believes, and which commits leave a plan id as it is.

use privlink::cli::Exit;
use serde_json::json;

use super::docs;
use crate::runner::Stage;
use crate::runner::worlds;
use crate::runner::worlds::PROVIDER;

const SERVICE: &str = "environments/prod/web.yaml";
const PUBLISH: &str = "environments/prod/web-published.yaml";

/// A repository with something to do, so that its plan has an id to compare.
fn pending() -> Stage {
    let stage = Stage::new();
    stage.repo.commit(&[
        ("privlink.toml", &worlds::settings()),
        (SERVICE, &docs::service("web", &[])),
        (PUBLISH, &docs::published("web")),
        ("environments/prod/web-endpoint.yaml", &docs::endpoint_with("web", &docs::dns("web"))),
    ]);
    stage
}

/// The plan id of the branch `feature` under the authority of `main`.
#[track_caller]
fn reviewed(stage: &Stage) -> String {
    stage.run_on_repo("plan", &["--ref", "feature", "--base", "main"]).ends(Exit::Done).plan_id()
}

#[test]
fn a_reviewed_change_of_the_rules_changes_nothing_in_its_own_plan_but_is_told_if_it_loosens_them() {
    let stage = pending();
    let id = stage.plan().plan_id();
    let edits = [
        ("cloud = \"simulator\"", "cloud = \"public\""),
        (worlds::TENANT, "99999999-9999-4999-8999-999999999999"),
        ("context = \"myAKSCluster\"", "context = \"elsewhere\""),
        ("[environments.prod.scope]\n", "[environments.prod.scope]\nnamespaces = [\"shop\"]\n"),
        ("severing = 1", "severing = \"automatic\""),
        ("branch = \"privlink/status/{environment}\"", "branch = \"elsewhere/{environment}\""),
        ("owner = \"6f1c2b9e", "owner = \"7f1c2b9e"),
        ("prune = true", "prune = false"),
    ];
    for (from, to) in edits {
        let settings = worlds::settings();
        assert!(settings.contains(from), "{from}");
        stage.repo.edit("main", "feature", &[("privlink.toml", Some(&settings.replace(from, to)))]);
        assert_eq!(reviewed(&stage), id, "{to} under review was believed");
    }
    let settings = worlds::settings().replace("[approvers.alice]\n", "[approvers.mallory]\n");
    stage.repo.edit("main", "feature", &[("privlink.toml", Some(&settings))]);
    let told =
        stage.run_on_repo("plan", &["--ref", "feature", "--base", "main"]).ends(Exit::Done).says("mallory may approve");
    assert_ne!(told.plan_id(), id, "whoever approves the plan approves mallory");
    assert_eq!(stage.writes(), 0);
}

#[test]
fn a_reviewed_change_of_a_document_is_planned_merged_into_its_base() {
    let stage = pending();
    stage.converge();
    stage.repo.edit("main", "feature", &[("environments/prod/new.yaml", Some(&docs::service("new", &[])))]);
    // Meanwhile the base moves on: the plan is about the merge of both.
    stage.repo.commit(&[("environments/prod/other.yaml", &docs::service("other", &[]))]);
    let plan = stage.run_on_repo("plan", &["--ref", "feature", "--base", "main"]).ends(Exit::Done);
    assert!(
        plan.out.contains("service/default/new: create") && plan.out.contains("service/default/other: create"),
        "{}",
        plan.out
    );
    assert!(plan.err.contains("feature (") && plan.err.contains("merged into main ("), "{}", plan.err);
    assert!(plan.err.contains("under the authority of main at"), "{}", plan.err);
}

#[test]
fn a_working_copy_under_review_is_planned_merged_into_its_base() {
    let stage = pending();
    let id = stage.plan().plan_id();
    let folder = stage.folder().join("clone");
    let clone = stage.repo.clone_to(&folder);
    stage.repo.edit("main", "feature", &[("privlink.toml", Some("version = 1\nowner = \"nobody\"\n"))]);
    clone.find_remote("origin").unwrap().fetch(&["feature"], None, None).unwrap();
    let tip = clone.revparse_single("origin/feature").unwrap();
    clone.checkout_tree(&tip, None).unwrap();
    clone.set_head_detached(tip.id()).unwrap();
    let folder = folder.to_str().unwrap();
    let plan = stage.run(&["plan", folder, "--base", "main"]).ends(Exit::Done);
    assert_eq!(plan.plan_id(), id);
    // In CI the target branch is the base without being asked for.
    let plan = stage.run_with(&["plan", folder], &[("CI", "true"), ("GITHUB_BASE_REF", "main")]).ends(Exit::Done);
    assert_eq!(plan.plan_id(), id);
}

#[test]
fn a_change_that_does_not_merge_is_refused() {
    let stage = pending();
    stage.repo.edit(
        "main",
        "feature",
        &[(SERVICE, Some(&docs::service("web", &[("azure-load-balancer-ipv4", "10.224.9.1")])))],
    );
    stage.repo.commit(&[(SERVICE, &docs::service("web", &[("azure-load-balancer-ipv4", "10.224.9.2")]))]);
    stage
        .run_on_repo("plan", &["--ref", "feature", "--base", "main"])
        .ends(Exit::Failed)
        .says("the change does not merge into its base: environments/prod/web.yaml conflict");
}

#[test]
fn a_comment_a_reorder_and_a_moved_file_keep_the_plan_id() {
    let stage = pending();
    let id = stage.plan().plan_id();
    let text = stage.repo.read(SERVICE);
    stage.repo.commit(&[(SERVICE, &format!("# Looked at by Dora.\n{text}"))]);
    assert_eq!(stage.plan().plan_id(), id, "a comment");
    let published = stage.repo.read(PUBLISH);
    let both = format!("{published}---\n{text}");
    stage.repo.edit(
        "main",
        "main",
        &[(SERVICE, None), (PUBLISH, None), ("environments/prod/a/b/all.yml", Some(&both))],
    );
    assert_eq!(stage.plan().plan_id(), id, "both documents in one file of another folder, in another order");
    let reordered = both.replace(
        "  type: LoadBalancer\n  ports:\n  - port: 80\n  selector:\n    app: web\n",
        "  selector: { app: web }\n  ports: [{ port: 80 }]\n  type: LoadBalancer\n",
    );
    assert_ne!(reordered, both);
    stage.repo.commit(&[("environments/prod/a/b/all.yml", &reordered)]);
    assert_eq!(stage.plan().plan_id(), id, "keys in another order and style");
}

#[test]
fn a_status_commit_and_an_approval_keep_the_plan_id() {
    let stage = pending();
    let id = stage.plan().plan_id();
    stage.pass().ends(Exit::Approval);
    assert_eq!(stage.repo.count("privlink/status/prod"), 1);
    assert_eq!(stage.plan().plan_id(), id, "the agent committed a status");
    stage.approve(&id, "alice").ends(Exit::Done);
    assert_eq!(stage.plan().plan_id(), id, "alice committed an approval");
    stage.approve(&id, "bob").ends(Exit::Done);
    stage.pass().ends(Exit::Done);
    stage.assert_converged();
}

#[test]
fn a_stranger_in_the_same_subnet_keeps_the_plan_id() {
    let stage = pending();
    stage.converge();
    let managed = "  managedBy: privlink\n  resourceGroup: rg-pls\n  nat: { subnet: apps-subnet }\n";
    stage.repo.commit(&[
        ("environments/prod/next.yaml", &docs::service("next", &[])),
        ("environments/prod/next-published.yaml", &docs::published_with("next", managed)),
        ("environments/prod/next-endpoint.yaml", &docs::endpoint("next")),
    ]);
    let id = stage.plan().plan_id();
    let network = format!(
        "/subscriptions/{PROVIDER}/resourceGroups/MC_myResourceGroup_myAKSCluster_eastus2/providers/Microsoft.Network"
    );
    let subnet = format!("{network}/virtualNetworks/aks-vnet/subnets/apps-subnet");
    let body = json!({"location": "eastus2", "sku": {"name": "Standard"}, "properties": {"frontendIPConfigurations": [
        {"name": "theirs", "properties": {"privateIPAllocationMethod": "Dynamic", "subnet": {"id": subnet}}},
    ]}});
    let group = network.replace("MC_myResourceGroup_myAKSCluster_eastus2", "myResourceGroup");
    let before = stage.azure(&subnet).unwrap()["etag"].clone();
    stage.azure_does("PUT", &format!("{group}/loadBalancers/theirs"), Some(body));
    assert_ne!(stage.azure(&subnet).unwrap()["etag"], before, "the subnet did change");
    assert_eq!(stage.plan().plan_id(), id);
    stage.run_on_repo("apply", &["--approve-plan", &id]).ends(Exit::Done);
    stage.assert_converged();
}

#[test]
fn one_more_consumer_of_a_severed_service_changes_the_plan_id() {
    let stage = pending();
    stage.converge();
    stage.repo.edit(
        "main",
        "main",
        &[
            (SERVICE, None),
            (PUBLISH, None),
            ("environments/prod/web-endpoint.yaml", None),
            ("environments/prod/README.md", Some("empty\n")),
        ],
    );
    let id = stage.plan().plan_id();
    stage.approve(&id, "alice").ends(Exit::Done);
    let list = format!("/subscriptions/{PROVIDER}/providers/Microsoft.Network/privateLinkServices");
    let link = stage.azure(&list).unwrap()["value"][0]["id"].clone();
    let consumer = worlds::CONSUMER;
    let network = format!("/subscriptions/{consumer}/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network");
    let body = json!({"location": "eastus2", "properties": {
        "subnet": {"id": format!("{network}/virtualNetworks/myOtherVNET/subnets/pe-subnet")},
        "privateLinkServiceConnections": [{"name": "theirs", "properties": {"privateLinkServiceId": link}}],
    }});
    stage.azure_does("PUT", &format!("{network}/privateEndpoints/theirs"), Some(body));
    assert_ne!(stage.plan().plan_id(), id);
    let writes = stage.writes();
    stage.pass().ends(Exit::Approval);
    assert_eq!(stage.writes(), writes, "who approved cutting one did not approve cutting two");
}

#[test]
fn a_kubeconfig_inside_the_repository_is_refused() {
    let stage = pending();
    let folder = stage.folder().join("clone");
    stage.repo.clone_to(&folder);
    let kubeconfig = folder.join("kubeconfig");
    std::fs::write(&kubeconfig, "apiVersion: v1\nkind: Config\n").unwrap();
    let arguments = ["plan", folder.to_str().unwrap(), "--trust-working-tree"];
    stage
        .run_with(&arguments, &[("KUBECONFIG", kubeconfig.to_str().unwrap())])
        .ends(Exit::Failed)
        .says("lies inside the config repository: it decides where credentials go, keep it elsewhere");
    assert_eq!(stage.writes(), 0);
}

/// A Service with a line that breaks a rule, and what stands above that line.
fn excepted(annotation: (&str, &str), comment: &str) -> String {
    let manifest = docs::service("web", &[("azure-pls-create", "true"), annotation]);
    let key = format!("    service.beta.kubernetes.io/{}", annotation.0);
    assert!(manifest.contains(&key));
    manifest.replace(&key, &format!("{comment}{key}"))
}

#[test]
fn a_change_under_review_does_not_excuse_its_own_errors() {
    let range = ("azure-allowed-ip-ranges", "10.0.0.5/16");
    let comment = "    # privlink: allow(ACL002) alice: the range goes today, until 2999-01-31\n";
    let stage = Stage::new();
    stage.repo.commit(&[("privlink.toml", &worlds::settings()), (SERVICE, &docs::service("web", &[]))]);
    let review = |web: &str| {
        stage.repo.edit("main", "feature", &[(SERVICE, Some(web))]);
        stage.run_on_repo("plan", &["--ref", "feature", "--base", "main"])
    };
    let ran = review(&excepted(range, comment)).ends(Exit::Files).says("error[ACL002]");
    insta::assert_snapshot!(ran.err.split("warning[ALW004]").nth(1).unwrap_or_default().lines().skip(2).collect::<Vec<_>>().join("\n"), @r#"
      |
    8 |     # privlink: allow(ACL002) alice: the range goes today, until 2999-01-31
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ not in the base
      |
      = help: a change does not excuse its own errors: repair it, or have the exception merged first

    error[ACL002]: "10.0.0.5/16" lets in nobody, and keeps everybody out
     --> environments/prod/web.yaml:9:58
      |
    9 |     service.beta.kubernetes.io/azure-allowed-ip-ranges: "10.0.0.5/16"
      |                                                          ^^^^^^^^^^^ not a range
      |
      = help: write 10.0.0.0/16

    1 error, 1 warning in 1 file
    "#);
    // Once it is merged it counts, for the line that it was granted for.
    stage.repo.commit(&[(SERVICE, &excepted(range, comment))]);
    let ran = review(&format!("# About the shop.\n{}", excepted(range, comment))).ends(Exit::Done);
    assert!(!ran.err.contains("ACL002") && !ran.err.contains("ALW004"), "{}", ran.err);
    review(&excepted(("azure-allowed-ip-ranges", "10.9.0.5/16"), comment)).ends(Exit::Files).says("warning[ALW004]");
}

#[test]
fn a_change_under_review_may_answer_for_its_own_warnings() {
    let comment = "    # privlink: allow(PLS023) alice: partners join daily, until 2999-01-31\n";
    let stage = Stage::new();
    stage.repo.commit(&[("privlink.toml", &worlds::settings()), (SERVICE, &docs::service("web", &[]))]);
    stage.repo.edit("main", "feature", &[(SERVICE, Some(&excepted(("azure-pls-visibility", "*"), comment)))]);
    let ran = stage.run_on_repo("plan", &["--ref", "feature", "--base", "main"]).ends(Exit::Done);
    assert!(!ran.err.contains("warning"), "{}", ran.err);
}
