//! A Service as the cloud provider reads it: what it leaves out of account makes no difference to it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value as Json;

use crate::cloud_provider::name;
use crate::domain::annotation;
use crate::domain::cluster::IpFamily;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::kubernetes::Uid;

/// The fields of the spec that begin a sync when they change, beside type, ports, address and families.
const WATCHED: [&str; 6] = [
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "sessionAffinity",
    "sessionAffinityConfig",
    "loadBalancerSourceRanges",
    "externalIPs",
];

/// Keeps a Service from going before its load balancer is gone.
const FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) name: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub(super) protocol: String,
    pub(super) port: u16,
    /// 0 where none is known yet.
    pub(super) node_port: u16,
    pub(super) app_protocol: Option<String>,
}

/// A Service, with everything that makes the cloud provider act, and nothing else. Two that are equal are all the same to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Namespace and name.
    pub key: ObjectKey,
    pub(super) base: String,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) ports: Vec<Port>,
    pub(super) families: Vec<IpFamily>,
    pub(super) legacy_address: String,
    /// Of type LoadBalancer, and no other controller's.
    pub(super) is_balanced: bool,
    /// It had a load balancer once, and nobody has seen that everything of it is gone.
    has_finalizer: bool,
    /// `spec.loadBalancerSourceRanges`.
    source_ranges: Vec<String>,
    pub(super) watched: BTreeMap<&'static str, String>,
    /// The addresses in its status.
    pub(super) addresses: Vec<IpAddr>,
}

impl Service {
    /// Reads a manifest; `uid` and `addresses` are those of the object in the cluster, if there is one.
    pub fn read(key: &ObjectKey, uid: Option<&Uid>, manifest: &Json, addresses: &[IpAddr]) -> Self {
        let at = |pointer: &str| manifest.pointer(pointer);
        let annotations = at("/metadata/annotations").and_then(Json::as_object).into_iter().flatten();
        let annotations = annotations.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
        let text = |pointer: &str| at(pointer).and_then(Json::as_str).unwrap_or_default();
        let watched = WATCHED.into_iter().filter_map(|name| {
            let value = at(&format!("/spec/{name}"))?;
            // What the API server writes for an absent field is the same as its absence.
            let is_default = matches!((name, value.as_str()), ("externalTrafficPolicy", Some("Cluster")))
                || matches!((name, value.as_str()), ("sessionAffinity", Some("None")));
            (!is_default).then(|| (name, value.to_string()))
        });
        Self {
            key: key.clone(),
            base: name::base(key, uid),
            annotations: annotations.collect(),
            ports: at("/spec/ports").and_then(Json::as_array).into_iter().flatten().map(port).collect(),
            families: families(at("/spec/ipFamilies")),
            legacy_address: text("/spec/loadBalancerIP").to_owned(),
            is_balanced: text("/spec/type") == "LoadBalancer" && at("/spec/loadBalancerClass").is_none(),
            has_finalizer: texts(at("/metadata/finalizers")).iter().any(|name| name == FINALIZER),
            source_ranges: texts(at("/spec/loadBalancerSourceRanges")),
            watched: watched.collect(),
            addresses: addresses.to_vec(),
        }
    }

    /// True if it gets an internal load balancer.
    pub fn is_internal(&self) -> bool {
        annotation::is_internal(&self.annotations)
    }

    /// True if it gets a load balancer at all.
    pub fn is_balanced(&self) -> bool {
        self.is_balanced
    }

    /// True if every update of it is a reason to try once more to take its load balancer away.
    pub(super) fn needs_cleanup(&self) -> bool {
        self.has_finalizer && !self.is_balanced
    }

    pub(super) fn wants_link(&self) -> bool {
        annotation::wants_private_link(&self.annotations)
    }

    pub(super) fn source_ranges(&self) -> &[String] {
        &self.source_ranges
    }

    pub(super) fn is_dual_stack(&self) -> bool {
        self.families.len() > 1
    }

    /// True for the IPv6 half of a dual-stack Service.
    pub(super) fn is_v6_half(&self, family: IpFamily) -> bool {
        self.is_dual_stack() && family == IpFamily::V6
    }

    /// The text of an annotation as it is written.
    pub(super) fn raw(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).map(String::as_str)
    }

    /// An annotation by its name without the common prefix.
    pub(super) fn short(&self, name: &str) -> Option<&str> {
        self.annotations.get(&format!("{}{name}", annotation::PREFIX)).map(String::as_str)
    }

    /// True if an edit from this to the other starts no sync: the application protocol of a port alone is no reason for one.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        let mut other = other.clone();
        for (port, own) in other.ports.iter_mut().zip(&self.ports) {
            port.app_protocol.clone_from(&own.app_protocol);
        }
        *self == other
    }

    /// A switch that is read without regard to case, and without trimming.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.short(name).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// The subnet annotation, where it counts.
    pub(super) fn subnet(&self) -> Option<&str> {
        let subnet = self.raw(annotation::INTERNAL_SUBNET).filter(|text| !text.trim().is_empty());
        subnet.filter(|_| self.is_internal())
    }

    /// The address pinned for a family: the annotation, else the deprecated field.
    pub(super) fn pinned(&self, family: IpFamily) -> Option<&str> {
        let key = if family == IpFamily::V4 { annotation::IPV4 } else { annotation::IPV6 };
        if let Some(address) = self.raw(key).filter(|text| !text.is_empty()) {
            return Some(address);
        }
        let legacy = self.legacy_address.parse::<IpAddr>().ok().filter(|address| IpFamily::of(*address) == family);
        legacy.map(|_| self.legacy_address.as_str())
    }

    /// The addresses by which it takes part in somebody else's frontend: those of annotations, else that of the field.
    pub(super) fn claims(&self) -> Vec<&str> {
        let annotated = [annotation::IPV4, annotation::IPV6].into_iter().filter_map(|key| self.raw(key));
        let annotated: Vec<&str> = annotated.filter(|text| !text.is_empty()).collect();
        if annotated.is_empty() && !self.legacy_address.is_empty() {
            return vec![&self.legacy_address];
        }
        annotated
    }
}

fn texts(list: Option<&Json>) -> Vec<String> {
    let items = list.and_then(Json::as_array).into_iter().flatten();
    items.filter_map(Json::as_str).map(ToOwned::to_owned).collect()
}

fn families(given: Option<&Json>) -> Vec<IpFamily> {
    let given = given.and_then(Json::as_array).into_iter().flatten();
    let mut families: Vec<IpFamily> =
        given.map(|family| if family == "IPv6" { IpFamily::V6 } else { IpFamily::V4 }).collect();
    families.sort();
    families.dedup();
    if families.is_empty() { vec![IpFamily::V4] } else { families }
}

fn port(item: &Json) -> Port {
    let text = |name: &str| item.get(name).and_then(Json::as_str);
    let number = |name: &str| {
        let number = item.get(name).and_then(Json::as_u64);
        number.and_then(|number| u16::try_from(number).ok()).unwrap_or_default()
    };
    Port {
        name: text("name").unwrap_or_default().to_owned(),
        protocol: text("protocol").unwrap_or("TCP").to_owned(),
        port: number("port"),
        node_port: number("nodePort"),
        app_protocol: text("appProtocol").map(ToOwned::to_owned),
    }
}
