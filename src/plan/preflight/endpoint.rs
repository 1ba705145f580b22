//! A private endpoint needs a subnet with a free address, or with the very one that it asks for.

use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::resource::Resource;
use crate::domain::resource::private_endpoint::PrivateEndpoint;
use crate::domain::resource::private_endpoint::Target;
use crate::plan::change::Note;
use crate::plan::draft::Draft;
use crate::plan::preflight::Finding;
use crate::plan::preflight::address;
use crate::plan::preflight::is_made;
use crate::plan::preflight::rule;

pub(super) fn look(draft: &Draft<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for change in draft.changes.values().filter(|change| is_made(change)) {
        let Some(Resource::PrivateEndpoint(endpoint)) = &change.resource else { continue };
        let fixed: Vec<_> = endpoint.address.into_iter().collect();
        let asked = (usize::from(fixed.is_empty()), fixed.as_slice());
        let refused = address::refusals(draft.observed, &endpoint.subnet, asked, &endpoint.id);
        let finding = |refused| address::finding(draft.observed, &change.key, &endpoint.subnet, refused);
        findings.extend(refused.into_iter().map(finding));
    }
    findings
}

/// What may be refused and is not proven to be: aliases of services that do not list the endpoint's subscription.
pub(super) fn doubts(draft: &Draft<'_>) -> Vec<Note> {
    let made = draft.changes.values().filter(|change| is_made(change));
    let doubt = |(key, endpoint): (&ResourceKey, &PrivateEndpoint)| {
        let Target::Alias(alias) = &endpoint.target else { return None };
        let live = draft.observed.private_link_services.values().find(|live| live.alias.as_ref() == Some(alias))?;
        let own = ResourceKey::PrivateLinkService(PublisherKey::Own(live.service.id.clone()));
        let wanted = draft.desired.intents.get(&own).map(|intent| &intent.resource);
        let visibility = match wanted {
            Some(Resource::PrivateLinkService(service)) => &service.exposure.visibility,
            _ => &live.service.exposure.visibility,
        };
        let subscription = endpoint.id.subscription();
        let text = format!(
            "may be refused: {} does not list subscription {subscription}, so only a role on it makes its alias visible ({})",
            live.service.id.name(),
            rule::ALIAS_HIDDEN.id
        );
        (!visibility.names(&subscription)).then(|| Note { subject: key.to_string(), text })
    };
    let endpoints = made.filter_map(|change| match &change.resource {
        Some(Resource::PrivateEndpoint(endpoint)) => Some((&change.key, endpoint)),
        _ => None,
    });
    endpoints.filter_map(doubt).collect()
}
