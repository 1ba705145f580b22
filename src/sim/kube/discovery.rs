//! What clients read before anything else: version, groups, resources, health, and who may do what.

use serde_json::{Value, json};

use super::Cluster;
use super::call::{Answer, Call};
use super::kind::{KINDS, Kind};
use super::status_error::ApiError;

/// Answers a path that is about the API rather than about an object; `None` if it is not one.
pub(crate) fn answer(cluster: &Cluster, call: &Call) -> Option<Result<Answer, ApiError>> {
    let segments: Vec<&str> = call.path.trim_matches('/').split('/').collect();
    if let ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"] = segments.as_slice() {
        return Some(Ok(access_review(call)));
    }
    let body = match segments.as_slice() {
        [""] => json!({"paths": ["/api", "/api/v1", "/apis", "/healthz", "/openapi/v3", "/version"]}),
        ["healthz" | "livez" | "readyz", ..] => json!("ok"),
        ["version"] => version(cluster.version()),
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ["apis"] => {
            let groups: Vec<Value> = groups().into_iter().map(group).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        ["apis", name] => group(groups().into_iter().find(|group| group == name)?),
        ["api", "v1"] => resources("", "v1"),
        ["apis", group, "v1"] => resources(groups().into_iter().find(|known| known == group)?, &format!("{group}/v1")),
        ["openapi", "v3"] => open_api_index(),
        ["openapi", "v3", "api", "v1"] => open_api(""),
        ["openapi", "v3", "apis", group, "v1"] => open_api(groups().into_iter().find(|known| known == group)?),
        _ => return None,
    };
    let is_read = call.method == "GET" || call.method == "HEAD";
    Some(if is_read { Ok(Answer::ok(body)) } else { Err(ApiError::method_not_allowed()) })
}

fn groups() -> Vec<&'static str> {
    let mut groups: Vec<&str> = KINDS.iter().map(|kind| kind.group).filter(|group| !group.is_empty()).collect();
    groups.dedup();
    groups
}

fn group(name: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
    json!({"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": [version], "preferredVersion": version})
}

fn version(version: &str) -> Value {
    let mut numbers = version.split('.');
    json!({
        "major": numbers.next().unwrap_or_default(),
        "minor": numbers.next().unwrap_or_default(),
        "gitVersion": format!("v{version}"),
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "",
        "goVersion": "", "compiler": "", "platform": "linux/amd64",
    })
}

fn resources(group: &str, group_version: &str) -> Value {
    let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    let mut resources = Vec::new();
    for kind in KINDS.iter().filter(|kind| kind.group == group) {
        resources.push(json!({
            "name": kind.plural, "singularName": kind.name.to_ascii_lowercase(), "namespaced": kind.is_namespaced,
            "kind": kind.name, "verbs": verbs, "shortNames": kind.short,
        }));
        if kind.has_status {
            resources.push(json!({
                "name": format!("{}/status", kind.plural), "singularName": "", "namespaced": kind.is_namespaced,
                "kind": kind.name, "verbs": ["get", "patch", "update"],
            }));
        }
    }
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources})
}

fn open_api_index() -> Value {
    let mut paths = serde_json::Map::new();
    paths.insert("api/v1".to_owned(), json!({"serverRelativeURL": "/openapi/v3/api/v1?hash=1"}));
    for group in groups() {
        let url = format!("/openapi/v3/apis/{group}/v1?hash=1");
        paths.insert(format!("apis/{group}/v1"), json!({"serverRelativeURL": url}));
    }
    json!({"paths": paths})
}

/// Just enough for kubectl to see that the server validates fields itself.
fn open_api(group: &str) -> Value {
    let mut paths = serde_json::Map::new();
    for kind in KINDS.iter().filter(|kind| kind.group == group) {
        let patch = json!({
            "operationId": format!("patch{}", kind.name),
            "parameters": [
                {"name": "fieldManager", "in": "query", "schema": {"type": "string"}},
                {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}},
                {"name": "dryRun", "in": "query", "schema": {"type": "string"}},
            ],
            "responses": {"200": {"description": "OK"}},
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.name},
        });
        paths.insert(format!("{}/{{name}}", open_api_path(kind)), json!({"patch": patch}));
    }
    json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "unversioned"}, "paths": paths})
}

fn open_api_path(kind: &Kind) -> String {
    super::path_of(kind, Some("{namespace}"))
}

/// The token's owner may do everything, as with an AKS admin kubeconfig.
fn access_review(call: &Call) -> Answer {
    let mut review = call.body.clone();
    if review.is_object() {
        review["status"] = json!({"allowed": true});
    }
    Answer { status: 201, body: review, warnings: Vec::new() }
}
