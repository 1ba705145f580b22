//! The rules and probes of a Service: which ports get one, and what it says.
//!
//! A rule is compared by what it says, so that an annotation which makes no difference predicts none.
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

/// A rule with its probe, told apart by name and content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) rule: BalancingRule,
    /// What the rule and its probe say.
    pub(super) content: String,
}

/// The rules that a Service gets on each of its frontends.
///
/// # Errors
/// An annotation that is refused before anything is written.
pub(super) fn expected(service: &Service) -> Result<Vec<Expected>, Failure> {
    if is_for_all_ports(service) {
        let Some(first) = service.ports.first() else { return Ok(Vec::new()) };
        let rule = BalancingRule { name: rule_name(service, first), protocol: "All".to_owned(), port: 0 };
        return Ok(vec![Expected { rule, content: content(service, first)? }]);
    }
    let wanted = service.ports.iter().filter(|port| !service.is_on(&format!("port_{}_no_lb_rule", port.port)));
    wanted
        .map(|port| {
            let name = rule_name(service, port);
            let rule = BalancingRule { name, protocol: port.protocol.clone(), port: port.port };
            Ok(Expected { rule, content: content(service, port)? })
        })
        .collect()
}

fn is_for_all_ports(service: &Service) -> bool {
    service.is_internal() && service.is_on("azure-load-balancer-enable-high-availability-ports")
}

fn rule_name(service: &Service, port: &Port) -> String {
    name::rule(&service.base, service.subnet(), &format!("{}-{}", port.protocol, port.port))
}

/// `443/TCP`, as people name a port.
pub(super) fn port_name(rule: &BalancingRule) -> String {
    match rule.port {
        0 => "every port".to_owned(),
        port => format!("{port}/{}", rule.protocol.to_ascii_uppercase()),
    }
}

fn content(service: &Service, port: &Port) -> Result<String, Failure> {
    let floats = !service.is_on("azure-disable-load-balancer-floating-ip");
    let backend = if floats { port.port } else { port.node_port };
    let idle = number(service, "azure-load-balancer-tcp-idle-timeout", 4..=100)?.unwrap_or(4);
    let resets = port.protocol == "TCP" && !service.is_on("azure-load-balancer-disable-tcp-reset");
    let affinity = service.watched.get("sessionAffinity").map_or("None", String::as_str);
    let probe = probe(service, port)?.unwrap_or_else(|| "no probe".to_owned());
    Ok(format!("{backend} {floats} {idle} {resets} {affinity} {probe}"))
}

fn probe(service: &Service, port: &Port) -> Result<Option<String>, Failure> {
    let own = |name: &str| format!("port_{}_{name}", port.port);
    let interval = either(service, &own("health-probe_interval"), "azure-load-balancer-health-probe-interval", 5)?;
    let times = either(service, &own("health-probe_num-of-probe"), "azure-load-balancer-health-probe-num-of-probe", 2)?;
    if interval.saturating_mul(times) >= 120 {
        let problem = format!("the health probe takes {interval} s x {times}: the product must stay below 120");
        return Err(refused(problem));
    }
    if port.protocol != "TCP" || service.is_on(&own("no_probe_rule")) {
        return Ok(None);
    }
    let is_local = service.watched.get("externalTrafficPolicy").is_some_and(|policy| policy.contains("Local"));
    let says_proxy = service.is_on("azure-pls-create") && service.is_on("azure-pls-proxy-protocol");
    if is_local && !says_proxy && service.short(&own("health-probe_port")).is_none() {
        let check = service.watched.get("healthCheckNodePort").map_or("0", String::as_str);
        return Ok(Some(format!("http {check}/healthz {interval} {times}")));
    }
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
        .filter(|_| protocol != "tcp");
    let at = service.short(&own("health-probe_port")).map_or_else(|| port.node_port.to_string(), ToOwned::to_owned);
    Ok(Some(format!("{protocol} {at}{} {interval} {times}", path.unwrap_or(""))))
}

fn either(service: &Service, own: &str, global: &str, least: i32) -> Result<i32, Failure> {
    let range = least..=i32::MAX;
    Ok(number(service, own, range.clone())?.or(number(service, global, range)?).unwrap_or(least))
}

fn number(service: &Service, name: &str, range: std::ops::RangeInclusive<i32>) -> Result<Option<i32>, Failure> {
    let Some(text) = service.short(name) else { return Ok(None) };
    match text.trim().parse::<i32>() {
        Ok(number) if range.contains(&number) => Ok(Some(number)),
        _ => Err(refused(format!(
            "{}{name} is {text:?}, and must be a whole number from {}",
            annotation::PREFIX,
            range.start()
        ))),
    }
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

/// Compares what a Service had with what it gets. Without the Service as it was, what rules said is not known.
pub(super) fn differences(had: &[BalancingRule], before: &[Expected], after: &[Expected]) -> Difference {
    let ports = |rules: &mut dyn Iterator<Item = &BalancingRule>| -> BTreeMap<String, ()> {
        rules.map(|rule| (port_name(rule), ())).collect()
    };
    let old = ports(&mut had.iter());
    let new = ports(&mut after.iter().map(|expected| &expected.rule));
    let said: BTreeMap<String, &str> =
        before.iter().map(|expected| (port_name(&expected.rule), expected.content.as_str())).collect();
    let is_changed = |expected: &&Expected| {
        let port = port_name(&expected.rule);
        old.contains_key(&port) && said.get(&port).is_some_and(|content| *content != expected.content)
    };
    let gone: Vec<String> = old.keys().filter(|port| !new.contains_key(*port)).cloned().collect();
    let differs = after.iter().filter(is_changed).map(|expected| port_name(&expected.rule));
    // A rule for every port takes the place of those for single ones, and lets through what they let through.
    let widens = after.iter().any(|expected| expected.rule.port == 0);
    let (removed, replaced) = if widens { (Vec::new(), gone) } else { (gone, Vec::new()) };
    Difference {
        added: new.keys().filter(|port| !old.contains_key(*port)).cloned().collect(),
        removed,
        changed: differs.chain(replaced).collect(),
    }
}
