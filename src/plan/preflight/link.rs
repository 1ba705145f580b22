//! A Private Link Service that privlink writes itself: its load balancer needs room, and so does its NAT subnet.

use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::resource::Resource;
use crate::domain::resource::private_link_service::Frontend;
use crate::domain::resource::private_link_service::PER_LOAD_BALANCER;
use crate::domain::resource::private_link_service::PrivateLinkService;
use crate::plan::action::Action;
use crate::plan::draft::Draft;
use crate::plan::preflight::Finding;
use crate::plan::preflight::address;
use crate::plan::preflight::address::Refused;
use crate::plan::preflight::rule;

pub(super) fn look(draft: &Draft<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for change in draft.changes.values().filter(|change| change.action != Action::Delete) {
        let Some(Resource::PrivateLinkService(service)) = &change.resource else { continue };
        let full = (change.action == Action::Create).then(|| ninth(draft, service)).flatten();
        findings.extend(full.map(|(rule, problem)| Finding::new(change.key.clone(), rule, problem)));
        let Some(subnet) = &service.exposure.nat.subnet else { continue };
        let finding = |refused| address::finding(draft.observed, &change.key, subnet, refused);
        findings.extend(nat(draft, service).into_iter().map(finding));
    }
    findings
}

/// The NAT addresses that it does not have yet.
fn nat(draft: &Draft<'_>, service: &PrivateLinkService) -> Vec<Refused> {
    let nat = &service.exposure.nat;
    let Some(subnet) = &nat.subnet else { return Vec::new() };
    let has = draft.observed.private_link_services.get(&service.id).map(|live| &live.service.exposure.nat);
    let has = has.filter(|has| has.subnet.as_ref() == Some(subnet));
    let is_new = |address: &&std::net::IpAddr| has.is_none_or(|has| !has.addresses.contains(address));
    let wanted: Vec<std::net::IpAddr> = nat.addresses.iter().filter(is_new).copied().collect();
    let more = usize::from(nat.count.saturating_sub(has.map_or(0, |has| has.count))).saturating_sub(wanted.len());
    if more == 0 && wanted.is_empty() && has.is_some() {
        return Vec::new();
    }
    address::refusals(draft.observed, subnet, (more, &wanted), &service.id)
}

/// Told where the load balancer is known: that of an existing frontend.
fn ninth(draft: &Draft<'_>, service: &PrivateLinkService) -> Option<Refused> {
    let frontend = match &service.frontend {
        Frontend::OfService { known, .. } => known.as_ref()?,
        Frontend::Id(id) => id,
    };
    let balancer = frontend.parent()?;
    let goes = |id: &ResourceId| {
        let deleted = |key: &ResourceKey| draft.changes.get(key).is_some_and(|it| it.action == Action::Delete);
        deleted(&ResourceKey::PrivateLinkService(PublisherKey::Own(id.clone())))
            || draft.changes.values().any(|it| it.action == Action::Delete && it.existing.as_ref() == Some(id))
    };
    let links = draft.observed.private_link_services.values();
    let standing = links.filter(|live| live.frontend().and_then(ResourceId::parent).as_ref() == Some(&balancer));
    let count = standing.filter(|live| !goes(&live.service.id)).count();
    let problem =
        || format!("the load balancer {} carries {PER_LOAD_BALANCER} Private Link Services already", balancer.name());
    (count >= PER_LOAD_BALANCER).then(|| (&rule::LINK_NINTH, problem()))
}
