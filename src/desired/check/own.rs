//! Our own kinds: what their wire forms cannot refuse, because it takes more than one value or more than one document.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::desired::check::range::is_impossible;
use crate::desired::check::rule::Findings;
use crate::desired::check::rule::Look;
use crate::desired::check::rule::Rule;
use crate::diagnostic::Place;
use crate::diagnostic::closest;
use crate::domain::azure::AzureName;
use crate::domain::evidence::Evidence;
use crate::domain::kubernetes::ObjectKey;
use crate::repo::document::Document;
use crate::repo::schema::private_endpoint as endpoint;
use crate::repo::schema::private_link_service as link;

pub(super) const RULES: &[Rule] = &[
    Rule::error("OWN001", "a document's name is used in Azure, which does not take it", Look::Documents(names)).because(
        "Without `spec.name` the resource is named after the document. Azure takes 80 characters at most, and refuses the \
         resource when it is made.",
        "Give it a `spec.name` of its own.",
    )
    .by(Evidence::Documented),
    Rule::error("OWN002", "an address that no virtual network has", Look::Documents(addresses)).because(
        "Azure does not let a virtual network use multicast, broadcast, loopback and link-local ranges, nor 168.63.129.16: \
         the address is refused when the resource is made.",
        "Write an address of the subnet.",
    )
    .by(Evidence::Documented),
    Rule::error("OWN003", "two endpoints want one address", Look::Documents(same_address)).because(
        "The first endpoint gets the address, and the other is refused for as long as it is taken.",
        "Give each its own address, or leave `ipAddress` away.",
    )
    .by(Evidence::Documented),
    Rule::warning("OWN004", "two endpoints of one subnet connect to the same service", Look::Documents(same_target))
        .because(
            "Both are built, paid for and approved; names lead to one of them.",
            "Keep one of them, and give it all the DNS records.",
        )
        .by(Evidence::Inferred),
    Rule::warning("OWN005", "a Service that is not in the repository, named nearly like one that is", Look::Documents(references))
        .because(
            "A Service that no file deploys is taken for somebody else's: the plan waits for it to appear.",
            "Correct the name; if the other Service is meant, allow it beside the line.",
        )
        .by(Evidence::Code),
    Rule::warning("OWN006", "a consumer is approved and rejected", Look::Documents(both_ways)).because(
        "`reject` is stronger than `approve`: the request is turned away.",
        "Keep one of the two.",
    ),
    Rule::error("OWN009", "a record whose full name is too long", Look::Documents(long_names)).because(
        "Record and zone together make the name that clients ask for. DNS allows 253 characters (RFC 1035 counts 255 octets \
         with their lengths), so nobody can ask for this one.",
        "Use a shorter record or zone.",
    )
    .by(Evidence::Documented),
    Rule::warning("OWN010", "`replaces` names a document that is not there, and nearly one that is", Look::Documents(replaced))
        .because(
            "The document that is replaced may be gone already, so its absence is no error. With a slip in the name nobody is \
             taken over, and the plan names no one who has to move.",
            "Correct the name.",
        )
        .by(Evidence::Code),
];

fn links<'a>(documents: &[&'a Document]) -> impl Iterator<Item = (&'a Document, &'a link::PrivateLinkService)> {
    documents.iter().filter_map(|document| Some((*document, document.private_link_service()?)))
}

fn endpoints<'a>(documents: &[&'a Document]) -> impl Iterator<Item = (&'a Document, &'a endpoint::PrivateEndpoint)> {
    documents.iter().filter_map(|document| Some((*document, document.private_endpoint()?)))
}

fn names(documents: &[&Document], findings: &mut Findings<'_>) {
    let built = links(documents).filter(|(_, link)| link.spec.managed_by == link::ManagedBy::Privlink);
    let services = built
        .filter(|(_, link)| link.spec.name.is_none())
        .map(|(document, link)| (document, format!("pls-{}", link.metadata.name)));
    let unnamed = endpoints(documents).filter(|(_, endpoint)| endpoint.spec.name.is_none());
    let all = services.chain(unnamed.map(|(document, endpoint)| (document, endpoint.metadata.name.to_string())));
    for (document, name) in all {
        if let Err(error) = name.parse::<AzureName>() {
            let at = (document.path_of("metadata.name"), format!("{} characters in Azure", name.len()));
            findings.say(error.to_string(), at, "give it a `spec.name`");
        }
    }
}

fn addresses(documents: &[&Document], findings: &mut Findings<'_>) {
    let mut all: Vec<(IpAddr, Place)> = Vec::new();
    for (document, link) in links(documents) {
        let listed = link.spec.nat.iter().flat_map(|nat| nat.addresses.iter().enumerate());
        all.extend(
            listed.map(|(at, address)| (IpAddr::V4(*address), document.path_of("spec.nat.addresses").child(at))),
        );
    }
    let pinned = |(document, endpoint): (&Document, &endpoint::PrivateEndpoint)| {
        Some((endpoint.spec.ip_address?, document.path_of("spec.ipAddress")))
    };
    all.extend(endpoints(documents).filter_map(pinned));
    for (address, place) in all.into_iter().filter(|(address, _)| is_impossible(*address)) {
        let message = format!("{address} cannot be in a subnet");
        findings.say(message, (place, "reserved"), "write an address of the subnet");
    }
}

fn long_names(documents: &[&Document], findings: &mut Findings<'_>) {
    for (document, endpoint) in endpoints(documents) {
        for (at, record) in endpoint.spec.dns.iter().enumerate() {
            let (zone, name) = (record.zone.as_str(), record.record.as_str());
            let length = if name == "@" { zone.len() } else { zone.len() + 1 + name.len() };
            if length > LONGEST_NAME {
                let place = |key: &str| document.path_of("spec.dns").child(at).child(key);
                let places = ((place("record"), "together with"), (place("zone"), "its zone"));
                let message = format!("the name of this record has {length} characters");
                findings.pair(message, places, format!("use at most {LONGEST_NAME} in all"));
            }
        }
    }
}

/// Characters of a name in DNS. Source: RFC 1035, 2.3.4, less the first length and the root.
const LONGEST_NAME: usize = 253;

fn replaced(documents: &[&Document], findings: &mut Findings<'_>) {
    let names: Vec<&str> = links(documents).map(|(_, link)| link.metadata.name.as_str()).collect();
    for (document, link) in links(documents) {
        let Some(old) = link.spec.replaces.as_ref().filter(|old| !names.contains(&old.as_str())) else { continue };
        let others = names.iter().copied().filter(|name| *name != link.metadata.name.as_str());
        if let Some(near) = closest(old.as_str(), others).filter(|near| letters(near) != letters(old.as_str())) {
            let place = document.path_of("spec.replaces");
            let message = format!("no document is named {old}");
            findings.say(message, (place, "replaces nobody"), format!("did you mean `{near}`?"));
        }
    }
}

/// A name without its digits: names that are counted (web-1, web-2) are near each other on purpose.
fn letters(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// The subnet of an endpoint, as far as documents name it: one that is written in two ways counts as two.
fn subnet_of(spec: &endpoint::Spec) -> Vec<String> {
    match &spec.subnet {
        endpoint::Subnet::Id(id) => vec![id.to_string().to_ascii_lowercase()],
        endpoint::Subnet::Named { resource_group, virtual_network, name } => {
            let group = resource_group.as_ref().unwrap_or(&spec.resource_group);
            let subscription = spec.subscription.as_ref().map(ToString::to_string).unwrap_or_default();
            vec![subscription, group.folded(), virtual_network.folded(), name.folded()]
        }
    }
}

fn same_address(documents: &[&Document], findings: &mut Findings<'_>) {
    let mut taken: BTreeMap<(Vec<String>, IpAddr), Place> = BTreeMap::new();
    for (document, endpoint) in endpoints(documents) {
        let Some(address) = endpoint.spec.ip_address else { continue };
        let place = document.path_of("spec.ipAddress");
        match taken.get(&(subnet_of(&endpoint.spec), address)) {
            Some(first) => {
                let message = format!("{address} is wanted twice in one subnet");
                findings.pair(message, ((place, "taken"), (first.clone(), "by this one")), "use another address");
            }
            None => drop(taken.insert((subnet_of(&endpoint.spec), address), place)),
        }
    }
}

fn same_target(documents: &[&Document], findings: &mut Findings<'_>) {
    let mut seen: BTreeMap<(Vec<String>, String), Place> = BTreeMap::new();
    for (document, endpoint) in endpoints(documents) {
        let aim = (subnet_of(&endpoint.spec), aim_of(&endpoint.spec.target));
        let place = document.path_of("spec.target");
        match seen.get(&aim) {
            Some(first) => {
                let message = format!("{} connects where another endpoint of its subnet does", endpoint.metadata.name);
                findings.pair(message, ((place, "again"), (first.clone(), "already here")), "keep one of them");
            }
            None => drop(seen.insert(aim, place)),
        }
    }
}

fn aim_of(target: &endpoint::Target) -> String {
    match target {
        endpoint::Target::PrivateLinkService(name) => format!("document {name}"),
        endpoint::Target::Service(key) => format!("service {key}"),
        endpoint::Target::Id(id) => id.to_string().to_ascii_lowercase(),
        endpoint::Target::Alias(alias) => alias.to_string().to_ascii_lowercase(),
    }
}

fn references(documents: &[&Document], findings: &mut Findings<'_>) {
    let deployed: BTreeSet<String> =
        documents.iter().filter_map(|document| Some(document.service()?.key.to_string())).collect();
    let published =
        links(documents).map(|(document, link)| (link.spec.service.key(), document.path_of("spec.service")));
    let aimed = endpoints(documents).filter_map(|(document, endpoint)| match &endpoint.spec.target {
        endpoint::Target::Service(key) => Some((key.clone(), document.path_of("spec.target.service"))),
        endpoint::Target::PrivateLinkService(_) | endpoint::Target::Id(_) | endpoint::Target::Alias(_) => None,
    });
    let missing = published.chain(aimed).filter(|(key, _)| !deployed.contains(&key.to_string()));
    for (key, place) in missing.take(MOST_SLIPS) {
        elsewhere(&key, place, &deployed, findings);
    }
}

/// Slips of the finger come one by one; who names hundreds of Services that are not here means them.
const MOST_SLIPS: usize = 100;

fn elsewhere(key: &ObjectKey, place: Place, deployed: &BTreeSet<String>, findings: &mut Findings<'_>) {
    let text = key.to_string();
    let near = closest(&text, deployed.iter().map(String::as_str)).filter(|near| letters(near) != letters(&text));
    if let Some(near) = near {
        let message = format!("no file deploys the Service {text}");
        findings.say(message, (place.child("name"), "taken for somebody else's"), format!("did you mean `{near}`?"));
    }
}

fn both_ways(documents: &[&Document], findings: &mut Findings<'_>) {
    for (document, link) in links(documents) {
        let Some(rules) = &link.spec.connections else { continue };
        let place = |list: &str, at: usize| document.path_of("spec.connections").child(list).child(at);
        for (at, requester) in rules.approve.iter().enumerate() {
            let Some(other) = rules.reject.iter().position(|rejected| rejected == requester) else { continue };
            let places = ((place("approve", at), "has no effect"), (place("reject", other), "is stronger"));
            findings.pair("the same consumer is approved and rejected", places, "keep one of the two");
        }
    }
}
