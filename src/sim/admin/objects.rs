//! Objects of a cluster, written as kubectl would: with its defaults and checks, and watched by the cloud provider.

use serde_json::{Value, json};

use super::{AdminRequest, Answer, problem};
use crate::sim::cluster::Clusters;
use crate::sim::kube::Cluster;
use crate::sim::kube::status_error::ApiError;

/// Answers a request below `objects`.
pub(super) fn answer(clusters: &Clusters, request: &AdminRequest<'_>, path: &str) -> Answer {
    let named = request.query.get("cluster").map(String::as_str);
    if path.is_empty() {
        return list(clusters, named, request.query.get("kind").map_or("services", String::as_str));
    }
    let cluster = match find(clusters, named) {
        Ok(cluster) => cluster,
        Err(message) => return problem(404, message),
    };
    let parts: Vec<&str> = path.split('/').collect();
    let [kind, namespace, name] = parts[..] else {
        return problem(404, "Name an object as <kind>/<namespace>/<name>, with - for no namespace.");
    };
    let done = match (request.method, &request.body) {
        ("GET", _) => Ok(cluster.get(kind, namespace, name)),
        ("PUT", Some(body)) => cluster.put((kind, namespace, name), body.clone()).map(Some),
        ("PATCH", Some(patch)) => cluster.patch((kind, namespace, name), patch).map(Some),
        ("DELETE", _) => cluster.delete(kind, namespace, name).map(Some),
        ("PUT" | "PATCH", None) => return problem(400, "Send the object, or what is to change in it, as JSON."),
        _ => return problem(405, "Use GET, PUT, PATCH or DELETE."),
    };
    match done {
        Ok(Some(object)) => (200, object),
        Ok(None) => problem(404, format!("There is no {kind} {namespace}/{name} in cluster {}.", cluster.name())),
        Err(ApiError { code, message, .. }) => problem(code, message),
    }
}

/// The objects of a kind, in one cluster or in all.
fn list(clusters: &Clusters, named: Option<&str>, kind: &str) -> Answer {
    let all = clusters.all();
    if let Some(unknown) = named.filter(|name| !all.contains_key(*name)) {
        return problem(404, format!("There is no cluster {unknown}."));
    }
    let wanted = all.values().filter(|own| named.is_none_or(|name| own.api.name() == name));
    let object = |cluster: &Cluster, object: Value| json!({ "cluster": cluster.name(), "object": object });
    let found = wanted.flat_map(|own| own.api.list(kind, None).into_iter().map(|one| object(&own.api, one)));
    (200, json!({ "value": found.collect::<Vec<_>>() }))
}

/// The cluster of this name, or the only one.
fn find(clusters: &Clusters, name: Option<&str>) -> Result<Cluster, String> {
    let all = clusters.all();
    let known = all.keys().cloned().collect::<Vec<_>>().join(", ");
    let found = match name {
        Some(name) => all.get(name),
        None if all.len() == 1 => all.values().next(),
        None => return Err(format!("Say which cluster: one of {known}.")),
    };
    found.map(|cluster| cluster.api.clone()).ok_or_else(|| format!("There is no such cluster: one of {known}."))
}
