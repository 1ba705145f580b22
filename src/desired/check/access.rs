//! Who is let in by address: source ranges, service tags, the network security group.

use ipnet::IpNet;

use crate::desired::check::rule::Findings;
use crate::desired::check::rule::Look;
use crate::desired::check::rule::Rule;
use crate::desired::check::subject::Note;
use crate::desired::check::subject::Subject;
use crate::diagnostic::Fix;
use crate::diagnostic::Place;
use crate::domain::annotation;
use crate::domain::evidence::Evidence;

pub(super) const RULES: &[Rule] = &[
    Rule::error("ACL001", "source ranges are given twice", Look::Each(twice)).because(
        "The sync fails before the Private Link Service is reached: the Service keeps EXTERNAL-IP <pending>.",
        "Keep the field or the annotation, not both.",
    ),
    Rule::error("ACL002", "a source range that is none", Look::Each(not_a_range)).because(
        "The entry is dropped, and a rule that denies everybody is added to the network security group.",
        "Write address/prefix with no bits set below the prefix.",
    ),
    Rule::warning("ACL003", "source ranges that do not keep the virtual network out", Look::Each(not_closed)).because(
        "The network security group lets in the whole virtual network by default, whatever the ranges of the annotation.",
        "Add azure-deny-all-except-load-balancer-source-ranges: \"true\", or use spec.loadBalancerSourceRanges.",
    ),
    Rule::warning("ACL004", "everybody is denied except nobody", Look::Each(without_ranges))
        .because("The flag has no effect without ranges.", "Add source ranges, or remove the flag."),
    Rule::warning("ACL005", "service tags that the nodes drop", Look::Each(tags_dropped)).because(
        "The network security group lets the tags in, but with spec.loadBalancerSourceRanges the nodes drop everybody else.",
        "Use azure-allowed-ip-ranges instead of the field.",
    ),
    Rule::error("ACL006", "an empty service tag", Look::Each(empty_tag))
        .because("A rule with an empty tag is sent to Azure, which refuses it.", "Remove the annotation, or name a tag.")
        .by(Evidence::Inferred),
    Rule::error("ACL007", "an additional public address that is none", Look::Each(additional)).because(
        "Syncs fail, and so does the deletion of the Service: its finalizer stays.",
        "Separate the addresses by commas, without blanks.",
    ),
    Rule::warning("ACL008", "an internal Service lets in the internet", Look::Each(open)).because(
        "A rule that allows the whole internet is added to the network security group of all nodes.",
        "Name the networks that are meant.",
    ),
    Rule::warning("ACL009", "the network security group is left alone", Look::Each(no_rule)).because(
        "The cloud provider adds no rules for this Service: somebody else has to.",
        "Keep it for emergencies, and own the rules.",
    )
    .in_versions("before 1.35.6 and 1.36.2 the annotation is passed over"),
];

/// The annotations with ranges.
const RANGES: [&str; 2] = [annotation::ALLOWED_RANGES, annotation::SOURCE_RANGES];

fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().filter(|network| network.trunc() == *network)
}

/// Ranges, with their places.
type Ranges = Vec<(IpNet, Place)>;

/// Every valid range: of the field, and of the annotations.
pub(super) fn ranges(subject: &Subject<'_>) -> (Ranges, Ranges) {
    let field = subject.spec().and_then(|spec| spec.load_balancer_source_ranges.as_ref()).into_iter().flatten();
    let field = field
        .enumerate()
        .filter_map(|(at, text)| Some((network(text.trim())?, subject.at("spec.loadBalancerSourceRanges").child(at))));
    let mut written = Vec::new();
    for note in RANGES.into_iter().filter_map(|key| subject.written(key)) {
        let items = annotation::items(&note.text);
        written.extend(items.filter_map(|item| Some((network(item.text)?, note.part(&item)))));
    }
    (field.collect(), written)
}

fn twice(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let (field, written) = ranges(subject);
    if let (Some(_), Some((_, place))) = (field.first(), written.into_iter().next()) {
        let message = format!("{} says twice who is let in", subject.key);
        let field = subject.at("spec.loadBalancerSourceRanges");
        findings.pair(message, ((place, "here"), (field, "and here")), "keep one of the two");
    }
}

fn not_a_range(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for note in RANGES.into_iter().filter_map(|key| subject.written(key)) {
        for item in annotation::items(&note.text).filter(|item| is_passed_over(note.key, item.text)) {
            let place = if item.text.is_empty() { note.place() } else { note.part(&item) };
            refuse(item.text, place, &mut findings.with(with_lengths(&note)));
        }
    }
    let field = subject.spec().and_then(|spec| spec.load_balancer_source_ranges.as_ref());
    for (at, text) in field.into_iter().flatten().enumerate() {
        // What is no range at all is refused by the API server, and said where manifests are read.
        if text.trim().parse::<IpNet>().is_ok() && network(text.trim()).is_none() {
            refuse(text.trim(), subject.at("spec.loadBalancerSourceRanges").child(at), findings);
        }
    }
}

/// True for what is no range, unless the API server already refuses it there.
fn is_passed_over(key: &str, text: &str) -> bool {
    network(text).is_none() && (key != annotation::SOURCE_RANGES || text.parse::<IpNet>().is_ok())
}

/// The list with addresses written as ranges of one. Whoever set bits below a prefix may have meant another prefix.
fn with_lengths(note: &Note<'_>) -> Option<Fix> {
    let range = |item: annotation::Token<'_>| match item.text.parse::<std::net::IpAddr>() {
        Ok(address) => Some(IpNet::from(address).to_string()),
        Err(_) => network(item.text).map(|_| item.text.to_owned()),
    };
    let ranges: Option<Vec<String>> = annotation::items(&note.text).map(range).collect();
    Some(Fix::value(note.place(), ranges?.join(",")))
}

fn refuse(text: &str, place: Place, findings: &mut Findings<'_>) {
    let help = match text.parse::<IpNet>() {
        Ok(network) => format!("write {}", network.trunc()),
        Err(_) => text.parse::<std::net::IpAddr>().map_or_else(
            |_| "write address/prefix, for example 10.0.0.0/16, separated by commas".to_owned(),
            |address| format!("write {}", IpNet::from(address)),
        ),
    };
    findings.say(format!("{text:?} lets in nobody, and keeps everybody out"), (place, "not a range"), help);
}

fn not_closed(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let (field, written) = ranges(subject);
    let is_open = subject.is_internal() && field.is_empty() && !subject.is_on(annotation::DENY_ALL);
    if let Some((_, place)) = written.into_iter().next().filter(|_| is_open) {
        let message = format!("the whole virtual network reaches {}, whatever the ranges", subject.key);
        findings.say(message, (place, "is let in besides"), format!("add {}: \"true\"", annotation::DENY_ALL));
    }
}

fn without_ranges(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = subject.written(annotation::DENY_ALL).filter(|_| subject.is_on(annotation::DENY_ALL)) else {
        return;
    };
    let spec = subject.spec().and_then(|spec| spec.load_balancer_source_ranges.as_ref());
    let given = spec.is_some_and(|ranges| !ranges.is_empty())
        || RANGES.into_iter().any(|key| subject.written(key).is_some_and(|note| !note.is_blank()));
    if !given {
        let message = format!("{} has no source ranges, and so everybody is let in", subject.key);
        findings.say(message, (note.key_place(), "has no effect"), "add source ranges, or remove the flag");
    }
}

fn tags<'a>(subject: &Subject<'a>) -> Option<Note<'a>> {
    subject.written(annotation::ALLOWED_TAGS)
}

fn tags_dropped(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let (field, _) = ranges(subject);
    if let (Some(note), Some((_, place))) = (tags(subject).filter(|note| !note.is_blank()), field.into_iter().next()) {
        let message = format!("the nodes drop the service tags of {}", subject.key);
        let places = ((note.place(), "let in by the network security group"), (place, "and dropped by the nodes"));
        findings.pair(message, places, format!("write the ranges as {} instead", annotation::ALLOWED_RANGES));
    }
}

fn empty_tag(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = tags(subject) else { return };
    if annotation::items(&note.text).any(|item| item.text.is_empty()) {
        findings.say("an empty service tag", (note.place(), "Azure refuses it"), "remove it, or name a tag");
    }
}

fn additional(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = subject.written(annotation::ADDITIONAL_PUBLIC_IPS).filter(|note| !note.is_blank()) else { return };
    let text = note.text.trim();
    if text.split(',').any(|item| item.parse::<std::net::IpAddr>().is_err()) {
        let right = text.split([',', ' ', ';']).filter(|item| !item.is_empty()).collect::<Vec<_>>().join(",");
        let message = format!("{text:?} breaks the sync and the deletion of {}", subject.key);
        let right_now = right.split(',').all(|item| item.parse::<std::net::IpAddr>().is_ok());
        let fix = right_now.then(|| Fix::value(note.place(), right.clone()));
        let label = (note.place(), "addresses, separated by commas alone");
        findings.with(fix).say(message, label, format!("write \"{right}\""));
    }
}

fn open(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let (field, written) = ranges(subject);
    for (range, place) in field.into_iter().chain(written).filter(|_| subject.is_internal()) {
        if range.prefix_len() == 0 {
            let message = format!("{} is internal and lets in the internet", subject.key);
            findings.say(message, (place, "everybody"), "name the networks that are meant");
        }
    }
}

fn no_rule(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    if let Some(note) =
        subject.written(annotation::DISABLE_NSG_RULE).filter(|_| subject.is_on(annotation::DISABLE_NSG_RULE))
    {
        let message = format!("nobody opens the network security group for {}", subject.key);
        findings.say(message, (note.key_place(), "an emergency measure"), "own the rules, or remove it");
    }
}
