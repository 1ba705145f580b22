//! The second Service: the same pods and ports, and nothing that can be there only once.

use std::net::IpAddr;

use serde_json::Map;
use serde_json::Value as Json;

use crate::desired::migrate::Wish;
use crate::domain::annotation;
use crate::domain::kubernetes::ServiceName;
use crate::domain::mark::ADOPT_ANNOTATION;
use crate::domain::mark::PUBLISHED_BY_ANNOTATION;
use crate::domain::mark::SUSPEND_ANNOTATION;
use crate::domain::mark::SUSPEND_UNTIL_ANNOTATION;
use crate::repo::document::ServiceManifest;

/// Fields of the spec that belong to one Service: the API server picks them, or they are addresses.
const OF_ONE: [&str; 5] = ["clusterIP", "clusterIPs", "externalIPs", "healthCheckNodePort", "loadBalancerIP"];

/// Metadata about the life of one object.
const LIFE: [&str; 2] = ["finalizers", "ownerReferences"];

/// Annotations that say where one frontend or one Private Link Service is, or who wrote the object.
const ANNOTATIONS: [&str; 9] = [
    annotation::IPV4,
    annotation::IPV6,
    annotation::PLS_NAME,
    annotation::PLS_ADDRESSES,
    ADOPT_ANNOTATION,
    SUSPEND_ANNOTATION,
    SUSPEND_UNTIL_ANNOTATION,
    PUBLISHED_BY_ANNOTATION,
    "kubectl.kubernetes.io/last-applied-configuration",
];

/// True if a manifest asks for this address.
pub(super) fn pins(manifest: &ServiceManifest, address: IpAddr) -> bool {
    let annotations = [annotation::IPV4, annotation::IPV6].into_iter().filter_map(|key| manifest.annotations.get(key));
    let pinned = annotations.chain(&manifest.spec.load_balancer_ip);
    pinned.into_iter().any(|text| text.trim().parse() == Ok(address))
}

/// The second Service, and what of the first is not in it.
pub(super) fn second(old: &ServiceManifest, name: &ServiceName, wish: &Wish) -> (Json, Vec<String>) {
    let mut manifest = old.manifest.value();
    let mut gone = Vec::new();
    manifest["metadata"]["name"] = Json::from(name.as_str());
    drop_keys(&mut manifest["spec"], &OF_ONE, &mut gone);
    drop_keys(&mut manifest["metadata"], &LIFE, &mut gone);
    if let Some(annotations) = manifest["metadata"].get_mut("annotations") {
        drop_keys(annotations, &ANNOTATIONS, &mut gone);
    }
    let ports = manifest["spec"].get_mut("ports").and_then(Json::as_array_mut);
    let node_ports = ports.into_iter().flatten().filter_map(|port| port.as_object_mut()?.remove("nodePort")).count();
    if node_ports > 0 {
        gone.push("nodePort".to_owned());
    }
    for (key, value) in wanted(wish) {
        if !manifest["metadata"]["annotations"].is_object() {
            manifest["metadata"]["annotations"] = Json::Object(Map::new());
        }
        manifest["metadata"]["annotations"][key] = Json::from(value);
    }
    (manifest, gone)
}

fn drop_keys(mapping: &mut Json, keys: &[&str], gone: &mut Vec<String>) {
    let Some(mapping) = mapping.as_object_mut() else { return };
    for key in keys {
        if let Some(value) = mapping.remove(*key) {
            let name = key.strip_prefix(annotation::PREFIX).unwrap_or(key);
            gone.push(
                value.as_str().filter(|text| text.len() < 40).map_or(name.to_owned(), |text| format!("{name} {text}")),
            );
        }
    }
}

fn wanted(wish: &Wish) -> Vec<(&'static str, String)> {
    let address = wish.address.map(|address| match address {
        IpAddr::V4(_) => (annotation::IPV4, address.to_string()),
        IpAddr::V6(_) => (annotation::IPV6, address.to_string()),
    });
    let subnet = wish.subnet.as_ref().map(|name| (annotation::INTERNAL_SUBNET, name.to_string()));
    address.into_iter().chain(subnet).collect()
}
