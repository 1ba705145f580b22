//! What the API server checks about a Service beyond names and types of fields (`ValidateService`), as far as it can be
//! told from the manifest alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::repo::code;
use crate::repo::schema::service::{
    Protocol, Service, ServicePort, ServiceSpec, ServiceType, SessionAffinity, TrafficPolicy,
};

/// Checks one Service; `root` is the place of its document.
pub(crate) fn check(service: &Service, root: &Place, diagnostics: &mut Diagnostics) {
    let mut report = Report { root, diagnostics };
    let metadata = &service.metadata;
    report.labels("metadata.labels", metadata.labels.as_ref());
    report.annotations(metadata.annotations.as_ref());
    report.labels("spec.selector", service.spec.selector.as_ref());
    report.type_and_ports(&service.spec);
    report.load_balancer(&service.spec);
    report.addresses(&service.spec);
}

struct Report<'a> {
    root: &'a Place,
    diagnostics: &'a mut Diagnostics,
}

impl Report<'_> {
    fn say(&mut self, place: Place, message: impl Into<String>, help: &str) {
        let diagnostic = Diagnostic::error(code::SERVICE, message).label(place, "the API server would refuse this");
        self.diagnostics.push(if help.is_empty() { diagnostic } else { diagnostic.help(help) });
    }

    fn at(&self, path: &str) -> Place {
        self.root.clone().at(path)
    }

    fn labels(&mut self, path: &str, labels: Option<&BTreeMap<String, String>>) {
        for (key, value) in labels.into_iter().flatten() {
            let place = |report: &Self| report.at(path).child(key.as_str());
            if !is_qualified_name(key) {
                self.say(place(self).on_key(), format!("{key:?} is not a label key"), QUALIFIED);
            }
            if !value.is_empty() && !is_name_part(value) {
                let help =
                    "use at most 63 letters, digits, '-', '_' and '.', starting and ending with a letter or digit";
                self.say(place(self), format!("{value:?} is not a label value"), help);
            }
        }
    }

    fn annotations(&mut self, annotations: Option<&BTreeMap<String, String>>) {
        let mut size = 0;
        for (key, value) in annotations.into_iter().flatten() {
            size += key.len() + value.len();
            if !is_qualified_name(key) && !is_qualified_name(&key.to_lowercase()) {
                let place = self.at("metadata.annotations").child(key.as_str()).on_key();
                self.say(place, format!("{key:?} is not an annotation key"), QUALIFIED);
            }
        }
        // TotalAnnotationSizeLimitB of the API server.
        if size > 256 * 1024 {
            self.say(self.at("metadata.annotations").on_key(), "annotations may have 256 KiB in all", "");
        }
    }

    fn type_and_ports(&mut self, spec: &ServiceSpec) {
        let kind = spec.service_type.unwrap_or(ServiceType::ClusterIP);
        let headless = spec.cluster_ip.as_deref() == Some("None");
        let ports = spec.ports.as_deref().unwrap_or_default();
        if ports.is_empty() && !headless && kind != ServiceType::ExternalName {
            let help = "list at least one: ports: [{ port: 80 }]";
            self.say(self.at("spec").on_key(), "`spec.ports` is missing or empty", help);
        }
        if headless && matches!(kind, ServiceType::LoadBalancer | ServiceType::NodePort) {
            let message = "a headless Service (`clusterIP: None`) cannot have a load balancer or node ports";
            self.say(self.at("spec.clusterIP"), message, "remove `clusterIP`, or use `type: ClusterIP`");
        }
        if kind == ServiceType::ExternalName && spec.external_name.as_deref().unwrap_or_default().is_empty() {
            self.say(self.at("spec.type"), "`type: ExternalName` needs `externalName`", "");
        }
        self.ports(ports, kind);
    }

    fn ports(&mut self, ports: &[ServicePort], kind: ServiceType) {
        let mut names = BTreeSet::new();
        let mut numbers = BTreeSet::new();
        for (index, port) in ports.iter().enumerate() {
            let place = self.at("spec.ports").child(index);
            let name = port.name.as_ref().map(|name| name.as_str());
            if ports.len() > 1 && name.is_none() {
                let message = format!("port {} has no name, and there are several ports", port.port.get());
                self.say(place.clone(), message, "give each port a name");
            }
            if let Some(name) = name.filter(|name| !names.insert(name.to_owned())) {
                self.say(place.clone().child("name"), format!("the port name {name:?} is used twice"), "");
            }
            let number = (port.protocol.unwrap_or(Protocol::Tcp), port.port);
            if !numbers.insert(number) {
                let message = format!("port {} is listed twice for the same protocol", port.port.get());
                self.say(place.clone().child("port"), message, "");
            }
            if port.node_port.is_some() && !matches!(kind, ServiceType::LoadBalancer | ServiceType::NodePort) {
                let message = "`nodePort` needs `type: LoadBalancer` or `type: NodePort`";
                self.say(place.child("nodePort").on_key(), message, "");
            }
        }
    }

    fn load_balancer(&mut self, spec: &ServiceSpec) {
        let kind = spec.service_type.unwrap_or(ServiceType::ClusterIP);
        let balanced = kind == ServiceType::LoadBalancer;
        let only_balanced = [
            ("loadBalancerClass", spec.load_balancer_class.is_some()),
            ("allocateLoadBalancerNodePorts", spec.allocate_load_balancer_node_ports.is_some()),
            ("loadBalancerSourceRanges", spec.load_balancer_source_ranges.as_ref().is_some_and(|all| !all.is_empty())),
        ];
        for (field, _) in only_balanced.into_iter().filter(|(_, set)| *set && !balanced) {
            let message = format!("`{field}` needs `type: LoadBalancer`");
            self.say(self.at("spec").child(field).on_key(), message, "");
        }
        let external = balanced
            || kind == ServiceType::NodePort
            || (kind == ServiceType::ClusterIP && spec.external_ips.as_ref().is_some_and(|ips| !ips.is_empty()));
        if spec.external_traffic_policy.is_some() && !external {
            let message = "`externalTrafficPolicy` needs a Service that is reached from outside";
            self.say(self.at("spec.externalTrafficPolicy").on_key(), message, "set `type: LoadBalancer`");
        }
        let local = spec.external_traffic_policy == Some(TrafficPolicy::Local);
        if spec.health_check_node_port.is_some() && !(balanced && local) {
            let message = "`healthCheckNodePort` needs `type: LoadBalancer` and `externalTrafficPolicy: Local`";
            self.say(self.at("spec.healthCheckNodePort").on_key(), message, "");
        }
        if spec.session_affinity_config.is_some() && spec.session_affinity != Some(SessionAffinity::ClientIP) {
            let message = "`sessionAffinityConfig` needs `sessionAffinity: ClientIP`";
            self.say(self.at("spec.sessionAffinityConfig").on_key(), message, "");
        }
    }

    fn addresses(&mut self, spec: &ServiceSpec) {
        for (index, range) in spec.load_balancer_source_ranges.iter().flatten().enumerate() {
            if range.trim().parse::<ipnet::IpNet>().is_err() {
                let place = self.at("spec.loadBalancerSourceRanges").child(index);
                let help = "write it as address/prefix, for example 10.0.0.0/16";
                self.say(place, format!("{range:?} is not an address range"), help);
            }
        }
        let lists = [("externalIPs", spec.external_ips.as_ref()), ("clusterIPs", spec.cluster_ips.as_ref())];
        for (field, addresses) in lists {
            for (index, address) in addresses.into_iter().flatten().enumerate() {
                self.address(self.at("spec").child(field).child(index), address);
            }
        }
        if let Some(address) = spec.cluster_ip.as_ref().filter(|address| !address.is_empty()) {
            self.address(self.at("spec.clusterIP"), address);
        }
    }

    fn address(&mut self, place: Place, address: &str) {
        let headless = address == "None"
            && place.path.iter().any(|step| *step == "clusterIPs".into() || *step == "clusterIP".into());
        if !headless && address.parse::<IpAddr>().is_err() {
            self.say(place, format!("{address:?} is not an IP address"), "");
        }
    }
}

const QUALIFIED: &str =
    "use [prefix/]name: a name of at most 63 letters, digits, '-', '_' and '.', and a domain as prefix";

// IsQualifiedName of the API server.
fn is_qualified_name(key: &str) -> bool {
    match key.split_once('/') {
        None => is_name_part(key),
        Some((prefix, name)) => {
            let label = |part: &str| crate::domain::name::is_dns_label(part, 253);
            prefix.len() <= 253 && prefix.split('.').all(label) && is_name_part(name)
        }
    }
}

fn is_name_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}
