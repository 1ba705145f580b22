//! A change of a Service as the cloud provider will see it: the Service before, and the Service after.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::cloud_provider::service::Service as Seen;
use crate::domain::resource::Resource;
use crate::domain::resource::service::LiveService;
use crate::domain::resource::service::Service;
use crate::domain::resource::service::port_path;
use crate::plan::action::Action;
use crate::plan::change::Change;

/// The Service as it is.
pub(super) fn before(live: &LiveService) -> Seen {
    Seen::read(&live.key, Some(&live.uid), &live.manifest, &live.addresses)
}

/// The Service as the change leaves it; `None` if it deletes it.
pub(super) fn after(live: Option<&LiveService>, change: &Change) -> Option<Seen> {
    let Some(Resource::Service(service)) = change.resource.as_ref().filter(|_| change.action != Action::Delete) else {
        return None;
    };
    Some(match live {
        Some(live) => Seen::read(&live.key, Some(&live.uid), &edited(live, service, change), &live.addresses),
        None => Seen::read(&service.key, None, &service.manifest, &[]),
    })
}

/// The manifest of a Service that is there, as the change leaves it; `None` if it deletes it.
pub(super) fn manifest(live: &LiveService, change: &Change) -> Option<Json> {
    match change.resource.as_ref().filter(|_| change.action != Action::Delete)? {
        Resource::Service(service) => Some(edited(live, service, change)),
        _ => None,
    }
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
