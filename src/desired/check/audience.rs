//! Who can see a Private Link Service, and who is let in without asking.

use std::collections::BTreeSet;

use crate::desired::check::link::once;
use crate::desired::check::name::is_several;
use crate::desired::check::rule::Findings;
use crate::desired::check::rule::Look;
use crate::desired::check::rule::Rule;
use crate::desired::check::subject::Note;
use crate::desired::check::subject::Subject;
use crate::diagnostic::Fix;
use crate::domain::annotation;
use crate::domain::azure::SubscriptionId;
use crate::domain::evidence::Evidence;

pub(super) const RULES: &[Rule] = &[
    Rule::error("PLS021", "this is not a subscription", Look::Each(not_a_subscription)).because(
        "Azure refuses the list, or the entry lets in nobody.",
        "Write the ids of subscriptions: GUIDs, separated by single blanks.",
    )
    .by(Evidence::Documented),
    Rule::warning("PLS022", "`*` stands beside subscriptions", Look::Each(mixed)).because(
        "A lone `*` replaces the whole list: anyone who knows the alias may ask for a connection.",
        "Keep the `*` or the subscriptions.",
    ),
    Rule::warning("PLS023", "anyone may ask for a connection", Look::Each(anyone)).because(
        "With visibility `*` everybody who knows the alias can ask for a connection.",
        "List the subscriptions of the consumers.",
    )
    .by(Evidence::Documented),
    Rule::error("PLS024", "`*` lets in nobody without asking", Look::Each(star)).because(
        "The `*` has no meaning in azure-pls-auto-approval. If Azure took it, everybody would be let in.",
        "List the subscriptions that are let in without asking.",
    ),
    Rule::warning("PLS025", "a subscription is let in that cannot see the service", Look::Each(invisible)).because(
        "Auto-approval is a subset of visibility: the subscription cannot make a connection that could be approved.",
        "Add it to azure-pls-visibility.",
    )
    .by(Evidence::Documented),
    Rule::error("PLS026", "more than 100 subscriptions", Look::Each(too_many))
        .because("Azure takes 100 in each list: the sync fails for ever.", "List at most 100.")
        .by(Evidence::Documented),
    Rule::warning("PLS027", "a subscription is written twice, or in upper case", Look::Each(spelling)).because(
        "The lists are compared letter by letter and with their doubles. If Azure answers in its own spelling, the Private \
         Link Service is written anew at every sync.",
        "Write each subscription once, in lower case.",
    )
    .by(Evidence::Inferred),
    Rule::remark("PLS035", "only who has a role can see the service", Look::Each(role_based)).because(
        "Without azure-pls-visibility a consumer needs a role on the Private Link Service; other tenants cannot have one.",
        "Set azure-pls-visibility to the subscriptions of the consumers.",
    )
    .by(Evidence::Documented),
];

/// Subscriptions that Azure takes in one list.
const MOST: usize = 100;

fn lists<'a>(subject: &Subject<'a>) -> impl Iterator<Item = Note<'a>> {
    let keys = [annotation::PLS_VISIBILITY, annotation::PLS_AUTO_APPROVAL];
    let published = subject.is_published();
    keys.map(|key| subject.written(key)).into_iter().flatten().filter(move |_| published)
}

fn has_star(note: &Note<'_>) -> bool {
    annotation::tokens(&note.text).any(|token| token.text == "*")
}

fn not_a_subscription(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for note in lists(subject) {
        // A `*` in the visibility makes the rest of it meaningless, which is another rule.
        if note.key == annotation::PLS_VISIBILITY && has_star(&note) {
            continue;
        }
        for token in annotation::tokens(&note.text).filter(|token| token.text != "*" && !is_several(token.text)) {
            if token.text.parse::<SubscriptionId>().is_err() {
                let message = format!("{:?} is not the id of a subscription", token.text);
                let help = "write a GUID such as 00000000-0000-0000-0000-000000000001";
                findings.say(message, (note.part(&token), "not a GUID"), help);
            }
        }
    }
}

fn mixed(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = lists(subject).find(|note| note.key == annotation::PLS_VISIBILITY) else { return };
    let all: Vec<annotation::Token<'_>> = annotation::tokens(&note.text).collect();
    if let Some(star) = all.iter().find(|token| token.text == "*").filter(|_| all.len() > 1) {
        let message = "the `*` replaces the subscriptions beside it";
        findings.say(message, (note.part(star), "anyone with the alias"), "keep the `*` or the subscriptions");
    }
}

fn anyone(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = lists(subject).find(|note| note.key == annotation::PLS_VISIBILITY) else { return };
    if note.text.trim() == "*" {
        let message = format!("anyone with the alias of {} may ask for a connection", subject.key);
        findings.say(message, (note.place(), "everybody"), "list the subscriptions of the consumers");
    }
}

fn star(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = lists(subject).find(|note| note.key == annotation::PLS_AUTO_APPROVAL) else { return };
    if let Some(token) = annotation::tokens(&note.text).find(|token| token.text == "*") {
        let message = "`*` has no meaning in azure-pls-auto-approval";
        findings.say(message, (note.part(&token), "not a subscription"), "list the subscriptions");
    }
}

fn invisible(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(auto) = lists(subject).find(|note| note.key == annotation::PLS_AUTO_APPROVAL) else { return };
    let visibility = lists(subject).find(|note| note.key == annotation::PLS_VISIBILITY);
    if visibility.as_ref().is_some_and(has_star) {
        return;
    }
    let text = visibility.as_ref().map_or("", |note| &note.text);
    let visible: BTreeSet<SubscriptionId> =
        annotation::tokens(text).filter_map(|token| token.text.parse().ok()).collect();
    for token in annotation::tokens(&auto.text) {
        let Ok(id) = token.text.parse::<SubscriptionId>() else { continue };
        if !visible.contains(&id) {
            let message = format!("{id} is let in without asking but cannot see the service");
            let help = format!("add it to {}", annotation::PLS_VISIBILITY);
            match visibility.as_ref().map(Note::place) {
                Some(place) => {
                    let places = ((auto.part(&token), "let in"), (place, "who can see it"));
                    findings.pair(message, places, help);
                }
                None => findings.say(message, (auto.part(&token), "let in"), help),
            }
        }
    }
}

fn too_many(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let lists = [annotation::PLS_VISIBILITY, annotation::PLS_AUTO_APPROVAL].map(|key| subject.asked(key));
    for note in lists.into_iter().flatten().filter(|_| subject.is_published()) {
        let number = annotation::tokens(&note.text).count();
        if number > MOST {
            let message = format!("{} lists {number} subscriptions", note.name());
            findings.say(message, (note.place(), "Azure takes 100"), "list at most 100");
        }
    }
}

fn spelling(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for note in lists(subject) {
        let mut seen = BTreeSet::new();
        for token in annotation::tokens(&note.text) {
            let Ok(id) = token.text.parse::<SubscriptionId>() else { continue };
            if token.text != id.as_str() {
                let message = format!("{id} is written in upper case");
                let label = (note.part(&token), "compared letter by letter");
                findings.with(tidy(&note)).say(message, label, format!("write {id}"));
            } else if seen.contains(&id) {
                let message = format!("{id} is listed twice");
                let label = (note.part(&token), "the second");
                findings.with(tidy(&note)).say(message, label, "list each subscription once");
            }
            seen.insert(id);
        }
    }
}

/// The list in lower case, each subscription once.
fn tidy(note: &Note<'_>) -> Fix {
    let once = once(&note.text, |text| text.parse::<SubscriptionId>().ok());
    let lower = |text: &str| text.parse::<SubscriptionId>().map_or_else(|_| text.to_owned(), |id| id.to_string());
    Fix::value(note.place(), once.split(' ').map(lower).collect::<Vec<_>>().join(" "))
}

fn role_based(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let visible = subject.asked(annotation::PLS_VISIBILITY).is_some_and(|note| !note.is_blank());
    if subject.is_published_by_annotation() && !visible {
        let message = format!("only who has a role can see the Private Link Service of {}", subject.key);
        let place = subject.at("metadata.annotations").child(annotation::PLS_CREATE).on_key();
        findings.say(message, (place, "names nobody"), format!("set {}", annotation::PLS_VISIBILITY));
    }
}
