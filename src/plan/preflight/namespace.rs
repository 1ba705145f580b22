//! Namespaces that are not there and that nobody makes: the API server makes nothing in one.
//!
//! Where a Service was seen, there is a namespace. Of others the API server is asked, and only its word counts.

use std::collections::BTreeSet;

use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::Namespace;
use crate::observed::Observed;
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::draft::Draft;
use crate::plan::preflight::Finding;
use crate::plan::preflight::rule;

/// The namespaces in which changes make a Service, and in which nothing was seen.
pub fn open<'c>(changes: impl Iterator<Item = &'c Change>, observed: &Observed) -> BTreeSet<Namespace> {
    let seen: BTreeSet<&Namespace> = observed.services.keys().map(|key| &key.namespace).collect();
    changes.filter_map(made_in).filter(|namespace| !seen.contains(namespace)).cloned().collect()
}

fn made_in(change: &Change) -> Option<&Namespace> {
    match &change.key {
        ResourceKey::Service(service) if change.action == Action::Create => Some(&service.namespace),
        _ => None,
    }
}

pub(super) fn look(draft: &Draft<'_>) -> Vec<Finding> {
    let absent = &draft.observed.absent_namespaces;
    let is_made = |namespace: &Namespace| draft.changes.contains_key(&ResourceKey::Namespace(namespace.clone()));
    let made = draft.changes.values().filter_map(|change| Some((&change.key, made_in(change)?)));
    let finding = |(key, namespace): (&ResourceKey, &Namespace)| {
        let problem = format!("the namespace {namespace} does not exist, or is being deleted");
        let finding = Finding::new(key.clone(), &rule::NAMESPACE_MISSING, problem);
        let help = format!(
            "Create it first, with: kubectl create namespace {namespace}; or let privlink, with create-namespace = true in the \
             environment's settings; or correct its name."
        );
        Finding { help, ..finding }
    };
    made.filter(|(_, namespace)| absent.contains(namespace) && !is_made(namespace)).map(finding).collect()
}
