//! Load-balancing rules and health probes of one Service and one family.

use serde_json::{Value, json};

use super::annotation::{
    FLOATING_IP_OFF, HA_PORTS, IDLE_TIMEOUT, INTERNAL, PROBE_COUNT, PROBE_INTERVAL, PROBE_PATH, PROBE_PROTOCOL,
    TCP_RESET_OFF,
};
use super::azure::CloudError;
use super::name;
use super::service::{Family, Port, Service};

/// Where the rules of a family point to: resource ids.
pub(crate) struct Ends<'a> {
    pub(crate) balancer: &'a str,
    pub(crate) frontend: &'a str,
    pub(crate) pool: &'a str,
}

/// What a load balancer should have for a Service.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Expected {
    pub(crate) rules: Vec<Value>,
    pub(crate) probes: Vec<Value>,
}

/// Builds rules and probes.
///
/// # Errors
/// If an annotation does not hold what its reader needs; nothing was written then.
pub(crate) fn expected(service: &Service, family: Family, ends: &Ends<'_>) -> Result<Expected, CloudError> {
    let mut expected = Expected::default();
    if service.annotations.is_true_in_any_case(HA_PORTS) && service.annotations.is_true_in_any_case(INTERNAL) {
        return high_availability(service, family, ends);
    }
    let shared = shared_probe(service, family)?;
    for port in &service.ports {
        if port.protocol == "SCTP" && !service.annotations.is_true_in_any_case(INTERNAL) {
            return Err(CloudError::local("SCTP is only supported on internal LoadBalancer"));
        }
        let probe = probe_of(service, family, (port, shared.as_ref()))?;
        let probe_name = probe.as_ref().map(|probe| probe["name"].as_str().unwrap_or_default().to_owned());
        if let Some(probe) = probe.filter(|probe| !expected.probes.contains(probe)) {
            expected.probes.push(probe);
        }
        if !service.annotations.is_true_in_any_case(&format!("port_{}_no_lb_rule", port.port)) {
            expected.rules.push(rule(service, family, (port, probe_name.as_deref(), ends))?);
        }
    }
    Ok(expected)
}

fn rule(
    service: &Service,
    family: Family,
    (port, probe, ends): (&Port, Option<&str>, &Ends<'_>),
) -> Result<Value, CloudError> {
    // Kubernetes' nodes do not have the frontend's address in IPv6, so internal IPv6 goes through the node port.
    let is_internal_v6 = family == Family::V6 && service.annotations.is_true_in_any_case(INTERNAL);
    let is_floating = !is_internal_v6 && !service.annotations.is_true_in_any_case(FLOATING_IP_OFF);
    let name = name::rule(service, family, (&port.protocol, port.port));
    let mut rule = common(service, (&name, probe), ends)?;
    let properties = &mut rule["properties"];
    properties["protocol"] = json!(azure_protocol(&port.protocol));
    properties["frontendPort"] = json!(port.port);
    properties["backendPort"] = json!(if is_floating { port.port } else { port.node_port });
    properties["enableFloatingIP"] = json!(is_floating);
    if port.protocol == "TCP" {
        properties["enableTcpReset"] = json!(!service.annotations.is_true_in_any_case(TCP_RESET_OFF));
    }
    Ok(rule)
}

/// One rule for all ports, named after the first.
fn high_availability(service: &Service, family: Family, ends: &Ends<'_>) -> Result<Expected, CloudError> {
    let Some(first) = service.ports.first() else { return Ok(Expected::default()) };
    let shared = shared_probe(service, family)?;
    let tcp = service.ports.iter().find(|port| port.protocol == "TCP");
    let probe = match tcp {
        Some(port) => probe_of(service, family, (port, shared.as_ref()))?,
        None => shared,
    };
    let probe_name = probe.as_ref().and_then(|probe| probe["name"].as_str());
    let name = name::rule(service, family, (&first.protocol, first.port));
    let mut rule = common(service, (&name, probe_name), ends)?;
    let properties = &mut rule["properties"];
    properties["protocol"] = json!("All");
    properties["frontendPort"] = json!(0);
    properties["backendPort"] = json!(0);
    properties["enableFloatingIP"] = json!(true);
    properties["enableTcpReset"] = json!(!service.annotations.is_true_in_any_case(TCP_RESET_OFF));
    Ok(Expected { rules: vec![rule], probes: probe.into_iter().collect() })
}

fn common(service: &Service, (name, probe): (&str, Option<&str>), ends: &Ends<'_>) -> Result<Value, CloudError> {
    let distribution = if service.has_client_affinity { "SourceIP" } else { "Default" };
    let mut properties = json!({
        "backendAddressPool": {"id": ends.pool},
        "disableOutboundSnat": false,
        "frontendIPConfiguration": {"id": ends.frontend},
        "idleTimeoutInMinutes": idle_timeout(service)?,
        "loadDistribution": distribution,
    });
    if let Some(probe) = probe {
        properties["probe"] = json!({"id": format!("{}/probes/{probe}", ends.balancer)});
    }
    Ok(json!({"name": name, "properties": properties}))
}

fn idle_timeout(service: &Service) -> Result<i32, CloudError> {
    let timeout = service.annotations.number(IDLE_TIMEOUT);
    let wrong = |why: String| CloudError::local(format!("error parsing idle timeout key: {why}"));
    match timeout.map_err(wrong)? {
        None => Ok(4),
        Some(minutes @ 4..=100) => Ok(minutes),
        Some(minutes) => Err(wrong(format!(
            "idle timeout value must be a whole number representing minutes between 4 and 100, actual value: {minutes}"
        ))),
    }
}

fn azure_protocol(protocol: &str) -> &'static str {
    match protocol {
        "UDP" => "Udp",
        // Azure has no word for SCTP: such rules take every protocol.
        "SCTP" => "All",
        _ => "Tcp",
    }
}

/// With local traffic one probe asks kube-proxy, unless a proxy protocol would garble it.
fn shared_probe(service: &Service, family: Family) -> Result<Option<Value>, CloudError> {
    if !service.is_local || service.annotations.probes_through_proxy() {
        return Ok(None);
    }
    let (interval, count) = timing(service, None)?;
    Ok(Some(json!({
        "name": name::rule(service, family, ("TCP", service.health_check_port)),
        "properties": {
            "protocol": "Http", "requestPath": "/healthz", "port": service.health_check_port,
            "intervalInSeconds": interval, "probeThreshold": count,
        },
    })))
}

fn probe_of(
    service: &Service,
    family: Family,
    (port, shared): (&Port, Option<&Value>),
) -> Result<Option<Value>, CloudError> {
    let own = |key: &str| format!("port_{}_{key}", port.port);
    if service.annotations.is_true_in_any_case(&own("no_probe_rule")) {
        return Ok(None);
    }
    if let (Some(shared), None) = (shared, service.annotations.raw(&own("health-probe_port"))) {
        return Ok(Some(shared.clone()));
    }
    if port.protocol != "TCP" {
        return Ok(None);
    }
    let (interval, count) = timing(service, Some(port))?;
    let protocol = probe_protocol(service, port);
    let mut properties = json!({
        "protocol": protocol, "port": probe_port(service, port)?,
        "intervalInSeconds": interval, "probeThreshold": count,
    });
    if protocol != "Tcp" {
        let path = service.annotations.raw(&own("health-probe_request-path"));
        let path = path.or_else(|| service.annotations.raw(PROBE_PATH)).unwrap_or("/");
        properties["requestPath"] = json!(path);
    }
    let name = name::rule(service, family, (&port.protocol, port.port));
    Ok(Some(json!({"name": name, "properties": properties})))
}

/// Per-port annotation, then the port's application protocol, then the annotation for all ports, then TCP.
fn probe_protocol(service: &Service, port: &Port) -> &'static str {
    let own = service.annotations.raw(&format!("port_{}_health-probe_protocol", port.port));
    let given = own.or(port.app_protocol.as_deref()).or_else(|| service.annotations.raw(PROBE_PROTOCOL));
    match given.unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "http" => "Http",
        "https" => "Https",
        _ => "Tcp",
    }
}

fn probe_port(service: &Service, port: &Port) -> Result<u16, CloudError> {
    let Some(given) = service.annotations.raw(&format!("port_{}_health-probe_port", port.port)) else {
        return Ok(port.node_port);
    };
    let given = given.trim();
    let named = service.ports.iter().find(|own| !own.name.is_empty() && own.name.eq_ignore_ascii_case(given));
    if let Some(named) = named {
        return Ok(named.node_port);
    }
    let number = given.parse::<u16>().map_err(|_| CloudError::local(format!("port {given:?} not found in service")))?;
    let own = service.ports.iter().find(|own| own.port == number);
    Ok(own.map_or(number, |own| own.node_port))
}

/// Interval in seconds and number of probes; their product has to stay below 120.
fn timing(service: &Service, port: Option<&Port>) -> Result<(i32, i32), CloudError> {
    let read = |global: &str, own: &str| -> Result<Option<i32>, CloudError> {
        let wrong = |why| CloudError::local(format!("failed to build health probe config: {why}"));
        let key = port.map(|port| format!("port_{}_health-probe_{own}", port.port));
        let value = key.map(|key| service.annotations.number(&key)).transpose().map_err(wrong)?.flatten();
        match value {
            Some(value) => Ok(Some(value)),
            None => service.annotations.number(global).map_err(wrong),
        }
    };
    let interval = read(PROBE_INTERVAL, "interval")?.unwrap_or(5);
    let count = read(PROBE_COUNT, "num-of-probe")?.unwrap_or(2);
    let refuse = |why: &str| Err(CloudError::local(format!("failed to build health probe config: {why}")));
    match (interval, count) {
        (..5, _) => refuse("the minimum value of the probe interval is 5"),
        (_, ..2) => refuse("the minimum value of the number of probes is 2"),
        _ if interval.saturating_mul(count) >= 120 => {
            refuse("total probe should be less than 120, please adjust interval and number of probe accordingly")
        }
        timing => Ok(timing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: Ends<'_> = Ends { balancer: "/lb", frontend: "/lb/f", pool: "/lb/p" };

    fn service(annotations: &[(&str, &str)], spec: Value) -> Service {
        let annotations: serde_json::Map<String, Value> = annotations
            .iter()
            .map(|(key, value)| (format!("service.beta.kubernetes.io/{key}"), json!(value)))
            .collect();
        Service::of(&json!({"metadata": {"uid": "test1", "annotations": annotations}, "spec": spec}))
    }

    fn local(app_protocol: &str) -> Value {
        json!({"externalTrafficPolicy": "Local", "healthCheckNodePort": 34567,
            "ports": [{"port": 80, "nodePort": 10080, "appProtocol": app_protocol}, {"port": 443, "nodePort": 10443}]})
    }

    fn one(protocol: &str) -> Value {
        json!({"ports": [{"port": 80, "nodePort": 10080, "protocol": protocol}]})
    }

    #[test]
    fn local_traffic_shares_a_probe_of_kube_proxy() {
        let all = [
            ("azure-load-balancer-health-probe-protocol", "tcp"),
            ("port_80_health-probe_interval", "10"),
            ("port_80_health-probe_protocol", "https"),
        ];
        let built = expected(&service(&all, local("Http")), Family::V4, &ENDS).unwrap();
        let probe = json!({"name": "atest1-TCP-34567", "properties": {"protocol": "Http", "port": 34567,
            "requestPath": "/healthz", "intervalInSeconds": 5, "probeThreshold": 2}});
        assert_eq!(built.probes, [probe]);
        assert!(built.rules.iter().all(|rule| rule["properties"]["probe"]["id"] == "/lb/probes/atest1-TCP-34567"));
    }

    #[test]
    fn a_proxy_protocol_brings_probes_per_port_back() {
        let all = [
            ("azure-pls-create", "true"),
            ("azure-pls-proxy-protocol", "true"),
            ("port_80_health-probe_interval", "7"),
            ("port_80_health-probe_protocol", "https"),
            ("port_80_health-probe_request-path", "/own"),
            ("port_80_health-probe_num-of-probe", "15"),
            ("port_80_health-probe_port", "421"),
        ];
        let built = expected(&service(&all, local("https")), Family::V4, &ENDS).unwrap();
        let probe = json!({"name": "atest1-TCP-80", "properties": {"protocol": "Https", "port": 421,
            "requestPath": "/own", "intervalInSeconds": 7, "probeThreshold": 15}});
        assert_eq!(built.probes[0], probe);
    }

    #[test]
    fn bad_numbers_stop_before_anything_is_written() {
        let cases: [&[(&str, &str)]; 5] = [
            &[("port_80_health-probe_interval", "10"), ("port_80_health-probe_num-of-probe", "20")],
            &[("port_80_health-probe_num-of-probe", "5a")],
            &[("port_80_health-probe_num-of-probe", "1")],
            &[("azure-load-balancer-tcp-idle-timeout", "3")],
            &[("azure-load-balancer-tcp-idle-timeout", "")],
        ];
        for annotations in cases {
            assert!(expected(&service(annotations, one("TCP")), Family::V4, &ENDS).is_err(), "{annotations:?}");
        }
        let error = expected(&service(&[], one("SCTP")), Family::V4, &ENDS).unwrap_err();
        assert!(error.to_string().contains("SCTP is only supported"));
    }

    #[test]
    fn floating_addresses_and_high_availability_shape_the_rule() {
        let plain = expected(&service(&[], one("TCP")), Family::V4, &ENDS).unwrap();
        assert_eq!(plain.rules[0]["properties"]["backendPort"], 80);
        assert_eq!(plain.rules[0]["properties"]["enableTcpReset"], true);
        assert_eq!(plain.probes[0]["properties"]["port"], 10080);
        let off = service(&[("azure-disable-load-balancer-floating-ip", "True")], one("TCP"));
        assert_eq!(expected(&off, Family::V4, &ENDS).unwrap().rules[0]["properties"]["backendPort"], 10080);
        let all =
            [("azure-load-balancer-internal", "true"), ("azure-load-balancer-enable-high-availability-ports", "True")];
        let built = expected(&service(&all, local("")), Family::V4, &ENDS).unwrap();
        assert_eq!((built.rules.len(), &built.rules[0]["properties"]["protocol"]), (1, &json!("All")));
        let v6 = service(&[("azure-load-balancer-internal", "true")], one("TCP"));
        assert_eq!(expected(&v6, Family::V6, &ENDS).unwrap().rules[0]["properties"]["enableFloatingIP"], false);
    }
}
