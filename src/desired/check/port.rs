//! Ports, load balancing rules and health probes.

use crate::desired::check::rule::Findings;
use crate::desired::check::rule::Look;
use crate::desired::check::rule::Rule;
use crate::desired::check::subject::Note;
use crate::desired::check::subject::Subject;
use crate::diagnostic::Severity;
use crate::domain::annotation;
use crate::domain::evidence::Evidence;
use crate::repo::schema::service::Protocol;
use crate::repo::schema::service::ServicePort;

pub(super) const RULES: &[Rule] = &[
    Rule::error("RUL001", "the idle timeout is not a number of minutes from 4 to 100", Look::Each(idle_timeout))
        .because(
            "The rules of the load balancer cannot be built: the Service keeps EXTERNAL-IP <pending>.",
            "Write whole minutes from 4 to 100.",
        )
        .in_versions("before 1.25.17, 1.26.13 and 1.27.7 the limit is 30"),
    Rule::warning("RUL002", "an idle timeout that a Private Link Service does not keep", Look::Each(idle_behind_link))
        .because(
            "A Private Link Service forgets idle connections after about 5 minutes, whatever the load balancer does.",
            "Let clients send TCP keep-alives more often than every 5 minutes.",
        )
        .by(Evidence::Documented),
    Rule::error("RUL012", "node ports are needed and not allocated", Look::Each(node_ports))
        .because(
            "Without `nodePort` the rule or the probe is built with port 0, and Azure refuses it.",
            "Give each port a `nodePort`, or remove `allocateLoadBalancerNodePorts: false`.",
        )
        .by(Evidence::Documented),
    Rule::warning("RUL013", "every port is without a rule", Look::Each(no_rules))
        .because("The frontend has an address and forwards nothing.", "Keep the rule of at least one port."),
    Rule::error("RUL008", "SCTP on a public load balancer", Look::Each(sctp_of_public)).because(
        "SCTP works on internal Standard load balancers with high-availability ports only: the sync fails for ever.",
        "Make the Service internal, or use TCP.",
    ),
    Rule::error("RUL009", "SCTP behind a Private Link Service", Look::Each(sctp_behind_link))
        .because("A Private Link Service carries TCP and UDP only.", "Do not publish the Service, or use TCP.")
        .by(Evidence::Documented),
    Rule::warning("RUL010", "high-availability ports on a public load balancer", Look::Each(ha_of_public)).because(
        "The annotation is passed over: there is one rule per port.",
        "Add azure-load-balancer-internal: \"true\", or remove it.",
    ),
    Rule::remark("RUL014", "nothing probes whether the nodes are healthy", Look::Each(only_udp)).because(
        "UDP ports get no probe; without a TCP port all nodes take traffic, dead ones too.",
        "Add a TCP port that answers when the service does.",
    ),
];

fn idle_minutes(note: &Note<'_>) -> Option<i32> {
    annotation::int32(&note.text).filter(|minutes| (4..=100).contains(minutes))
}

fn idle_timeout(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = subject.written(annotation::IDLE_TIMEOUT) else { return };
    if idle_minutes(&note).is_none() {
        let message = format!("{:?} is not an idle timeout", note.text);
        findings.say(message, (note.place(), "whole minutes from 4 to 100"), "write for example \"4\"");
    }
}

fn idle_behind_link(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = subject.written(annotation::IDLE_TIMEOUT).filter(|_| subject.is_published()) else { return };
    if let Some(minutes) = idle_minutes(&note).filter(|minutes| *minutes > 5) {
        let message = format!("consumers lose idle connections after 5 minutes, not {minutes}");
        let help = "let clients send TCP keep-alives more often than every 5 minutes";
        findings.say(message, (note.place(), "the Private Link Service does not keep it"), help);
    }
}

fn node_ports(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    if subject.spec().is_none_or(|spec| spec.allocate_load_balancer_node_ports != Some(false)) {
        return;
    }
    let Some(at) = subject.ports().iter().position(|port| port.node_port.is_none()) else { return };
    let floating_off = subject.is_on(annotation::DISABLE_FLOATING_IP);
    let proxied = subject.is_published() && subject.proxies();
    // With floating IP, externalTrafficPolicy Local probes its own port; Cluster needs the cluster's shared probe.
    let severity = match (floating_off, subject.is_local(), proxied) {
        (true, _, _) | (false, true, true) => Severity::Error,
        (false, false, _) => Severity::Warning,
        (false, true, false) => return,
    };
    let needs = if floating_off { "the rule sends traffic to it" } else { "the health probe asks it" };
    let message = format!("{} needs a node port for port {}", subject.key, subject.ports()[at].port.get());
    let places = (
        (subject.at("spec.ports").child(at), needs),
        (subject.at("spec.allocateLoadBalancerNodePorts"), "none is allocated"),
    );
    findings.as_bad_as(severity).pair(message, places, "write a `nodePort`, or remove `allocateLoadBalancerNodePorts`");
}

/// The annotation of one port.
pub(super) fn of_port<'a>(subject: &Subject<'a>, port: &ServicePort, suffix: &str) -> Option<Note<'a>> {
    let number = port.port.get().to_string();
    subject.all_written().find(|note| annotation::port_key(note.key) == Some((&number, suffix)))
}

fn no_rules(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let off =
        |port: &ServicePort| of_port(subject, port, "no_lb_rule").filter(|note| annotation::is_true_folded(&note.text));
    let offs: Vec<Note<'_>> = subject.ports().iter().filter_map(off).collect();
    if let Some(first) = offs.first().filter(|_| offs.len() == subject.ports().len()) {
        let message = format!("the load balancer of {} forwards nothing", subject.key);
        findings.say(message, (first.key_place(), "no port has a rule"), "keep the rule of at least one port");
    }
}

fn sctp(subject: &Subject<'_>) -> Option<usize> {
    subject.ports().iter().position(|port| port.protocol == Some(Protocol::Sctp))
}

fn sctp_of_public(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(at) = sctp(subject).filter(|_| subject.is_public()) else { return };
    let message = format!("the load balancer of {} is public and cannot carry SCTP", subject.key);
    let help = format!("add {}: \"true\", or use TCP", annotation::INTERNAL);
    findings.say(message, (subject.at("spec.ports").child(at).child("protocol"), "internal ones only"), help);
}

fn sctp_behind_link(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(at) = sctp(subject).filter(|_| subject.is_published()) else { return };
    let message = format!("{} is published and cannot carry SCTP", subject.key);
    let place = subject.at("spec.ports").child(at).child("protocol");
    findings.say(message, (place, "a Private Link Service carries TCP and UDP"), "use TCP, or do not publish it");
}

fn ha_of_public(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = subject.written(annotation::HA_PORTS).filter(|_| subject.is_public()) else { return };
    if annotation::is_true_folded(&note.text) {
        let message = format!("the load balancer of {} is public and has no high-availability ports", subject.key);
        findings.say(message, (note.key_place(), "passed over"), format!("add {}: \"true\"", annotation::INTERNAL));
    }
}

fn only_udp(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let ports = subject.ports();
    if !ports.is_empty() && ports.iter().all(|port| port.protocol == Some(Protocol::Udp)) && !subject.is_local() {
        let message = format!("nothing probes the nodes of {}", subject.key);
        findings.say(message, (subject.at("spec.ports"), "UDP only"), "add a TCP port that can be probed");
    }
}
