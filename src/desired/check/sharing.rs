//! Services that share one address, by intent or by accident.

use std::collections::BTreeMap;

use crate::desired::check::rule::Findings;
use crate::desired::check::rule::Look;
use crate::desired::check::rule::Rule;
use crate::desired::check::subject::Subject;
use crate::diagnostic::Place;
use crate::domain::annotation;
use crate::domain::evidence::Evidence;
use crate::repo::schema::service::Protocol;

pub(super) const RULES: &[Rule] = &[
    Rule::error("XS001", "two Services share an address and a port", Look::All(same_port)).because(
        "The second finds the port taken by a rule of the first: it keeps EXTERNAL-IP <pending>.",
        "Use another port or another address.",
    ),
    Rule::error("XS002", "an internal and a public Service pin the same address", Look::All(mixed)).because(
        "Internal and public Services never share a frontend: one of the two fails for ever.",
        "Use two addresses, or make both internal.",
    ),
    Rule::error("XS005", "several Services that share an address tune the Private Link Service", Look::All(tuned_twice))
        .because(
            "The first to be synced owns it. Every other one that carries an azure-pls- annotation besides azure-pls-create \
             and azure-pls-resource-group fails for ever.",
            "Keep the annotations on one of the Services.",
        ),
    Rule::warning("XS006", "who owns the shared Private Link Service is left to chance", Look::All(owner_by_chance))
        .because(
            "The first Service to be synced owns it. If that is one without the annotations, the other one fails for ever.",
            "Ask for the Private Link Service on the Service with the annotations alone, or apply it first.",
        ),
    Rule::error("XS007", "Services that share an address look for the Private Link Service in different groups",
        Look::All(groups))
        .because(
            "One of them does not find it, and tries to build a second one on the same frontend; at its deletion nobody \
             finds it and the finalizer stays.",
            "Write the same azure-pls-resource-group on all of them.",
        )
        .by(Evidence::Inferred),
    Rule::remark("XS008", "only some of the Services that share an address are published", Look::All(some_published))
        .because(
            "They share the frontend, and so the Private Link Service reaches the ports of all of them. Without the Service \
             that made it, it stays as it is for ever.",
            "Write down which Service owns it.",
        ),
    Rule::warning("XS009", "Services that share an address name different subnets", Look::All(subnets)).because(
        "The first to be synced decides where the frontend lies; the names of rules differ, and so does the subnet of the \
         Private Link Service.",
        "Name the same subnet on all of them.",
    ),
    Rule::remark("XS010", "Services that share an address differ in how they take traffic", Look::All(traffic)).because(
        "Rules differ by Service, and so do the probes.",
        "Use the same externalTrafficPolicy on all of them if they serve the same clients.",
    ),
    Rule::error("RUL011", "a shared address with high-availability ports", Look::All(ha_ports))
        .because(
            "High-availability ports take all ports of a frontend: Azure refuses a second rule beside them.",
            "Use an address of its own for it.",
        )
        .by(Evidence::Documented),
    Rule::remark("XS016", "an address may be taken by a Service without one of its own", Look::All(by_accident)).because(
        "A Service without a pinned address gets any free one of the subnet, perhaps the one that another Service pins and \
         that is built later.",
        "Pin both, or keep the pinned ones in a subnet of their own.",
    ),
];

/// A Service and where it pins the address.
type Sharer<'a, 's> = (&'s Subject<'a>, Place);

/// The Services that pin an address, by its text, where there are several.
fn shared<'a, 's>(
    subjects: &'s [Subject<'a>],
    internal: impl Fn(&Subject<'a>) -> bool,
) -> BTreeMap<String, Vec<Sharer<'a, 's>>> {
    let mut all: BTreeMap<String, Vec<Sharer<'a, 's>>> = BTreeMap::new();
    for subject in subjects.iter().filter(|subject| internal(subject)) {
        for (text, place) in subject.pins() {
            all.entry(text).or_default().push((subject, place));
        }
    }
    all.retain(|_, sharers| sharers.len() > 1);
    all
}

/// The groups of internal Services that share an address.
fn groups_of<'a, 's>(subjects: &'s [Subject<'a>]) -> BTreeMap<String, Vec<Sharer<'a, 's>>> {
    shared(subjects, Subject::is_internal)
}

fn same_port(subjects: &[Subject<'_>], findings: &mut Findings<'_>) {
    for (address, sharers) in groups_of(subjects) {
        let mut taken: BTreeMap<(Protocol, u16), (&Subject<'_>, Place)> = BTreeMap::new();
        for (subject, _) in sharers {
            for (at, port) in subject.ports().iter().enumerate() {
                let place = subject.at("spec.ports").child(at).child("port");
                let key = (port.protocol.unwrap_or(Protocol::Tcp), port.port.get());
                let Some((first, other)) = taken.get(&key) else {
                    taken.insert(key, (subject, place));
                    continue;
                };
                let message = format!("{} and {} both want port {} of {address}", first.key, subject.key, key.1);
                let places = ((place, "taken"), (other.clone(), "by this one"));
                findings.pair(message, places, "use another port or another address");
            }
        }
    }
}

fn mixed(subjects: &[Subject<'_>], findings: &mut Findings<'_>) {
    let internal_or_public = |subject: &Subject<'_>| subject.is_internal() || subject.is_public();
    for (address, sharers) in shared(subjects, internal_or_public) {
        let internal = sharers.iter().find(|(subject, _)| subject.is_internal());
        let public = sharers.iter().find(|(subject, _)| subject.is_public());
        if let (Some((inner, here)), Some((outer, there))) = (internal, public) {
            let message = format!("{} and {} cannot share {address}", inner.key, outer.key);
            let places = ((there.clone(), "on a public load balancer"), (here.clone(), "on an internal one"));
            findings.pair(message, places, "use two addresses, or make both internal");
        }
    }
}

/// The first annotation that claims the Private Link Service.
fn tuning<'a>(subject: &Subject<'a>) -> Option<crate::desired::check::subject::Note<'a>> {
    annotation::PLS_TUNING.into_iter().find_map(|key| subject.asked(key)).filter(|_| subject.is_built_by_cluster())
}

fn tuned_twice(subjects: &[Subject<'_>], findings: &mut Findings<'_>) {
    for (address, sharers) in groups_of(subjects) {
        let mut tuned = sharers.iter().filter_map(|(subject, _)| Some((subject, tuning(subject)?)));
        let Some((owner, first)) = tuned.next() else { continue };
        for (subject, note) in tuned {
            let message = format!("{} and {} share {address} and its Private Link Service", owner.key, subject.key);
            let places = ((note.key_place(), "fails unless it is the owner"), (first.key_place(), "claimed here, too"));
            findings.pair(message, places, "keep the annotations on one of the Services");
        }
    }
}

fn owner_by_chance(subjects: &[Subject<'_>], findings: &mut Findings<'_>) {
    for (address, sharers) in groups_of(subjects) {
        let published: Vec<&Subject<'_>> =
            sharers.iter().map(|(subject, _)| *subject).filter(|subject| subject.is_built_by_cluster()).collect();
        let tuned: Vec<_> = published.iter().filter_map(|subject| tuning(subject)).collect();
        let plain = published.iter().find(|subject| tuning(subject).is_none());
        if let ([note], Some(plain)) = (tuned.as_slice(), plain) {
            let message = format!("who of the Services on {address} owns the Private Link Service is left to chance");
            let asks = plain.asked(annotation::PLS_CREATE).map_or_else(|| plain.place(), |note| note.key_place());
            let places = ((note.key_place(), "must be first"), (asks, "may be first"));
            findings.pair(message, places, "ask for it on the Service with the annotations alone");
        }
    }
}

fn groups(subjects: &[Subject<'_>], findings: &mut Findings<'_>) {
    for (address, sharers) in groups_of(subjects) {
        if !sharers.iter().any(|(subject, _)| subject.is_built_by_cluster()) {
            continue;
        }
        let group = |subject: &Subject<'_>| {
            let note = subject.asked(annotation::PLS_RESOURCE_GROUP);
            note.map(|note| note.text.trim().to_ascii_lowercase()).filter(|name| !name.is_empty())
        };
        let Some((with, name)) = sharers.iter().find_map(|(subject, _)| Some((subject, group(subject)?))) else {
            continue;
        };
        let Some(note) = with.asked(annotation::PLS_RESOURCE_GROUP) else { continue };
        for (subject, place) in sharers.iter().filter(|(subject, _)| group(subject).as_ref() != Some(&name)) {
            let message = format!("{} and {} share {address} and look in different groups", with.key, subject.key);
            let there =
                subject.asked(annotation::PLS_RESOURCE_GROUP).map_or_else(|| place.clone(), |note| note.place());
            let places = ((there, "another group, or the default one"), (note.place(), "this group"));
            findings.pair(message, places, format!("write {}: \"{name}\" on all", annotation::PLS_RESOURCE_GROUP));
        }
    }
}

fn some_published(subjects: &[Subject<'_>], findings: &mut Findings<'_>) {
    for (address, sharers) in groups_of(subjects) {
        let published = sharers.iter().find(|(subject, _)| subject.is_built_by_cluster());
        let other = sharers.iter().find(|(subject, _)| !subject.is_published());
        if let (Some((subject, _)), Some((other, place))) = (published, other) {
            let message = format!("the Private Link Service of {} publishes {}, too", subject.key, other.key);
            let help = format!("write down that {} owns it", subject.key);
            findings.say(message, (place.clone(), format!("shares {address}")), help);
        }
    }
}

/// Two Services of a group that differ in something, each with where it says so.
fn differing<'a, 's, T: PartialEq>(
    sharers: &'s [Sharer<'a, 's>],
    of: impl Fn(&Subject<'a>) -> T,
) -> Option<(&'s Sharer<'a, 's>, &'s Sharer<'a, 's>)> {
    let (first, rest) = sharers.split_first()?;
    let other = rest.iter().find(|(subject, _)| of(subject) != of(first.0))?;
    Some((first, other))
}

fn subnets(subjects: &[Subject<'_>], findings: &mut Findings<'_>) {
    let key = annotation::INTERNAL_SUBNET;
    let subnet = |subject: &Subject<'_>| {
        subject.written(key).filter(|note| !note.is_blank()).map(|note| note.text.to_ascii_lowercase())
    };
    for (address, sharers) in groups_of(subjects) {
        if let Some(((first, here), (other, there))) = differing(&sharers, subnet) {
            let place = |subject: &Subject<'_>, pin: &Place| {
                subject.written(key).map_or_else(|| pin.clone(), |note| note.place())
            };
            let message = format!("{} and {} share {address} and name different subnets", first.key, other.key);
            let places = ((place(other, there), "one"), (place(first, here), "the other"));
            findings.pair(message, places, "name the same subnet on all of them");
        }
    }
}

fn traffic(subjects: &[Subject<'_>], findings: &mut Findings<'_>) {
    for (address, sharers) in groups_of(subjects) {
        let manner = |subject: &Subject<'_>| (subject.is_local(), subject.is_on(annotation::DISABLE_FLOATING_IP));
        if let Some(((first, here), (other, there))) = differing(&sharers, manner) {
            let message = format!("{} and {} share {address} and take traffic differently", first.key, other.key);
            let places = ((there.clone(), "one"), (here.clone(), "the other"));
            findings.pair(message, places, "use the same externalTrafficPolicy on all of them");
        }
    }
}

fn ha_ports(subjects: &[Subject<'_>], findings: &mut Findings<'_>) {
    for (address, sharers) in groups_of(subjects) {
        let has = |subject: &Subject<'_>| subject.is_on(annotation::HA_PORTS);
        let Some((greedy, pin)) = sharers.iter().find(|(subject, _)| has(subject)) else { continue };
        let Some((other, place)) = sharers.iter().find(|(subject, _)| !std::ptr::eq(*subject, *greedy)) else {
            continue;
        };
        let note = greedy.written(annotation::HA_PORTS).map_or_else(|| pin.clone(), |note| note.key_place());
        let message = format!("{} takes all ports of {address}, which {} shares", greedy.key, other.key);
        findings.pair(message, ((note, "all ports"), (place.clone(), "no port is left")), "use two addresses");
    }
}

fn by_accident(subjects: &[Subject<'_>], findings: &mut Findings<'_>) {
    let subnet = |subject: &Subject<'_>| {
        subject.written(annotation::INTERNAL_SUBNET).map(|note| note.text.to_ascii_lowercase()).unwrap_or_default()
    };
    let mut free: BTreeMap<String, &Subject<'_>> = BTreeMap::new();
    for subject in subjects.iter().filter(|subject| subject.is_internal() && subject.pins().is_empty()) {
        free.entry(subnet(subject)).or_insert(subject);
    }
    for subject in subjects.iter().filter(|subject| subject.is_internal()) {
        let (Some(other), Some((address, place))) = (free.get(&subnet(subject)), subject.pins().into_iter().next())
        else {
            continue;
        };
        let message = format!("{} may get {address} before {} does", other.key, subject.key);
        let places = ((place, "pinned"), (other.place(), "gets any free address"));
        findings.pair(message, places, "pin both, or keep the pinned ones in a subnet of their own");
    }
}
