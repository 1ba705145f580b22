//! Health probes: what they ask, how often, on which port.

use crate::desired::check::port::of_port;
use crate::desired::check::rule::Findings;
use crate::desired::check::rule::Look;
use crate::desired::check::rule::Rule;
use crate::desired::check::subject::Note;
use crate::desired::check::subject::Subject;
use crate::diagnostic::closest;
use crate::domain::annotation;
use crate::repo::schema::service::Protocol;
use crate::repo::schema::service::ServicePort;

pub(super) const RULES: &[Rule] = &[
    Rule::error("RUL003", "a health probe that Azure would never finish", Look::Each(pace)).because(
        "The interval must be 5 seconds or more, the number of probes 2 or more, and both together less than 120 seconds: \
         else the rules cannot be built and the Service keeps EXTERNAL-IP <pending>.",
        "Leave them away for 5 seconds and 2 probes.",
    ),
    Rule::error("RUL004", "the port of a health probe is not one", Look::Each(port)).because(
        "The rules of the load balancer cannot be built: the Service keeps EXTERNAL-IP <pending>.",
        "Name a port of the Service, or write a number up to 65535.",
    ),
    Rule::warning("RUL005", "an unknown protocol of a health probe", Look::Each(protocol)).because(
        "It is taken for TCP without an event: a process that accepts connections and answers nothing is healthy.",
        "Write tcp, http or https.",
    ),
    Rule::remark("RUL006", "a request path for a health probe that asks for none", Look::Each(path)).because(
        "TCP probes ask for no path, and TCP is the default.",
        "Set the protocol to http or https, or remove the path.",
    ),
    Rule::remark("RUL015", "a health probe asks for `/`", Look::Each(root_path)).because(
        "`appProtocol: http` makes the probe HTTP, and the path is `/` unless it is set. If that does not answer 200, the \
         node gets no traffic.",
        "Set azure-load-balancer-health-probe-request-path.",
    ),
    Rule::remark("RUL016", "health probes are configured that are not used", Look::Each(unused)).because(
        "With externalTrafficPolicy Local all ports share the probe of the healthCheckNodePort: protocol and path are passed \
         over.",
        "Remove them, or use externalTrafficPolicy Cluster.",
    ),
];

/// Seconds between probes and how many fail, if none are given.
const DEFAULTS: (i32, i32) = (5, 2);
/// Interval times number must stay below this many seconds.
const TOTAL: i32 = 120;

fn pace(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let global = (subject.written(annotation::PROBE_INTERVAL), subject.written(annotation::PROBE_COUNT));
    let mut told = Vec::new();
    let mut tell = |note: &Note<'_>, label: &str, findings: &mut Findings<'_>| {
        if !told.contains(&note.key.to_owned()) {
            told.push(note.key.to_owned());
            let message = format!("{:?} is not possible for {}", note.text, note.short());
            let help = "leave both away for 5 seconds and 2 probes, or keep their product below 120";
            findings.say(message, (note.place(), label), help);
        }
    };
    for port in subject.ports() {
        let own =
            (of_port(subject, port, "health-probe_interval"), of_port(subject, port, "health-probe_num-of-probe"));
        let interval = own.0.as_ref().or(global.0.as_ref());
        let number = own.1.as_ref().or(global.1.as_ref());
        let seconds = interval.map_or(Some(DEFAULTS.0), |note| annotation::int32(&note.text).filter(|it| *it >= 5));
        let times = number.map_or(Some(DEFAULTS.1), |note| annotation::int32(&note.text).filter(|it| *it >= 2));
        match (seconds, times) {
            (None, _) => tell(interval.expect("the default is right"), "whole seconds, 5 or more", findings),
            (_, None) => tell(number.expect("the default is right"), "a whole number, 2 or more", findings),
            (Some(seconds), Some(times)) if seconds.saturating_mul(times) >= TOTAL => {
                let note = interval.or(number).expect("the defaults are right");
                tell(note, &format!("{seconds} seconds, {times} times: not less than {TOTAL} seconds"), findings);
            }
            (Some(_), Some(_)) => {}
        }
    }
}

fn port(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for note in subject.ports().iter().filter_map(|port| of_port(subject, port, "health-probe_port")) {
        let names = || subject.ports().iter().filter_map(|port| Some(port.name.as_ref()?.as_str()));
        let named = names().any(|name| name.eq_ignore_ascii_case(&note.text));
        let number = annotation::int32(&note.text).is_some_and(|number| (0..=65535).contains(&number));
        if !named && !number {
            let message = format!("{:?} is not a port of {}", note.text, subject.key);
            let help = match closest(&note.text, names()) {
                Some(name) => format!("did you mean `{name}`?"),
                None => "name a port of the Service, or write a number up to 65535".to_owned(),
            };
            findings.say(message, (note.place(), "no such port"), help);
        }
    }
}

fn is_protocol(text: &str) -> bool {
    ["tcp", "http", "https"].contains(&text.trim().to_ascii_lowercase().as_str())
}

fn protocol(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let of_ports = subject.ports().iter().filter_map(|port| of_port(subject, port, "health-probe_protocol"));
    for note in subject.written(annotation::PROBE_PROTOCOL).into_iter().chain(of_ports) {
        if !is_protocol(&note.text) {
            let message = format!("{:?} is not a protocol of health probes", note.text);
            findings.say(message, (note.place(), "taken for TCP"), "write tcp, http or https");
        }
    }
    for (at, port) in subject.ports().iter().enumerate() {
        let Some(text) = port.app_protocol.as_deref().filter(|text| !is_protocol(text)) else { continue };
        // Other protocols are none of our business; a slip of the finger is.
        if let Some(near) = closest(text, ["http", "https"]) {
            let message = format!("{text:?} is not a protocol of health probes");
            let place = subject.at("spec.ports").child(at).child("appProtocol");
            findings.say(message, (place, "the probe is TCP"), format!("did you mean `{near}`?"));
        }
    }
}

/// True if the probe of a port is HTTP or HTTPS: by its own annotation, its `appProtocol`, or the one for all ports.
pub(super) fn is_http(subject: &Subject<'_>, port: &ServicePort) -> bool {
    if port.protocol.is_some_and(|protocol| protocol != Protocol::Tcp) {
        return false;
    }
    let own = of_port(subject, port, "health-probe_protocol").map(|note| note.text.trim().to_ascii_lowercase());
    let app = || port.app_protocol.as_ref().map(|text| text.to_ascii_lowercase());
    let global = || subject.written(annotation::PROBE_PROTOCOL).map(|note| note.text.trim().to_ascii_lowercase());
    own.or_else(app).or_else(global).is_some_and(|protocol| protocol == "http" || protocol == "https")
}

fn path(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let is_any_http = subject.ports().iter().any(|port| is_http(subject, port));
    if let Some(note) = subject.written(annotation::PROBE_PATH).filter(|_| !is_any_http) {
        let message = "the health probes ask for no path: they are TCP";
        findings.say(message, (note.key_place(), "passed over"), "set the protocol to http or https");
    }
}

fn root_path(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    if subject.written(annotation::PROBE_PATH).is_some() || subject.is_local() {
        return;
    }
    for (at, port) in subject.ports().iter().enumerate().filter(|(_, port)| port.app_protocol.is_some()) {
        if is_http(subject, port) && of_port(subject, port, "health-probe_request-path").is_none() {
            let message = format!("the health probe of port {} asks for `/`", port.port.get());
            let place = subject.at("spec.ports").child(at).child("appProtocol");
            let help = format!("set {} if `/` does not answer 200", annotation::PROBE_PATH);
            findings.say(message, (place, "makes the probe HTTP"), help);
        }
    }
}

fn unused(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    if !subject.is_local() || (subject.is_published() && subject.proxies()) {
        return;
    }
    let keys = [annotation::PROBE_PROTOCOL, annotation::PROBE_PATH];
    if let Some(note) = keys.into_iter().find_map(|key| subject.written(key)) {
        let message = format!("the health probe of {} is that of its health check port", subject.key);
        let places = ((note.key_place(), "not used"), (subject.at("spec.externalTrafficPolicy"), "because of this"));
        findings.pair(message, places, "remove it, or use externalTrafficPolicy Cluster");
    }
}
