//! The API server's rules for a Service and for names, as far as manifests of load balancers meet them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::service::{NODE_PORTS, Taken, type_of};
use super::status_error::Cause;
use crate::domain::kubernetes::{Namespace, ServiceName};

// The sentences are the real server's, its double spaces included: clients' users search for them.
const LABEL_RULE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
                          start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for \
                          validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SERVICE_NAME_RULE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
                                 alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or \
                                 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED_NAME_RULE: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and \
                                   end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex \
                                   used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE_RULE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
                                '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or \
                                'my_value',  or '12345', regex used for validation is \
                                '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// Checks a Service, and against its stored version what may not change.
pub(crate) fn service(new: &Value, old: Option<&Value>, taken: &Taken<'_>) -> Vec<Cause> {
    let mut causes = metadata(new);
    let name = &new["metadata"]["name"];
    if name.as_str().is_some_and(|name| name.parse::<ServiceName>().is_err()) {
        causes.push(Cause::invalid("metadata.name", name, SERVICE_NAME_RULE));
    }
    check_choices(new, &mut causes);
    check_ports(new, old, (taken, &mut causes));
    check_addresses(new, old, (taken, &mut causes));
    check_families(new, taken, &mut causes);
    if let Some(old) = old {
        check_immutable(new, old, &mut causes);
    }
    causes
}

/// A cluster has addresses of its own families alone.
fn check_families(service: &Value, taken: &Taken<'_>, causes: &mut Vec<Cause>) {
    let policy = &service["spec"]["ipFamilyPolicy"];
    if policy == "RequireDualStack" && !taken.is_dual_stack() {
        let why = "this cluster is not configured for dual-stack services";
        causes.push(Cause::invalid("spec.ipFamilyPolicy", policy, why));
    }
    for (at, family) in service["spec"]["ipFamilies"].as_array().into_iter().flatten().enumerate() {
        if family.as_str().is_some_and(|family| ["IPv4", "IPv6"].contains(&family) && !taken.has_family(family)) {
            causes.push(Cause::invalid(format!("spec.ipFamilies[{at}]"), family, "not configured on this cluster"));
        }
    }
}

/// Checks what every object has.
pub(crate) fn metadata(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let metadata = &object["metadata"];
    for key in metadata["annotations"].as_object().into_iter().flatten().map(|(key, _)| key) {
        if !is_qualified_name(key) {
            causes.push(Cause::invalid("metadata.annotations", &json!(key), QUALIFIED_NAME_RULE));
        }
    }
    for (key, value) in metadata["labels"].as_object().into_iter().flatten() {
        if !is_qualified_name(key) {
            causes.push(Cause::invalid("metadata.labels", &json!(key), QUALIFIED_NAME_RULE));
        }
        if !is_label_value(value.as_str().unwrap_or_default()) {
            causes.push(Cause::invalid("metadata.labels", value, LABEL_VALUE_RULE));
        }
    }
    if let Some(namespace) = metadata["namespace"].as_str().filter(|text| text.parse::<Namespace>().is_err()) {
        causes.push(Cause::invalid("metadata.namespace", &json!(namespace), LABEL_RULE));
    }
    causes
}

/// Checks what no update may change in metadata.
pub(crate) fn metadata_update(new: &Value, old: &Value) -> Vec<Cause> {
    let list = |object: &Value| object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let added: Vec<Value> = list(new).into_iter().filter(|name| !list(old).contains(name)).collect();
    if old["metadata"].get("deletionTimestamp").is_some() && !added.is_empty() {
        let why = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers {}",
            json!(added)
        );
        return vec![Cause::forbidden("metadata.finalizers", &why)];
    }
    Vec::new()
}

fn is_qualified_name(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_fits = prefix.is_none_or(|prefix| {
        let label = |part: &str| part.parse::<Namespace>().is_ok();
        prefix.len() <= 253 && prefix.split('.').all(label)
    });
    prefix_fits && !name.is_empty() && is_label_value(name)
}

fn is_label_value(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    bytes.is_empty()
        || (bytes.len() <= 63
            && bytes.iter().all(inner)
            && bytes[0].is_ascii_alphanumeric()
            && bytes[bytes.len() - 1].is_ascii_alphanumeric())
}

fn check_choices(service: &Value, causes: &mut Vec<Cause>) {
    let choices: [(&str, &[&str]); 5] = [
        ("type", &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]),
        ("sessionAffinity", &["ClientIP", "None"]),
        ("externalTrafficPolicy", &["Cluster", "Local"]),
        ("internalTrafficPolicy", &["Cluster", "Local"]),
        ("ipFamilyPolicy", &["PreferDualStack", "RequireDualStack", "SingleStack"]),
    ];
    for (field, supported) in choices {
        let value = &service["spec"][field];
        if value.as_str().is_some_and(|text| !supported.contains(&text)) {
            causes.push(Cause::unsupported(format!("spec.{field}"), value, supported));
        }
    }
    let kind = type_of(service);
    let external = service["spec"].get("externalTrafficPolicy");
    if let Some(policy) = external.filter(|_| kind != "LoadBalancer" && kind != "NodePort") {
        causes.push(Cause::invalid(
            "spec.externalTrafficPolicy",
            policy,
            "may only be set for externally-accessible services",
        ));
    }
    for field in ["loadBalancerClass", "allocateLoadBalancerNodePorts"] {
        if service["spec"].get(field).is_some() && kind != "LoadBalancer" {
            causes.push(Cause::forbidden(format!("spec.{field}"), "may only be used when `type` is 'LoadBalancer'"));
        }
    }
    for (index, range) in service["spec"]["loadBalancerSourceRanges"].as_array().into_iter().flatten().enumerate() {
        let parsed = range.as_str().map(|text| text.trim().parse::<ipnet::IpNet>().is_ok());
        if parsed != Some(true) {
            let field = format!("spec.loadBalancerSourceRanges[{index}]");
            causes.push(Cause::invalid(
                field,
                range,
                "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
            ));
        }
    }
}

fn check_ports(service: &Value, old: Option<&Value>, (taken, causes): (&Taken<'_>, &mut Vec<Cause>)) {
    let ports = service["spec"]["ports"].as_array().map_or(&[][..], Vec::as_slice);
    let is_headless = service["spec"]["clusterIP"] == "None";
    if ports.is_empty() && !is_headless && type_of(service) != "ExternalName" {
        causes.push(Cause::required("spec.ports", ""));
    }
    let mut seen = Seen::default();
    for (index, port) in ports.iter().enumerate() {
        let field = |name: &str| format!("spec.ports[{index}]{name}");
        check_port_name(port, ports.len(), (&field, &mut seen, causes));
        check_port_numbers(port, (&field, causes));
        let key = format!("{}/{}", port["protocol"], port["port"]);
        if !seen.ports.insert(key) {
            causes.push(Cause::duplicate(field(""), &json!({"port": port["port"], "protocol": port["protocol"]})));
        }
        let node_port = port["nodePort"].as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
        let owned = old.is_some_and(|old| has_node_port(old, node_port));
        if let Some(number) = node_port.filter(|number| !owned && taken.has_port(*number)) {
            causes.push(Cause::invalid(field(".nodePort"), &json!(number), "provided port is already allocated"));
        }
    }
}

#[derive(Default)]
struct Seen {
    names: BTreeSet<String>,
    ports: BTreeSet<String>,
}

fn has_node_port(service: &Value, number: Option<u16>) -> bool {
    service["spec"]["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|port| port["nodePort"].as_u64() == number.map(u64::from))
}

type Field<'a> = &'a dyn Fn(&str) -> String;

fn check_port_name(port: &Value, count: usize, (field, seen, causes): (Field<'_>, &mut Seen, &mut Vec<Cause>)) {
    match port["name"].as_str().filter(|name| !name.is_empty()) {
        None if count > 1 => causes.push(Cause::required(field(".name"), "")),
        None => {}
        Some(name) if name.parse::<Namespace>().is_err() => {
            causes.push(Cause::invalid(field(".name"), &json!(name), LABEL_RULE));
        }
        Some(name) if !seen.names.insert(name.to_owned()) => {
            causes.push(Cause::duplicate(field(".name"), &json!(name)));
        }
        Some(_) => {}
    }
}

fn check_port_numbers(port: &Value, (field, causes): (Field<'_>, &mut Vec<Cause>)) {
    let in_range = |value: &Value| value.as_u64().is_some_and(|number| (1..=65_535).contains(&number));
    let range = "must be between 1 and 65535, inclusive";
    if port.get("port").is_none() {
        causes.push(Cause::required(field(".port"), ""));
    } else if !in_range(&port["port"]) {
        causes.push(Cause::invalid(field(".port"), &port["port"], range));
    }
    if port["targetPort"].is_number() && !in_range(&port["targetPort"]) {
        causes.push(Cause::invalid(field(".targetPort"), &port["targetPort"], range));
    }
    if port["protocol"].as_str().is_some_and(|text| !["TCP", "UDP", "SCTP"].contains(&text)) {
        causes.push(Cause::unsupported(field(".protocol"), &port["protocol"], &["SCTP", "TCP", "UDP"]));
    }
    let node_port = port["nodePort"].as_u64().unwrap_or_default();
    if node_port != 0 && !u16::try_from(node_port).is_ok_and(|number| NODE_PORTS.contains(&number)) {
        let why = "provided port is not in the valid range. The range of valid ports is 30000-32767";
        causes.push(Cause::invalid(field(".nodePort"), &port["nodePort"], why));
    }
}

fn check_addresses(new: &Value, old: Option<&Value>, (taken, causes): (&Taken<'_>, &mut Vec<Cause>)) {
    let addresses = new["spec"]["clusterIPs"].as_array().into_iter().flatten();
    for (index, address) in addresses.enumerate() {
        let field = format!("spec.clusterIPs[{index}]");
        let Some(text) = address.as_str().filter(|text| *text != "None") else { continue };
        match text.parse::<IpAddr>() {
            Err(_) => causes.push(Cause::invalid(
                field,
                address,
                "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            )),
            Ok(ip) if old.is_none() && taken.has_address(ip) => {
                let why = format!("failed to allocate IP {ip}: provided IP is already allocated");
                causes.push(Cause::invalid(field, address, &why));
            }
            Ok(_) => {}
        }
    }
    if new["spec"]["clusterIPs"][0] != new["spec"]["clusterIP"] && new["spec"].get("clusterIPs").is_some() {
        causes.push(Cause::invalid(
            "spec.clusterIPs",
            &new["spec"]["clusterIPs"],
            "first value must match `clusterIP`",
        ));
    }
}

fn check_immutable(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let (before, after) = (&old["spec"], &new["spec"]);
    let keeps_type = type_of(old) != "ExternalName" && type_of(new) != "ExternalName";
    if keeps_type && before["clusterIP"] != after["clusterIP"] {
        causes.push(Cause::invalid("spec.clusterIPs[0]", &json!([after["clusterIP"]]), "may not change once set"));
    }
    if keeps_type && before["ipFamilies"][0] != after["ipFamilies"][0] {
        causes.push(Cause::invalid("spec.ipFamilies[0]", &after["ipFamilies"][0], "may not change once set"));
    }
    let both = type_of(old) == "LoadBalancer" && type_of(new) == "LoadBalancer";
    if both && before.get("loadBalancerClass") != after.get("loadBalancerClass") {
        causes.push(Cause::invalid("spec.loadBalancerClass", &after["loadBalancerClass"], "may not change once set"));
    }
    if both
        && before.get("healthCheckNodePort") != after.get("healthCheckNodePort")
        && after["externalTrafficPolicy"] == "Local"
        && before["externalTrafficPolicy"] == "Local"
    {
        causes.push(Cause::forbidden("spec.healthCheckNodePort", "field is immutable"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::kube::service::Claims;
    use crate::sim::kube::status_error::ApiError;
    use crate::sim::world::IpFamily;

    const BOTH: [IpFamily; 2] = [IpFamily::IPv4, IpFamily::IPv6];

    fn message(service_value: &Value) -> String {
        ApiError::invalid(
            "Service",
            "web",
            &service(service_value, None, &Taken::beside(None, &Claims::default(), &BOTH)),
        )
        .message
    }

    #[test]
    fn ports_need_names_numbers_and_room() {
        let two = json!({"metadata": {"name": "web"}, "spec": {"ports": [
            {"port": 80, "protocol": "TCP", "nodePort": 80}, {"port": 0, "name": "x"},
        ]}});
        let text = message(&two);
        for expected in ["spec.ports[0].name: Required value", "spec.ports[1].port: Invalid value: 0", "30000-32767"] {
            assert!(text.contains(expected), "{text}");
        }
        assert!(message(&json!({"metadata": {"name": "1web"}, "spec": {}})).contains("DNS-1035"));
    }
}
