//! Namespaces that are missing: created only if the settings say so, before the Services in them, and never deleted.

use privlink::cli::Exit;
use privlink::sim::world::AdmissionRule;
use privlink::sim::world::ClusterUser;
use privlink::sim::world::World;
use serde_json::Value;
use serde_json::json;

use super::docs;
use super::rbac::printed_for_the_cluster as printed;
use crate::runner::Stage;
use crate::runner::redact;
use crate::runner::worlds;

const BLUE: &str = "environments/prod/blue.yaml";

/// Settings by which namespaces are created, and one user plans and another one applies.
fn settings() -> String {
    let settings = worlds::settings().replace("prune = true", "prune = true\ncreate-namespace = true");
    let contexts = "context = \"plan@myAKSCluster\"\napply-context = \"apply@myAKSCluster\"";
    let both = settings.replace("context = \"myAKSCluster\"", contexts);
    assert!(both.contains("create-namespace") && both.contains("apply-context"));
    both
}

fn in_blue() -> String {
    docs::service("web", &[]).replace("name: web\n", "name: web\n  namespace: blue\n")
}

fn stage((mut world, roles): (World, &[Value; 2]), documents: &[(&str, &str)]) -> Stage {
    let user = |(name, role): (&str, &Value)| ClusterUser {
        name: name.to_owned(),
        roles: vec![serde_json::from_value(role.clone()).unwrap()],
    };
    world.clusters[0].users = ["plan", "apply"].into_iter().zip(roles).map(user).collect();
    let stage = Stage::in_world(world);
    let settings = settings();
    let files: Vec<(&str, &str)> =
        [("privlink.toml", settings.as_str())].into_iter().chain(documents.iter().copied()).collect();
    stage.repo.commit(&files);
    stage
}

#[test]
fn a_missing_namespace_is_a_step_before_its_services_with_our_mark_and_stays_when_they_go() {
    let stage = stage((worlds::example(), &printed(&settings())), &[(BLUE, &in_blue())]);
    let planned = stage.plan().ends(Exit::Changes);
    let steps = planned.out.split("\n\n").find(|part| part.starts_with("Changes")).unwrap().to_owned();
    redact::settings(&stage).bind(|| {
        insta::assert_snapshot!(steps, @r#"
        Changes
          1. + namespace/blue: create  [notable]
              asked for in environments/prod/blue.yaml:1
              made for the Services in it; privlink never deletes it
              + the marks that say whose it is
          2. + service/blue/web: create  [notable]
              asked for in environments/prod/blue.yaml:1
              waits for namespace/blue (1)
              + annotation azure-load-balancer-internal  true
              + spec.ports[80/TCP]                       "open"
              + spec.selector.app                        "web"
              + spec.type                                "LoadBalancer"
              + the marks that say whose it is
        "#);
    });
    assert!(planned.out.contains("namespace/blue: the API server tries nothing in a namespace that is not there"));
    stage.converge();
    let blue = stage.cluster().get("namespaces", "", "blue").unwrap();
    assert_eq!(blue["metadata"]["labels"]["privlink.dev/environment"], "prod");
    stage.repo.commit(&[("environments/prod/README.md", "a folder without documents is a wish\n")]);
    stage.repo.remove(&[BLUE]);
    assert!(!stage.plan().ends(Exit::Changes).out.contains("namespace/blue"));
    stage.converge();
    assert!(stage.cluster().get("namespaces", "", "blue").is_some());
    assert!(stage.cluster().get("services", "blue", "web").is_none());
    // It is there now, and comes with no plan any more.
    stage.repo.commit(&[(BLUE, &in_blue())]);
    assert!(!stage.plan().ends(Exit::Changes).out.contains("namespace/blue"));
}

#[test]
fn without_any_verb_on_namespaces_that_is_printed_nothing_is_made_and_the_verb_is_named() {
    let roles = printed(&settings());
    let rule =
        roles[1]["rules"].as_array().unwrap().iter().position(|rule| rule["resources"][0] == "namespaces").unwrap();
    let verbs: Vec<&str> =
        roles[1]["rules"][rule]["verbs"].as_array().unwrap().iter().map(|verb| verb.as_str().unwrap()).collect();
    assert_eq!(verbs, ["create", "get", "patch"]);
    for verb in verbs {
        let mut fewer = roles.clone();
        fewer[1]["rules"][rule]["verbs"].as_array_mut().unwrap().retain(|other| other != verb);
        let stage = stage((worlds::example(), &fewer), &[(BLUE, &in_blue())]);
        let told =
            format!("the cluster's user apply lacks {verb} on namespaces in all namespaces (PRE-ACCESS-LACKING)");
        stage
            .plan()
            .ends(Exit::Incomplete)
            .says(&told)
            .says("kubectl create clusterrole privlink-")
            .says("not applicable because it needs namespace/blue");
        stage.run_on_repo("apply", &["--yes"]).ends(Exit::Incomplete);
        assert!(stage.cluster().get("namespaces", "", "blue").is_none());
    }
    let [plan, apply] = printed(&settings().replace("create-namespace = true", ""));
    for role in [plan, apply] {
        let rules = role["rules"].as_array().unwrap();
        let own = rules.iter().filter(|rule| rule["resources"][0] == "namespaces");
        assert!(own.flat_map(|rule| rule["verbs"].as_array().unwrap()).all(|verb| verb == "get"), "{role}");
    }
}

#[test]
fn a_namespace_is_not_created_for_services_of_which_none_is_made() {
    let outside = docs::service("web", &[("azure-load-balancer-ipv4", "10.9.9.9")]);
    let outside = outside.replace("name: web\n", "name: web\n  namespace: blue\n");
    let stage = stage((worlds::example(), &printed(&settings())), &[(BLUE, &outside)]);
    let planned = stage
        .plan()
        .ends(Exit::Incomplete)
        .says("CCM-IP-OUTSIDE")
        .says("not applicable because it needs service/blue/web");
    assert!(!planned.out.contains("it needs namespace/blue"), "{}", planned.out);
}

#[test]
fn what_the_api_server_refuses_in_a_new_namespace_is_told_once_the_namespace_is_there() {
    let mut world = worlds::example();
    world.clusters[0].admission = vec![AdmissionRule {
        name: "policy.example.com".to_owned(),
        namespaces: vec!["blue".to_owned()],
        refuse: Some("blue is closed".to_owned()),
        ..AdmissionRule::default()
    }];
    let mut roles = printed(&settings());
    // Who plans may try.
    let services = roles[0]["rules"].as_array_mut().unwrap().iter_mut().find(|rule| rule["resources"][0] == "services");
    services.unwrap()["verbs"].as_array_mut().unwrap().extend([json!("patch"), json!("create")]);
    let stage = stage((world, &roles), &[(BLUE, &in_blue())]);
    let planned = stage.plan().ends(Exit::Changes);
    stage.run_on_repo("apply", &["--approve-plan", &planned.plan_id()]).ends(Exit::Partial).says("blue is closed");
    stage.plan().ends(Exit::Incomplete).says("PRE-SERVER-REFUSES").says("blue is closed");
}
