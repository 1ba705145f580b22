//! The API as a client sees it, without HTTP.

use std::sync::Arc;

use serde_json::{Value, json};

use super::access::Caller;
use super::call::{Answer, Call};
use super::{Cluster, ClusterOptions, Token};
use crate::sim::clock::Clock;
use crate::sim::fault::Faults;
use crate::sim::log::RequestLog;
use crate::sim::world::{AdmissionRule, ClusterRole, ClusterUser, IpFamily, PolicyRule, RoleKind, RoleMetadata};

fn cluster() -> Cluster {
    cluster_with(Vec::new())
}

pub(super) fn cluster_with(admission: Vec<AdmissionRule>) -> Cluster {
    Cluster::new(ClusterOptions {
        name: "prod".to_owned(),
        token: Token::new("token"),
        users: Vec::new(),
        directory: None,
        seed: "7".to_owned(),
        version: "1.36.2".to_owned(),
        ip_families: vec![IpFamily::IPv4, IpFamily::IPv6],
        admission,
        clock: Clock::start(),
        log: RequestLog::default(),
        faults: Faults::default(),
    })
}

const SERVICES: &str = "/api/v1/namespaces/default/services";

fn web() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "annotations": {"a": "1"}},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": "web"}},
    })
}

fn apply(cluster: &Cluster, manager: &str, manifest: &Value, extra: &str) -> Answer {
    let path = format!("{SERVICES}/web?fieldManager={manager}{extra}");
    cluster.call(&Call::new("PATCH", &path).content_type("application/apply-patch+yaml").body(manifest.clone()))
}

fn version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap_or_default()
}

fn fields_of<'a>(object: &'a Value, manager: &str) -> &'a Value {
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    &entries.iter().find(|entry| entry["manager"] == manager).unwrap()["fieldsV1"]
}

#[test]
fn a_create_owns_defaults_but_not_allocations() {
    let cluster = cluster();
    let answer = cluster.call(&Call::new("POST", &format!("{SERVICES}?fieldManager=kubectl-create")).body(web()));
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert!(answer.body["spec"]["clusterIP"].is_string());
    let expected = json!({
        "f:metadata": {"f:annotations": {".": {}, "f:a": {}}},
        "f:spec": {
            "f:allocateLoadBalancerNodePorts": {}, "f:externalTrafficPolicy": {}, "f:internalTrafficPolicy": {},
            "f:ports": {".": {}, "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {}}},
            "f:selector": {}, "f:sessionAffinity": {}, "f:type": {},
        },
    });
    assert_eq!(fields_of(&answer.body, "kubectl-create"), &expected);
    let again = cluster.call(&Call::new("POST", SERVICES).body(web()));
    assert_eq!((again.status, &again.body["reason"]), (409, &json!("AlreadyExists")));
}

#[test]
fn an_unchanged_apply_keeps_the_version() {
    let cluster = cluster();
    let first = apply(&cluster, "privlink", &web(), "");
    assert_eq!(first.status, 201, "{}", first.body);
    let second = apply(&cluster, "privlink", &web(), "");
    assert_eq!(second.status, 200);
    assert_eq!(version(&first.body), version(&second.body));
}

#[test]
fn what_is_no_longer_applied_goes_unless_somebody_else_owns_it() {
    let cluster = cluster();
    let mut manifest = web();
    manifest["metadata"]["annotations"] = json!({"a": "1", "b": "2"});
    manifest["spec"]["ports"] = json!([{"port": 80, "name": "web"}, {"port": 443, "name": "tls"}]);
    apply(&cluster, "privlink", &manifest, "");
    let shared = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"annotations": {"b": "2"}}});
    assert_eq!(apply(&cluster, "helm", &shared, "").status, 200);
    manifest["metadata"].as_object_mut().unwrap().remove("annotations");
    manifest["spec"]["ports"] = json!([{"port": 443, "name": "tls"}]);
    let answer = apply(&cluster, "privlink", &manifest, "");
    assert_eq!(answer.body["metadata"]["annotations"], json!({"b": "2"}), "{}", answer.body);
    assert_eq!(answer.body["spec"]["ports"].as_array().unwrap().len(), 1);
    assert_eq!(answer.body["spec"]["ports"][0]["port"], 443);
    assert!(answer.body["spec"]["ports"][0]["nodePort"].is_u64(), "allocated values survive an apply");
}

#[test]
fn a_foreign_value_is_a_conflict_that_names_its_manager() {
    let cluster = cluster();
    apply(&cluster, "privlink", &web(), "");
    cluster.annotate("default", "web", &[("a", Some("2"))]).unwrap();
    let refused = apply(&cluster, "privlink", &web(), "");
    assert_eq!(refused.status, 409);
    let message = refused.body["message"].as_str().unwrap();
    let expected = "Apply failed with 1 conflict: conflict with \"kubectl-annotate\" using v1: .metadata.annotations.a";
    assert_eq!(message, expected);
    assert_eq!(refused.body["details"]["causes"][0]["reason"], "FieldManagerConflict");
    let forced = apply(&cluster, "privlink", &web(), "&force=true");
    assert_eq!(forced.body["metadata"]["annotations"]["a"], "1");
    let managers = forced.body["metadata"]["managedFields"].as_array().unwrap();
    // What is left to `kubectl-annotate` is nothing, so its entry is gone.
    assert!(managers.iter().all(|entry| entry["manager"] != "kubectl-annotate"), "{managers:?}");
}

#[test]
fn apply_refuses_types_and_uids_as_the_real_server_does() {
    let cluster = cluster();
    let mut manifest = web();
    manifest["spec"]["prots"] = json!([]);
    let answer = apply(&cluster, "privlink", &manifest, "");
    assert_eq!(answer.status, 500);
    assert!(answer.body.get("reason").is_none());
    assert!(answer.body["message"].as_str().unwrap().ends_with(".spec.prots: field not declared in schema"));
    let mut manifest = web();
    manifest["metadata"]["uid"] = json!("x");
    let answer = apply(&cluster, "privlink", &manifest, "");
    assert_eq!((answer.status, &answer.body["reason"]), (409, &json!("Conflict")));
    assert!(answer.body["message"].as_str().unwrap().contains("uid mismatch"));
}

#[test]
fn a_put_with_an_old_version_conflicts_and_a_good_one_keeps_the_address() {
    let cluster = cluster();
    let created = cluster.call(&Call::new("POST", SERVICES).body(web())).body;
    cluster.annotate("default", "web", &[("x", Some("y"))]).unwrap();
    let stale = cluster.call(&Call::new("PUT", &format!("{SERVICES}/web")).body(created.clone()));
    assert_eq!((stale.status, &stale.body["reason"]), (409, &json!("Conflict")));
    let mut fresh = web();
    fresh["spec"]["ports"][0]["targetPort"] = json!(8080);
    let answer = cluster.call(&Call::new("PUT", &format!("{SERVICES}/web")).body(fresh));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["spec"]["clusterIP"], created["spec"]["clusterIP"]);
    assert_eq!(answer.body["spec"]["ports"][0]["nodePort"], created["spec"]["ports"][0]["nodePort"]);
}

#[test]
fn strict_validation_refuses_unknown_fields_and_unquoted_annotations() {
    let cluster = cluster();
    let mut manifest = web();
    manifest["spec"]["prots"] = json!([]);
    let answer = cluster.call(&Call::new("POST", &format!("{SERVICES}?fieldValidation=Strict")).body(manifest.clone()));
    assert_eq!(answer.status, 400);
    assert!(answer.body["message"].as_str().unwrap().contains(r#"unknown field "spec.prots""#));
    let answer = cluster.call(&Call::new("POST", &format!("{SERVICES}?dryRun=All")).body(manifest));
    assert_eq!((answer.status, answer.warnings.len()), (201, 1));
    assert_eq!(answer.body["spec"]["clusterIP"], "10.0.0.0", "a dry run allocates nothing");
    assert!(cluster.get("svc", "default", "web").is_none());
    let mut manifest = web();
    manifest["metadata"]["annotations"] = json!({"a": true});
    assert_eq!(cluster.call(&Call::new("POST", SERVICES).body(manifest)).status, 400);
}

#[test]
fn a_finalizer_holds_a_deleted_object_until_its_last_update() {
    let cluster = cluster();
    let mut manifest = web();
    manifest["metadata"]["finalizers"] = json!(["example.com/x"]);
    cluster.apply_raw(&manifest).unwrap();
    let marked = cluster.delete("svc", "default", "web").unwrap();
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    let patch = json!({"metadata": {"finalizers": null}});
    cluster.patch_service("default", "web", (&patch, "ccm")).unwrap();
    assert!(cluster.get("svc", "default", "web").is_none());
}

#[test]
fn delete_preconditions_are_checked() {
    let cluster = cluster();
    cluster.apply_raw(&web()).unwrap();
    let options = json!({"preconditions": {"uid": "other"}});
    let answer = cluster.call(&Call::new("DELETE", &format!("{SERVICES}/web")).body(options));
    assert_eq!(answer.status, 409);
    assert!(cluster.get("svc", "default", "web").is_some());
}

#[test]
fn status_and_spec_are_written_apart() {
    let cluster = cluster();
    cluster.apply_raw(&web()).unwrap();
    let patch = json!({"metadata": {"finalizers": ["f.example/x"]}, "spec": {"type": "ClusterIP"},
        "status": {"loadBalancer": {"ingress": [{"ip": "10.224.0.5"}]}}});
    let path = format!("{SERVICES}/web/status");
    let call =
        Call::new("PATCH", &path).content_type("application/strategic-merge-patch+json").body(patch).agent("ccm/v1");
    let answer = cluster.call(&call);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["spec"]["type"], "LoadBalancer");
    assert_eq!(answer.body["status"]["loadBalancer"]["ingress"][0]["ip"], "10.224.0.5");
    let entry =
        answer.body["metadata"]["managedFields"].as_array().unwrap().iter().find(|entry| entry["manager"] == "ccm");
    assert_eq!(entry.unwrap()["subresource"], "status");
    assert_eq!(entry.unwrap()["fieldsV1"]["f:status"], json!({"f:loadBalancer": {"f:ingress": {}}}));
}

#[test]
fn lists_come_in_pages_and_tables() {
    let cluster = cluster();
    for name in ["a", "b", "c"] {
        let mut manifest = web();
        manifest["metadata"]["name"] = json!(name);
        cluster.apply_raw(&manifest).unwrap();
    }
    let page = cluster.call(&Call::new("GET", &format!("{SERVICES}?limit=2"))).body;
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    let token = page["metadata"]["continue"].as_str().unwrap();
    let rest = cluster.call(&Call::new("GET", &format!("{SERVICES}?limit=2&continue={token}"))).body;
    let names: Vec<&Value> = rest["items"].as_array().unwrap().iter().map(|item| &item["metadata"]["name"]).collect();
    assert_eq!(names, [&json!("c"), &json!("kubernetes")]);
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let table = cluster.call(&Call::new("GET", SERVICES).accept(accept)).body;
    assert_eq!(table["rows"][0]["cells"][3], "<pending>");
}

#[test]
fn unknown_paths_and_missing_objects_are_not_found() {
    let cluster = cluster();
    assert_eq!(cluster.call(&Call::new("GET", "/apis/apps/v1/deployments")).body["reason"], "NotFound");
    let answer = cluster.call(&Call::new("GET", &format!("{SERVICES}/nope")));
    assert_eq!(answer.body["message"], "services \"nope\" not found");
    let mut manifest = web();
    manifest["metadata"]["namespace"] = json!("nowhere");
    assert_eq!(cluster.apply_raw(&manifest).unwrap_err().message, "namespaces \"nowhere\" not found");
}

#[test]
fn a_deleted_namespace_takes_its_services_along() {
    let cluster = cluster();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    cluster.apply_raw(&namespace).unwrap();
    let mut manifest = web();
    manifest["metadata"]["namespace"] = json!("shop");
    cluster.apply_raw(&manifest).unwrap();
    cluster.delete("ns", "", "shop").unwrap();
    assert!(cluster.get("svc", "shop", "web").is_none());
    assert!(cluster.get("ns", "", "shop").is_none());
}

#[test]
fn an_event_is_one_object_in_two_spellings() {
    let cluster = cluster();
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "web.1"},
        "regarding": {"kind": "Service", "namespace": "default", "name": "web"}, "note": "made", "reason": "Made",
        "action": "Make", "type": "Normal", "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "test", "reportingInstance": "test-1",
    });
    let events = "/apis/events.k8s.io/v1/namespaces/default/events";
    let made = cluster.call(&Call::new("POST", events).body(event.clone()));
    assert_eq!((made.status, &made.body["note"]), (201, &json!("made")), "{}", made.body);
    let core = cluster.call(&Call::new("GET", "/api/v1/namespaces/default/events/web.1")).body;
    assert_eq!((&core["message"], &core["involvedObject"]["name"]), (&json!("made"), &json!("web")));
    let series = json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}, "note": "again"});
    let patch = Call::new("PATCH", &format!("{events}/web.1")).content_type("application/strategic-merge-patch+json");
    assert_eq!(cluster.call(&patch.body(series)).body["note"], "again");
    assert_eq!(cluster.call(&Call::new("GET", events)).body["items"][0]["regarding"]["name"], "web");
    let mut incomplete = event;
    incomplete["metadata"]["name"] = json!("web.2");
    incomplete["action"] = json!("");
    let refused = cluster.call(&Call::new("POST", events).body(incomplete));
    assert_eq!((refused.status, &refused.body["details"]["causes"][0]["field"]), (422, &json!("action")));
}

#[test]
fn discovery_comes_in_one_answer_for_those_who_ask() {
    let cluster = cluster();
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let answer = cluster.call(&Call::new("GET", "/apis").accept(accept));
    assert!(answer.content_type.contains("as=APIGroupDiscoveryList"));
    let groups: Vec<&Value> =
        answer.body["items"].as_array().unwrap().iter().map(|item| &item["metadata"]["name"]).collect();
    let expected =
        ["authentication.k8s.io", "authorization.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io"];
    assert_eq!(groups, expected);
    let older = cluster.call(&Call::new("GET", "/apis").accept("application/json"));
    assert_eq!(older.body["kind"], "APIGroupList");
}

#[test]
fn reviews_are_answered_and_not_kept() {
    let cluster = cluster();
    let ask = |path: &str, spec: Value| cluster.call(&Call::new("POST", path).body(json!({"spec": spec})));
    let may = |spec: Value| ask("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", spec);
    let access = may(json!({"resourceAttributes": {"verb": "list", "resource": "services"}}));
    assert_eq!((access.status, &access.body["status"]["allowed"]), (201, &json!(true)));
    let nothing = may(json!({}));
    assert_eq!(nothing.status, 422, "{}", nothing.body);
    assert!(nothing.body["message"].as_str().unwrap().contains("exactly one of nonResourceAttributes or"));
    let who = ask("/apis/authentication.k8s.io/v1/selfsubjectreviews", json!({}));
    assert_eq!(who.body["status"]["userInfo"]["groups"][0], "system:masters");
    let listed = cluster.call(&Call::new("GET", "/apis/authentication.k8s.io/v1/selfsubjectreviews"));
    assert_eq!(listed.status, 405);
}

/// A call of somebody who may read, patch and delete Services.
fn reader(call: Call) -> Call {
    let rule = PolicyRule {
        api_groups: vec![String::new()],
        resources: vec!["services".to_owned()],
        verbs: ["get", "list", "patch", "update"].map(str::to_owned).to_vec(),
        resource_names: Vec::new(),
    };
    let role = ClusterRole {
        api_version: "rbac.authorization.k8s.io/v1".to_owned(),
        kind: RoleKind::ClusterRole,
        metadata: RoleMetadata { name: "reader".to_owned(), namespace: None },
        rules: vec![rule],
    };
    call.caller(Caller::User(Arc::new(ClusterUser { name: "alice".to_owned(), roles: vec![role] })))
}

#[test]
fn a_user_does_what_its_roles_allow_and_is_told_what_they_do_not() {
    let cluster = cluster();
    let path = format!("{SERVICES}/web?fieldManager=kubectl");
    let apply = || reader(Call::new("PATCH", &path)).content_type("application/apply-patch+yaml").body(web());
    let put = || reader(Call::new("PUT", &path)).body(web());
    let may_not = "services \"web\" is forbidden: ";
    for creates in [apply(), put()] {
        let refused = cluster.call(&creates);
        assert_eq!((refused.status, &refused.body["reason"]), (403, &json!("Forbidden")));
        assert_eq!(refused.body["message"], may_not, "to write what is not there is to create it");
        assert_eq!(refused.body["details"], json!({"name": "web", "kind": "services"}));
    }
    cluster.call(&Call::new("POST", SERVICES).body(web()));
    assert_eq!(cluster.call(&apply().body(json!({"metadata": {"labels": {"a": "b"}}}))).status, 200);
    assert_eq!(cluster.call(&reader(Call::new("DELETE", &path))).status, 403);
    assert!(cluster.get("services", "default", "web").is_some());
}

#[test]
fn a_user_asks_what_it_may_and_who_it_is() {
    let cluster = cluster();
    let may = |verb: &str| {
        let spec = json!({"resourceAttributes": {"verb": verb, "resource": "services", "namespace": "shop"}});
        let call = Call::new("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
        cluster.call(&reader(call).body(json!({"spec": spec}))).body["status"].clone()
    };
    let reason = "RBAC: allowed by ClusterRoleBinding \"reader\" of ClusterRole \"reader\" to User \"alice\"";
    assert_eq!(may("list"), json!({"allowed": true, "reason": reason}));
    assert_eq!(may("create"), json!({"allowed": false}));
    let ask =
        |path: &str| cluster.call(&reader(Call::new("POST", path)).body(json!({"spec": {"namespace": "shop"}}))).body;
    let who = ask("/apis/authentication.k8s.io/v1/selfsubjectreviews");
    assert_eq!(who["status"]["userInfo"], json!({"username": "alice", "groups": ["system:authenticated"]}));
    let rules = ask("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews");
    assert_eq!(rules["status"]["resourceRules"][0]["verbs"], json!(["get", "list", "patch", "update"]));
}

#[test]
fn kinds_beside_services_are_decoded_strictly_too() {
    let cluster = cluster();
    let maps = "/api/v1/namespaces/default/configmaps?fieldValidation=Strict";
    let map = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data});
    let wrong = cluster.call(&Call::new("POST", maps).body(map(json!({"a": 1}))));
    assert_eq!(wrong.status, 400, "{}", wrong.body);
    let mut unknown = map(json!({"a": "1"}));
    unknown["datum"] = json!({});
    let refused = cluster.call(&Call::new("POST", maps).body(unknown));
    assert!(refused.body["message"].as_str().unwrap().ends_with("unknown field \"datum\""), "{}", refused.body);
    assert_eq!(cluster.call(&Call::new("POST", maps).body(map(json!({"a": "1"})))).status, 201);
}

#[test]
fn a_delete_names_a_policy_that_exists() {
    let cluster = cluster();
    cluster.call(&Call::new("POST", SERVICES).body(web()));
    let path = format!("{SERVICES}/web");
    let delete = |policy: &str| cluster.call(&Call::new("DELETE", &path).body(json!({"propagationPolicy": policy})));
    assert_eq!(delete("Sometimes").status, 422);
    assert_eq!(delete("Foreground").status, 200);
}
