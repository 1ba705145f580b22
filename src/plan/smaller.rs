//! A smaller edit: what to leave as it is so that nobody is cut, tried out on the model before it is offered.

use crate::cloud_provider;
use crate::cloud_provider::Prediction;
use crate::cloud_provider::address;
use crate::cloud_provider::effect::What;
use crate::cloud_provider::service::Service;
use crate::cloud_provider::state::State;
use crate::domain::annotation;
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

/// How many free addresses are offered.
const OFFERED: usize = 3;

/// The fields that one intention changes together, and what leaving them alone is called.
const GROUPS: [(&str, &[&str]); 6] = [
    ("the address", &[annotation::IPV4, annotation::IPV6, "spec.loadBalancerIP"]),
    ("the subnet annotation", &[annotation::INTERNAL_SUBNET]),
    ("the Service internal", &[annotation::INTERNAL]),
    ("the type", &["spec.type", "spec.loadBalancerClass"]),
    ("the name of the Private Link Service", &[annotation::PLS_NAME]),
    ("its resource group", &[annotation::PLS_RESOURCE_GROUP]),
];

/// Offers smaller edits for every Service whose change cuts somebody or fails.
pub(super) fn offer(draft: &mut Draft<'_>, foreseen: &Foreseen) {
    let Some(state) = consequence::state(draft) else { return };
    let mut offers = Vec::new();
    for (service, prediction) in foreseen {
        let Ok(prediction) = prediction else { continue };
        if is_harmless(prediction) {
            continue;
        }
        let subject = ResourceKey::Service(service.clone());
        let texts = keep(draft, service, &state).into_iter().chain(free_addresses(draft, service, prediction, &state));
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

/// What to leave as it is: the smallest group of fields without which the model sees no harm.
fn keep(draft: &Draft<'_>, service: &ObjectKey, state: &State) -> Option<String> {
    let change = draft.changes.get(&ResourceKey::Service(service.clone()))?;
    let live = draft.observed.services.get(service).filter(|_| change.action == Action::Update)?;
    let before = edit::before(live);
    GROUPS.into_iter().find_map(|(name, keys)| {
        let (kept, rest): (Vec<&FieldChange>, Vec<&FieldChange>) =
            change.fields.iter().partition(|field| keys.contains(&key_of(field)));
        if kept.is_empty() {
            return None;
        }
        let mut smaller = Change::new(change.key.clone(), change.action);
        smaller.resource.clone_from(&change.resource);
        smaller.fields = rest.iter().map(|field| (*field).clone()).collect();
        let after = edit::after(Some(live), &smaller);
        let tried = cloud_provider::predict(&mut state.clone(), Some(&before), after.as_ref()).ok()?;
        is_harmless(&tried).then(|| sentence(name, &kept, rest.len()))
    })
}

fn key_of(field: &FieldChange) -> &str {
    let annotation = field.name.strip_prefix("metadata.annotations[").and_then(|rest| rest.strip_suffix(']'));
    annotation.unwrap_or(&field.name)
}

fn sentence(name: &str, kept: &[&FieldChange], others: usize) -> String {
    let as_it_is = kept.iter().find_map(|field| field.before.as_ref());
    let value = as_it_is.map(|value| format!(" ({value})")).unwrap_or_default();
    let rest = match others {
        0 => String::new(),
        1 => "; the other field can change without it, in a commit of its own".to_owned(),
        number => format!("; the other {number} fields can change without it, in a commit of their own"),
    };
    format!("keep {name} as it is{value}: then nobody is cut and nothing fails{rest}")
}

/// Free addresses near one that is refused.
fn free_addresses(draft: &Draft<'_>, service: &ObjectKey, prediction: &Prediction, state: &State) -> Option<String> {
    let refused = prediction.failure.as_ref().filter(|failure| failure.rule.id.starts_with("CCM-IP-"))?;
    let change = draft.changes.get(&ResourceKey::Service(service.clone()))?;
    let after: Service = edit::after(draft.observed.services.get(service), change)?;
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
