//! Who is hit by a plan, why, and since when they are known: the first thing that every rendering shows.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::desired::policy::Consumer;
use crate::diagnostic::Place;
use crate::diagnostic::Step as PathStep;
use crate::domain::azure::ResourceId;
use crate::domain::azure::SubscriptionId;
use crate::domain::key::ResourceKey;
use crate::plan::Plan;
use crate::plan::Step;
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::change::Consequence;
use crate::plan::change::FieldChange;
use crate::plan::change::Party;
use crate::render::count;
use crate::render::shown;
use crate::render::shown::Details;
use crate::render::shown::Shown;

/// How many fields the reason of a hit names before it counts.
const FIELDS_NAMED: usize = 2;

/// One prediction that hits somebody, and the changes that bring it about.
pub(super) struct Hit<'a> {
    pub(super) changes: Vec<&'a Change>,
    pub(super) consequence: &'a Consequence,
}

impl Hit<'_> {
    /// The resources whose changes bring it about.
    pub(super) fn keys(&self) -> Vec<String> {
        self.changes.iter().map(|change| change.key.to_string()).collect()
    }

    /// What in which file brings it about: `environments/prod/orders.yaml:14 changes annotation azure-pls-name`.
    pub(super) fn why(&self, plan: &Plan, details: Details<'_>) -> Option<String> {
        let shown = Shown::new(plan.policy.subscription.clone());
        self.changes.iter().find_map(|change| reason(change, &shown, details))
    }
}

/// Everybody who is hit, each prediction once however many changes bring it about.
pub(super) fn hits(plan: &Plan) -> Vec<Hit<'_>> {
    let mut hits: Vec<Hit<'_>> = Vec::new();
    for step in &plan.steps {
        let consequences = step.change.consequences.iter();
        for consequence in consequences.filter(|consequence| !consequence.parties.is_empty()) {
            match hits.iter_mut().find(|hit| hit.consequence == consequence) {
                Some(hit) => hit.changes.push(&step.change),
                None => hits.push(Hit { changes: vec![&step.change], consequence }),
            }
        }
    }
    hits
}

fn reason(change: &Change, shown: &Shown, details: Details<'_>) -> Option<String> {
    let document = change.place.as_ref()?;
    let place = change.fields.first().map_or_else(|| document.clone(), |field| place_of(document, field));
    let source = shown::one_line(&(details.locate)(&place).or_else(|| (details.locate)(document))?);
    let words: Vec<String> = change.fields.iter().take(FIELDS_NAMED).map(|field| words(field, shown)).collect();
    let more = match change.fields.len().saturating_sub(FIELDS_NAMED) {
        0 => String::new(),
        more => format!(", and {}", count(more, "more field")),
    };
    Some(match words.as_slice() {
        [] => format!("{source} asks for it"),
        words => format!("{source} changes {}{more}", words.join(", ")),
    })
}

fn words(field: &FieldChange, shown: &Shown) -> String {
    let name = shown::field_name(&field.name);
    match (&field.before, &field.after) {
        (Some(before), Some(after)) => format!("{name} from {} to {}", shown.value(before), shown.value(after)),
        (Some(before), None) => format!("{name} (was {})", shown.value(before)),
        (None, Some(after)) => format!("{name} to {}", shown.value(after)),
        (None, None) => name,
    }
}

/// Where a field stands in its document; of what stands nowhere, its surroundings.
pub(super) fn place_of(document: &Place, field: &FieldChange) -> Place {
    let bracketed = |parent: &str| field.name.strip_prefix(parent)?.strip_prefix('[')?.strip_suffix(']');
    let within = ["metadata.annotations", "metadata.labels"].into_iter().find_map(|parent| {
        let key = bracketed(parent)?;
        Some(document.clone().at(parent).child(key))
    });
    within.unwrap_or_else(|| match field.name.split('.').next() {
        Some("spec" | "metadata") => document.clone().at(&field.name),
        _ => document.clone().child(PathStep::from("spec")).at(&field.name),
    })
}

/// A consumer as plans call them: `ACME trading (net@acme.example, tenant acme.example)`.
pub(super) fn consumer(consumer: &Consumer) -> String {
    let tenant = consumer.tenant.as_ref().map(|tenant| format!("tenant {tenant}"));
    let known: Vec<String> = consumer.contact.iter().cloned().chain(tenant).collect();
    let known = if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) };
    shown::one_line(&format!("{}{known}", consumer.name))
}

/// Who is behind a party: this repository, which repairs what is its own, or somebody to call.
pub(super) fn people(party: &Party, plan: &Plan) -> String {
    let declared = declared(party, plan);
    match (&party.consumer, declared) {
        (Some(known), Some(declared)) => format!("{}, {declared}", consumer(known)),
        (Some(known), None) => consumer(known),
        (None, Some(declared)) => declared,
        (None, None) if party.subscription() == plan.policy.subscription => "this environment".to_owned(),
        (None, None) => "unknown consumer".to_owned(),
    }
}

/// Who is behind a subscription, whichever of its endpoints are declared here.
fn behind(party: &Party, plan: &Plan) -> String {
    people(&Party { is_declared: false, ..party.clone() }, plan)
}

/// `declared here, repaired by step 3`, for an endpoint of this repository.
fn declared(party: &Party, plan: &Plan) -> Option<String> {
    let repairs = |step: &Step| {
        step.change.key == ResourceKey::PrivateEndpoint(party.endpoint.clone()) && step.change.action != Action::Delete
    };
    let step = plan.steps.iter().position(repairs);
    let repaired = step.map(|at| format!(", repaired by step {}", at + 1)).unwrap_or_default();
    party.is_declared.then(|| format!("declared here{repaired}"))
}

/// `2026-11-20`, where privlink has seen the connection before.
pub(super) fn first_seen(party: &Party, details: Details<'_>) -> Option<String> {
    let day = details.first_seen?.get(&party.endpoint)?.strftime("%Y-%m-%d");
    Some(day.to_string())
}

/// Endpoint, state, people, subscription and first sight of an affected party.
pub(super) fn party_row(party: &Party, plan: &Plan, details: Details<'_>) -> Vec<String> {
    let seen = first_seen(party, details).map(|day| format!("first seen {day}"));
    [
        shown::one_line(party.endpoint.name()),
        shown::one_line(&party.status),
        people(party, plan),
        format!("subscription {}", party.subscription()),
    ]
    .into_iter()
    .chain(seen)
    .collect()
}

/// A consumer, its subscription, and how many of its connections are hit.
pub(super) type Hits = (String, SubscriptionId, usize);

/// How many connections of each consumer: what is left to say where not every endpoint has room.
pub(super) fn by_consumer(consequence: &Consequence, plan: &Plan) -> Vec<Hits> {
    counted(consequence.parties.iter(), plan)
}

/// The same of everything that the plan brings about, each connection once.
pub(super) fn everybody(plan: &Plan) -> Vec<Hits> {
    let parties = plan.steps.iter().flat_map(|step| &step.change.consequences).flat_map(|it| &it.parties);
    let once: BTreeMap<&ResourceId, &Party> = parties.map(|party| (&party.endpoint, party)).collect();
    counted(once.into_values(), plan)
}

fn counted<'a>(parties: impl Iterator<Item = &'a Party>, plan: &Plan) -> Vec<Hits> {
    let mut consumers: BTreeMap<SubscriptionId, (String, usize)> = BTreeMap::new();
    for party in parties {
        consumers.entry(party.subscription()).or_insert_with(|| (behind(party, plan), 0)).1 += 1;
    }
    let mut rows: Vec<_> = consumers.into_iter().map(|(id, (people, number))| (people, id, number)).collect();
    rows.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.1.cmp(&b.1)));
    rows
}

/// How many different connections are hit, and of how many subscriptions and known tenants.
pub(super) fn affected_count(plan: &Plan) -> String {
    let parties: Vec<&Party> =
        plan.steps.iter().flat_map(|step| &step.change.consequences).flat_map(|it| &it.parties).collect();
    let endpoints: BTreeSet<&ResourceId> = parties.iter().map(|party| &party.endpoint).collect();
    let subscriptions: BTreeSet<SubscriptionId> = endpoints.iter().map(|endpoint| endpoint.subscription()).collect();
    let tenants: BTreeSet<&str> =
        parties.iter().filter_map(|party| party.consumer.as_ref()?.tenant.as_deref()).collect();
    let known = if tenants.is_empty() { String::new() } else { format!(", {}", count(tenants.len(), "known tenant")) };
    format!("{} of {}{known}", count(endpoints.len(), "connection"), count(subscriptions.len(), "subscription"))
}

/// How many connections a change hits.
pub(super) fn number_of_parties(change: &Change) -> usize {
    change.consequences.iter().map(|consequence| consequence.parties.len()).sum()
}
