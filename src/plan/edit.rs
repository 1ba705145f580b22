//! A change of a Service as the cloud provider will see it: the Service before, and the Service after.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::cloud_provider::service::Service as Seen;
use crate::domain::cluster::IpFamily;
use crate::domain::key::ResourceKey;
use crate::domain::resource::Resource;
use crate::domain::resource::service::LiveService;
use crate::domain::resource::service::Service;
use crate::domain::resource::service::Trial;
use crate::domain::resource::service::port_path;
use crate::observed::Observed;
use crate::plan::action::Action;
use crate::plan::change::Change;

/// The Service as it is.
pub(super) fn before(live: &LiveService) -> Seen {
    Seen::read(&live.key, Some(&live.uid), &live.manifest, &live.addresses)
}

/// The Service as the change leaves it; `None` if it deletes it.
pub(super) fn after(observed: &Observed, change: &Change) -> Option<Seen> {
    let ResourceKey::Service(key) = &change.key else { return None };
    let manifest = manifest(observed, change)?;
    Some(match observed.services.get(key) {
        Some(live) => Seen::read(&live.key, Some(&live.uid), &manifest, &live.addresses),
        None => Seen::read(key, None, &manifest, &[]),
    })
}

/// True if a change makes the cloud provider look at a Service: it is new, or says something else to it. One that is no load
/// balancer, or none any more, is not looked at for its Private Link Service.
pub(super) fn is_synced(observed: &Observed, change: &Change) -> bool {
    let (ResourceKey::Service(key), Some(after)) = (&change.key, after(observed, change)) else { return false };
    after.is_balanced() && observed.services.get(key).is_none_or(|live| !before(live).asks_the_same(&after))
}

/// The manifest of a Service as the change leaves it; `None` if it deletes it.
pub(super) fn manifest(observed: &Observed, change: &Change) -> Option<Json> {
    let Some(Resource::Service(service)) = change.resource.as_ref().filter(|_| change.action != Action::Delete) else {
        return None;
    };
    let mut manifest = match observed.services.get(&service.key) {
        Some(live) => edited(live, service, change),
        None => service.manifest.clone(),
    };
    if let Some(Trial::Stored(stored)) = observed.trials.get(&service.key) {
        change.stored.iter().for_each(|other| overlay(&mut manifest, stored, &other.name));
    }
    set_families(&mut manifest, known_families(observed));
    Some(manifest)
}

/// The address families that the Services of a cluster can have; empty where the cluster does not say.
fn known_families(observed: &Observed) -> &[IpFamily] {
    observed.cluster.as_ref().map(|cluster| cluster.ip_families.as_slice()).unwrap_or_default()
}

/// True if only the cluster's families tell whether a Service gets a second one, and the cluster does not say.
pub(super) fn is_second_family_open(observed: &Observed, manifest: &Json) -> bool {
    let given = manifest.pointer("/spec/ipFamilies").and_then(Json::as_array).map_or(0, Vec::len);
    let prefers = manifest.pointer("/spec/ipFamilyPolicy").is_some_and(|policy| policy == "PreferDualStack");
    prefers && given < 2 && known_families(observed).is_empty()
}

/// Fills in the families as the API server does: the policy decides how many, the cluster which.
///
/// Source: the documentation of Kubernetes on dual-stack Services.
fn set_families(manifest: &mut Json, known: &[IpFamily]) {
    let policy = manifest.pointer("/spec/ipFamilyPolicy").and_then(Json::as_str).map(ToOwned::to_owned);
    let given = manifest.pointer("/spec/ipFamilies").and_then(Json::as_array);
    let mut families: Vec<IpFamily> =
        given.into_iter().flatten().filter_map(Json::as_str).filter_map(IpFamily::read).collect();
    let wants_second = match policy.as_deref() {
        Some("RequireDualStack") => true,
        Some("PreferDualStack") => known.len() > 1,
        _ => false,
    };
    if families.is_empty() && (wants_second || !known.is_empty()) {
        families.push(known.first().copied().unwrap_or(IpFamily::V4));
    }
    match families.as_slice() {
        [] => return,
        [first] if wants_second => families.push(first.other()),
        [_, _, ..] if policy.as_deref() == Some("SingleStack") => families.truncate(1),
        _ => {}
    }
    let families: Vec<&str> = families.into_iter().map(IpFamily::as_str).collect();
    set(manifest, &["spec", "ipFamilies"], Some(families.into()));
}

/// The fields that the API server keeps as they are where nobody asks for anything.
const KEPT: [&str; 2] = ["spec.ipFamilies", "spec.ipFamilyPolicy"];

/// The manifest that the API server will have: what is there, with the fields that differ as they shall be.
fn edited(live: &LiveService, desired: &Service, change: &Change) -> Json {
    let mut manifest = live.manifest.clone();
    let annotations = desired.annotations();
    let mut ports = false;
    for field in &change.fields {
        let key = field.name.strip_prefix("metadata.annotations[").and_then(|rest| rest.strip_suffix(']'));
        if let Some(key) = key {
            set(
                &mut manifest,
                &["metadata", "annotations", key],
                annotations.get(key).map(|text| Json::from(text.as_str())),
            );
        } else if field.name.starts_with("spec.ports[") {
            ports = true;
        } else if let Some(path) = field.name.strip_prefix("spec.") {
            let path: Vec<&str> = std::iter::once("spec").chain(path.split('.')).collect();
            let value = desired.manifest.pointer(&format!("/{}", path.join("/"))).cloned();
            if value.is_none() && KEPT.contains(&field.name.as_str()) {
                continue;
            }
            set(&mut manifest, &path, value);
        }
    }
    if ports {
        manifest["spec"]["ports"] = Json::Array(merged_ports(live, desired, change));
    }
    manifest
}

/// Puts a field in as the API server would store it.
fn overlay(manifest: &mut Json, stored: &Json, name: &str) {
    let annotation = name.strip_prefix("metadata.annotations[").and_then(|rest| rest.strip_suffix(']'));
    if let Some(key) = annotation {
        let value = stored.pointer("/metadata/annotations").and_then(|annotations| annotations.get(key));
        return set(manifest, &["metadata", "annotations", key], value.cloned());
    }
    let Some(path) = name.strip_prefix("spec.") else { return };
    if path.starts_with("ports[") {
        return set(manifest, &["spec", "ports"], stored.pointer("/spec/ports").cloned());
    }
    let path: Vec<&str> = std::iter::once("spec").chain(path.split('.')).collect();
    set(manifest, &path, stored.pointer(&format!("/{}", path.join("/"))).cloned());
}

/// Sets a value in nested objects, or takes it away.
fn set(manifest: &mut Json, path: &[&str], value: Option<Json>) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut at = manifest;
    for name in parents {
        if !at.is_object() {
            *at = Json::Object(serde_json::Map::new());
        }
        at = &mut at[*name];
    }
    match (value, at) {
        (Some(value), at) => {
            if !at.is_object() {
                *at = Json::Object(serde_json::Map::new());
            }
            at[*last] = value;
        }
        (None, Json::Object(map)) => {
            map.remove(*last);
        }
        (None, _) => {}
    }
}

/// Ports merge by number and protocol, as the API server merges them.
fn merged_ports(live: &LiveService, desired: &Service, change: &Change) -> Vec<Json> {
    let list = |manifest: &Json| manifest.pointer("/spec/ports").and_then(Json::as_array).cloned().unwrap_or_default();
    let path = |port: &Json| {
        let number = port.get("port").and_then(Json::as_i64).unwrap_or_default();
        port_path(number, port.get("protocol").and_then(Json::as_str).unwrap_or("TCP"))
    };
    let gone: BTreeSet<&str> =
        change.fields.iter().filter(|field| field.after.is_none()).map(|field| field.name.as_str()).collect();
    let mut ports = list(&live.manifest);
    ports.retain(|port| !gone.contains(path(port).as_str()));
    for port in &mut ports {
        let own = path(port);
        if let Some(port) = port.as_object_mut() {
            // The API server keeps the node port that it allocated.
            port.retain(|key, _| key == "nodePort" || !gone.contains(format!("{own}.{key}").as_str()));
        }
    }
    for wanted in list(&desired.manifest) {
        match ports.iter_mut().find(|port| path(port) == path(&wanted)) {
            Some(port) => {
                for (key, value) in wanted.as_object().into_iter().flatten() {
                    port[key] = value.clone();
                }
            }
            None => ports.push(wanted),
        }
    }
    ports
}
