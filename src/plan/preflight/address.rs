//! One subnet of Azure: which addresses it will refuse, and whether it has room.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::cloud_provider::rule::Rule;
use crate::domain::azure::ResourceId;
use crate::domain::resource::subnet::LiveSubnet;
use crate::observed::Observed;
use crate::plan::preflight::rule;

/// How many addresses of a prefix Azure keeps for itself. Source: Microsoft's virtual network FAQ.
const RESERVED: usize = 5;

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
    shortage(subnet, more + wanted.len(), &held).into_iter().collect()
}

/// Concluded only where another subnet of the same network was seen: then the network was read as a whole.
fn missing(observed: &Observed, id: &ResourceId) -> Option<Refused> {
    let network = id.parent()?;
    let is_seen = observed.subnets.keys().any(|other| other.parent().as_ref() == Some(&network));
    is_seen.then(|| (&rule::SUBNET_MISSING, format!("the network {} has no subnet {}", network.name(), id.name())))
}

/// Every address of the subnet that somebody else is seen to have, with who that is.
fn held(observed: &Observed, id: &ResourceId, own: &ResourceId) -> BTreeMap<IpAddr, String> {
    let name = |id: &ResourceId| {
        let kind = id.resource_type().rsplit('/').next().unwrap_or_default().to_owned();
        format!("{kind}/{} in {}", id.name(), id.resource_group())
    };
    let frontends = observed.frontends.values().filter(|frontend| frontend.subnet.as_ref() == Some(id));
    let frontends = frontends.filter_map(|frontend| Some((frontend.address?, name(&frontend.id))));
    let held = observed.held.iter().filter(|held| held.subnet == *id && held.holder != *own);
    frontends.chain(held.map(|held| (held.address, name(&held.holder)))).collect()
}

fn refusal(subnet: &LiveSubnet, address: IpAddr, held: &BTreeMap<IpAddr, String>) -> Option<Refused> {
    let name = subnet.id.name();
    let Some(prefix) = subnet.prefixes.iter().find(|prefix| prefix.contains(address)) else {
        let prefixes: Vec<String> = subnet.prefixes.iter().map(ToString::to_string).collect();
        let problem = format!("the address {address} is outside the subnet {name} ({})", prefixes.join(", "));
        return Some((&rule::ADDRESS_OUTSIDE, problem));
    };
    if prefix.reserves(address) {
        return Some((&rule::ADDRESS_RESERVED, format!("Azure keeps {address} of the subnet {name} for itself")));
    }
    let holder = held.get(&address)?;
    Some((&rule::ADDRESS_TAKEN, format!("the address {address} is taken by {holder}")))
}

/// What is not seen may take more: this only says what is surely too much.
fn shortage(subnet: &LiveSubnet, more: usize, held: &BTreeMap<IpAddr, String>) -> Option<Refused> {
    let v4 = subnet.prefixes.iter().filter(|prefix| prefix.network().addr().is_ipv4());
    let room: usize = v4
        .map(|prefix| {
            let bits = 32_u32.saturating_sub(u32::from(prefix.network().prefix_len()));
            2_usize.saturating_pow(bits).saturating_sub(RESERVED)
        })
        .sum();
    let free = room.saturating_sub(held.keys().filter(|address| address.is_ipv4()).count());
    let problem = || format!("the subnet {} has room for {free} more, and {more} are asked for", subnet.id.name());
    (more > free).then(|| (&rule::SUBNET_FULL, problem()))
}
