//! One subnet of Azure: which addresses it will refuse, and whether it has room.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::cloud_provider::rule::Rule;
use crate::domain::azure::ResourceId;
use crate::domain::key::ResourceKey;
use crate::domain::resource::subnet::LiveSubnet;
use crate::domain::resource::subnet::Unusable;
use crate::observed::Observed;
use crate::plan::preflight::Finding;
use crate::plan::preflight::rule;

/// A refusal: the rule, and what is wrong.
pub(super) type Refused = (&'static Rule, String);

/// What Azure refuses about a subnet that is referred to: that it is not there, so many more addresses, or static ones.
///
/// `own` is the resource that asks: the addresses that it has are no obstacle to it.
pub(super) fn refusals(
    observed: &Observed,
    id: &ResourceId,
    (more, wanted): (usize, &[IpAddr]),
    own: &ResourceId,
) -> Vec<Refused> {
    let Some(subnet) = observed.subnets.get(id) else { return missing(observed, id).into_iter().collect() };
    let held = held(observed, id, own);
    let refused: Vec<Refused> = wanted.iter().filter_map(|address| refusal(subnet, *address, &held)).collect();
    if !refused.is_empty() {
        return refused;
    }
    let taken: BTreeSet<IpAddr> = held.into_keys().collect();
    let shortage = subnet.shortage(&taken, more + wanted.len());
    shortage.map(|problem| (&rule::SUBNET_FULL, problem)).into_iter().collect()
}

/// A refusal of a change, with the addresses that Azure offers in its place as a part of the cure.
pub(super) fn finding(observed: &Observed, key: &ResourceKey, subnet: &ResourceId, refused: Refused) -> Finding {
    let (rule, problem) = refused;
    let offered: Vec<String> = match observed.offered.get(subnet) {
        Some(offered) if rule.id.starts_with("PRE-IP-") => offered.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    };
    let mut finding = Finding::new(key.clone(), rule, problem);
    if !offered.is_empty() {
        finding.help = format!("{} Azure offers {}.", finding.help, offered.join(", "));
    }
    finding
}

/// Concluded only where another subnet of the same network was seen: then the network was read as a whole.
fn missing(observed: &Observed, id: &ResourceId) -> Option<Refused> {
    let network = id.parent()?;
    let is_seen = observed.subnets.keys().any(|other| other.parent().as_ref() == Some(&network));
    is_seen.then(|| (&rule::SUBNET_MISSING, format!("the network {} has no subnet {}", network.name(), id.name())))
}

/// Every address of the subnet that somebody else is seen to have, with who that is.
fn held(observed: &Observed, id: &ResourceId, own: &ResourceId) -> BTreeMap<IpAddr, String> {
    let frontends = observed.frontends.values().filter(|frontend| frontend.subnet.as_ref() == Some(id));
    let frontends = frontends.filter_map(|frontend| Some((frontend.address?, frontend.id.short())));
    let held = observed.held.iter().filter(|held| held.subnet == *id && held.holder != *own);
    frontends.chain(held.map(|held| (held.address, held.by()))).collect()
}

fn refusal(subnet: &LiveSubnet, address: IpAddr, held: &BTreeMap<IpAddr, String>) -> Option<Refused> {
    match subnet.unusable(address, "the address") {
        Some((Unusable::Outside, problem)) => return Some((&rule::ADDRESS_OUTSIDE, problem)),
        Some((Unusable::Reserved, problem)) => return Some((&rule::ADDRESS_RESERVED, problem)),
        None => {}
    }
    let holder = held.get(&address)?;
    Some((&rule::ADDRESS_TAKEN, format!("the address {address} is taken by {holder}")))
}
