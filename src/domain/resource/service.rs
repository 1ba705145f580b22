//! A Kubernetes Service: deployed as a whole, or only annotated by us.
//!
//! The manifest stays a free-form value; what is compared are its leaves. Lists that Kubernetes merges by key (ports) are
//! addressed by that key, so that a default or a node port added by the server moves nothing.

mod deployer;
mod trial;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value as Json;

pub use deployer::Deployer;
pub use trial::Trial;

use crate::domain::annotation;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::kubernetes::ResourceVersion;
use crate::domain::kubernetes::Uid;
use crate::domain::mark::Mark;
use crate::value::Fields;
use crate::value::Value;

/// How much of the Service is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// The repository holds the manifest: we own what it says.
    Whole,
    /// Somebody else deploys it: we own our annotations and nothing else, and never take a field by force.
    AnnotationsOnly,
}

/// A Service in normal form.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Namespace and name.
    pub key: ObjectKey,
    /// How much of it is ours.
    pub deployment: Deployment,
    /// What we apply: `apiVersion`, `kind`, `metadata`, and for a whole Service `spec`.
    pub manifest: Json,
}

impl Service {
    /// The comparable fields: the leaves of labels, annotations and spec.
    pub fn fields(&self) -> Fields {
        leaves(&self.manifest)
    }

    /// The annotations it asks for.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        text_map(&self.manifest, "annotations")
    }

    /// The frontend addresses it pins: by annotation, or by the deprecated `spec.loadBalancerIP` where none of that
    /// family does.
    pub fn pinned_addresses(&self) -> Vec<IpAddr> {
        let mut pinned = annotation::pinned_addresses(&self.annotations());
        let legacy = self.manifest.pointer("/spec/loadBalancerIP").and_then(Json::as_str);
        if let Some(address) = legacy.and_then(|text| text.parse::<IpAddr>().ok())
            && !pinned.iter().any(|other| other.is_ipv4() == address.is_ipv4())
        {
            pinned.push(address);
        }
        pinned
    }
}

/// A Service as seen.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveService {
    /// Namespace and name.
    pub key: ObjectKey,
    /// Tells it from a successor of the same name.
    pub uid: Uid,
    /// Its version.
    pub resource_version: ResourceVersion,
    /// The whole object without `managedFields` and `status`.
    pub manifest: Json,
    /// The leaves that our field manager owns by apply, named as in [`LiveService::fields`].
    pub owned: BTreeSet<String>,
    /// Who else owns a leaf: field name to manager.
    pub managers: BTreeMap<String, String>,
    /// `status.loadBalancer.ingress[].ip`.
    pub addresses: Vec<IpAddr>,
    /// True once somebody asked for its deletion.
    pub deleting: bool,
    /// Whose it is, by its labels.
    pub mark: Option<Mark>,
    /// Whose annotations are on it, where we do not deploy it.
    pub published_by: Option<Mark>,
}

impl LiveService {
    /// The comparable fields.
    pub fn fields(&self) -> Fields {
        leaves(&self.manifest)
    }

    /// Its annotations.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        text_map(&self.manifest, "annotations")
    }

    /// Its labels.
    pub fn labels(&self) -> BTreeMap<String, String> {
        text_map(&self.manifest, "labels")
    }

    /// Who deploys it, where its own metadata tells.
    pub fn deployer(&self) -> Option<Deployer> {
        Deployer::of(self)
    }
}

fn text_map(manifest: &Json, name: &str) -> BTreeMap<String, String> {
    let map = manifest.get("metadata").and_then(|metadata| metadata.get(name)).and_then(Json::as_object);
    let text = |(key, value): (&String, &Json)| value.as_str().map(|text| (key.clone(), text.to_owned()));
    map.into_iter().flatten().filter_map(text).collect()
}

/// The leaves of a Service manifest that are compared, by path.
pub fn leaves(manifest: &Json) -> Fields {
    let mut fields = Fields::new();
    for name in ["labels", "annotations"] {
        for (key, text) in text_map(manifest, name) {
            let value = if name == "annotations" { annotation::decode(&key, &text) } else { Value::Text(text) };
            fields.insert(format!("metadata.{name}[{key}]"), value);
        }
    }
    if let Some(spec) = manifest.get("spec") {
        collect("spec", spec, &mut fields);
    }
    fields
}

fn collect(path: &str, json: &Json, fields: &mut Fields) {
    match json {
        Json::Null => {}
        Json::Bool(value) => {
            fields.insert(path.to_owned(), Value::Bool(*value));
        }
        Json::Number(number) => {
            let value = number.as_i64().map_or_else(|| Value::text(number), Value::Integer);
            fields.insert(path.to_owned(), value);
        }
        Json::String(text) => {
            fields.insert(path.to_owned(), Value::Text(text.clone()));
        }
        Json::Object(map) => {
            for (key, value) in map {
                collect(&format!("{path}.{key}"), value, fields);
            }
        }
        Json::Array(items) if path == "spec.ports" => {
            for item in items {
                collect_port(item, fields);
            }
        }
        Json::Array(items) => {
            let text = |item: &Json| item.as_str().map_or_else(|| item.to_string(), ToOwned::to_owned);
            fields.insert(path.to_owned(), Value::List(items.iter().map(text).collect()));
        }
    }
}

/// The path of a port, by the keys Kubernetes merges ports by.
pub fn port_path(port: i64, protocol: &str) -> String {
    format!("spec.ports[{port}/{protocol}]")
}

fn collect_port(item: &Json, fields: &mut Fields) {
    let port = item.get("port").and_then(Json::as_i64).unwrap_or_default();
    let protocol = item.get("protocol").and_then(Json::as_str).unwrap_or("TCP");
    let path = port_path(port, protocol);
    for (key, value) in item.as_object().into_iter().flatten() {
        // The two keys are in the path already.
        if key != "protocol" && key != "port" {
            collect(&format!("{path}.{key}"), value, fields);
        }
    }
    fields.insert(path, Value::text("open"));
}
