//! Services of one cluster that share its internal load balancer, its Private Link Services or its limits.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::desired::check::probe;
use crate::desired::check::rule::Findings;
use crate::desired::check::rule::Look;
use crate::desired::check::rule::Rule;
use crate::desired::check::subject::Subject;
use crate::diagnostic::Place;
use crate::domain::annotation;
use crate::domain::evidence::Evidence;
use crate::repo::schema::service::IpFamily;

pub(super) const RULES: &[Rule] = &[
    Rule::error("XS003", "two Private Link Services have the same name", Look::All(same_name))
        .because(
            "The second takes over the Private Link Service of the first, which loses its consumers without a word.",
            "Use two names.",
        )
        .in_versions("since a breaking change of September 2026 the second is refused instead"),
    Rule::warning("XS004", "a Private Link Service is named like a default one", Look::All(default_name)).because(
        "Default names are `pls-a` and the Service's uid: the name may be that of another Service's.",
        "Use a name that says what is published.",
    ),
    Rule::error("XS011", "more than 8 Private Link Services on one load balancer", Look::All(too_many_links))
        .because(
            "All internal Services of a cluster share one load balancer, and Azure allows 8 Private Link Services on it. The \
             ninth Service keeps EXTERNAL-IP <pending>.",
            "Let Services share an address, or use a second cluster.",
        )
        .by(Evidence::Documented),
    Rule::error("XS012", "some published Services use PROXY protocol and some do not", Look::All(mixed_proxy))
        .because(
            "Azure sends PROXY headers to all machines behind the load balancer once one Private Link Service has them: the \
             probes of the others fail.",
            "Use it on all published Services of the cluster, or on none.",
        )
        .by(Evidence::Documented),
    Rule::warning("XS013", "probes that may get PROXY headers", Look::All(probes_beside_proxy))
        .because(
            "PROXY headers are sent to all machines behind the load balancer: HTTP probes of other Services may fail.",
            "Probe TCP, or use a cluster of its own for it.",
        )
        .by(Evidence::Inferred),
    Rule::error("XS014", "a Private Link Service on a load balancer with IPv6", Look::All(beside_ipv6))
        .because(
            "All internal Services of a cluster share one load balancer, and Azure refuses a Private Link Service on one that \
             has IPv6 frontends.",
            "Keep IPv6 Services public, or in another cluster.",
        )
        .by(Evidence::Documented),
    Rule::error("XS015", "an address is asked for twice", Look::All(same_address))
        .because("Azure gives an address to one resource only: one of the two fails for ever.", "Use another address.")
        .by(Evidence::Inferred),
    Rule::error("XS018", "more rules or frontends than a load balancer can have", Look::All(limits))
        .because(
            "A load balancer has at most 1,500 rules and 600 frontends: Azure refuses the next one.",
            "Split the Services over two clusters.",
        )
        .by(Evidence::Documented),
    Rule::warning("XS020", "a published Service may be replaced by its deployer", Look::Each(replaced)).because(
        "Replacing a Service deletes it first: its Private Link Service goes, and every consumer's connection with it.",
        "Turn replacing and pruning off for this Service.",
    ),
];

fn same_name(subjects: &[Subject<'_>], findings: &mut Findings<'_>) {
    let mut names: BTreeMap<(String, String), (&Subject<'_>, Place)> = BTreeMap::new();
    for subject in subjects.iter().filter(|subject| subject.is_built_by_cluster()) {
        let Some(note) = subject.asked(annotation::PLS_NAME).filter(|note| !note.is_blank()) else { continue };
        let group = subject.asked(annotation::PLS_RESOURCE_GROUP).map(|note| note.text.trim().to_ascii_lowercase());
        let key = (group.unwrap_or_default(), note.text.trim().to_ascii_lowercase());
        let Some((first, place)) = names.get(&key) else {
            names.insert(key, (subject, note.place()));
            continue;
        };
        let pins = first.pins();
        if subject.pins().iter().any(|(pin, _)| pins.iter().any(|(other, _)| other == pin)) {
            continue; // They share a frontend, and so one Private Link Service.
        }
        let message = format!("{} and {} want the same Private Link Service", first.key, subject.key);
        let places = ((note.place(), "takes over the other one's"), (place.clone(), "loses its consumers"));
        findings.pair(message, places, "use two names");
    }
}

fn default_name(subjects: &[Subject<'_>], findings: &mut Findings<'_>) {
    for subject in subjects.iter().filter(|subject| subject.is_built_by_cluster()) {
        let Some(note) = subject.asked(annotation::PLS_NAME) else { continue };
        let name = note.text.trim().to_ascii_lowercase();
        let uid = name.strip_prefix("pls-a").and_then(|rest| rest.get(..31));
        if uid.is_some_and(|uid| uid.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            let message = format!("{name} is the default name of another Service's");
            findings.say(message, (note.place(), "may be taken"), "use a name that says what is published");
        }
    }
}

/// Private Link Services that one Standard load balancer can have.
const MOST_LINKS: usize = 8;

fn too_many_links(subjects: &[Subject<'_>], findings: &mut Findings<'_>) {
    let mut frontends = BTreeSet::new();
    for subject in subjects.iter().filter(|subject| subject.is_published() && !subject.is_public()) {
        let frontend = subject.pins().into_iter().next().map_or_else(|| subject.key.to_string(), |(pin, _)| pin);
        if frontends.insert(frontend) && frontends.len() == MOST_LINKS + 1 {
            let message = format!("{} is the ninth Private Link Service of the internal load balancer", subject.key);
            let help = "let Services share an address, or use a second cluster";
            findings.say(message, (asked_for(subject), "Azure allows 8"), help);
        }
    }
}

fn asked_for(subject: &Subject<'_>) -> Place {
    subject.asked(annotation::PLS_CREATE).map_or_else(|| subject.place(), |note| note.key_place())
}

fn mixed_proxy(subjects: &[Subject<'_>], findings: &mut Findings<'_>) {
    let published = || subjects.iter().filter(|subject| subject.is_published() && !subject.is_public());
    let Some(with) = published().find(|subject| subject.proxies()) else { return };
    let Some(note) = with.asked(annotation::PLS_PROXY_PROTOCOL) else { return };
    for subject in published().filter(|subject| !subject.proxies()) {
        let message = format!("the probes of {} get the PROXY headers of {}", subject.key, with.key);
        let places = ((asked_for(subject), "without PROXY protocol"), (note.place(), "with it"));
        findings.pair(message, places, "use it on all published Services of the cluster, or on none");
    }
}

fn probes_beside_proxy(subjects: &[Subject<'_>], findings: &mut Findings<'_>) {
    let Some(with) = subjects.iter().find(|subject| subject.is_published() && subject.proxies()) else { return };
    let Some(note) = with.asked(annotation::PLS_PROXY_PROTOCOL) else { return };
    for subject in subjects.iter().filter(|subject| subject.is_internal() && !subject.is_published()) {
        let http = subject.ports().iter().any(|port| probe::is_http(subject, port));
        if http || subject.is_local() {
            let message = format!("the HTTP probes of {} may get the PROXY headers of {}", subject.key, with.key);
            let places = ((subject.place(), "probed over HTTP"), (note.place(), "PROXY headers for all machines"));
            findings.pair(message, places, "probe TCP, or use a cluster of its own for it");
        }
    }
}

fn beside_ipv6(subjects: &[Subject<'_>], findings: &mut Findings<'_>) {
    let has_ipv6 = |subject: &&Subject<'_>| subject.is_internal() && subject.families().contains(&IpFamily::IPv6);
    // A published Service of IPv6 itself is another rule's finding.
    let Some(ipv6) = subjects.iter().filter(|subject| !subject.is_published()).find(has_ipv6) else { return };
    for subject in subjects.iter().filter(|subject| subject.is_published() && !subject.is_public()) {
        if subject.families().contains(&IpFamily::IPv6) {
            continue;
        }
        let message = format!("{} cannot be published beside {}, which has IPv6", subject.key, ipv6.key);
        let field =
            if ipv6.spec().is_some_and(|spec| spec.ip_families.is_some()) { "ipFamilies" } else { "ipFamilyPolicy" };
        let places =
            ((asked_for(subject), "on the same load balancer"), (ipv6.at("spec").child(field), "an IPv6 frontend"));
        findings.pair(message, places, "keep IPv6 Services public, or in another cluster");
    }
}

fn same_address(subjects: &[Subject<'_>], findings: &mut Findings<'_>) {
    let mut taken: BTreeMap<IpAddr, (&Subject<'_>, Place, &str)> = BTreeMap::new();
    for subject in subjects.iter().filter(|subject| !subject.is_public()) {
        for (address, place) in subject.pinned_addresses() {
            taken.entry(address).or_insert((subject, place, "a load balancer's"));
        }
    }
    for subject in subjects {
        for (address, place) in subject.nat_addresses() {
            let Some((other, there, what)) = taken.get(&address) else {
                taken.insert(address, (subject, place, "a NAT address"));
                continue;
            };
            if !std::ptr::eq(*other, subject) {
                let message = format!("{} and {} both want {address}", other.key, subject.key);
                let places = ((place, "a NAT address"), (there.clone(), *what));
                findings.pair(message, places, "use another address");
            }
        }
    }
}

/// Rules and frontends that one load balancer can have.
const MOST_RULES: usize = 1_500;
const MOST_FRONTENDS: usize = 600;

fn limits(subjects: &[Subject<'_>], findings: &mut Findings<'_>) {
    let (mut rules, mut frontends) = (0, BTreeSet::new());
    for subject in subjects.iter().filter(|subject| subject.is_internal()) {
        let before = (rules, frontends.len());
        rules += if subject.is_on(annotation::HA_PORTS) { 1 } else { subject.ports().len() * subject.families().len() };
        let pin = subject.pins().into_iter().next().map(|(pin, _)| pin);
        frontends.insert(pin.unwrap_or_else(|| subject.key.to_string()));
        let over = |before, now, most| before <= most && now > most;
        let what = match (over(before.0, rules, MOST_RULES), over(before.1, frontends.len(), MOST_FRONTENDS)) {
            (true, _) => "1,500 rules",
            (false, true) => "600 frontends",
            (false, false) => continue,
        };
        let message = format!("the internal load balancer has more than {what} with {}", subject.key);
        findings.say(message, (subject.place(), "one too many"), "split the Services over two clusters");
    }
}

/// Annotations of deployers that delete a Service to change it, with what they then contain.
const REPLACING: [(&str, &[&str]); 2] = [
    ("argocd.argoproj.io/sync-options", &["Replace=true", "Force=true"]),
    ("kustomize.toolkit.fluxcd.io/force", &["enabled", "true"]),
];

fn replaced(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for (key, words) in REPLACING {
        let Some(note) = subject.written(key).filter(|_| subject.is_published()) else { continue };
        if words.iter().any(|word| note.text.contains(word)) {
            let message = format!("{} may be deleted and made anew", subject.key);
            findings.say(message, (note.place(), "replaces instead of updating"), "turn it off for this Service");
        }
    }
}
