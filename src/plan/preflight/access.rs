//! What a plan's steps need of the cluster's API server: verbs on resources, namespace by namespace.
//!
//! Each is a row of the table in `domain/operation.rs`. The API server tells every user its own rights, so these are known of
//! the user that asked.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::desired::policy::Policy;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::Namespace;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::right::Access;
use crate::observed::Observed;
use crate::observed::rights::Standing;
use crate::observed::rights::UserRights;
use crate::plan::action::Action;
use crate::plan::action::Actor;
use crate::plan::change::Change;
use crate::plan::change::MissingAccess;
use crate::plan::change::Refusal;
use crate::plan::draft::Draft;
use crate::plan::preflight::lack;
use crate::plan::preflight::rule;

/// What a change needs of the API server.
pub fn needed(change: &Change, observed: &Observed) -> BTreeSet<Access> {
    match &change.key {
        ResourceKey::Namespace(_) => of_namespaces(),
        ResourceKey::Service(service) if change.actor == Actor::Privlink => of_service(change, service, observed),
        // What the cloud provider built is found by its Service.
        ResourceKey::Connection { publisher: PublisherKey::Cluster(service), .. } => {
            in_namespace(&service.namespace, &[("services", "get")])
        }
        ResourceKey::Service(_)
        | ResourceKey::Subnet(_)
        | ResourceKey::PrivateLinkService(_)
        | ResourceKey::PrivateEndpoint(_)
        | ResourceKey::Connection { .. }
        | ResourceKey::DnsRecord(_)
        | ResourceKey::DnsLink(_) => BTreeSet::new(),
    }
}

/// What it takes to create the namespaces that are missing: they become steps only once it is known which ones are.
pub fn for_namespaces(policy: &Policy, observed: &Observed) -> BTreeSet<Access> {
    let is_missing = |name: &Namespace| !observed.leaving_namespaces.contains(name);
    let creates = policy.create_namespace && observed.absent_namespaces.iter().any(is_missing);
    if creates { of_namespaces() } else { BTreeSet::new() }
}

fn of_namespaces() -> BTreeSet<Access> {
    let verb = |verb| Access { resource: "namespaces", verb, namespace: None };
    ["get", "create", "patch"].map(verb).into()
}

fn of_service(change: &Change, service: &ObjectKey, observed: &Observed) -> BTreeSet<Access> {
    let mut verbs = vec![("services", "get"), ("events", "list")];
    if change.action.is_destructive() {
        verbs.push(("services", "delete"));
    }
    if change.action != Action::Delete {
        verbs.push(("services", "patch"));
    }
    let is_made = change.action == Action::Replace || !observed.services.contains_key(service);
    if is_made && change.action != Action::Delete {
        verbs.push(("services", "create"));
    }
    in_namespace(&service.namespace, &verbs)
}

fn in_namespace(namespace: &Namespace, verbs: &[(&'static str, &'static str)]) -> BTreeSet<Access> {
    let access = |(resource, verb): &(&'static str, &'static str)| {
        let namespace = Some(namespace.clone());
        Access { resource, verb, namespace }
    };
    verbs.iter().map(access).collect()
}

/// What of this the user lacks, by resource and namespace.
pub fn lacks(rights: &UserRights, needed: &BTreeSet<Access>) -> Vec<MissingAccess> {
    let mut found: BTreeMap<(&'static str, Option<&Namespace>), Vec<&'static str>> = BTreeMap::new();
    for access in needed.iter().filter(|access| rights.standing(access) == Standing::Lacking) {
        found.entry((access.resource, access.namespace.as_ref())).or_default().push(access.verb);
    }
    let missing = found.into_iter().map(|((resource, namespace), verbs)| MissingAccess {
        user: rights.user.clone(),
        verbs,
        resource,
        namespace: namespace.cloned(),
    });
    missing.collect()
}

/// Refuses what the user that applies may not do. Where nobody says which one applies, says it and refuses nothing.
pub(super) fn check(draft: &mut Draft<'_>) {
    let Some(rights) = &draft.observed.user_rights else { return };
    let changes = draft.changes.values();
    let found: Vec<(ResourceKey, Vec<MissingAccess>)> =
        changes.map(|change| (change.key.clone(), lacks(rights, &needed(change, draft.observed)))).collect();
    for (key, missing) in found {
        for access in missing {
            let by = Refusal::by(&rule::ACCESS_LACKING, access.to_string());
            lack::tell(draft, &key, (Refusal { help: access.grant(), access: Some(access), ..by }, rights.is_named));
        }
    }
}
