//! Addresses that a plan newly asks for: whether they are free is a question to Azure, because not every holder is seen.
//!
//! The interfaces of nodes, for one, are listed by scale set and not by network. Where an address is surely refused, Azure
//! is asked all the same: it offers others that are free.

use std::net::IpAddr;

use crate::domain::annotation;
use crate::domain::azure::ResourceId;
use crate::domain::cluster::HeldAddress;
use crate::domain::key::PublisherKey;
use crate::domain::resource::Resource;
use crate::domain::resource::private_link_service::Exposure;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::domain::resource::service::Deployment;
use crate::domain::resource::service::Service;
use crate::observed::Observed;
use crate::plan::action::Action;
use crate::plan::change::Change;

/// A question about one address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// The subnet in which it is wanted.
    pub subnet: ResourceId,
    /// The address that is asked about: the wanted one, or one that Azure keeps where the wanted one cannot be had.
    pub asked: IpAddr,
}

/// What to ask about a change.
pub fn of(change: &Change, observed: &Observed) -> Vec<Question> {
    if change.action == Action::Delete {
        return Vec::new();
    }
    let wanted = match &change.resource {
        Some(Resource::Service(service)) => of_service(service, observed),
        Some(Resource::PrivateEndpoint(endpoint)) => {
            let live = observed.private_endpoints.get(&endpoint.id);
            let fixed = endpoint.address.filter(|address| live.and_then(|it| it.private_address) != Some(*address));
            fixed.map(|address| (endpoint.subnet.clone(), address)).into_iter().collect()
        }
        Some(Resource::PrivateLinkService(service)) => of_nat(&service.exposure, observed, &service.key()),
        Some(Resource::Publication(publication)) => of_nat(&publication.exposure, observed, &publication.key()),
        _ => Vec::new(),
    };
    wanted.into_iter().filter_map(|(subnet, address)| question(observed, subnet, address)).collect()
}

/// The subnet that the frontend of an internal Service is in.
pub(super) fn subnet_of(service: &Service, observed: &Observed) -> Option<ResourceId> {
    let mut annotations = service.annotations();
    if let (Deployment::AnnotationsOnly, Some(live)) = (service.deployment, observed.services.get(&service.key)) {
        // What is not ours stays as it is.
        annotations = live.annotations().into_iter().chain(annotations).collect();
    }
    let cluster = observed.cluster.as_ref().filter(|_| annotation::is_internal(&annotations))?;
    cluster.subnet(annotations.get(annotation::INTERNAL_SUBNET).map(String::as_str))
}

fn of_service(service: &Service, observed: &Observed) -> Vec<(ResourceId, IpAddr)> {
    let Some(subnet) = subnet_of(service, observed) else { return Vec::new() };
    let has = observed.services.get(&service.key).map(|live| live.addresses.clone()).unwrap_or_default();
    let new = service.pinned_addresses().into_iter().filter(|address| !has.contains(address));
    new.map(|address| (subnet.clone(), address)).collect()
}

fn of_nat(exposure: &Exposure, observed: &Observed, publisher: &PublisherKey) -> Vec<(ResourceId, IpAddr)> {
    let Some(subnet) = &exposure.nat.subnet else { return Vec::new() };
    let has = observed.publisher(publisher).map(|live: &LivePrivateLinkService| &live.service.exposure.nat);
    let new = exposure.nat.addresses.iter().filter(|address| has.is_none_or(|has| !has.addresses.contains(address)));
    new.map(|address| (subnet.clone(), *address)).collect()
}

/// Nothing is asked about a subnet that was not seen: Azure answers for addresses of the network's subnets alone.
fn question(observed: &Observed, subnet: ResourceId, wanted: IpAddr) -> Option<Question> {
    let live = observed.subnets.get(&subnet)?;
    let is_usable = live.unusable(wanted, "").is_none();
    let kept = || live.prefixes.iter().map(|prefix| prefix.network().network()).find(IpAddr::is_ipv4);
    let asked = if is_usable { Some(wanted) } else { kept() }?;
    Some(Question { subnet, asked })
}

/// Takes note of an answer: that somebody has the address whom nobody sees, and what is free in its place.
pub fn answered(observed: &mut Observed, question: &Question, (is_free, offered): (bool, &[IpAddr])) {
    let Question { subnet, asked } = question;
    let Some(live) = observed.subnets.get(subnet) else { return };
    let inside = offered.iter().filter(|address| live.unusable(**address, "").is_none()).copied().collect();
    let is_kept = live.unusable(*asked, "").is_some();
    if !is_free {
        observed.offered.insert(subnet.clone(), inside);
    }
    if is_free || is_kept {
        return;
    }
    let mut frontends = observed.frontends.values();
    let is_seen = observed.held.iter().any(|held| held.subnet == *subnet && held.address == *asked)
        || frontends.any(|it| it.subnet.as_ref() == Some(subnet) && it.address == Some(*asked));
    if let (false, Some(network)) = (is_seen, subnet.parent()) {
        observed.held.insert(HeldAddress { subnet: subnet.clone(), address: *asked, holder: network });
    }
}
