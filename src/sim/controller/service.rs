//! A Service as the controller sees it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::annotation::{self, Annotations, INTERNAL};

/// The finalizer that keeps a Service until its load balancer is gone.
pub(crate) const FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    V4,
    V6,
}

/// One port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) name: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub(crate) protocol: String,
    pub(crate) port: u16,
    /// 0 if none was allocated.
    pub(crate) node_port: u16,
    pub(crate) app_protocol: Option<String>,
}

/// What the controller reads of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) annotations: Annotations,
    pub(crate) ports: Vec<Port>,
    pub(crate) load_balancer_ip: String,
    pub(crate) source_ranges: Vec<String>,
    pub(crate) families: Vec<Family>,
    pub(crate) is_local: bool,
    pub(crate) health_check_port: u16,
    pub(crate) has_client_affinity: bool,
    /// Addresses in the status.
    pub(crate) ingress: Vec<String>,
    /// Of type LoadBalancer, without a class of its own.
    pub(crate) wants_load_balancer: bool,
    pub(crate) is_deleting: bool,
    pub(crate) has_finalizer: bool,
}

impl Service {
    /// Reads a stored Service.
    pub(crate) fn of(object: &Value) -> Self {
        let (metadata, spec) = (&object["metadata"], &object["spec"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let list = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
        let ingress = object["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten();
        let annotations = metadata["annotations"].as_object().into_iter().flatten();
        let annotations: BTreeMap<String, String> =
            annotations.map(|(key, value)| (key.clone(), text(value))).collect();
        Self {
            namespace: text(&metadata["namespace"]),
            name: text(&metadata["name"]),
            uid: text(&metadata["uid"]),
            annotations: Annotations::new(annotations),
            ports: spec["ports"].as_array().into_iter().flatten().map(port).collect(),
            load_balancer_ip: text(&spec["loadBalancerIP"]),
            source_ranges: list(&spec["loadBalancerSourceRanges"]),
            families: families(spec),
            is_local: spec["externalTrafficPolicy"] == "Local",
            health_check_port: number(&spec["healthCheckNodePort"]),
            has_client_affinity: spec["sessionAffinity"] == "ClientIP",
            ingress: ingress.map(|entry| text(&entry["ip"])).filter(|ip| !ip.is_empty()).collect(),
            wants_load_balancer: spec["type"] == "LoadBalancer" && spec.get("loadBalancerClass").is_none(),
            is_deleting: metadata.get("deletionTimestamp").is_some(),
            has_finalizer: list(&metadata["finalizers"]).iter().any(|name| name == FINALIZER),
        }
    }

    /// Namespace and name, as tags and messages write it.
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    pub(crate) fn is_internal(&self) -> bool {
        self.annotations.is_internal()
    }

    pub(crate) fn is_dual_stack(&self) -> bool {
        self.families.len() > 1
    }

    /// True if what was made for it has to be removed.
    pub(crate) fn needs_cleanup(&self) -> bool {
        self.has_finalizer && (self.is_deleting || !self.wants_load_balancer)
    }

    /// The pinned address of a family; empty if there is none. The annotation wins over the field.
    pub(crate) fn pinned(&self, family: Family) -> String {
        let key = match family {
            Family::V4 => annotation::IPV4,
            Family::V6 => annotation::IPV6,
        };
        if let Some(address) = self.annotations.raw(key).filter(|address| !address.is_empty()) {
            return address.to_owned();
        }
        let is_v4 = self.load_balancer_ip.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_ipv4());
        let is_v6 = self.load_balancer_ip.contains(':') || (!self.load_balancer_ip.is_empty() && !is_v4);
        match family {
            Family::V4 if is_v4 => self.load_balancer_ip.clone(),
            // Text that is no address at all is passed on for IPv6 and ignored for IPv4.
            Family::V6 if is_v6 => self.load_balancer_ip.clone(),
            Family::V4 | Family::V6 => String::new(),
        }
    }

    /// The addresses by which an internal Service claims somebody else's frontend.
    pub(crate) fn claimed_addresses(&self) -> Vec<String> {
        let annotated = [annotation::IPV4, annotation::IPV6].into_iter().filter_map(|key| self.annotations.raw(key));
        let annotated: Vec<String> = annotated.filter(|ip| !ip.is_empty()).map(str::to_owned).collect();
        if annotated.is_empty() && !self.load_balancer_ip.is_empty() {
            return vec![self.load_balancer_ip.clone()];
        }
        annotated
    }

    /// The same Service on the other side: what is internal becomes public and the other way round.
    pub(crate) fn flipped(&self) -> Self {
        let mut other = self.clone();
        other.annotations.set(INTERNAL, (!self.is_internal()).then_some("true"));
        other
    }
}

fn number(value: &Value) -> u16 {
    value.as_u64().and_then(|number| u16::try_from(number).ok()).unwrap_or_default()
}

fn port(value: &Value) -> Port {
    Port {
        name: value["name"].as_str().unwrap_or_default().to_owned(),
        protocol: value["protocol"].as_str().unwrap_or("TCP").to_owned(),
        port: number(&value["port"]),
        node_port: number(&value["nodePort"]),
        app_protocol: value["appProtocol"].as_str().map(str::to_owned),
    }
}

/// Always IPv4 first: the provider builds frontends in that order whatever the Service says.
fn families(spec: &Value) -> Vec<Family> {
    let given = spec["ipFamilies"].as_array().into_iter().flatten();
    let mut families: Vec<Family> =
        given.map(|family| if family == "IPv6" { Family::V6 } else { Family::V4 }).collect();
    families.sort();
    families.dedup();
    if families.is_empty() { vec![Family::V4] } else { families }
}

/// True if a change of the Service makes the controller reconcile it. Labels and selectors do not.
pub(crate) fn needs_update(before: &Value, after: &Value) -> bool {
    let (old, new) = (Service::of(before), Service::of(after));
    if !old.wants_load_balancer && !new.wants_load_balancer {
        return false;
    }
    let same = |pointer: &str| before.pointer(pointer) == after.pointer(pointer);
    old.wants_load_balancer != new.wants_load_balancer
        || old.uid != new.uid
        || old.annotations != new.annotations
        || old.families.len() != new.families.len()
        || port_keys(&old) != port_keys(&new)
        || old.health_check_port != new.health_check_port
        || ![
            "/spec/loadBalancerSourceRanges",
            "/spec/sessionAffinity",
            "/spec/sessionAffinityConfig",
            "/spec/loadBalancerIP",
            "/spec/externalIPs",
            "/spec/externalTrafficPolicy",
        ]
        .into_iter()
        .all(same)
}

/// The target port is not among them: the load balancer never sees it.
fn port_keys(service: &Service) -> Vec<(&str, &str, u16, u16)> {
    let keys = service.ports.iter();
    keys.map(|port| (port.name.as_str(), port.protocol.as_str(), port.port, port.node_port)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(spec: Value, annotations: Value) -> Value {
        json!({"metadata": {"namespace": "default", "name": "test", "uid": "test", "annotations": annotations}, "spec": spec})
    }

    #[test]
    fn pinned_addresses_prefer_the_annotation_of_their_family() {
        let annotations = json!({
            "service.beta.kubernetes.io/azure-load-balancer-ipv4": "10.0.0.1",
            "service.beta.kubernetes.io/azure-load-balancer-ipv6": "2001::1",
        });
        let both = Service::of(&service(json!({"loadBalancerIP": "10.0.0.2"}), annotations));
        assert_eq!((both.pinned(Family::V4), both.pinned(Family::V6)), ("10.0.0.1".to_owned(), "2001::1".to_owned()));
        let field = Service::of(&service(json!({"loadBalancerIP": "10.0.0.2"}), json!({})));
        assert_eq!((field.pinned(Family::V4), field.pinned(Family::V6)), ("10.0.0.2".to_owned(), String::new()));
    }

    #[test]
    fn only_some_changes_reconcile() {
        let base = json!({"type": "LoadBalancer", "selector": {"app": "a"}, "ports": [{"port": 80, "targetPort": 80}]});
        let before = service(base.clone(), json!({}));
        let mut selector = before.clone();
        selector["spec"]["selector"] = json!({"app": "b"});
        selector["spec"]["ports"][0]["targetPort"] = json!(8080);
        selector["metadata"]["labels"] = json!({"x": "y"});
        assert!(!needs_update(&before, &selector));
        assert!(needs_update(&before, &service(base, json!({"anything": "1"}))));
        let mut kind = before.clone();
        kind["spec"]["type"] = json!("ClusterIP");
        assert!(needs_update(&before, &kind));
    }
}
