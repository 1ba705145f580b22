//! A Private Link Service and the Service behind it.

use std::net::IpAddr;
use std::net::Ipv4Addr;

use crate::desired::check::access;
use crate::desired::check::name::is_several;
use crate::desired::check::probe;
use crate::desired::check::rule::Findings;
use crate::desired::check::rule::Look;
use crate::desired::check::rule::Rule;
use crate::desired::check::subject::Subject;
use crate::diagnostic::Fix;
use crate::domain::annotation;
use crate::domain::azure::AzureName;
use crate::domain::evidence::Evidence;
use crate::repo::schema::service::IpFamily;
use crate::repo::schema::service::SessionAffinity;

pub(super) const RULES: &[Rule] = &[
    Rule::error("PLS001", "a Private Link Service needs an internal load balancer", Look::Before).because(
        "The public load balancer and its address are built, then the sync fails for ever.",
        "Add azure-load-balancer-internal: \"true\".",
    ),
    Rule::warning("PLS002", "a Private Link Service is configured and not asked for", Look::Each(not_asked_for))
        .because("Without azure-pls-create the other annotations do nothing.", "Add azure-pls-create: \"true\"."),
    Rule::error("PLS003", "a Private Link Service for IPv6", Look::Each(ipv6))
        .because("The sync fails for ever: IPv6 is not supported.", "Publish a Service of IPv4 alone."),
    Rule::error("PLS004", "a Private Link Service for two address families", Look::Each(dual_stack))
        .because(
            "Azure refuses a Private Link Service on a load balancer that has IPv6 frontends.",
            "Make the Service single-stack: `ipFamilyPolicy: SingleStack`, `ipFamilies: [IPv4]`.",
        )
        .by(Evidence::Documented),
    Rule::error("PLS005", "the number of NAT addresses is not 1 to 8", Look::Each(count)).because(
        "The sync fails for ever, after the load balancer is built.",
        "Write a whole number from 1 to 8, or remove the annotation for 1.",
    ),
    Rule::error("PLS006", "more static NAT addresses than NAT addresses", Look::Each(too_many)).because(
        "The sync fails for ever. Without a count there is one address.",
        "Raise azure-pls-ip-configuration-ip-address-count.",
    ),
    Rule::error("PLS007", "a static NAT address that is not IPv4", Look::Each(not_ipv4))
        .because("The sync fails for ever, after the load balancer is built.", "Write IPv4 addresses."),
    Rule::warning("PLS008", "a static NAT address is listed twice", Look::Each(listed_twice)).because(
        "The second is dropped, and an address that Azure chooses takes its place in the count.",
        "List each address once.",
    ),
    Rule::error("PLS010", "a NAT address is the load balancer's own", Look::Each(own_address))
        .because("Azure gives an address to one resource only: the sync fails for ever.", "Use another address.")
        .by(Evidence::Inferred),
    Rule::error("PLS011", "the name of the Private Link Service is empty", Look::Each(blank_name)).because(
        "The request is never sent, but the network policies of the subnet may have been switched off already.",
        "Write a name, or remove the annotation.",
    ),
    Rule::error("PLS012", "a name that Azure does not take", Look::Each(bad_name))
        .because(
            "Azure refuses it: the sync fails for ever.",
            "Use 1-80 letters, digits, `_`, `.` and `-`, starting with a letter or digit and ending with one or `_`.",
        )
        .by(Evidence::Documented),
    Rule::remark("PLS016", "the Private Link Service takes addresses of the nodes' subnet", Look::Each(node_subnet))
        .because(
            "The network policies of the nodes' subnet are switched off for Private Link, and NAT addresses compete with \
             nodes and pods.",
            "Give it a subnet of its own: azure-pls-ip-configuration-subnet.",
        ),
    Rule::remark("PLS017", "NAT addresses may come from the pods' subnet", Look::Each(pods_subnet))
        .because(
            "With externalTrafficPolicy Local, traffic from NAT addresses in the pods' own subnet is lost (kubernetes issue \
             95555). Without a subnet of its own the Private Link Service takes the nodes', and with Azure CNI pods live there, \
             too; with an overlay they do not.",
            "Give it a subnet of its own: azure-pls-ip-configuration-subnet; or use externalTrafficPolicy Cluster.",
        )
        .by(Evidence::Documented),
    Rule::warning("PLS018", "PROXY protocol with externalTrafficPolicy Local", Look::Each(proxied_and_local))
        .because(
            "The probe of the health check port would get PROXY headers, too. Newer cloud providers probe each port instead.",
            "Say how each port is probed: port_<number>_health-probe_protocol and _port.",
        )
        .in_versions("before 1.24.20, 1.25.14, 1.26.10, 1.27.4 and 1.28.0 all probes fail"),
    Rule::warning("PLS020", "PROXY protocol with an HTTP probe", Look::Each(proxied_http)).because(
        "The probe's request begins with a PROXY header as well: a server that does not expect it answers with an error, and \
         the node gets no traffic.",
        "Probe TCP, and let the server read PROXY protocol version 2.",
    )
    .by(Evidence::Documented),
    Rule::error("PLS031", "consumers are kept out by the source ranges", Look::Each(ranges)).because(
        "Consumers arrive from the NAT addresses of the Private Link Service, not from their own.",
        "Add the subnet of the Private Link Service to the ranges.",
    )
    .by(Evidence::Inferred),
    Rule::remark("PLS032", "session affinity behind a Private Link Service", Look::Each(affinity))
        .because(
            "All consumers come from a few NAT addresses, so that few pods take all the traffic.",
            "Use `sessionAffinity: None`.",
        )
        .by(Evidence::Documented),
    Rule::remark("PLS033", "the Private Link Service has no name of its own", Look::Each(unnamed)).because(
        "The default name contains the uid of the Service: nobody knows it before, and it changes when the Service is made \
         anew.",
        "Set azure-pls-name.",
    ),
    Rule::remark("PLS036", "one NAT address for all consumers", Look::Each(one_address))
        .because(
            "One NAT address carries about 64,000 connections at a time.",
            "Raise azure-pls-ip-configuration-ip-address-count for a busy service.",
        )
        .by(Evidence::Documented),
];

fn not_asked_for(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    // A misspelt flag is another rule's finding.
    let create = subject.written(annotation::PLS_CREATE);
    if subject.is_published() || create.is_some_and(|note| !annotation::is_boolean_folded(note.text.trim())) {
        return;
    }
    if let Some(note) = annotation::PLS_KEYS[1..].iter().find_map(|key| subject.written(key)) {
        let message = format!("{} asks for no Private Link Service", subject.key);
        let help = format!("add {}: \"true\", or remove it", annotation::PLS_CREATE);
        findings.say(message, (note.key_place(), "does nothing"), help);
    }
}

fn family_place(subject: &Subject<'_>) -> crate::diagnostic::Place {
    let by_policy = subject.spec().is_some_and(|spec| spec.ip_families.is_none());
    subject.at(if by_policy { "spec.ipFamilyPolicy" } else { "spec.ipFamilies" })
}

fn ipv6(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    if subject.is_published() && subject.families() == [IpFamily::IPv6] {
        let message = format!("{} is IPv6 and cannot be published", subject.key);
        findings.say(message, (family_place(subject), "IPv4 only is published"), "use IPv4");
    }
}

fn dual_stack(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    if subject.is_published() && subject.families().len() > 1 {
        let message = format!("{} is dual-stack and cannot be published", subject.key);
        let help = "write `ipFamilyPolicy: SingleStack` and `ipFamilies: [IPv4]`";
        findings.say(message, (family_place(subject), "IPv6 frontends exclude Private Link Services"), help);
    }
}

fn wanted_count(subject: &Subject<'_>) -> Option<usize> {
    match subject.asked(annotation::PLS_ADDRESS_COUNT) {
        None => Some(1),
        Some(note) => annotation::int32(&note.text).filter(|count| (1..=8).contains(count))?.try_into().ok(),
    }
}

fn count(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = subject.written(annotation::PLS_ADDRESS_COUNT).filter(|_| subject.is_published()) else { return };
    if wanted_count(subject).is_none() {
        let message = format!("{:?} is not a number of NAT addresses", note.text);
        findings.say(message, (note.place(), "a whole number from 1 to 8"), "write 1 to 8 in quotes");
    }
}

/// The distinct addresses that the manifest lists.
fn listed(subject: &Subject<'_>) -> Vec<Ipv4Addr> {
    let Some(note) = subject.written(annotation::PLS_ADDRESSES).filter(|_| subject.is_published()) else {
        return Vec::new();
    };
    let mut all: Vec<Ipv4Addr> = annotation::tokens(&note.text).filter_map(|token| token.text.parse().ok()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn too_many(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = subject.written(annotation::PLS_ADDRESSES) else { return };
    let Some(count) = wanted_count(subject) else { return };
    let number = listed(subject).len();
    if number <= count || number > 8 && count == 8 {
        return;
    }
    let message = format!("{number} static addresses do not fit into {count} NAT {}", plural(count));
    let help = format!("write {}: \"{number}\"", annotation::PLS_ADDRESS_COUNT);
    match subject.asked(annotation::PLS_ADDRESS_COUNT) {
        Some(other) => {
            let written = subject.written(annotation::PLS_ADDRESS_COUNT).filter(|_| number <= 8);
            let fix = written.map(|note| Fix::value(note.place(), number.to_string()));
            let places = ((other.place(), "too small"), (note.place(), "these"));
            findings.with(fix).pair(message, places, help);
        }
        None => findings.say(message, (note.place(), "without a count there is one"), help),
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "address" } else { "addresses" }
}

fn not_ipv4(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = subject.written(annotation::PLS_ADDRESSES).filter(|_| subject.is_published()) else { return };
    for token in annotation::tokens(&note.text) {
        if token.text.parse::<Ipv4Addr>().is_err() && !is_several(token.text) {
            let message = format!("{:?} is not an IPv4 address", token.text);
            let what =
                if token.text.parse::<IpAddr>().is_ok() { "IPv6 is not possible here" } else { "not an address" };
            findings.say(message, (note.part(&token), what), "write IPv4 addresses, separated by single blanks");
        }
    }
    if listed(subject).len() > 8 {
        let help = "list at most 8 addresses";
        findings.say("a Private Link Service has at most 8 NAT addresses", (note.place(), "more than 8"), help);
    }
}

fn listed_twice(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = subject.written(annotation::PLS_ADDRESSES).filter(|_| subject.is_published()) else { return };
    let mut seen = Vec::new();
    for token in annotation::tokens(&note.text) {
        let Ok(address) = token.text.parse::<Ipv4Addr>() else { continue };
        if seen.contains(&address) {
            let message = format!("{address} is listed twice");
            let fix = Fix::value(note.place(), once(&note.text, |text| text.parse::<Ipv4Addr>().ok()));
            findings.with(fix).say(message, (note.part(&token), "dropped"), "list each address once");
        }
        seen.push(address);
    }
}

/// A list without the entries that repeat what an earlier one means.
pub(super) fn once<T: PartialEq>(text: &str, meaning: impl Fn(&str) -> Option<T>) -> String {
    let mut seen: Vec<T> = Vec::new();
    let is_new = |token: &annotation::Token<'_>| match meaning(token.text) {
        Some(meant) if seen.contains(&meant) => false,
        Some(meant) => {
            seen.push(meant);
            true
        }
        None => true,
    };
    annotation::tokens(text).filter(is_new).map(|token| token.text).collect::<Vec<_>>().join(" ")
}

fn own_address(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let pins = subject.pinned_addresses();
    for (address, place) in subject.nat_addresses() {
        if let Some((_, pin)) = pins.iter().find(|(pinned, _)| *pinned == address) {
            let message = format!("{address} cannot be both the load balancer and a NAT address");
            findings.pair(
                message,
                ((place, "a NAT address"), (pin.clone(), "the load balancer")),
                "use another address",
            );
        }
    }
}

fn blank_name(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = subject.written(annotation::PLS_NAME).filter(|_| subject.is_published()) else { return };
    if note.is_blank() {
        let message = format!("the Private Link Service of {} has an empty name", subject.key);
        findings.say(message, (note.place(), "empty"), "write a name, or remove the annotation");
    }
}

fn bad_name(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = subject.written(annotation::PLS_NAME).filter(|_| subject.is_published()) else { return };
    if let Err(error) = note.text.trim().parse::<AzureName>().map_err(|error| error.rule)
        && !note.is_blank()
    {
        findings.say(format!("{:?} is not a name that Azure takes", note.text), (note.place(), "refused"), error);
    }
}

/// True if a Private Link Service takes its addresses from the nodes' subnet.
fn is_in_node_subnet(subject: &Subject<'_>) -> bool {
    let named = |key| subject.asked(key).is_some_and(|note| !note.is_blank());
    let default = !named(annotation::PLS_SUBNET) && !named(annotation::INTERNAL_SUBNET);
    subject.is_published() && default && subject.spec().is_some()
}

fn pods_subnet(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    if is_in_node_subnet(subject) && subject.is_local() {
        let message = format!("consumers of {} may get no answer", subject.key);
        let places = (
            (asked_for(subject), "names no subnet"),
            (subject.at("spec.externalTrafficPolicy"), "only pods of the same node answer"),
        );
        findings.pair(message, places, format!("name a subnet: {}", annotation::PLS_SUBNET));
    }
}

fn node_subnet(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    if is_in_node_subnet(subject) {
        let message = format!("the NAT addresses of {} come from the nodes' subnet", subject.key);
        let help = format!("name a subnet: {}", annotation::PLS_SUBNET);
        findings.say(message, (asked_for(subject), "names no subnet"), help);
    }
}

/// Where the Private Link Service is asked for.
fn asked_for(subject: &Subject<'_>) -> crate::diagnostic::Place {
    subject.asked(annotation::PLS_CREATE).map_or_else(|| subject.place(), |note| note.key_place())
}

fn proxied_and_local(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = subject.asked(annotation::PLS_PROXY_PROTOCOL) else { return };
    let probed = |suffix| subject.ports().iter().all(|port| super::port::of_port(subject, port, suffix).is_some());
    let explicit = probed("health-probe_protocol") && probed("health-probe_port");
    if subject.is_published() && subject.proxies() && subject.is_local() && !explicit {
        let message = format!("the health probes of {} get PROXY headers", subject.key);
        let places = (
            (note.place(), "consumers and probes alike"),
            (subject.at("spec.externalTrafficPolicy"), "one probe for all"),
        );
        let help =
            "say how each port is probed: port_<number>_health-probe_protocol and port_<number>_health-probe_port";
        findings.pair(message, places, help);
    }
}

fn proxied_http(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = subject.asked(annotation::PLS_PROXY_PROTOCOL) else { return };
    if !subject.is_published() || !subject.proxies() {
        return;
    }
    if let Some(port) = subject.ports().iter().find(|port| probe::is_http(subject, port)) {
        let message = format!("the HTTP probe of port {} gets a PROXY header", port.port.get());
        findings.say(
            message,
            (note.place(), "probes get it, too"),
            "probe TCP: port_<number>_health-probe_protocol: tcp",
        );
    }
}

fn ranges(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let (field, written) = access::ranges(subject);
    // What the annotations leave out is only kept out together with the flag.
    let written = if subject.is_on(annotation::DENY_ALL) { written } else { Vec::new() };
    let closed = if field.is_empty() { written } else { field };
    let Some((_, list)) = closed.first() else { return };
    for (address, place) in subject.nat_addresses() {
        if !closed.iter().any(|(range, _)| range.contains(&address)) {
            let message = format!("consumers of {} are kept out", subject.key);
            let places = ((list.clone(), "without it"), (place, "consumers come from here"));
            findings.pair(message, places, format!("add the subnet of {address} to the ranges"));
        }
    }
}

fn affinity(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let sticky = subject.spec().is_some_and(|spec| spec.session_affinity == Some(SessionAffinity::ClientIP));
    if subject.is_published() && sticky {
        let message = format!("all consumers of {} look like a few clients", subject.key);
        findings.say(message, (subject.at("spec.sessionAffinity"), "few pods take all"), "use `sessionAffinity: None`");
    }
}

fn unnamed(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    if subject.is_built_by_cluster() && subject.asked(annotation::PLS_NAME).is_none() {
        let message = format!("the Private Link Service of {} is named after the Service's uid", subject.key);
        findings.say(message, (asked_for(subject), "names none"), format!("set {}", annotation::PLS_NAME));
    }
}

fn one_address(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let count = subject.asked(annotation::PLS_ADDRESS_COUNT);
    if subject.is_published() && count.is_none_or(|note| annotation::int32(&note.text) == Some(1)) {
        let message = format!("all consumers of {} share one NAT address", subject.key);
        let help = format!("set {} on a busy service", annotation::PLS_ADDRESS_COUNT);
        findings.say(message, (asked_for(subject), "about 64,000 connections"), help);
    }
}
