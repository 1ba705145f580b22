//! The rules and probes of a Service: which ports get one, and what it says.
//!
//! What is there is compared by what it says, so that an annotation which makes no difference predicts none, and an edit
//! before this one that had no effect yet is told with this one.
//! Source: cloud-provider-azure at 7b31c76ce, rule and probe building.

use std::collections::BTreeMap;

use crate::cloud_provider::effect::Failure;
use crate::cloud_provider::effect::Stage;
use crate::cloud_provider::name;
use crate::cloud_provider::rule;
use crate::cloud_provider::service::Port;
use crate::cloud_provider::service::Service;
use crate::domain::annotation;
use crate::domain::cluster::BalancingRule;
use crate::domain::cluster::HealthProbe;
use crate::domain::cluster::IpFamily;
use crate::domain::cluster::RuleSettings;

/// The rules that a Service gets on its frontend of a family.
///
/// # Errors
/// An annotation that is refused before anything is written.
pub(super) fn expected(service: &Service, family: IpFamily) -> Result<Vec<BalancingRule>, Failure> {
    let shared = shared_probe(service)?;
    if is_for_all_ports(service) {
        return Ok(for_all_ports(service, family, shared)?.into_iter().collect());
    }
    let mut rules = Vec::new();
    for port in &service.ports {
        if port.protocol == "SCTP" && !is_internal_in_any_case(service) {
            return Err(refused(format!("{}/SCTP needs an internal load balancer", port.port)));
        }
        // The probe of a port is read even where the port gets no rule.
        let probe = probe(service, port, shared.as_ref())?;
        if !service.is_on(&format!("port_{}_no_lb_rule", port.port)) {
            rules.push(for_port(service, family, (port, probe))?);
        }
    }
    Ok(rules)
}

/// Case is folded here, so that a public Service with "True" gets one rule for all ports too.
fn is_internal_in_any_case(service: &Service) -> bool {
    service.is_on("azure-load-balancer-internal")
}

fn is_for_all_ports(service: &Service) -> bool {
    is_internal_in_any_case(service) && service.is_on("azure-load-balancer-enable-high-availability-ports")
}

fn for_port(
    service: &Service,
    family: IpFamily,
    (port, probe): (&Port, Option<HealthProbe>),
) -> Result<BalancingRule, Failure> {
    // Nodes do not have the frontend's address in IPv6, so internal IPv6 goes through the node port.
    let by_node_port = family == IpFamily::V6 && is_internal_in_any_case(service);
    let floats = !by_node_port && !service.is_on("azure-disable-load-balancer-floating-ip");
    let settings = RuleSettings {
        backend_port: if floats { port.port } else { port.node_port },
        floating_ip: floats,
        tcp_reset: port.protocol == "TCP" && resets(service),
        ..common(service, probe)?
    };
    // Azure has no word for SCTP: such rules take every protocol.
    let protocol = if port.protocol == "SCTP" { "All" } else { port.protocol.as_str() };
    let name = rule_name(service, family, port);
    Ok(BalancingRule { name, protocol: protocol.to_owned(), port: port.port, settings: Some(settings) })
}

/// One rule for all ports, named after the first.
fn for_all_ports(
    service: &Service,
    family: IpFamily,
    shared: Option<HealthProbe>,
) -> Result<Option<BalancingRule>, Failure> {
    let Some(first) = service.ports.first() else { return Ok(None) };
    let probe = match service.ports.iter().find(|port| port.protocol == "TCP") {
        Some(port) => probe(service, port, shared.as_ref())?,
        None => shared,
    };
    let settings =
        RuleSettings { backend_port: 0, floating_ip: true, tcp_reset: resets(service), ..common(service, probe)? };
    let name = rule_name(service, family, first);
    Ok(Some(BalancingRule { name, protocol: "All".to_owned(), port: 0, settings: Some(settings) }))
}

fn common(service: &Service, probe: Option<HealthProbe>) -> Result<RuleSettings, Failure> {
    let key = "azure-load-balancer-tcp-idle-timeout";
    let idle_timeout = number(service, key)?.unwrap_or(4);
    if !(4..=100).contains(&idle_timeout) {
        return Err(refused(format!("{}{key} is {idle_timeout}: it must be 4 to 100 minutes", annotation::PREFIX)));
    }
    let sticks = service.watched.get("sessionAffinity").is_some_and(|affinity| affinity.contains("ClientIP"));
    Ok(RuleSettings {
        backend_port: 0,
        floating_ip: true,
        idle_timeout,
        tcp_reset: false,
        distribution: if sticks { "SourceIP" } else { "Default" }.to_owned(),
        probe,
    })
}

fn resets(service: &Service) -> bool {
    !service.is_on("azure-load-balancer-disable-tcp-reset")
}

fn rule_name(service: &Service, family: IpFamily, port: &Port) -> String {
    let name = name::rule(&service.base, service.subnet(), &format!("{}-{}", port.protocol, port.port));
    name::of_half(name, service.is_v6_half(family))
}

/// `443/TCP`, as people name a port.
pub(super) fn port_name(rule: &BalancingRule) -> String {
    match rule.port {
        0 => "every port".to_owned(),
        port => format!("{port}/{}", rule.protocol.to_ascii_uppercase()),
    }
}

/// With local traffic one probe asks the nodes, unless PROXY protocol would garble it.
fn shared_probe(service: &Service) -> Result<Option<HealthProbe>, Failure> {
    let is_local = service.watched.get("externalTrafficPolicy").is_some_and(|policy| policy.contains("Local"));
    let says_proxy = service.is_on("azure-pls-create") && service.is_on("azure-pls-proxy-protocol");
    if !is_local || says_proxy {
        return Ok(None);
    }
    let (interval, threshold) = timing(service, None)?;
    let port = service.watched.get("healthCheckNodePort").and_then(|text| text.parse().ok()).unwrap_or_default();
    Ok(Some(HealthProbe { protocol: "http".to_owned(), port, path: Some("/healthz".to_owned()), interval, threshold }))
}

fn probe(service: &Service, port: &Port, shared: Option<&HealthProbe>) -> Result<Option<HealthProbe>, Failure> {
    let own = |name: &str| format!("port_{}_{name}", port.port);
    if service.is_on(&own("no_probe_rule")) {
        return Ok(None);
    }
    if let (Some(shared), None) = (shared, service.short(&own("health-probe_port"))) {
        return Ok(Some(shared.clone()));
    }
    if port.protocol != "TCP" {
        return Ok(None);
    }
    let (interval, threshold) = timing(service, Some(port))?;
    let given = service.short(&own("health-probe_protocol")).or(port.app_protocol.as_deref());
    let given = given.or(service.short("azure-load-balancer-health-probe-protocol")).unwrap_or("tcp");
    let protocol = match given.trim().to_ascii_lowercase().as_str() {
        "http" => "http",
        "https" => "https",
        _ => "tcp",
    };
    let path = service
        .short(&own("health-probe_request-path"))
        .or(service.short("azure-load-balancer-health-probe-request-path"))
        .unwrap_or("/");
    let path = (protocol != "tcp").then(|| path.to_owned());
    Ok(Some(HealthProbe { protocol: protocol.to_owned(), port: probe_port(service, port)?, path, interval, threshold }))
}

/// The port that a probe asks: given by number or by the name of a port, else the node port.
fn probe_port(service: &Service, port: &Port) -> Result<u16, Failure> {
    let Some(given) = service.short(&format!("port_{}_health-probe_port", port.port)).map(str::trim) else {
        return Ok(port.node_port);
    };
    let named = service.ports.iter().find(|own| !own.name.is_empty() && own.name.eq_ignore_ascii_case(given));
    if let Some(named) = named {
        return Ok(named.node_port);
    }
    let Ok(number) = given.parse::<u16>() else {
        return Err(refused(format!("the probe of {} asks the port {given:?}, which the Service has not", port.port)));
    };
    Ok(service.ports.iter().find(|own| own.port == number).map_or(number, |own| own.node_port))
}

/// Seconds between two probes, and how many decide.
fn timing(service: &Service, port: Option<&Port>) -> Result<(i32, i32), Failure> {
    let read = |own: &str, global: &str| -> Result<Option<i32>, Failure> {
        let own = port.map(|port| number(service, &format!("port_{}_health-probe_{own}", port.port))).transpose()?;
        match own.flatten() {
            Some(own) => Ok(Some(own)),
            None => number(service, global),
        }
    };
    let interval = read("interval", "azure-load-balancer-health-probe-interval")?.unwrap_or(5);
    let times = read("num-of-probe", "azure-load-balancer-health-probe-num-of-probe")?.unwrap_or(2);
    if interval < 5 || times < 2 || interval.saturating_mul(times) >= 120 {
        return Err(refused(format!(
            "the health probe takes {interval} s x {times}: from 5 s and 2 tries, and their product below 120"
        )));
    }
    Ok((interval, times))
}

fn number(service: &Service, name: &str) -> Result<Option<i32>, Failure> {
    let Some(text) = service.short(name) else { return Ok(None) };
    let number = text.trim().parse().map(Some);
    number.map_err(|_| refused(format!("{}{name} is {text:?}, and must be a whole number", annotation::PREFIX)))
}

fn refused(problem: String) -> Failure {
    Failure { rule: &rule::RULE_REFUSED, stage: Stage::Checks, code: "", problem }
}

/// The ports of which something differs between two sets of rules.
pub(super) struct Difference {
    pub(super) added: Vec<String>,
    pub(super) removed: Vec<String>,
    pub(super) changed: Vec<String>,
}

/// Compares the rules that there are with those that a Service gets.
pub(super) fn differences(had: &[BalancingRule], after: &[BalancingRule]) -> Difference {
    let (old, new) = (places(had), places(after));
    let is_changed = |place: &(String, bool)| match (old.get(place), new.get(place)) {
        // A node port that is yet to be allotted is another one than any rule has.
        (Some(Some(had)), Some(Some(wanted))) => had != wanted,
        _ => false,
    };
    let names = |places: Vec<&(String, bool)>| -> Vec<String> {
        let mut names: Vec<String> = places.into_iter().map(|(port, _)| port.clone()).collect();
        names.dedup();
        names
    };
    let gone = names(old.keys().filter(|place| !new.contains_key(*place)).collect());
    let differs = names(new.keys().filter(|place| is_changed(place)).collect());
    // A rule for every port takes the place of those for single ones, and lets through what they let through.
    let widens = after.iter().any(|rule| rule.port == 0);
    let (removed, replaced) = if widens { (Vec::new(), gone) } else { (gone, Vec::new()) };
    Difference {
        added: names(new.keys().filter(|place| !old.contains_key(*place)).collect()),
        removed,
        changed: differs.into_iter().chain(replaced).collect(),
    }
}

/// What each rule says, by its port and the half of a dual-stack Service that it is of.
fn places(rules: &[BalancingRule]) -> BTreeMap<(String, bool), Option<&RuleSettings>> {
    rules.iter().map(|rule| ((port_name(rule), name::is_of_v6_half(&rule.name)), rule.settings.as_ref())).collect()
}
