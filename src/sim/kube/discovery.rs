//! What clients read before anything else: version, groups, resources, health, documents.

use serde_json::{Value, json};

use super::Cluster;
use super::call::{Answer, Call};
use super::kind::{KINDS, Kind};
use super::openapi;
use super::review::{self, REVIEWS};
use super::status_error::ApiError;

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const STATUS_VERBS: [&str; 3] = ["get", "patch", "update"];

/// Answers a path that is about the API rather than about an object; `None` if it is not one.
pub(crate) fn answer(cluster: &Cluster, call: &Call) -> Option<Result<Answer, ApiError>> {
    if let Some(answer) = review::answer(call) {
        return Some(answer);
    }
    let segments: Vec<&str> = call.path.trim_matches('/').split('/').collect();
    let is_read = call.method == "GET" || call.method == "HEAD";
    if let (["api" | "apis"], true, true) = (segments.as_slice(), is_read, call.wants_aggregated_discovery()) {
        return Some(Ok(aggregated(segments[0])));
    }
    let body = match segments.as_slice() {
        [""] => json!({"paths": root_paths()}),
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
        ["openapi", "v2"] if call.accept.contains("protobuf") && !call.accept.contains("json") => {
            return Some(Err(ApiError::not_acceptable()));
        }
        ["openapi", "v2"] => openapi::v2(cluster.version()),
        ["openapi", "v3"] => openapi::index(&groups()),
        ["openapi", "v3", "api", "v1"] => openapi::v3(""),
        ["openapi", "v3", "apis", group, "v1"] => openapi::v3(groups().into_iter().find(|known| known == group)?),
        _ => return None,
    };
    Some(if is_read { Ok(Answer::ok(body)) } else { Err(ApiError::method_not_allowed()) })
}

fn root_paths() -> Vec<String> {
    let mut paths: Vec<String> =
        ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]
            .map(str::to_owned)
            .to_vec();
    paths.extend(groups().into_iter().flat_map(|group| [format!("/apis/{group}"), format!("/apis/{group}/v1")]));
    paths.sort();
    paths
}

/// The named groups, sorted.
fn groups() -> Vec<&'static str> {
    let mut groups: Vec<&str> = KINDS.iter().map(|kind| kind.group).filter(|group| !group.is_empty()).collect();
    groups.extend(REVIEWS.iter().map(|review| review.group));
    groups.sort_unstable();
    groups.dedup();
    groups
}

fn group(name: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
    json!({"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": [version], "preferredVersion": version})
}

/// All groups with all resources in one answer, which kubectl prefers.
fn aggregated(root: &str) -> Answer {
    let named = if root == "api" { vec![""] } else { groups() };
    let items: Vec<Value> = named
        .into_iter()
        .map(|group| {
            let mut resources: Vec<Value> =
                KINDS.iter().filter(|kind| kind.group == group).map(aggregated_resource).collect();
            resources.extend(REVIEWS.iter().filter(|own| own.group == group).map(|own| {
                json!({
                    "resource": own.plural, "singularResource": own.name.to_ascii_lowercase(), "scope": "Cluster",
                    "responseKind": {"group": own.group, "version": "v1", "kind": own.name}, "verbs": ["create"],
                })
            }));
            let version = json!({"version": "v1", "freshness": "Current", "resources": resources});
            let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
            json!({"metadata": metadata, "versions": [version]})
        })
        .collect();
    let body = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
    });
    let content_type = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    Answer { content_type, ..Answer::ok(body) }
}

fn aggregated_resource(kind: &Kind) -> Value {
    let response = json!({"group": kind.group, "version": kind.version, "kind": kind.name});
    let mut resource = json!({
        "resource": kind.plural, "singularResource": kind.name.to_ascii_lowercase(), "responseKind": response,
        "scope": if kind.is_namespaced { "Namespaced" } else { "Cluster" },
        "verbs": VERBS, "shortNames": kind.short,
    });
    if kind.is_service() {
        resource["categories"] = json!(["all"]);
    }
    if kind.has_status {
        resource["subresources"] = json!([{"subresource": "status", "responseKind": response, "verbs": STATUS_VERBS}]);
    }
    resource
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
    let mut resources = Vec::new();
    for kind in KINDS.iter().filter(|kind| kind.group == group) {
        let mut resource = json!({
            "name": kind.plural, "singularName": kind.name.to_ascii_lowercase(), "namespaced": kind.is_namespaced,
            "kind": kind.name, "verbs": VERBS, "shortNames": kind.short,
        });
        if kind.is_service() {
            resource["categories"] = json!(["all"]);
        }
        resources.push(resource);
        if kind.has_status {
            resources.push(json!({
                "name": format!("{}/status", kind.plural), "singularName": "", "namespaced": kind.is_namespaced,
                "kind": kind.name, "verbs": STATUS_VERBS,
            }));
        }
    }
    resources.extend(REVIEWS.iter().filter(|own| own.group == group).map(|own| {
        json!({
            "name": own.plural, "singularName": own.name.to_ascii_lowercase(), "namespaced": false,
            "kind": own.name, "verbs": ["create"],
        })
    }));
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources})
}
