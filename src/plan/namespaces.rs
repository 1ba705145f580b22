//! Makes the namespaces that Services need and that are not there, if the settings say so.
//!
//! Nothing wishes for a namespace by itself: it comes with the first Service in it, stays, and is nobody's to delete here.

use std::collections::BTreeMap;

use crate::diagnostic::Place;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::Namespace;
use crate::domain::resource::Resource;
use crate::domain::resource::namespace::NewNamespace;
use crate::plan::action::Action;
use crate::plan::draft::Draft;
use crate::plan::draft::creation;

pub(super) fn decide(draft: &mut Draft<'_>) {
    if !draft.desired.policy.create_namespace {
        return;
    }
    for (name, place) in missing(draft) {
        let key = ResourceKey::Namespace(name.clone());
        let labels = draft.desired.policy.mark.labels();
        let mut change = creation(&key, Resource::Namespace(NewNamespace { name, labels }));
        change.reason = Some("made for the Services in it; privlink never deletes it".to_owned());
        change.place = place;
        draft.add(change);
        draft
            .note(&key, "the API server tries nothing in a namespace that is not there, so its Services are not tried");
    }
}

/// The namespaces in which a Service is made and that are surely not there, each with the place of the first wish.
fn missing(draft: &Draft<'_>) -> BTreeMap<Namespace, Option<Place>> {
    let observed = draft.observed;
    let is_missing =
        |name: &Namespace| observed.absent_namespaces.contains(name) && !observed.leaving_namespaces.contains(name);
    let mut found = BTreeMap::new();
    for change in draft.changes.values().filter(|change| change.action == Action::Create) {
        if let ResourceKey::Service(service) = &change.key
            && is_missing(&service.namespace)
        {
            found.entry(service.namespace.clone()).or_insert_with(|| change.place.clone());
        }
    }
    found
}
