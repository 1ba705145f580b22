//! Leaves alone what suspended documents ask for, and what they asked for before: nothing of it is written, replaced or deleted.
//!
//! What the cloud provider does to it because of somebody else's change is told with that change, as ever.

use std::collections::BTreeSet;

use crate::desired::Desired;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::mark::DOCUMENT_TAG;
use crate::domain::mark::DocumentMark;
use crate::domain::resource::Live;
use crate::domain::suspension::Suspension;
use crate::plan::change::Refusal;
use crate::plan::draft::Draft;
use crate::plan::preflight::rule;

/// True if a refusal is for the suspension of a document.
pub(super) fn is_suspension(refusal: &Refusal) -> bool {
    refusal.rule == Some(rule::SUSPENDED.id)
}

/// Refuses every change of what a suspended document asks for.
pub(super) fn withhold(draft: &mut Draft<'_>, baseline: Option<&Desired>) {
    if draft.desired.suspended.is_empty() {
        return;
    }
    let refused = draft.refusals.iter().filter(|(_, refusals)| !refusals.iter().any(is_suspension));
    let open = draft.changes.keys().filter(|key| !draft.refusals.contains_key(key));
    let keys: BTreeSet<ResourceKey> = refused.map(|(key, _)| key).chain(open).cloned().collect();
    for key in keys {
        if let Some((document, suspension)) = holder(draft, baseline, &key) {
            let refusal = Refusal::by(&rule::SUSPENDED, format!("{document} is {suspension}"));
            draft.refuse_by(&key, refusal);
        }
    }
}

/// Says what is suspended, whether something waits for its end or not.
pub(super) fn note(draft: &mut Draft<'_>) {
    for (document, suspension) in &draft.desired.suspended {
        draft.note(document, format!("{suspension}; what it asks for stays as it is"));
    }
}

/// The suspended document that keeps a resource as it is.
fn holder<'a>(
    draft: &Draft<'a>,
    baseline: Option<&Desired>,
    key: &ResourceKey,
) -> Option<(&'a DocumentMark, &'a Suspension)> {
    kin(key).iter().find_map(|key| {
        let suspended = &draft.desired.suspended;
        match draft.desired.intents.get(key) {
            Some(intent) => suspended.get_key_value(&intent.document),
            // It asked for it once, and a change of its text says nothing as long as it is suspended.
            None => of_mark(draft, key).or_else(|| suspended.get_key_value(&baseline?.intents.get(key)?.document)),
        }
    })
}

/// What a resource is one thing with: a Service and the Private Link Service that is built from its annotations; a connection and
/// both its ends.
fn kin(key: &ResourceKey) -> Vec<ResourceKey> {
    let mut kin = vec![key.clone()];
    let mut publisher_and_service = |publisher: &PublisherKey| {
        kin.push(ResourceKey::PrivateLinkService(publisher.clone()));
        if let PublisherKey::Cluster(service) = publisher {
            kin.push(ResourceKey::Service(service.clone()));
        }
    };
    match key {
        ResourceKey::Service(service) => publisher_and_service(&PublisherKey::Cluster(service.clone())),
        ResourceKey::PrivateLinkService(publisher) => publisher_and_service(publisher),
        ResourceKey::Connection { publisher, endpoint } => {
            publisher_and_service(publisher);
            kin.push(ResourceKey::PrivateEndpoint(endpoint.clone()));
        }
        ResourceKey::Namespace(_)
        | ResourceKey::Subnet(_)
        | ResourceKey::PrivateEndpoint(_)
        | ResourceKey::DnsRecord(_)
        | ResourceKey::DnsLink(_) => {}
    }
    kin
}

/// The suspended document that the mark of an existing resource names.
fn of_mark<'a>(draft: &Draft<'a>, key: &ResourceKey) -> Option<(&'a DocumentMark, &'a Suspension)> {
    let live = draft.observed.get(key)?;
    let tags = match &live {
        Live::PrivateLinkService(live) => &live.service.tags,
        Live::PrivateEndpoint(live) => &live.endpoint.tags,
        Live::DnsRecord(live) => &live.record.metadata,
        Live::DnsLink(live) => &live.link.tags,
        Live::Namespace(_) | Live::Service(_) | Live::Subnet(_) | Live::Connection(_) => return None,
    };
    let (_, named) = tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(DOCUMENT_TAG))?;
    draft.desired.suspended.iter().find(|(document, _)| document.to_string() == *named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::resource::Resource;
    use crate::plan::Plan;
    use crate::plan::fixture::World;
    use crate::plan::fixture::endpoint_id;
    use crate::plan::fixture::endpoint_key;
    use crate::plan::fixture::record_id;
    use crate::plan::fixture::service_key;

    /// The converged world, in which the document of a resource is suspended.
    fn suspended(key: &ResourceKey) -> World {
        let mut world = World::converged();
        let document = world.desired.intents[key].document.clone();
        let suspension = Suspension { reason: "INC-7".to_owned(), until: None };
        world.desired.suspended.insert(document, suspension);
        world
    }

    fn move_address(world: &mut World) {
        let annotations = &mut world.manifest()["metadata"]["annotations"];
        annotations["service.beta.kubernetes.io/azure-load-balancer-ipv4"] = "10.224.10.40".into();
    }

    fn left(plan: &Plan) -> Vec<String> {
        plan.suspended().map(|left| left.key.to_string()).collect()
    }

    #[test]
    fn a_suspended_document_that_is_as_it_shall_be_is_only_noted() {
        let plan = suspended(&service_key()).plan();
        assert!(!plan.has_changes() && plan.left_out.is_empty() && plan.is_carried_out());
        let notes: Vec<&str> = plan.notes.iter().map(|note| note.text.as_str()).collect();
        assert_eq!(notes, ["suspended: INC-7; what it asks for stays as it is"]);
    }

    #[test]
    fn no_change_of_what_it_asks_for_is_planned_and_nothing_follows_from_it() {
        let mut world = suspended(&service_key());
        move_address(&mut world);
        let plan = world.plan();
        assert!(plan.steps.is_empty() && plan.is_whole() && plan.may_run());
        assert!(!plan.is_carried_out(), "its commit still asks for it");
        assert!(left(&plan).contains(&service_key().to_string()), "{:?}", left(&plan));
        // The endpoint of the other document needs what would be built anew.
        assert!(left(&plan).contains(&endpoint_key().to_string()), "{:?}", left(&plan));
        let other_words = world.desired.suspended.values_mut();
        other_words.for_each(|it| *it = Suspension { reason: "else".to_owned(), until: Some(jiff::Timestamp::MAX) });
        assert_eq!(world.plan().id, plan.id, "neither the reason nor the end is what is approved");
        world.desired.suspended.clear();
        assert_ne!(world.plan().id, plan.id);
    }

    #[test]
    fn what_the_cloud_provider_does_to_it_because_of_another_document_is_still_told() {
        let mut world = suspended(&endpoint_key());
        move_address(&mut world);
        let plan = world.plan();
        let service = plan.steps.iter().find(|step| step.change.key == service_key()).unwrap();
        let mut parties = service.change.consequences.iter().flat_map(|consequence| &consequence.parties);
        assert!(parties.any(|party| party.endpoint == endpoint_id()));
        assert!(left(&plan).contains(&endpoint_key().to_string()) && plan.is_whole());
        assert!(plan.steps.iter().all(|step| step.change.key != endpoint_key()));
    }

    #[test]
    fn nothing_of_it_is_pruned_but_with_the_document_goes_its_suspension() {
        let record = ResourceKey::DnsRecord(record_id());
        let mut world = suspended(&endpoint_key());
        world.desired.policy.prune = true;
        world.desired.intents.remove(&record).unwrap();
        let plan = world.plan();
        assert!(plan.steps.is_empty(), "{:?}", plan.steps);
        assert_eq!(left(&plan), [record.to_string()]);
        let document = world.desired.intents[&endpoint_key()].document.clone();
        world.desired.intents.retain(|_, intent| intent.document != document);
        world.desired.suspended.clear();
        assert!(world.plan().steps.iter().any(|step| step.change.key == record));
    }

    #[test]
    fn what_carries_no_mark_of_its_document_is_known_by_the_last_applied_commit() {
        let record = ResourceKey::DnsRecord(record_id());
        let mut world = suspended(&endpoint_key());
        let baseline = World::converged().desired;
        world.desired.policy.prune = true;
        world.desired.intents.remove(&record).unwrap();
        let live = world.observed.dns_records.get_mut(&record_id()).unwrap();
        live.record.metadata.remove(DOCUMENT_TAG).unwrap();
        assert!(world.plan().has_changes(), "nobody knows whose it was");
        let plan = crate::plan::plan(&world.desired, &world.observed, Some(&baseline));
        assert!(plan.steps.is_empty() && left(&plan) == [record.to_string()], "{:?}", plan.steps);
    }

    #[test]
    fn drift_of_it_is_left_and_what_needs_it_waits() {
        let mut world = suspended(&endpoint_key());
        world.observed.private_endpoints.remove(&endpoint_id()).unwrap();
        let plan = world.plan_of_drift();
        assert!(plan.steps.is_empty() && plan.is_whole() && plan.is_carried_out(), "{:?}", plan.steps);
        assert!(plan.reported().next().is_none() && left(&plan).contains(&endpoint_key().to_string()));
        // A record of another document would need it, too.
        let record = ResourceKey::DnsRecord(record_id());
        let other = world.desired.intents[&service_key()].document.clone();
        world.desired.intents.get_mut(&record).unwrap().document = other;
        match &mut world.desired.intents.get_mut(&record).unwrap().resource {
            Resource::DnsRecord(record) => record.ttl = 7,
            _ => unreachable!("the intent of a record holds a record"),
        }
        let plan = world.plan();
        let waits = plan.suspended().find(|left| left.key == record).unwrap();
        assert!(waits.refusals.is_empty() && waits.needs.contains(&endpoint_key()), "{waits:?}");
    }
}
