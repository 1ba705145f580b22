//! Decides about Kubernetes Services: those we deploy, and those we only annotate.

use std::collections::BTreeSet;

use crate::desired::Intent;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::mark::ADOPT_ANNOTATION;
use crate::domain::resource::Resource;
use crate::domain::resource::service::Deployment;
use crate::domain::resource::service::LiveService;
use crate::domain::resource::service::Service;
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::change::Refusal;
use crate::plan::diff;
use crate::plan::draft::Claim;
use crate::plan::draft::Draft;
use crate::plan::draft::creation;
use crate::plan::preflight::rule;
use crate::plan::preflight::trial;
use crate::plan::reads;

pub(super) fn decide(draft: &mut Draft<'_>) {
    for (key, intent) in draft.intents(|resource| matches!(resource, Resource::Service(_))) {
        let Resource::Service(service) = &intent.resource else { continue };
        match draft.observed.services.get(&service.key) {
            _ if draft.is_blind(key) => {}
            None => absent(draft, key, service),
            Some(live) if live.deleting => {
                draft.note(key, "not planned: it is being deleted; the next plan makes it anew");
            }
            Some(live) => present(draft, intent, service, live),
        }
    }
}

fn absent(draft: &mut Draft<'_>, key: &ResourceKey, service: &Service) {
    match service.deployment {
        Deployment::Whole => {
            let mut change = creation(key, Resource::Service(service.clone()));
            trial::take_note(draft, &mut change);
            draft.add(change);
        }
        Deployment::AnnotationsOnly => {
            draft.note(key, "not planned: the Service is neither in the repository nor in the cluster; it is published once somebody deploys it");
        }
    }
}

fn present(draft: &mut Draft<'_>, intent: &Intent, service: &Service, live: &LiveService) {
    let key = ResourceKey::Service(service.key.clone());
    let mut change = Change::new(key.clone(), Action::Update);
    change.fields = diff::diff_service(live, service);
    change.reads = reads::of_changed(&change.fields);
    change.resource = Some(Resource::Service(service.clone()));
    note_what_others_hold(draft, &key, live, service);
    if let Some(event) = draft.observed.warnings.get(&service.key) {
        draft.note(&key, format!("has no address yet: the cloud provider says {}", event.summary()));
    }
    let unchanged = change.fields.is_empty();
    if !unchanged && draft.is_blind_to_link_of(&service.key) {
        return;
    }
    if service.deployment == Deployment::Whole {
        note_other_deployer(draft, &key, live);
    }
    match service.deployment {
        Deployment::Whole => match draft.claim(intent, live.mark.as_ref(), &service.key.to_string()) {
            Claim::Foreign => draft.block_foreign(&key, live.mark.as_ref(), &service.key.to_string()),
            Claim::Adoptable => {
                trial::take_note(draft, &mut change);
                draft.adopt(change);
            }
            Claim::Ours if unchanged => {
                note_needless_adopt(draft, intent, (live, service));
                draft.keep();
            }
            Claim::Ours => {
                take_over(draft, intent, &mut change);
                trial::take_note(draft, &mut change);
                draft.add(change);
            }
        },
        Deployment::AnnotationsOnly => {
            if is_contested(draft, live, &change) {
                return;
            }
            if unchanged {
                return draft.keep();
            }
            trial::take_note(draft, &mut change);
            draft.add(change);
        }
    }
}

/// Takes fields from their other managers where the document says so, and refuses the change where it does not.
///
/// Source: the documentation of Kubernetes on server-side apply. To change a field of another manager is a conflict, which
/// only force overcomes; the same value is no conflict, nor is letting go of a field.
fn take_over(draft: &mut Draft<'_>, intent: &Intent, change: &mut Change) {
    let held: Vec<(String, String)> =
        change.held().map(|(field, manager)| (field.name.clone(), manager.to_owned())).collect();
    if held.is_empty() {
        return;
    }
    let ResourceKey::Service(key) = &change.key else { return };
    let told = held.iter().map(|(field, manager)| format!("{field} from {manager}")).collect::<Vec<_>>().join(", ");
    if adopts(intent, key) {
        change.force = true;
        change.reason = Some(format!("takes over {told}, because the document adopts the Service"));
        return;
    }
    let Some(Resource::Service(service)) = &change.resource else { return };
    draft.refuse_by(&change.key, held_by_others(service, &held));
}

/// True if the document of a Service says that we may take it over.
fn adopts(intent: &Intent, key: &ObjectKey) -> bool {
    intent.adopt.as_deref().is_some_and(|adopt| adopt.eq_ignore_ascii_case(&key.to_string()))
}

/// The refusal to take fields from their managers, each with who that is.
pub(super) fn held_by_others(service: &Service, held: &[(String, String)]) -> Refusal {
    let told: Vec<String> = held.iter().map(|(field, manager)| format!("{manager} holds {field}")).collect();
    let help = match service.deployment {
        Deployment::Whole => format!(
            "leave the field to them by taking it out of the document; or take it over with {ADOPT_ANNOTATION}: {} in the \
             document's metadata.annotations",
            service.key
        ),
        Deployment::AnnotationsOnly => {
            "privlink never takes a field of a Service that somebody else deploys: agree with them on one place for it"
                .to_owned()
        }
    };
    Refusal { help, ..Refusal::by(&rule::FIELD_HELD, told.join("; ")) }
}

/// Notes that an adopt annotation has done its work, or what it still does.
fn note_needless_adopt(draft: &mut Draft<'_>, intent: &Intent, (live, service): (&LiveService, &Service)) {
    let key = ResourceKey::Service(service.key.clone());
    let asked = service.fields();
    let others: BTreeSet<&String> =
        live.managers.iter().filter(|(name, _)| asked.contains_key(*name)).map(|(_, manager)| manager).collect();
    if others.is_empty() || intent.adopt.is_none() {
        return draft.note_needless_adopt(&key, intent);
    }
    let others: Vec<&str> = others.into_iter().map(String::as_str).collect();
    let text = format!(
        "{ADOPT_ANNOTATION} is not needed any more: it is ours; while it stays, what {} changes of it is taken back",
        others.join(" or ")
    );
    draft.note(&key, text);
}

fn note_what_others_hold(draft: &mut Draft<'_>, key: &ResourceKey, live: &LiveService, service: &Service) {
    for (name, manager) in diff::held_by_others(live, service) {
        draft.note(key, format!("left alone: {name} is not asked for any more, and {manager} holds it too"));
    }
}

/// Blocks where annotating somebody else's Service would take something from them.
fn is_contested(draft: &mut Draft<'_>, live: &LiveService, change: &Change) -> bool {
    let mark = &draft.desired.policy.mark;
    if live.mark.as_ref() == Some(mark) {
        draft.refuse(
            &change.key,
            "the repository deployed it and does not hold its manifest any more, but still publishes it",
            "bring the Service's manifest back, or delete the PrivateLinkService document too",
        );
        return true;
    }
    let others = live.mark.as_ref().or(live.published_by.as_ref()).filter(|other| *other != mark);
    if let Some(other) = others {
        draft.refuse(&change.key, format!("{other} publishes it already"), "let one repository publish a Service");
        return true;
    }
    let contested: Vec<String> = change
        .fields
        .iter()
        .filter_map(|field| {
            let manager = field.manager.as_ref().filter(|_| field.before.is_some())?;
            Some(format!("{} is {} by {manager}", field.name, field.before.as_ref()?))
        })
        .collect();
    if contested.is_empty() {
        return false;
    }
    let cure = live.deployer().map_or_else(
        || "agree with them on one place for it".to_owned(),
        |deployer| format!("{deployer} deploys it; {}, or leave them away there", deployer.advice()),
    );
    let problem = format!("others set its annotations: {}", contested.join("; "));
    let help = format!("privlink never takes a field of a Service that somebody else deploys: {cure}");
    draft.refuse_by(&change.key, Refusal { help, ..Refusal::by(&rule::FIELD_HELD, problem) });
    true
}

/// A tool that deploys what the repository deploys too writes its own manifest back, sooner or later.
fn note_other_deployer(draft: &mut Draft<'_>, key: &ResourceKey, live: &LiveService) {
    if let Some(deployer) = live.deployer() {
        draft.note(key, format!("{deployer} deploys it too and will write it back: let one of the two deploy it"));
    }
}
