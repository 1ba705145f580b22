//! A smaller edit: what to leave as it is so that nobody is cut, tried out on the model before it is offered.

use serde_json::Value as Json;

use crate::cloud_provider;
use crate::cloud_provider::Prediction;
use crate::cloud_provider::address;
use crate::cloud_provider::effect::Failure;
use crate::cloud_provider::effect::Stage;
use crate::cloud_provider::effect::What;
use crate::cloud_provider::service::Service;
use crate::cloud_provider::state::State;
use crate::domain::annotation;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::change::FieldChange;
use crate::plan::change::Note;
use crate::plan::consequence;
use crate::plan::consequence::Foreseen;
use crate::plan::draft::Draft;
use crate::plan::edit;
use crate::plan::handover;
use crate::value::Value;

/// How many free addresses are offered.
const OFFERED: usize = 3;

/// Fields that one intention changes together, and what they are called.
type Group = (&'static str, &'static [&'static str]);

/// The fields that may do harm, by what leaving them alone is called.
const GROUPS: [Group; 6] = [
    ("the address", &[annotation::IPV4, annotation::IPV6, "spec.loadBalancerIP"]),
    ("the subnet annotation", &[annotation::INTERNAL_SUBNET]),
    ("the Service internal", &[annotation::INTERNAL]),
    ("the type", &["spec.type", "spec.loadBalancerClass"]),
    ("the name of the Private Link Service", &[annotation::PLS_NAME]),
    ("its resource group", &[annotation::PLS_RESOURCE_GROUP]),
];

/// What moves a frontend: it can be had beside the old one.
const MOVES: [&str; 4] = [annotation::IPV4, annotation::IPV6, "spec.loadBalancerIP", annotation::INTERNAL_SUBNET];

/// Offers smaller edits for every Service whose change cuts somebody or fails.
pub(super) fn offer(draft: &mut Draft<'_>, foreseen: &Foreseen) {
    let Some(state) = consequence::state(draft) else { return };
    let mut offers = handover::offers(draft);
    for (service, prediction) in foreseen {
        let Ok(prediction) = prediction else { continue };
        if is_harmless(prediction) {
            continue;
        }
        let subject = ResourceKey::Service(service.clone());
        let kept = keep(draft, service, &state);
        let moved = kept.as_ref().and_then(|kept| migrate(draft, service, &kept.fields, &state));
        let free = free_addresses(draft, service, prediction, &state);
        let texts = kept.map(|kept| kept.text).into_iter().chain(moved).chain(free);
        offers.extend(texts.map(|text| Note { subject: subject.to_string(), text }));
    }
    draft.smaller_edits = offers;
}

fn is_harmless(prediction: &Prediction) -> bool {
    let cuts = |what: &What| {
        matches!(
            what,
            What::ConnectionCut { .. }
                | What::LinkDeleted { .. }
                | What::LinkTakenOver { .. }
                | What::LinkUnproven { .. }
                | What::MadePublic
        )
    };
    prediction.failure.is_none() && !prediction.effects.iter().any(|effect| cuts(&effect.what))
}

/// What is left as it is, and the sentence about it.
struct Kept {
    fields: Vec<FieldChange>,
    text: String,
}

/// What to leave as it is: the smallest group of fields without which the model sees no harm, or two of them, or all.
fn keep(draft: &Draft<'_>, service: &ObjectKey, state: &State) -> Option<Kept> {
    let change = draft.changes.get(&ResourceKey::Service(service.clone()))?;
    let live = draft.observed.services.get(service).filter(|_| change.action == Action::Update)?;
    let touched = |(_, keys): &&Group| change.fields.iter().any(|field| keys.contains(&key_of(field)));
    let touched: Vec<&Group> = GROUPS.iter().filter(touched).collect();
    let pairs = (0..touched.len()).flat_map(|a| (a + 1..touched.len()).map(move |b| vec![a, b]));
    let all = (touched.len() > 2).then(|| (0..touched.len()).collect());
    let choices = (0..touched.len()).map(|one| vec![one]).chain(pairs).chain(all);
    choices.map(|choice| choice.into_iter().map(|at| touched[at]).collect::<Vec<&Group>>()).find_map(|groups| {
        let is_kept = |field: &&FieldChange| groups.iter().any(|(_, keys)| keys.contains(&key_of(field)));
        let (kept, rest): (Vec<&FieldChange>, Vec<&FieldChange>) = change.fields.iter().partition(is_kept);
        let smaller = with_fields(change, &rest);
        let after = edit::after(draft.observed, &smaller);
        let tried = cloud_provider::predict(&mut state.clone(), Some(&edit::before(live)), after.as_ref()).ok()?;
        is_harmless(&tried).then(|| Kept {
            text: sentence(&groups, (&kept, rest.len()), name_in_use(draft, service)),
            fields: kept.into_iter().cloned().collect(),
        })
    })
}

fn with_fields(change: &Change, fields: &[&FieldChange]) -> Change {
    let mut smaller = Change::new(change.key.clone(), change.action);
    smaller.resource.clone_from(&change.resource);
    smaller.fields = fields.iter().map(|field| (*field).clone()).collect();
    smaller
}

/// What the Private Link Service is called now: to write just that changes nothing.
fn name_in_use(draft: &Draft<'_>, service: &ObjectKey) -> Option<String> {
    let link = draft.observed.publisher(&PublisherKey::Cluster(service.clone()))?;
    Some(link.service.id.name().to_owned())
}

fn key_of(field: &FieldChange) -> &str {
    let annotation = field.name.strip_prefix("metadata.annotations[").and_then(|rest| rest.strip_suffix(']'));
    annotation.unwrap_or(&field.name)
}

fn sentence(groups: &[&Group], (kept, others): (&[&FieldChange], usize), link: Option<String>) -> String {
    let one = |(name, keys): &&Group| {
        let as_it_is =
            kept.iter().filter(|field| keys.contains(&key_of(field))).find_map(|field| field.before.as_ref());
        let link = link.as_ref().filter(|_| keys.contains(&annotation::PLS_NAME));
        let value = as_it_is.map(ToString::to_string).or_else(|| link.map(|name| format!("{name:?}")));
        format!("{name} as it is{}", value.map(|value| format!(" ({value})")).unwrap_or_default())
    };
    let names: Vec<String> = groups.iter().map(one).collect();
    let rest = match others {
        0 => String::new(),
        1 => "; the other field can change without it, in a commit of its own".to_owned(),
        number => format!("; the other {number} fields can change without it, in a commit of their own"),
    };
    format!("keep {}: then nobody is cut and nothing fails{rest}", names.join(" and "))
}

/// The way to move a frontend all the same: a second one, to which the consumers move before the first one goes.
fn migrate(draft: &Draft<'_>, service: &ObjectKey, kept: &[FieldChange], state: &State) -> Option<String> {
    let link = draft.observed.link_on_frontend_of(service)?;
    let has_consumers = !consequence::parties(draft, &link.connections).is_empty();
    if !has_consumers || !kept.iter().all(|field| MOVES.contains(&key_of(field))) {
        return None;
    }
    let document = handover::document_of(draft, service)?;
    let change = draft.changes.get(&ResourceKey::Service(service.clone()))?;
    let second = second(service, edit::manifest(draft.observed, change)?);
    let tried = cloud_provider::predict(&mut state.clone(), None, Some(&second)).ok()?;
    let joins = tried.effects.iter().any(|effect| matches!(effect.what, What::FrontendJoined { .. }));
    if joins || !is_harmless(&tried) {
        return None;
    }
    let mut command = format!("privlink migrate {document}");
    for field in kept {
        let option = if key_of(field) == annotation::INTERNAL_SUBNET { "--subnet" } else { "--address" };
        match &field.after {
            Some(Value::Text(value)) => command.push_str(&format!(" {option} {value}")),
            Some(value) => command.push_str(&format!(" {option} {value}")),
            None => return None,
        }
    }
    Some(format!(
        "to move all the same, take that edit back and let `{command}` write a second Service beside it: consumers move one by one, and then the old one goes"
    ))
}

/// The Service as `migrate` would write it, for the model.
fn second(service: &ObjectKey, mut manifest: Json) -> Service {
    if let Some(annotations) = manifest.pointer_mut("/metadata/annotations").and_then(Json::as_object_mut) {
        annotations.remove(annotation::PLS_NAME);
        annotations.remove(annotation::PLS_ADDRESSES);
    }
    // No uid, as anything that is not there yet: its names are its own.
    Service::read(service, None, &manifest, &[])
}

/// Free addresses near one that is refused.
fn free_addresses(draft: &Draft<'_>, service: &ObjectKey, prediction: &Prediction, state: &State) -> Option<String> {
    let is_of_frontend =
        |failure: &&Failure| failure.stage == Stage::LoadBalancer && failure.rule.id.starts_with("CCM-IP-");
    let refused = prediction.failure.as_ref().filter(is_of_frontend)?;
    let change = draft.changes.get(&ResourceKey::Service(service.clone()))?;
    let after: Service = edit::after(draft.observed, change)?;
    let free = address::free_near(state, &after, OFFERED);
    if free.is_empty() {
        return None;
    }
    let listed: Vec<String> = free.iter().map(ToString::to_string).collect();
    let moves = if draft.observed.link_on_frontend_of(service).is_some() {
        "; to move there cuts every connection too"
    } else {
        ""
    };
    let how =
        if address::are_offered(state, &after) { "free, by Azure's word" } else { "free near it, as far as was seen" };
    Some(format!("{how}: {} ({}){moves}", listed.join(", "), refused.rule.id))
}
