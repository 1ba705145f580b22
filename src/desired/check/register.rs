//! Subscriptions, held against the register of consumers in `privlink.toml`: plans name people, where somebody wrote who they are.

use std::collections::BTreeSet;

use crate::desired::check::name::SEPARATORS;
use crate::desired::check::rule::Findings;
use crate::desired::check::rule::Look;
use crate::desired::check::rule::Rule;
use crate::desired::policy::Policy;
use crate::diagnostic::Place;
use crate::domain::annotation;
use crate::domain::azure::SubscriptionId;
use crate::domain::evidence::Evidence;
use crate::repo::document::Body;
use crate::repo::document::Document;
use crate::repo::document::ServiceManifest;
use crate::repo::schema::private_link_service as link;

pub(super) const RULES: &[Rule] = &[
    Rule::warning("OWN007", "a subscription that is nearly one with a name", Look::Policy(slips)).because(
        "The subscription that is meant is not let in, and another one may be: ids are compared letter by letter, and \
         nobody looks whether there is such a subscription.",
        "Correct the id; if it is another consumer's, name it in `[consumers]` of privlink.toml.",
    )
    .by(Evidence::Inferred),
    Rule::remark("OWN008", "a consumer that has no name", Look::Policy(nameless))
        .because(
            "Plans, approvals and status say who is cut off or let in. Of a subscription that `[consumers]` does not name \
             they can only show the id.",
            "Name it in privlink.toml: [consumers.\"<id>\"] with name and contact.",
        )
        .by(Evidence::Code),
];

fn slips(documents: &[&Document], policy: &Policy, findings: &mut Findings<'_>) {
    let known = known(policy);
    for (id, place) in strangers(documents, &known) {
        let Some(near) = near(&id, &known) else { continue };
        let name = near.parse().ok().and_then(|near: SubscriptionId| Some(policy.consumers.get(&near)?.name.as_str()));
        let label =
            name.map_or_else(|| "this environment's is nearly the same".to_owned(), |name| format!("nearly {name}'s"));
        findings.say(
            format!("{id} is named nowhere in privlink.toml"),
            (place, label),
            format!("did you mean `{near}`?"),
        );
    }
}

fn nameless(documents: &[&Document], policy: &Policy, findings: &mut Findings<'_>) {
    let known = known(policy);
    // What is nearly a known one is the other rule's.
    for (id, place) in strangers(documents, &known).into_iter().filter(|(id, _)| near(id, &known).is_none()) {
        let help = format!("add [consumers.\"{id}\"] with a name to privlink.toml");
        findings.say(format!("{id} is named nowhere in privlink.toml"), (place, "who is this?"), help);
    }
}

/// The subscriptions that somebody named: the consumers', the environment's own, those in its scope.
fn known(policy: &Policy) -> BTreeSet<&SubscriptionId> {
    policy.consumers.keys().chain([&policy.subscription]).chain(&policy.scope.subscriptions).collect()
}

/// The known one of which an id is nearly the same: two characters are other ones, or have changed places.
fn near<'a>(id: &SubscriptionId, known: &BTreeSet<&'a SubscriptionId>) -> Option<&'a str> {
    let differing = |known: &str| known.bytes().zip(id.as_str().bytes()).filter(|(one, two)| one != two).count();
    let all = known.iter().map(|known| known.as_str()).filter(|_| !is_placeholder(id));
    all.map(|known| (differing(known), known)).filter(|(count, _)| *count <= SLIPS).min().map(|(_, known)| known)
}

/// How many characters of an id are mistaken at most; more, and it is another one.
const SLIPS: usize = 2;

/// True for ids that only count, as examples do: they are near each other on purpose.
fn is_placeholder(id: &SubscriptionId) -> bool {
    id.as_str().starts_with("00000000-0000-0000-")
}

/// Every subscription that documents let in, let see or turn away and that is not known, where it stands first.
fn strangers(documents: &[&Document], known: &BTreeSet<&SubscriptionId>) -> Vec<(SubscriptionId, Place)> {
    let mut seen: BTreeSet<SubscriptionId> = BTreeSet::new();
    let all = documents.iter().flat_map(|document| match &document.body {
        Body::Service(service) => of_service(document, service),
        Body::PrivateLinkService(link) => of_link(document, &link.spec),
        Body::PrivateEndpoint(_) => Vec::new(),
    });
    all.filter(|(id, _)| !known.contains(id) && seen.insert(id.clone())).collect()
}

fn of_service(document: &Document, service: &ServiceManifest) -> Vec<(SubscriptionId, Place)> {
    let mut found = Vec::new();
    for key in [annotation::PLS_VISIBILITY, annotation::PLS_AUTO_APPROVAL] {
        let Some(text) = service.annotations.get(key) else { continue };
        let place = |token: &annotation::Token<'_>| document.annotation(key).part(token.range.clone());
        for token in annotation::tokens(text) {
            // A list with the wrong separators is another rule's, and still says who is meant.
            let ids = token.text.split(SEPARATORS).filter_map(|id| id.parse().ok());
            found.extend(ids.map(|id| (id, place(&token))));
        }
    }
    found
}

fn of_link(document: &Document, spec: &link::Spec) -> Vec<(SubscriptionId, Place)> {
    let at =
        |path: &'static str| move |(at, id): (usize, &SubscriptionId)| (id.clone(), document.path_of(path).child(at));
    let mut found = Vec::new();
    if let link::Visibility::Subscriptions(ids) = &spec.visibility {
        found.extend(ids.iter().enumerate().map(at("spec.visibility.subscriptions")));
    }
    let auto = spec.auto_approval.iter().flat_map(|auto| auto.subscriptions.iter().enumerate());
    found.extend(auto.map(at("spec.autoApproval.subscriptions")));
    let Some(rules) = &spec.connections else { return found };
    for (path, list) in [("spec.connections.approve", &rules.approve), ("spec.connections.reject", &rules.reject)] {
        for (at, requester) in list.iter().enumerate() {
            let place = |key: &str| document.path_of(path).child(at).child(key);
            found.push(match requester {
                link::Requester::Subscription(id) => (id.clone(), place("subscription")),
                link::Requester::Endpoint(id) => (id.subscription(), place("endpoint")),
            });
        }
    }
    found
}
