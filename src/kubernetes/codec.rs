//! Kubernetes objects to Services and events as we see them.

use serde_json::Value as Json;
use serde_json::json;

use crate::domain::cluster::ClusterEvent;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::mark::Mark;
use crate::domain::mark::PUBLISHED_BY_ANNOTATION;
use crate::domain::resource::service::LiveService;
use crate::kubernetes::ownership;

/// What the server writes into `metadata`; no part of anybody's manifest.
pub(crate) const SERVER_METADATA: [&str; 8] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

fn text<'a>(object: &'a Json, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Json::as_str).filter(|text| !text.is_empty())
}

fn required<T>(object: &Json, pointer: &str) -> Result<T, String>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let name = text(object, "/metadata/name").unwrap_or("an object");
    let text = text(object, pointer).ok_or_else(|| format!("{name} has no {}", &pointer[1..]))?;
    text.parse().map_err(|error| format!("{} of {name}: {error}", &pointer[1..]))
}

/// Namespace and name of an object.
pub(crate) fn key(object: &Json) -> Result<ObjectKey, String> {
    Ok(ObjectKey { namespace: required(object, "/metadata/namespace")?, name: required(object, "/metadata/name")? })
}

/// Reads a Service.
pub(crate) fn service(object: &Json) -> Result<LiveService, String> {
    let mut live = LiveService {
        key: key(object)?,
        uid: required(object, "/metadata/uid")?,
        resource_version: required(object, "/metadata/resourceVersion")?,
        manifest: manifest(object),
        owned: std::collections::BTreeSet::new(),
        managers: std::collections::BTreeMap::new(),
        addresses: addresses(object),
        deleting: text(object, "/metadata/deletionTimestamp").is_some(),
        mark: None,
        published_by: None,
    };
    live.mark = Mark::from_labels(&live.labels());
    live.published_by = live.annotations().get(PUBLISHED_BY_ANNOTATION).and_then(|text| Mark::parse(text));
    let fields = live.fields();
    let managed = object.pointer("/metadata/managedFields").and_then(Json::as_array);
    let ownership = ownership::read(managed.map(Vec::as_slice).unwrap_or_default(), &fields);
    live.owned = ownership.ours;
    live.managers = ownership.others;
    Ok(live)
}

/// The object as somebody could have written it; items of a list do not say their kind.
pub(crate) fn manifest(object: &Json) -> Json {
    let mut manifest = object.clone();
    let Some(map) = manifest.as_object_mut() else { return manifest };
    map.remove("status");
    map.insert("apiVersion".to_owned(), json!("v1"));
    map.insert("kind".to_owned(), json!("Service"));
    if let Some(metadata) = map.get_mut("metadata").and_then(Json::as_object_mut) {
        // Its age is something that people ask for; no comparison looks at it.
        let not_shown = SERVER_METADATA.iter().filter(|name| **name != "creationTimestamp");
        not_shown.for_each(|name| drop(metadata.remove(*name)));
    }
    manifest
}

fn addresses(object: &Json) -> Vec<std::net::IpAddr> {
    let ingress = object.pointer("/status/loadBalancer/ingress").and_then(Json::as_array).into_iter().flatten();
    ingress.filter_map(|item| text(item, "/ip")?.parse().ok()).collect()
}

/// Reads the Warning events of one Service, newest first.
///
/// The server was asked for these only; what it sends beside them is left out.
pub(crate) fn warnings(list: &Json, key: &ObjectKey) -> Vec<ClusterEvent> {
    let items = list.get("items").and_then(Json::as_array).into_iter().flatten();
    let concerns = |event: &&Json| {
        text(event, "/type") == Some("Warning")
            && text(event, "/involvedObject/kind").is_none_or(|kind| kind == "Service")
            && text(event, "/involvedObject/name") == Some(key.name.as_str())
    };
    let mut events: Vec<ClusterEvent> = items.filter(concerns).map(event).collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.last_seen));
    events
}

/// How often the service controller says that it has synced a Service. Events are aggregated: each carries a count.
pub(crate) fn syncs(list: &Json, key: &ObjectKey) -> u64 {
    let items = list.get("items").and_then(Json::as_array).into_iter().flatten();
    let concerns = |event: &&Json| {
        text(event, "/reason") == Some(crate::kubernetes::request::SYNCED)
            && text(event, "/involvedObject/name") == Some(key.name.as_str())
    };
    let count = |event: &Json| {
        let series = event.pointer("/series/count").or_else(|| event.get("count")).and_then(Json::as_u64);
        series.unwrap_or(1)
    };
    items.filter(concerns).map(count).sum()
}

fn event(event: &Json) -> ClusterEvent {
    let owned = |pointer: &str| text(event, pointer).unwrap_or_default().trim().to_owned();
    let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    let last_seen = times.iter().find_map(|pointer| text(event, pointer)?.parse().ok());
    ClusterEvent { reason: owned("/reason"), message: owned("/message"), last_seen }
}

/// Reads the version of the server, without the `v` before it.
pub(crate) fn version(body: &Json) -> Option<String> {
    let version = text(body, "/gitVersion")?;
    Some(version.strip_prefix('v').unwrap_or(version).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_what_a_person_could_have_written() {
        let object = json!({
            "metadata": {"name": "orders", "namespace": "shop", "uid": "u", "resourceVersion": "7",
                "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 2, "deletionTimestamp": "2026-01-02T00:00:00Z",
                "labels": {"privlink.dev/owner": "6f1c0000-0000-4000-8000-000000000001", "privlink.dev/environment": "prod"},
                "annotations": {"privlink.dev/published-by": "6f1c0000-0000-4000-8000-000000000001/dev"}},
            "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "protocol": "TCP", "targetPort": 8080}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.4"}, {"hostname": "x"}]}}
        });
        let live = service(&object).unwrap();
        assert_eq!(live.addresses, ["10.0.0.4".parse::<std::net::IpAddr>().unwrap()]);
        assert!(live.deleting && live.manifest.get("status").is_none());
        assert_eq!(live.manifest["kind"], "Service");
        assert_eq!(live.manifest["metadata"].as_object().unwrap().len(), 5);
        assert_eq!(live.mark.unwrap().environment.as_str(), "prod");
        assert_eq!(live.published_by.unwrap().environment.as_str(), "dev");
        assert_eq!(service(&json!({"metadata": {"name": "x"}})).unwrap_err(), "x has no metadata/namespace");
    }

    #[test]
    fn events_are_ours_and_newest_first() {
        let event = |name: &str, kind: &str, time: &str| {
            json!({"type": kind, "reason": "SyncLoadBalancerFailed", "message": " m ", "lastTimestamp": time,
                   "involvedObject": {"kind": "Service", "name": name}})
        };
        let list = json!({"items": [event("orders", "Warning", "2026-01-01T00:00:00Z"),
            event("orders", "Normal", "2026-01-03T00:00:00Z"), event("other", "Warning", "2026-01-03T00:00:00Z"),
            event("orders", "Warning", "2026-01-02T00:00:00Z")]});
        let events = warnings(&list, &"shop/orders".parse().unwrap());
        assert_eq!(events.len(), 2);
        assert!(events[0].last_seen > events[1].last_seen && events[0].message == "m");
    }

    #[test]
    fn a_version_has_no_v() {
        assert_eq!(version(&json!({"gitVersion": "v1.36.2"})).as_deref(), Some("1.36.2"));
    }
}
