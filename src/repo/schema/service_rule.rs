//! What the API server checks about a Service beyond names and types of fields (`ValidateService`), as far as it can be
//! told from the manifest alone.

mod address;
mod name;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Place;
use crate::repo::code;
use crate::repo::schema::service::ObjectMeta;
use crate::repo::schema::service::Protocol;
use crate::repo::schema::service::Service;
use crate::repo::schema::service::ServicePort;
use crate::repo::schema::service::ServiceSpec;
use crate::repo::schema::service::ServiceType;
use crate::repo::schema::service::SessionAffinity;
use crate::repo::schema::service::TrafficPolicy;
use name::QUALIFIED;
use name::is_part;
use name::is_qualified;
use name::is_subdomain;

/// Checks one Service; `root` is the place of its document.
pub(crate) fn check(service: &Service, root: &Place, diagnostics: &mut Diagnostics) {
    let mut report = Report { root, diagnostics };
    let metadata = &service.metadata;
    report.labels("metadata.labels", metadata.labels.as_ref());
    report.annotations(metadata.annotations.as_ref());
    report.owners(metadata);
    report.labels("spec.selector", service.spec.selector.as_ref());
    report.type_and_ports(&service.spec);
    report.load_balancer(&service.spec);
    report.addresses(service);
}

/// The port on which every node's kubelet listens.
const KUBELET: u16 = 10250;

/// The new and the old name of one annotation.
const TOPOLOGY: [&str; 2] = ["service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints"];

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
            if !is_qualified(key) {
                self.say(place(self).on_key(), format!("{key:?} is not a label key"), QUALIFIED);
            }
            if !value.is_empty() && !is_part(value) {
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
            if !is_qualified(key) && !is_qualified(&key.to_lowercase()) {
                let place = self.at("metadata.annotations").child(key.as_str()).on_key();
                self.say(place, format!("{key:?} is not an annotation key"), QUALIFIED);
            }
        }
        let text = |key| annotations.and_then(|all| all.get(key));
        if let (Some(mode), Some(hints)) = (text(TOPOLOGY[0]), text(TOPOLOGY[1]))
            && mode != hints
        {
            let message = format!("{} and {} must agree", TOPOLOGY[0], TOPOLOGY[1]);
            self.say(self.at("metadata.annotations").child(TOPOLOGY[0]), message, "keep the first one");
        }
        // TotalAnnotationSizeLimitB of the API server.
        if size > 256 * 1024 {
            self.say(self.at("metadata.annotations").on_key(), "annotations may have 256 KiB in all", "");
        }
    }

    fn owners(&mut self, metadata: &ObjectMeta) {
        for (index, text) in metadata.finalizers.iter().flatten().enumerate() {
            let standard = ["orphan", "foregroundDeletion", "kubernetes"].contains(&text.as_str());
            let is_finalizer = standard || (text.contains('/') && is_qualified(text));
            if !is_finalizer {
                let place = self.at("metadata.finalizers").child(index);
                self.say(place, format!("{text:?} is not a finalizer"), "write it as domain/name");
            }
        }
        let owners = metadata.owner_references.as_deref().unwrap_or_default();
        if owners.iter().filter(|owner| owner.controller == Some(true)).count() > 1 {
            self.say(self.at("metadata.ownerReferences"), "two owners say that they are the controller", "");
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
        if kind == ServiceType::ExternalName {
            self.external_name(spec);
        }
        self.ports(ports, kind);
    }

    fn external_name(&mut self, spec: &ServiceSpec) {
        let name = spec.external_name.as_deref().unwrap_or_default();
        if name.is_empty() {
            self.say(self.at("spec.type"), "`type: ExternalName` needs `externalName`", "");
        } else if !is_subdomain(name.strip_suffix('.').unwrap_or(name)) {
            let help = "write a domain in lower case, such as orders.example.com";
            self.say(self.at("spec.externalName"), format!("{name:?} is not a domain"), help);
        }
        let forbidden = [
            ("clusterIP", spec.cluster_ip.as_ref().is_some_and(|text| !text.is_empty())),
            ("clusterIPs", spec.cluster_ips.as_ref().is_some_and(|all| !all.is_empty())),
            ("ipFamilies", spec.ip_families.as_ref().is_some_and(|all| !all.is_empty())),
            ("ipFamilyPolicy", spec.ip_family_policy.is_some()),
        ];
        for (field, _) in forbidden.into_iter().filter(|(_, is_set)| *is_set) {
            let message = format!("`{field}` cannot be set with `type: ExternalName`");
            self.say(self.at("spec").child(field).on_key(), message, "remove it: the Service is only a name");
        }
    }

    fn ports(&mut self, ports: &[ServicePort], kind: ServiceType) {
        let mut names = BTreeSet::new();
        let mut numbers = BTreeSet::new();
        let mut on_nodes = BTreeSet::new();
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
            let protocol = port.protocol.unwrap_or(Protocol::Tcp);
            if !numbers.insert((protocol, port.port)) {
                let message = format!("port {} is listed twice for the same protocol", port.port.get());
                self.say(place.clone().child("port"), message, "");
            }
            if let Some(number) = port.node_port.filter(|number| !on_nodes.insert((protocol, *number))) {
                let message = format!("node port {} is listed twice for the same protocol", number.get());
                self.say(place.clone().child("nodePort"), message, "");
            }
            self.port(port, place, kind);
        }
    }

    fn port(&mut self, port: &ServicePort, place: Place, kind: ServiceType) {
        if kind == ServiceType::LoadBalancer && port.port.get() == KUBELET {
            let message = format!("port {KUBELET} of every node is the kubelet's");
            self.say(place.clone().child("port"), message, "use another port; `targetPort` may stay");
        }
        if port.node_port.is_some() && !matches!(kind, ServiceType::LoadBalancer | ServiceType::NodePort) {
            let message = "`nodePort` needs `type: LoadBalancer` or `type: NodePort`";
            self.say(place.clone().child("nodePort").on_key(), message, "");
        }
        if let Some(text) = port.app_protocol.as_deref().filter(|text| !is_qualified(text)) {
            self.say(place.child("appProtocol"), format!("{text:?} is not a protocol's name"), QUALIFIED);
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
        if let Some(class) = spec.load_balancer_class.as_deref().filter(|class| !is_qualified(class)) {
            self.say(self.at("spec.loadBalancerClass"), format!("{class:?} is not the name of a class"), QUALIFIED);
        }
        if spec.session_affinity_config.is_some() && spec.session_affinity != Some(SessionAffinity::ClientIP) {
            let place = self.at("spec.sessionAffinityConfig").on_key();
            let message = "`sessionAffinityConfig` needs `sessionAffinity: ClientIP`";
            self.diagnostics.push(Diagnostic::error(code::SERVICE, message).label(place, "the API server drops this"));
        }
    }
}
