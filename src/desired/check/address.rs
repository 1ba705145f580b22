//! The subnet and the address of a load balancer.

use std::net::IpAddr;
use std::net::Ipv6Addr;

use crate::desired::check::range::is_impossible;
use crate::desired::check::range::is_private;
use crate::desired::check::rule::Findings;
use crate::desired::check::rule::Look;
use crate::desired::check::rule::Rule;
use crate::desired::check::subject::Note;
use crate::desired::check::subject::Subject;
use crate::diagnostic::Fix;
use crate::diagnostic::Place;
use crate::domain::annotation;
use crate::domain::azure::AzureName;
use crate::domain::evidence::Evidence;
use crate::repo::schema::service::IpFamily;

pub(super) const RULES: &[Rule] = &[
    Rule::error("ILB001", "a subnet is named for a load balancer that is public", Look::Each(subnet_of_public)).because(
        "The subnet is passed over without an event, and the Service gets a public IP address.",
        "Add azure-load-balancer-internal: \"true\", or remove the subnet.",
    ),
    Rule::warning("ILB003", "a subnet is asked for without a name", Look::Each(blank_subnet)).because(
        "The frontend falls back to the nodes' subnet; the NAT addresses of a Private Link Service fall back to the load \
         balancer's.",
        "Name the subnet, or remove the annotation.",
    ),
    Rule::remark("ILB004", "the name of the subnet makes the frontend's name too long", Look::Each(long_subnet)).because(
        "The frontend is named after the Service's uid and the subnet, cut to 75 characters: two subnets that differ only \
         at the end give the same name.",
        "Use subnet names of at most 42 characters.",
    ),
    Rule::error("ILB005", "this cannot be the name of a subnet", Look::Each(bad_subnet)).because(
        "Azure has no subnet of such a name, so none is found: the Service keeps EXTERNAL-IP <pending>.",
        "Use 1-80 letters, digits, `_`, `.` and `-`, starting with a letter or digit and ending with one or `_`.",
    )
    .by(Evidence::Documented),
    Rule::error("IP001", "the pinned address is not an address", Look::Each(not_an_address)).because(
        "The text is sent to Azure as it is, which refuses it: the Service keeps EXTERNAL-IP <pending>.",
        "Write one address, without blanks and without a prefix length.",
    ),
    Rule::error("IP002", "an address of the other family", Look::Each(other_family)).because(
        "The frontend of one family is given an address of the other, and Azure refuses it.",
        "IPv4 belongs to azure-load-balancer-ipv4, IPv6 to azure-load-balancer-ipv6.",
    ),
    Rule::warning("IP003", "an address is pinned for a family that the Service does not have", Look::Each(no_family))
        .because(
            "No frontend of that family is made. The address still counts when the cloud provider looks for Services that \
             share one.",
            "Add the family to `spec.ipFamilies`, or remove the annotation.",
        ),
    Rule::warning("IP008", "spec.loadBalancerIP is deprecated", Look::Each(deprecated)).because(
        "The field works, but cannot name an address of each family, and Kubernetes advises against it.",
        "Write azure-load-balancer-ipv4 or azure-load-balancer-ipv6 instead.",
    )
    .by(Evidence::Documented),
    Rule::warning("IP009", "two different addresses are pinned", Look::Each(two_addresses)).because(
        "The annotation wins. The field is not even used to recognise Services that share the address.",
        "Keep the annotation, remove `spec.loadBalancerIP`.",
    ),
    Rule::warning("IP010", "the two families are pinned in different ways", Look::Each(mixed)).because(
        "Once one of the annotations is there, `spec.loadBalancerIP` is not used to recognise Services that share it.",
        "Use the annotation for both families.",
    ),
    Rule::error("IP011", "spec.loadBalancerIP is not an address", Look::Each(no_load_balancer_ip))
        .because("It is passed over without an event: the Service gets some address.", "Write one address."),
    Rule::error("IP012", "a private address is pinned on a public load balancer", Look::Each(private_of_public))
        .because(
            "The cloud provider looks for a public IP address of that value and fails for ever.",
            "Add azure-load-balancer-internal: \"true\".",
        )
        .in_versions(
            "since 1.33.14, 1.34.11, 1.35.6 and 1.36.2 the event says `cannot use non-public LoadBalancer IP`; before, that \
             the address is not found",
        ),
    Rule::warning("IP013", "a public address is pinned on an internal load balancer", Look::Each(public_of_internal))
        .because(
            "The address must lie in the load balancer's subnet. Unless the virtual network uses public address space, \
             Azure refuses it.",
            "Pin an address of the subnet.",
        )
        .by(Evidence::Documented),
    Rule::warning("IP014", "an IPv6 address that is not in its canonical form", Look::Each(spelling_of_ipv6)).because(
        "Services that share an address are recognised by its text. Another spelling is another address.",
        "Write the canonical form.",
    ),
    Rule::remark("IP017", "an IPv6 address is pinned where only IPv4 can be published", Look::Each(ipv6_with_link))
        .because(
            "A Private Link Service carries IPv4 only, and Azure refuses one on a load balancer with IPv6 frontends.",
            "Publish a Service of IPv4 alone.",
        )
        .by(Evidence::Documented),
    Rule::error("IP018", "an address that no subnet gives away", Look::Each(impossible)).because(
        "Azure does not let a virtual network use multicast, broadcast, loopback and link-local ranges, nor 168.63.129.16, and \
         keeps the first four addresses and the last one of each subnet: the Service keeps EXTERNAL-IP <pending>.",
        "Write a free address of the subnet.",
    )
    .by(Evidence::Documented),
];

fn subnet_of_public(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = subject.written(annotation::INTERNAL_SUBNET).filter(|note| !note.is_blank()) else { return };
    if subject.is_public() {
        let message = format!("the load balancer of {} is public and in no subnet", subject.key);
        let help = format!("add {}: \"true\"", annotation::INTERNAL);
        findings.say(message, (note.place(), "passed over"), help);
    }
}

fn blank_subnet(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let help = "name the subnet, or remove the annotation";
    let blank = |key| subject.written(key).filter(Note::is_blank);
    if let Some(note) = blank(annotation::INTERNAL_SUBNET).filter(|_| subject.is_internal()) {
        let message = format!("the load balancer of {} goes to the nodes' subnet", subject.key);
        findings.say(message, (note.place(), "names no subnet"), help);
    }
    if let Some(note) = blank(annotation::PLS_SUBNET).filter(|_| subject.is_published()) {
        let message = format!("the NAT addresses of {} come from the load balancer's subnet", subject.key);
        findings.say(message, (note.place(), "names no subnet"), help);
    }
}

// Blanks around a name, and an id instead of one, are other rules'.
fn bad_subnet(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let frontend = subject.written(annotation::INTERNAL_SUBNET).filter(|_| subject.is_internal());
    let nat = subject.written(annotation::PLS_SUBNET).filter(|_| subject.is_published_by_annotation());
    for note in frontend.into_iter().chain(nat).filter(|note| !note.is_blank() && !note.text.contains('/')) {
        if let Err(error) = note.text.trim().parse::<AzureName>() {
            let message = format!("{:?} cannot be the name of a subnet", note.text.trim());
            findings.say(message, (note.place(), "Azure has none"), error.rule);
        }
    }
}

fn long_subnet(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = subject.written(annotation::INTERNAL_SUBNET).filter(|_| subject.is_internal()) else { return };
    if note.text.len() > 42 && !note.text.contains('/') {
        let message = format!("the frontend's name is cut: the subnet's has {} characters", note.text.len());
        findings.say(message, (note.place(), "longer than 42"), "use a shorter name");
    }
}

/// The annotations that pin an address, with their family.
const PINS: [(&str, IpFamily); 2] = [(annotation::IPV4, IpFamily::IPv4), (annotation::IPV6, IpFamily::IPv6)];

fn family_of(address: IpAddr) -> IpFamily {
    if address.is_ipv4() { IpFamily::IPv4 } else { IpFamily::IPv6 }
}

fn key_of(family: IpFamily) -> &'static str {
    match family {
        IpFamily::IPv4 => annotation::IPV4,
        IpFamily::IPv6 => annotation::IPV6,
    }
}

fn not_an_address(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for (key, family) in PINS {
        let Some(note) = subject.written(key).filter(|note| !note.text.is_empty()) else { continue };
        if note.text.parse::<IpAddr>().is_ok() {
            continue;
        }
        let text = note.text.trim();
        let first = text.split(['/', ',', ' ']).next().unwrap_or_default();
        let example = if family == IpFamily::IPv4 { "10.224.0.25" } else { "fd00::25" };
        let right = first.parse::<IpAddr>().map_or_else(|_| example.to_owned(), |address| address.to_string());
        let message = format!("{:?} is not an address that Azure takes", note.text);
        // With two addresses in it, or none, a person decides.
        let alone = text == right || text.strip_prefix(&right).is_some_and(|rest| rest.starts_with('/'));
        let fix = (alone && first.parse::<IpAddr>().is_ok()).then(|| Fix::value(note.place(), right.clone()));
        let help = format!("write one address: \"{right}\"");
        findings.with(fix).say(message, (note.place(), "sent to Azure as it is"), help);
    }
}

fn other_family(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for (key, family) in PINS {
        let Some(note) = subject.written(key) else { continue };
        let Ok(address) = note.text.parse::<IpAddr>() else { continue };
        if family_of(address) != family {
            let message = format!("{} takes an address of the other family", note.short());
            let right = key_of(family_of(address));
            let help = format!("write {right}: \"{address}\"");
            let fix = subject.written(right).is_none().then(|| Fix::key(note.key_place(), right));
            findings.with(fix).say(message, (note.place(), "of the wrong family"), help);
        }
    }
}

fn no_family(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for (key, family) in PINS {
        let Some(note) = subject.written(key) else { continue };
        let matches = note.text.parse::<IpAddr>().is_ok_and(|address| family_of(address) == family);
        if matches && !subject.families().contains(&family) && !subject.prefers_dual_stack() {
            let message = format!("{} has no frontend of this family", subject.key);
            let help = "add the family to `spec.ipFamilies`, or remove the annotation";
            findings.say(message, (note.key_place(), "used for no frontend"), help);
        }
    }
}

fn deprecated(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(text) = subject.load_balancer_ip() else { return };
    let pinned = PINS.into_iter().any(|(key, _)| subject.written(key).is_some());
    let Ok(address) = text.parse::<IpAddr>() else { return };
    if !pinned || same_is_pinned(subject, address) {
        let help = format!("write the annotation instead: {}: {text}", key_of(family_of(address)));
        let at = (subject.at("spec.loadBalancerIP"), "works, and cannot say both families");
        findings.say("spec.loadBalancerIP is deprecated", at, help);
    }
}

fn same_is_pinned(subject: &Subject<'_>, address: IpAddr) -> bool {
    subject.written(key_of(family_of(address))).is_some_and(|note| note.text.parse() == Ok(address))
}

fn two_addresses(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(address) = subject.load_balancer_ip().and_then(|text| text.parse::<IpAddr>().ok()) else { return };
    let Some(note) = subject.written(key_of(family_of(address))).filter(|note| !note.text.is_empty()) else { return };
    if note.text.parse() != Ok(address) {
        let message = format!("{} pins two addresses", subject.key);
        let places = ((note.place(), "this one counts"), (subject.at("spec.loadBalancerIP"), "passed over"));
        findings.pair(message, places, "remove `spec.loadBalancerIP`");
    }
}

fn mixed(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(address) = subject.load_balancer_ip().and_then(|text| text.parse::<IpAddr>().ok()) else { return };
    let (own, other) = match family_of(address) {
        IpFamily::IPv4 => (annotation::IPV4, annotation::IPV6),
        IpFamily::IPv6 => (annotation::IPV6, annotation::IPV4),
    };
    let Some(note) = subject.written(other).filter(|_| subject.written(own).is_none()) else { return };
    let message = format!("{} pins its families in different ways", subject.key);
    let field = (subject.at("spec.loadBalancerIP"), "not used to recognise who shares it");
    findings.pair(message, (field, (note.place(), "pinned here")), format!("write {own}: \"{address}\""));
}

fn no_load_balancer_ip(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(text) = subject.load_balancer_ip() else { return };
    if text.parse::<IpAddr>().is_err() {
        let message = format!("{text:?} is not an address");
        let at = (subject.at("spec.loadBalancerIP"), "passed over: any address is taken");
        findings.say(message, at, format!("write the annotation instead: {}: 10.224.0.25", annotation::IPV4));
    }
}

fn private_of_public(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for (address, place) in subject.pinned_addresses().into_iter().filter(|_| subject.is_public()) {
        if is_private(address) {
            let message = format!("the load balancer of {} is public and cannot have {address}", subject.key);
            findings.say(message, (place, "a private address"), format!("add {}: \"true\"", annotation::INTERNAL));
        }
    }
}

fn public_of_internal(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for (address, place) in subject.pinned_addresses().into_iter().filter(|_| subject.is_internal()) {
        if !is_private(address) && !is_impossible(address) {
            let message = format!("the load balancer of {} is internal and {address} is public", subject.key);
            findings.say(message, (place, "a public address"), "pin an address of the load balancer's subnet");
        }
    }
}

fn impossible(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    // NAT addresses in a field of a document are another rule's.
    let nat = subject.written(annotation::PLS_ADDRESSES).map(|_| subject.nat_addresses()).unwrap_or_default();
    let all = subject.pinned_addresses().into_iter().chain(nat);
    // That a private one is pinned on a public load balancer says more.
    let is_meant = |address: IpAddr| !(subject.is_public() && is_private(address));
    for (address, place) in all.filter(|(address, _)| is_impossible(*address) && is_meant(*address)) {
        let message = format!("no subnet gives {address} to {}", subject.key);
        findings.say(message, (place, "reserved"), "write a free address of the subnet");
    }
}

fn spelling_of_ipv6(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for (text, place) in spelt(subject) {
        let Ok(address) = text.parse::<Ipv6Addr>() else { continue };
        if address.to_string() != text {
            let message = format!("{text:?} is {address}, spelt in another way");
            let fix = Fix::value(place.clone(), address.to_string());
            findings.with(fix).say(message, (place, "compared as text"), format!("write \"{address}\""));
        }
    }
}

fn spelt(subject: &Subject<'_>) -> Vec<(String, Place)> {
    let note = subject.written(annotation::IPV6).map(|note| (note.text.to_string(), note.place()));
    let field = subject.load_balancer_ip().map(|text| (text.to_owned(), subject.at("spec.loadBalancerIP")));
    note.into_iter().chain(field).collect()
}

fn ipv6_with_link(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    if let Some(note) = subject.written(annotation::IPV6).filter(|_| subject.is_published()) {
        let message = format!("the IPv6 address of {} cannot be published", subject.key);
        findings.say(message, (note.place(), "IPv4 only is published"), "publish a Service of IPv4 alone");
    }
}
