//! Addresses of a subnet: which Azure would refuse, and which are free as far as anybody has seen.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::net::Ipv4Addr;

use crate::cloud_provider::effect::Failure;
use crate::cloud_provider::effect::Stage;
use crate::cloud_provider::rule;
use crate::cloud_provider::rule::Rule;
use crate::cloud_provider::service::Service;
use crate::cloud_provider::state::State;
use crate::domain::azure::ResourceId;
use crate::domain::cluster::HeldAddress;
use crate::domain::cluster::IpFamily;
use crate::domain::cluster::LoadBalancerFrontend;
use crate::domain::resource::subnet::LiveSubnet;
use crate::domain::resource::subnet::Unusable;

/// How far from the wanted address a free one is looked for.
const REACH: u32 = 1024;

/// What an address is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Frontend,
    Nat,
}

impl Use {
    fn stage(self) -> Stage {
        match self {
            Self::Frontend => Stage::LoadBalancer,
            Self::Nat => Stage::PrivateLink,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Frontend => "the address",
            Self::Nat => "the NAT address",
        }
    }
}

/// Says why Azure will refuse an address; `own` are those whose addresses this very write sets free.
pub(super) fn refusal(
    state: &State,
    subnet: &LiveSubnet,
    (wanted, usage): (&str, Use),
    own: &[ResourceId],
) -> Option<Failure> {
    let words = usage.words();
    let failure = |rule: &'static Rule, code: &'static str, problem: String| {
        Some(Failure { rule, stage: usage.stage(), code, problem })
    };
    let Ok(address) = wanted.parse::<IpAddr>() else {
        return failure(&rule::IP_SYNTAX, "InvalidRequestFormat", format!("{words} {wanted:?} is no address"));
    };
    match subnet.unusable(address, words) {
        Some((Unusable::Outside, problem)) => {
            return failure(&rule::IP_OUTSIDE, "PrivateIPAddressNotInSubnet", problem);
        }
        Some((Unusable::Reserved, problem)) => {
            return failure(&rule::IP_RESERVED, "PrivateIPAddressInReservedRange", problem);
        }
        None => {}
    }
    let holder = holder(state, &subnet.id, address, own)?;
    let problem = format!("{words} {address} is taken by {holder}");
    // Azure has another code for two frontends of one load balancer that want the same.
    let beside = |frontend: &LoadBalancerFrontend| frontend.address == Some(address) && !own.contains(&frontend.id);
    let is_beside = usage == Use::Frontend && state.frontends.iter().any(beside);
    let code = if is_beside { "MultipleIpConfigsRequestSamePrivateIpAddress" } else { "PrivateIPAddressIsAllocated" };
    failure(&rule::IP_TAKEN, code, problem)
}

/// Says that a subnet has no room for so many more addresses, if it surely has not: what is not seen may take more.
pub(super) fn shortage(
    state: &State,
    subnet: &LiveSubnet,
    (wanted, usage): (usize, Use),
    own: &[ResourceId],
) -> Option<Failure> {
    let frontends = state.frontends.iter().filter(|it| it.subnet.as_ref() == Some(&subnet.id) && !own.contains(&it.id));
    let (known, unknown): (Vec<_>, Vec<_>) = frontends.map(|frontend| frontend.address).partition(Option::is_some);
    let held = state.held.iter().filter(|held| held.subnet == subnet.id && !own.contains(&held.holder));
    let taken: BTreeSet<IpAddr> = known.into_iter().flatten().chain(held.map(|held| held.address)).collect();
    let picks = state.unpicked.iter().filter(|(link, (of, _))| *of == subnet.id && !own.contains(link));
    let picks = picks.map(|(_, (_, count))| *count).sum::<usize>() + unknown.len();
    // Those for which Azure has yet to pick an address come before.
    let wanted = if wanted == 0 { 0 } else { wanted.saturating_add(picks) };
    let mut problem = subnet.shortage(&taken, wanted)?;
    if picks > 0 {
        problem.push_str(&format!(", {picks} of them before this"));
    }
    Some(Failure { rule: &rule::SUBNET_FULL, stage: usage.stage(), code: "SubnetIsFull", problem })
}

/// Who has an address, as far as anybody has seen.
fn holder(state: &State, subnet: &ResourceId, address: IpAddr, own: &[ResourceId]) -> Option<String> {
    let frontends = state.frontends.iter().filter(|frontend| !own.contains(&frontend.id));
    let mut frontends =
        frontends.filter(|frontend| frontend.subnet.as_ref() == Some(subnet) && frontend.address == Some(address));
    if let Some(frontend) = frontends.next() {
        let rule = frontend.rules.first().map(|rule| state.owner_of_rule(&rule.name));
        return Some(rule.unwrap_or_else(|| format!("the frontend {}", frontend.id.name())));
    }
    let mut held = state.held.iter().filter(|held| held.subnet == *subnet && held.address == address);
    held.find(|held| !own.contains(&held.holder)).map(HeldAddress::by)
}

/// True if the free addresses for a Service are Azure's own word, and not only what nobody is seen to have.
pub fn are_offered(state: &State, service: &Service) -> bool {
    state.cluster.subnet(service.subnet()).is_some_and(|subnet| state.offered.contains_key(&subnet))
}

/// The free addresses nearest to the one that a Service pins, in the subnet that its frontend is in.
pub fn free_near(state: &State, service: &Service, count: usize) -> Vec<Ipv4Addr> {
    let Some(id) = state.cluster.subnet(service.subnet()) else { return Vec::new() };
    let Some(subnet) = state.subnets.get(&id) else { return Vec::new() };
    let is_inside = |address: &IpAddr| subnet.prefixes.iter().any(|prefix| prefix.contains(*address));
    let wanted = service.pinned(IpFamily::V4).and_then(|text| text.parse().ok());
    let first = subnet.prefixes.first().map(|prefix| prefix.network().network());
    let center = wanted.into_iter().chain(service.addresses.iter().copied()).find(is_inside).or(first);
    match center {
        Some(IpAddr::V4(center)) => nearest_free(state, &id, center, count),
        Some(IpAddr::V6(_)) | None => Vec::new(),
    }
}

/// The free addresses of a subnet nearest to a wanted one, nearest first: those that Azure offers where it was asked, else
/// as far as anybody has seen.
pub fn nearest_free(state: &State, subnet: &ResourceId, wanted: Ipv4Addr, count: usize) -> Vec<Ipv4Addr> {
    if let Some(offered) = state.offered.get(subnet) {
        return offered_near(state, offered, wanted).into_iter().take(count).collect();
    }
    let Some(subnet) = state.subnets.get(subnet) else { return Vec::new() };
    let base = u32::from(wanted);
    let is_free = |address: &Ipv4Addr| {
        let address = IpAddr::V4(*address);
        let prefix = subnet.prefixes.iter().find(|prefix| prefix.contains(address));
        prefix.is_some_and(|prefix| !prefix.reserves(address)) && holder(state, &subnet.id, address, &[]).is_none()
    };
    let around = (1..=REACH).flat_map(|step| [base.checked_add(step), base.checked_sub(step)]);
    around.flatten().map(Ipv4Addr::from).filter(is_free).take(count).collect()
}

/// What Azure offers, without what an earlier step of the plan takes.
fn offered_near(state: &State, offered: &BTreeSet<IpAddr>, wanted: Ipv4Addr) -> Vec<Ipv4Addr> {
    let taken = state.addresses();
    let v4 = |address: &IpAddr| match address {
        IpAddr::V4(v4) if !taken.contains(address) => Some(*v4),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    };
    let mut found: Vec<Ipv4Addr> = offered.iter().filter_map(v4).collect();
    found.sort_by_key(|address| (u32::from(*address).abs_diff(u32::from(wanted)), *address));
    found
}
