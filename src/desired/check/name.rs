//! Annotations whose text cannot be what it should name: lists with other separators, subnets, resource groups.

use crate::desired::check::rule::Findings;
use crate::desired::check::rule::Look;
use crate::desired::check::rule::Rule;
use crate::desired::check::subject::Subject;
use crate::diagnostic::Fix;
use crate::domain::annotation;
use crate::domain::azure::ResourceGroup;
use crate::domain::evidence::Evidence;

pub(super) const RULES: &[Rule] = &[
    Rule::error("ANN008", "a list is separated by something else than blanks", Look::Each(separators)).because(
        "Lists of the Private Link Service are split at single blanks and nowhere else. With commas, tabs or line breaks \
         the whole is one entry: addresses are refused, names and subscriptions reach Azure as one that does not exist.",
        "Separate the entries by single blanks.",
    ),
    Rule::error("ANN009", "the name of a subnet has blanks around it", Look::Each(blank_subnet)).because(
        "The blanks go into the request, and no subnet of that name is found: the Service keeps EXTERNAL-IP <pending>.",
        "Remove the blanks.",
    ),
    Rule::error("ANN010", "a subnet is named by more than its name", Look::Each(subnet_id)).because(
        "The text is taken for the name of a subnet in the cluster's own virtual network, and there is none of that name.",
        "Write the name alone: the virtual network is always the cluster's.",
    ),
    Rule::error("ANN011", "this is not the name of a resource group", Look::Each(group)).because(
        "The cloud provider lists the Private Link Services of that group, the request fails, and the Service keeps \
         EXTERNAL-IP <pending>.",
        "Write the group's name alone: at most 90 letters, digits and `_ ( ) - .`, not ending in a dot.",
    )
    .by(Evidence::Documented),
];

/// The annotations that are lists separated by blanks.
pub(super) const LISTS: [&str; 4] =
    [annotation::PLS_ADDRESSES, annotation::PLS_FQDNS, annotation::PLS_VISIBILITY, annotation::PLS_AUTO_APPROVAL];

/// What people separate entries with, and the cloud provider does not.
pub(super) const SEPARATORS: [char; 5] = [',', ';', '\t', '\n', '\r'];

/// True for an entry that is several, separated by the wrong character.
pub(super) fn is_several(entry: &str) -> bool {
    entry.contains(SEPARATORS)
}

fn separators(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for note in LISTS.into_iter().filter_map(|key| subject.written(key)) {
        if let Some(token) = annotation::tokens(&note.text).find(|token| is_several(token.text)) {
            let parts = note.text.split(SEPARATORS).flat_map(|part| part.split(' ')).filter(|part| !part.is_empty());
            let right = parts.collect::<Vec<_>>().join(" ");
            let message = format!("the entries of {} are separated by blanks only", note.short());
            let help = format!("write \"{right}\"");
            let fix = Fix::value(note.place(), right);
            findings.with(fix).say(message, (note.part(&token), "one entry to the cloud provider"), help);
        }
    }
}

// Without `azure-load-balancer-internal` the subnet of the load balancer is not read at all, which is another rule.
fn subnets(subject: &Subject<'_>) -> [&'static str; 2] {
    let frontend = if subject.is_internal() { annotation::INTERNAL_SUBNET } else { "" };
    let nat = if subject.is_published_by_annotation() { annotation::PLS_SUBNET } else { "" };
    [frontend, nat]
}

fn blank_subnet(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for note in subnets(subject).into_iter().filter_map(|key| subject.written(key)) {
        let name = note.text.trim();
        if !name.is_empty() && name.len() != note.text.len() {
            let message = format!("no subnet is named {:?}", note.text);
            let fix = Fix::value(note.place(), name);
            findings.with(fix).say(message, (note.place(), "blanks around the name"), format!("write \"{name}\""));
        }
    }
}

fn subnet_id(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for note in subnets(subject).into_iter().filter_map(|key| subject.written(key)) {
        if note.text.contains('/') {
            let name = note.text.trim().trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
            let message = format!("{} takes the name of a subnet", note.short());
            let help = format!("write the name alone: \"{name}\"; the virtual network is always the cluster's");
            let fix = (!name.is_empty()).then(|| Fix::value(note.place(), name));
            findings.with(fix).say(message, (note.place(), "not a name"), help);
        }
    }
}

fn group(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let of_public = (!subject.is_internal()).then_some(annotation::LOAD_BALANCER_RESOURCE_GROUP);
    let keys = [Some(annotation::PLS_RESOURCE_GROUP), of_public].into_iter().flatten();
    for note in keys.filter_map(|key| subject.written(key)).filter(|note| !note.is_blank()) {
        if note.text.trim().parse::<ResourceGroup>().is_err() {
            let message = format!("{} takes the name of a resource group", note.short());
            let segments: Vec<&str> = note.text.trim().split('/').collect();
            let named = segments.iter().position(|part| part.eq_ignore_ascii_case("resourceGroups"));
            let help = match named.and_then(|at| segments.get(at + 1)) {
                Some(name) => format!("write the name alone: \"{name}\""),
                None => "use at most 90 letters, digits and `_ ( ) - .`, not ending in a dot".to_owned(),
            };
            findings.say(message, (note.place(), "not the name of a group"), help);
        }
    }
}
