//! What others will do or suffer because of a change, and how bad that makes it.
//!
//! What the cloud provider does about a Service is foreseen by its model, one Service after the other in the order of the
//! plan. Where something would have to be known and was not read, the plan says so and counts the change as severing, with
//! everybody named who has a connection.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::cloud_provider;
use crate::cloud_provider::Prediction;
use crate::cloud_provider::Unknown;
use crate::cloud_provider::effect::Effect;
use crate::cloud_provider::effect::What;
use crate::cloud_provider::rule;
use crate::cloud_provider::state::State;
use crate::cloud_provider::version::Behaviour;
use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::resource::connection::ConnectionStatus;
use crate::domain::resource::connection::LiveConnection;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::plan::action::Action;
use crate::plan::action::Actor;
use crate::plan::change::Change;
use crate::plan::change::Consequence;
use crate::plan::change::Party;
use crate::plan::doom;
use crate::plan::draft::Draft;
use crate::plan::edit;
use crate::plan::mode;
use crate::plan::order;
use crate::plan::reads;
use crate::plan::retire;
use crate::plan::risk;
use crate::plan::risk::NOT_ANALYSED;
use crate::plan::smaller;
use crate::plan::told;

/// What the model says about each Service that the plan changes.
pub(super) type Foreseen = BTreeMap<ObjectKey, Result<Prediction, Unknown>>;

/// The world as the model sees it.
pub(super) fn state(draft: &Draft<'_>) -> Option<State> {
    let kubernetes = draft.observed.cluster.as_ref().and_then(|cluster| cluster.version.as_deref());
    let behaviour = Behaviour::of(draft.desired.policy.cloud_provider_version.as_deref(), kubernetes);
    State::of(draft.observed, behaviour)
}

/// Asks the model about every Service that the plan changes, in the order in which they are changed. One whose change is
/// refused, or fails, is left out of the plan: for those that follow it stays as it is.
pub(super) fn foresee(draft: &Draft<'_>) -> Foreseen {
    let mut foreseen = Foreseen::new();
    let Some(mut state) = state(draft) else { return foreseen };
    // What privlink itself takes from a frontend is gone before a Service takes its place, or moves away under it.
    for change in draft.changes.values() {
        let deleted = match &change.key {
            ResourceKey::PrivateLinkService(PublisherKey::Own(_)) if change.action == Action::Delete => {
                change.existing.as_ref()
            }
            _ => order::leaving(draft, change),
        };
        deleted.into_iter().for_each(|id| state.drop_link(id));
    }
    for service in order::of_services(draft) {
        let Some((change_key, change)) = draft.changes.get_key_value(&ResourceKey::Service(service.clone())) else {
            continue;
        };
        let live = draft.observed.services.get(&service);
        let before = live.map(edit::before);
        let after = edit::after(draft.observed, change);
        let link = ResourceKey::PrivateLinkService(PublisherKey::Cluster(service.clone()));
        let prediction = match draft.observed.gap_for(&link) {
            Some(gap) => Err(Unknown(format!("{} could not be read", gap.area))),
            // What is left out of the plan leaves the world as it is for those that follow.
            None if draft.refusals.contains_key(change_key) => {
                cloud_provider::predict(&mut state.clone(), before.as_ref(), after.as_ref())
            }
            None => cloud_provider::predict_unless_it_fails(&mut state, before.as_ref(), after.as_ref()),
        };
        foreseen.insert(service, prediction);
    }
    foreseen
}

/// Gives every change its consequences and its risk.
pub(super) fn predict(draft: &mut Draft<'_>) {
    let foreseen = foresee(draft);
    let keys: Vec<ResourceKey> = draft.changes.keys().cloned().collect();
    for key in keys {
        match &key {
            ResourceKey::Service(service) => {
                of_service(draft, &key, foreseen.get(service));
                note_open_family(draft, &key);
            }
            ResourceKey::PrivateLinkService(publisher) => of_link(draft, &key, publisher, &foreseen),
            _ => {
                let Some(change) = draft.changes.get_mut(&key) else { continue };
                change.risk = risk::rate(change);
            }
        }
        retire::soften(draft, &key, &foreseen);
    }
    retire::note(draft);
    doom::refuse(draft, &foreseen);
    mode::tell(draft, &foreseen);
    smaller::offer(draft, &foreseen);
}

/// Says that a second address may come, where the cluster does not say whether it has any.
fn note_open_family(draft: &mut Draft<'_>, key: &ResourceKey) {
    let Some(change) = draft.changes.get(key) else { return };
    let is_new = change.action == Action::Create;
    let concerns = |name: &str| name.starts_with("spec.ipFamil") || name == "spec.type";
    if !is_new && !change.fields.iter().any(|field| concerns(&field.name)) {
        return;
    }
    let manifest = edit::manifest(draft.observed, change);
    if manifest.is_some_and(|manifest| edit::is_second_family_open(draft.observed, &manifest)) {
        let text = "whether it gets an IPv6 address too is not known: the cluster does not say its ipFamilies, and \
                    PreferDualStack takes what there is; what follows is foreseen for one family";
        draft.note(key, text);
    }
}

fn of_service(draft: &mut Draft<'_>, key: &ResourceKey, foreseen: Option<&Result<Prediction, Unknown>>) {
    let Some(change) = draft.changes.get(key) else { return };
    let (consequences, lost, risk) = match foreseen {
        Some(Ok(prediction)) => {
            let lost = told::lost_links(prediction).first().map(|link| (*link).clone());
            (told::consequences(draft, change, prediction), lost, risk::foreseen(change, prediction))
        }
        other => {
            let reason = other.and_then(|result| result.as_ref().err()).map(ToString::to_string);
            let link = touched_link(draft, change);
            let told = link.map(|link| not_analysed(draft, link, reason.as_deref()));
            let risk = if told.is_some() { risk::Risk::Severing.max(risk::rate(change)) } else { risk::rate(change) };
            (told.into_iter().collect(), link.map(|link| link.service.id.clone()), risk)
        }
    };
    let connections = lost.as_ref().and_then(|id| draft.observed.private_link_services.get(id)).map(reads::connections);
    if let Some(Ok(prediction)) = foreseen {
        told::notes(prediction).into_iter().for_each(|note| draft.note(key, note));
    }
    let Some(change) = draft.changes.get_mut(key) else { return };
    change.consequences = consequences;
    change.reads.connections = connections.unwrap_or_default();
    change.reads.publisher = lost;
    change.risk = risk;
}

/// The Private Link Service whose end a change of its Service may be: on its frontend, whoever built it.
fn touched_link<'a>(draft: &Draft<'a>, change: &Change) -> Option<&'a LivePrivateLinkService> {
    let ResourceKey::Service(service) = &change.key else { return None };
    if !matches!(change.action, Action::Update | Action::Replace | Action::Delete) {
        return None;
    }
    let built = draft.observed.publisher(&PublisherKey::Cluster(service.clone()));
    built.or_else(|| draft.observed.link_on_frontend_of(service))
}

fn not_analysed(draft: &Draft<'_>, link: &LivePrivateLinkService, reason: Option<&str>) -> Consequence {
    let because = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let text = format!(
        "consequences not analysed{because}: {} may be deleted and rebuilt, with a new alias and every connection lost",
        link.service.id.name()
    );
    Consequence { rule: NOT_ANALYSED, edit: None, text, parties: parties(draft, &link.connections) }
}

fn of_link(draft: &mut Draft<'_>, key: &ResourceKey, publisher: &PublisherKey, foreseen: &Foreseen) {
    let link = draft.observed.publisher(publisher);
    let Some(change) = draft.changes.get(key) else { return };
    // What the cloud provider deletes is told at the Service that makes it do so.
    let ours = change.action.is_destructive() && change.actor == Actor::Privlink && change.removed_by.is_none();
    let told = link.filter(|_| ours).map(|link| deleted(draft, change, link));
    let is_known = match publisher {
        PublisherKey::Cluster(service) => foreseen.get(service).is_some_and(keeps_nat),
        PublisherKey::Own(_) => false,
    };
    let Some(change) = draft.changes.get_mut(key) else { return };
    change.consequences.extend(told);
    change.irreversible = risk::adds_nat_address(change);
    change.risk =
        if is_known && change.action == Action::Update { risk::rate_beside_nat(change) } else { risk::rate(change) };
}

/// True if every NAT address stays.
fn keeps_nat(prediction: &Result<Prediction, Unknown>) -> bool {
    let is_replaced = |effect: &Effect| matches!(effect.what, What::NatReplaced { .. });
    prediction.as_ref().is_ok_and(|told| told.failure.is_none() && !told.effects.iter().any(is_replaced))
}

/// What a deletion by privlink itself takes along.
fn deleted(draft: &Draft<'_>, change: &Change, link: &LivePrivateLinkService) -> Consequence {
    let alias = link.alias.as_ref().map(|alias| format!(" and the alias {alias} is lost for ever"));
    let anew = if change.action == Action::Replace { ", and built anew with another alias" } else { "" };
    let text = format!(
        "{} is deleted with its connections{anew}{}{}",
        link.service.id.name(),
        alias.filter(|_| anew.is_empty()).unwrap_or_default(),
        retire::told(draft, &link.service.id)
    );
    Consequence { rule: rule::LINK_DELETED.id, edit: None, text, parties: parties(draft, &link.connections) }
}

/// Who has these connections. One that is disconnected already has nothing to lose, nor has one whose consumer moved.
pub(super) fn parties<'c>(
    draft: &Draft<'_>,
    connections: impl IntoIterator<Item = &'c LiveConnection>,
) -> BTreeSet<Party> {
    let consumers = &draft.desired.policy.consumers;
    let party = |connection: &LiveConnection| {
        let endpoint = connection.endpoint.clone().unwrap_or_else(|| connection.id.clone());
        let consumer = consumers.get(&endpoint.subscription()).cloned();
        let is_declared = draft.desired.intents.contains_key(&ResourceKey::PrivateEndpoint(endpoint.clone()));
        Party { endpoint, status: connection.status.to_string(), is_declared, consumer }
    };
    let has_moved = |it: &LiveConnection| draft.migrations.values().any(|migration| migration.moved.contains(&it.id));
    let live = connections.into_iter().filter(|it| it.status != ConnectionStatus::Disconnected && !has_moved(it));
    live.map(party).collect()
}

/// The Private Link Services that the cloud provider deletes and builds anew, by the Service that makes it do so.
pub(super) fn rebuilt(foreseen: &Foreseen) -> impl Iterator<Item = (&ObjectKey, &ResourceId)> {
    certain(foreseen).filter_map(|(service, prediction)| {
        let old = prediction.effects.iter().find_map(|effect| match &effect.what {
            What::LinkRebuilt { old, .. } => Some(old),
            _ => None,
        });
        Some((service, old?))
    })
}

/// The changed Services that get no Private Link Service by that; true for those that share the one of their address.
pub(super) fn without_link(foreseen: &Foreseen) -> impl Iterator<Item = (&ObjectKey, bool)> {
    let builds =
        |what: &What| matches!(what, What::LinkBuilt { .. } | What::LinkRebuilt { .. } | What::LinkTakenOver { .. });
    let without = certain(foreseen).filter(move |(_, prediction)| {
        prediction.failure.is_none() && !prediction.effects.iter().any(|effect| builds(&effect.what))
    });
    without.map(|(service, prediction)| {
        (service, prediction.effects.iter().any(|effect| effect.rule == &rule::LINK_SHARED))
    })
}

/// The Services of which the model could say something.
pub(super) fn certain(foreseen: &Foreseen) -> impl Iterator<Item = (&ObjectKey, &Prediction)> {
    foreseen.iter().filter_map(|(service, prediction)| Some((service, prediction.as_ref().ok()?)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::domain::cluster::IpFamily;
    use crate::plan::fixture::World;

    #[test]
    fn that_a_second_address_may_come_is_said_only_where_the_cluster_does_not_say_its_families() {
        let is_told = |policy: &str, families: &[IpFamily]| {
            let mut world = World::empty();
            world.manifest()["spec"]["ipFamilyPolicy"] = json!(policy);
            world.observed.cluster.as_mut().unwrap().ip_families = families.to_vec();
            world.plan().notes.iter().any(|note| note.text.contains("whether it gets an IPv6 address too is not known"))
        };
        assert!(is_told("PreferDualStack", &[]));
        assert!(!is_told("SingleStack", &[]));
        assert!(
            !is_told("PreferDualStack", &[IpFamily::V4]) && !is_told("PreferDualStack", &[IpFamily::V4, IpFamily::V6])
        );
    }
}
