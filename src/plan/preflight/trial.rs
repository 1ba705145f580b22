//! What the API server answered to the trial of a step: a refusal, a field that others hold, or something else that it would
//! store.
//!
//! Only what is different from what was asked for counts. What the server chooses by itself, and the defaults that it fills
//! in everywhere, are neither asked for nor a difference, so a trial that finds nothing leaves the plan as it is.

use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::resource::Resource;
use crate::domain::resource::service::Service;
use crate::domain::resource::service::Trial;
use crate::domain::resource::service::leaves;
use crate::plan::Plan;
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::change::Refusal;
use crate::plan::change::StoredOtherwise;
use crate::plan::draft::Draft;
use crate::plan::preflight::rule;
use crate::plan::services::held_by_others;
use crate::value::Fields;
use crate::value::Value;

/// The annotations that say what the Private Link Service of a Service is.
const LINK_ANNOTATIONS: &str = "metadata.annotations[service.beta.kubernetes.io/azure-pls-";

/// The Services that a plan writes, each with whether fields are taken from their managers.
pub fn open(plan: &Plan) -> Vec<(&Service, bool)> {
    let changes = plan.steps.iter().map(|step| &step.change).filter(|change| change.action != Action::Delete);
    let written = changes.filter_map(|change| match &change.resource {
        Some(Resource::Service(service)) => Some((service, change.force)),
        _ => None,
    });
    written.collect()
}

/// Notes at a change what the server would store otherwise, and refuses what the server refuses.
pub(in crate::plan) fn take_note(draft: &mut Draft<'_>, change: &mut Change) {
    let (ResourceKey::Service(key), Some(Resource::Service(service))) = (&change.key, &change.resource) else { return };
    match draft.observed.trials.get(key) {
        None | Some(Trial::NoNamespace { .. }) => {}
        Some(Trial::Refused(words)) => {
            let problem = format!("the API server refuses it: {words}");
            draft.refuse_by(&change.key, Refusal::by(&rule::SERVER_REFUSES, problem));
        }
        Some(Trial::Held(held)) if !draft.refusals.contains_key(&change.key) => {
            let held: Vec<(String, String)> =
                held.iter().map(|(field, manager)| (field.clone(), manager.clone())).collect();
            draft.refuse_by(&change.key, held_by_others(service, &held));
        }
        Some(Trial::Held(_)) => {}
        Some(Trial::Stored(manifest)) => {
            let stored = leaves(manifest);
            let live = draft.observed.services.get(key).map(|live| live.fields()).unwrap_or_default();
            change.stored = differences(change, (&service.fields(), &stored), &live);
            if let Some(problem) = futile(change, &stored).or_else(|| unpublishable(draft, change)) {
                draft.refuse_by(&change.key, Refusal::by(&rule::STORED_OTHERWISE, problem));
            }
        }
    }
}

/// Where what would be stored is not what the change asks for.
fn differences(change: &Change, (asked, stored): (&Fields, &Fields), live: &Fields) -> Vec<StoredOtherwise> {
    let of = |name: &String| StoredOtherwise {
        name: name.clone(),
        asked: asked.get(name).cloned(),
        stored: stored.get(name).cloned(),
    };
    let changed = asked.iter().filter(|(name, value)| stored.get(*name) != Some(value)).map(|(name, _)| name);
    let is_released = |name: &String| change.fields.iter().any(|field| field.name == *name && field.after.is_none());
    let is_added = |(name, value): &(&String, &Value)| {
        let is_kept = live.get(*name) == Some(value) && !is_released(name);
        !asked.contains_key(*name) && !is_kept && !is_of_server(name, value)
    };
    let mut found: Vec<StoredOtherwise> =
        changed.chain(stored.iter().filter(is_added).map(|(name, _)| name)).map(of).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// True for what the server chooses by itself, and for the defaults of a Service.
///
/// Source: the API reference of Kubernetes on ServiceSpec and ServicePort.
fn is_of_server(name: &str, value: &Value) -> bool {
    const CHOSEN: [&str; 5] =
        ["spec.clusterIP", "spec.clusterIPs", "spec.healthCheckNodePort", "spec.ipFamilies", "spec.ipFamilyPolicy"];
    const DEFAULTS: [(&str, &str); 4] = [
        ("spec.externalTrafficPolicy", "Cluster"),
        ("spec.internalTrafficPolicy", "Cluster"),
        ("spec.sessionAffinity", "None"),
        ("spec.type", "ClusterIP"),
    ];
    let is_default = match name {
        "spec.allocateLoadBalancerNodePorts" => *value == Value::Bool(true),
        "spec.sessionAffinityConfig.clientIP.timeoutSeconds" => *value == Value::Integer(10_800),
        _ => DEFAULTS.iter().any(|(field, text)| *field == name && *value == Value::text(text)),
    };
    is_default || CHOSEN.contains(&name) || is_of_port(name, value)
}

/// The node port of a port, or the target that it has by default: itself.
fn is_of_port(name: &str, value: &Value) -> bool {
    let Some((port, field)) = name.strip_prefix("spec.ports[").and_then(|rest| rest.split_once("].")) else {
        return false;
    };
    let number = port.split('/').next().and_then(|number| number.parse().ok());
    field == "nodePort" || (field == "targetPort" && number.is_some_and(|number| *value == Value::Integer(number)))
}

/// Why the same change would be planned again after it: nothing of it would be stored.
fn futile(change: &Change, stored: &Fields) -> Option<String> {
    let is_undone = |name: &str, before: Option<&Value>| stored.get(name) == before;
    let all_undone = change.fields.iter().all(|field| is_undone(&field.name, field.before.as_ref()));
    if change.action != Action::Update || change.fields.is_empty() || !all_undone {
        return None;
    }
    let names: Vec<&str> = change.fields.iter().map(|field| field.name.as_str()).collect();
    let verb = if names.len() == 1 { "stays" } else { "stay" };
    Some(format!("{} {verb} whatever is asked for: admission of the API server changes it back", names.join(", ")))
}

/// Why the Private Link Service of a Service would never be what is asked for, if admission sees to that.
fn unpublishable(draft: &Draft<'_>, change: &Change) -> Option<String> {
    let ResourceKey::Service(key) = &change.key else { return None };
    let publication = ResourceKey::PrivateLinkService(PublisherKey::Cluster(key.clone()));
    let is_published = draft.desired.intents.contains_key(&publication);
    let other = change.stored.iter().find(|other| other.name.starts_with(LINK_ANNOTATIONS)).filter(|_| is_published)?;
    let stored = other.stored.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
    Some(format!(
        "admission of the API server makes {stored} of {}, so its Private Link Service would never be as it shall be",
        other.name
    ))
}
