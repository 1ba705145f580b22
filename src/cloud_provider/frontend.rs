//! Frontends: whose they are, when one is replaced, which address a new one asks for, and what that does to others.
//!
//! A Service owns the frontends that carry its name; an internal one also those with an address that it pins. The second
//! way is how Services share an address.

use std::collections::BTreeMap;

use crate::cloud_provider::Unknown;
use crate::cloud_provider::address;
use crate::cloud_provider::address::Use;
use crate::cloud_provider::balancing;
use crate::cloud_provider::effect::Failure;
use crate::cloud_provider::effect::Stage;
use crate::cloud_provider::effect::What;
use crate::cloud_provider::name;
use crate::cloud_provider::rule;
use crate::cloud_provider::rule::Rule;
use crate::cloud_provider::service::Service;
use crate::cloud_provider::sync::Stop;
use crate::cloud_provider::sync::Sync;
use crate::cloud_provider::sync::is_of;
use crate::domain::azure::ResourceId;
use crate::domain::cluster::IpFamily;
use crate::domain::cluster::LoadBalancerFrontend;
use crate::domain::resource::subnet::LiveSubnet;

/// What a write of the load balancer changes about frontends.
struct Frontends {
    /// Those that go.
    removed: Vec<LoadBalancerFrontend>,
    /// Those that come, each with the address it asks for.
    created: Vec<(LoadBalancerFrontend, Option<String>)>,
    rule: &'static Rule,
}

impl Sync<'_> {
    /// The frontends of a Service on one side.
    pub(super) fn owned(&self, service: &Service, is_internal: bool) -> Vec<LoadBalancerFrontend> {
        let side = self.state.frontends.iter().filter(|frontend| self.state.is_on(frontend, is_internal));
        side.filter(|frontend| is_primary(frontend, service) || (is_internal && is_claimed(frontend, service)))
            .cloned()
            .collect()
    }

    /// The load balancer's part of a sync.
    pub(super) fn balance(&mut self, service: &Service) -> Result<(), Stop> {
        let subnet = if service.is_internal() { self.frontend_subnet(service)? } else { None };
        if !service.is_internal() {
            check_public_pins(service)?;
        }
        let had = self.carrying(service, service.is_internal());
        let (rules, is_here) = self.rules_of(service);
        let frontends = self.replacements(service, subnet.as_ref())?;
        self.check_ports(service, &frontends)?;
        let mut expected = BTreeMap::new();
        for family in &service.families {
            expected.insert(*family, balancing::expected(service, *family)?);
        }
        let moved: Vec<ResourceId> = frontends.created.iter().map(|(created, _)| created.id.clone()).collect();
        self.lose_links(service, &frontends.removed, frontends.rule);
        let under = self.links_under(&frontends.removed, &moved);
        self.write(service, frontends, subnet.as_ref())?;
        for (link, connections) in under {
            self.tell(&rule::LINK_UNDER_MOVE, What::LinkUnproven { link, connections });
        }
        self.tell_sharing(service, &had);
        self.set_rules(service, (&rules, is_here), &expected);
        Ok(())
    }

    fn frontend_subnet(&self, service: &Service) -> Result<Option<LiveSubnet>, Stop> {
        let Some(network) = self.state.cluster.virtual_network() else { return Ok(None) };
        let Some(id) = self.state.cluster.subnet(service.subnet()) else { return Ok(None) };
        if let Some(subnet) = self.state.subnets.get(&id) {
            return Ok(Some(subnet.clone()));
        }
        if !self.state.lacks(&id) {
            return Ok(None);
        }
        let problem = format!("the network {} has no subnet {}", network.name(), id.name());
        let code = "failed to get subnet";
        Err(Failure { rule: &rule::SUBNET_MISSING, stage: Stage::Checks, code, problem }.into())
    }

    /// Which frontends go and which come.
    fn replacements(&self, service: &Service, subnet: Option<&LiveSubnet>) -> Result<Frontends, Stop> {
        let is_internal = service.is_internal();
        let owned = self.owned(service, is_internal);
        let previous: Vec<_> = owned.iter().filter_map(|frontend| frontend.address).collect();
        let outdated = |frontend: &&LoadBalancerFrontend| why_outdated(frontend, service, subnet).is_some();
        let rule = owned.iter().find_map(|frontend| why_outdated(frontend, service, subnet));
        let (removed, kept): (Vec<_>, Vec<_>) = owned.iter().partition(outdated);
        let mut created = Vec::new();
        for family in &service.families {
            if kept.iter().any(|frontend| family_of(frontend, service) == *family) {
                continue;
            }
            let name = frontend_name(service, *family);
            let id = self.state.balancer(is_internal).child("frontendIPConfigurations", &name);
            if !is_internal {
                created.push((LoadBalancerFrontend { id, address: None, subnet: None, rules: Vec::new() }, None));
                continue;
            }
            let candidates = previous.iter().chain(&service.addresses).filter(|own| IpFamily::of(**own) == *family);
            let mut fitting =
                candidates.filter(|own| subnet.is_some_and(|it| it.prefixes.iter().any(|p| p.contains(**own))));
            let wanted = service.pinned(*family).map(ToOwned::to_owned).or(fitting.next().map(ToString::to_string));
            let address = wanted.as_deref().and_then(|text| text.parse().ok());
            let subnet = subnet.map(|subnet| subnet.id.clone());
            created.push((LoadBalancerFrontend { id, address, subnet, rules: Vec::new() }, wanted));
        }
        let removed = removed.into_iter().cloned().collect();
        Ok(Frontends { removed, created, rule: rule.unwrap_or(&rule::FRONTEND_MADE) })
    }

    /// Another Service's rule for the same port of a frontend is refused before anything is written.
    fn check_ports(&self, service: &Service, frontends: &Frontends) -> Result<(), Failure> {
        let stays = |frontend: &&LoadBalancerFrontend| {
            let goes = frontends.removed.iter().any(|removed| removed.id == frontend.id);
            let comes = frontends.created.iter().any(|(created, _)| created.id == frontend.id);
            !goes || comes
        };
        for frontend in self.owned(service, service.is_internal()).iter().filter(stays) {
            for rule in frontend.rules.iter().filter(|rule| !is_of(rule, service)) {
                let same = |port: &&crate::cloud_provider::service::Port| {
                    port.port == rule.port && port.protocol.eq_ignore_ascii_case(&rule.protocol)
                };
                if let Some(port) = service.ports.iter().find(same) {
                    let other = self.state.owner_of_rule(&rule.name);
                    let at = shown(frontend);
                    let problem = format!("{}/{} of {at} is {other}'s already", port.port, port.protocol);
                    let code = "which is being referenced by an existing loadBalancing rule";
                    return Err(Failure { rule: &rule::PORT_CLASH, stage: Stage::Checks, code, problem });
                }
            }
        }
        Ok(())
    }

    /// The write of the load balancer: Azure decides, and it is all or nothing.
    fn write(&mut self, service: &Service, frontends: Frontends, subnet: Option<&LiveSubnet>) -> Result<(), Stop> {
        let Frontends { removed, created, rule } = frontends;
        let own: Vec<ResourceId> = removed.iter().map(|frontend| frontend.id.clone()).collect();
        for (frontend, wanted) in
            created.iter().filter(|(frontend, _)| frontend.subnet.is_some() || service.is_internal())
        {
            let Some(wanted) = wanted else {
                let usage = (1, Use::Frontend);
                let full = subnet.and_then(|subnet| address::shortage(self.state, subnet, usage, &own));
                if let Some(failure) = full.filter(|_| IpFamily::V4 == family_of(frontend, service)) {
                    return Err(failure.into());
                }
                continue;
            };
            let Some(subnet) = subnet.filter(|_| frontend.subnet.is_some()) else {
                let what = format!("whether {wanted} is free: the virtual network of the cluster could not be read");
                return Err(Stop::Unknown(Unknown(what)));
            };
            if let Some(failure) = address::refusal(self.state, subnet, (wanted, Use::Frontend), &own) {
                return Err(failure.into());
            }
        }
        let going: Vec<_> =
            removed.iter().filter(|gone| !created.iter().any(|(created, _)| created.id == gone.id)).collect();
        let new_v6 = created.iter().map(|(frontend, _)| frontend).filter(|frontend| {
            service.is_internal()
                && family_of(frontend, service) == IpFamily::V6
                && removed.iter().all(|gone| gone.id != frontend.id)
        });
        self.check_references(service, &going, new_v6)?;
        self.state.frontends.retain(|frontend| !own.contains(&frontend.id));
        let v6 = created.iter().filter(|(it, _)| service.is_internal() && family_of(it, service) == IpFamily::V6);
        self.state.new_v6.extend(v6.map(|(frontend, _)| frontend.id.clone()));
        self.settle(service, (removed, created), rule);
        Ok(())
    }

    /// What Azure refuses about the parts of a load balancer once their addresses are right.
    fn check_references<'f>(
        &self,
        service: &Service,
        going: &[&LoadBalancerFrontend],
        mut new_v6: impl Iterator<Item = &'f LoadBalancerFrontend>,
    ) -> Result<(), Stop> {
        let fails = |rule: &'static Rule, code: &'static str, problem: String| {
            Err(Failure { rule, stage: Stage::LoadBalancer, code, problem }.into())
        };
        if let Some(others) = going.iter().map(|own| self.others_on(own, service)).find(|others| !others.is_empty()) {
            let problem = format!("{} still uses the frontend that would go", others.join(", "));
            return fails(&rule::SHARED_DANGLES, "InvalidResourceReference", problem);
        }
        if new_v6.any(|frontend| self.state.carries_link(frontend)) {
            let problem = "an IPv6 frontend is asked for beside a Private Link Service".to_owned();
            return fails(&rule::LINK_IPV6, "", problem);
        }
        going.iter().try_for_each(|frontend| self.check_hidden_link(service, frontend))
    }

    fn settle(
        &mut self,
        service: &Service,
        (mut removed, created): (Vec<LoadBalancerFrontend>, Vec<(LoadBalancerFrontend, Option<String>)>),
        rule: &'static Rule,
    ) {
        for (mut frontend, wanted) in created {
            let family = family_of(&frontend, service);
            let at = removed.iter().position(|removed| family_of(removed, service) == family);
            let Some(old) = at.map(|at| removed.remove(at)) else {
                let what =
                    if service.is_internal() { What::FrontendCreated { address: wanted } } else { What::MadePublic };
                let rule = if service.is_internal() { &rule::FRONTEND_MADE } else { &rule::MADE_PUBLIC };
                self.tell(rule, what);
                self.state.frontends.push(frontend);
                continue;
            };
            let from = shown(&old);
            if old.id == frontend.id {
                let others = self.others_on(&old, service);
                frontend.rules.clone_from(&old.rules);
                self.tell(rule, What::FrontendReaddressed { from, to: wanted.clone() });
                if !others.is_empty() {
                    self.tell(&rule::SHARED_MOVES, What::NeighboursMoved { others, to: wanted });
                }
            } else {
                self.tell(rule, What::FrontendRenamed { from, to: wanted });
            }
            self.state.frontends.push(frontend);
        }
        for frontend in removed {
            self.tell(rule, What::FrontendRemoved { address: frontend.address.map(|address| address.to_string()) });
        }
    }

    /// The frontends of one side that carry rules of a Service.
    fn carrying(&self, service: &Service, is_internal: bool) -> Vec<LoadBalancerFrontend> {
        let side = self.state.frontends.iter().filter(|own| self.state.is_on(own, is_internal));
        side.filter(|own| own.rules.iter().any(|rule| is_of(rule, service))).cloned().collect()
    }

    /// Who comes to share an address, and who leaves one.
    fn tell_sharing(&mut self, service: &Service, had: &[LoadBalancerFrontend]) {
        let has = self.owned(service, service.is_internal());
        for frontend in has.iter().filter(|frontend| !is_primary(frontend, service)) {
            if !had.iter().any(|before| before.id == frontend.id) {
                let others = self.others_on(frontend, service);
                self.tell(&rule::SHARED_JOINED, What::FrontendJoined { address: shown(frontend), others });
            }
        }
        for frontend in had.iter().filter(|frontend| !is_primary(frontend, service)) {
            if !has.iter().any(|after| after.id == frontend.id) {
                let others = self.others_on(frontend, service);
                self.tell(&rule::SHARED_LEFT, What::FrontendLeft { address: shown(frontend), others });
            }
        }
    }

    /// A Service is deleted, or needs no load balancer any more: its frontends go unless others use them.
    pub(super) fn take_off(&mut self, service: &Service, rule: &'static Rule) -> Result<(), Stop> {
        let is_internal = service.is_internal();
        self.drop_frontends(service, is_internal, rule)?;
        self.leave(service, is_internal);
        self.leave_other_side(service, rule)
    }

    /// The frontends that a Service owns on one side: those that go with it, and those that others keep.
    fn going(&self, service: &Service, is_internal: bool) -> (Vec<LoadBalancerFrontend>, Vec<LoadBalancerFrontend>) {
        self.owned(service, is_internal).into_iter().partition(|own| self.others_on(own, service).is_empty())
    }

    fn drop_frontends(&mut self, service: &Service, is_internal: bool, rule: &'static Rule) -> Result<(), Stop> {
        let (going, kept) = self.going(service, is_internal);
        self.lose_links(service, &going, rule);
        for frontend in &going {
            self.check_hidden_link(service, frontend)?;
        }
        self.tell_kept(service, &kept);
        for frontend in &kept {
            self.note_owner_gone(service, &frontend.id);
        }
        for frontend in &going {
            self.tell(rule, What::FrontendRemoved { address: frontend.address.map(|address| address.to_string()) });
        }
        self.state.frontends.retain(|own| !going.iter().any(|gone| gone.id == own.id));
        Ok(())
    }

    /// What others keep for themselves is news only where the Service is still on it.
    fn tell_kept(&mut self, service: &Service, kept: &[LoadBalancerFrontend]) {
        for frontend in kept.iter().filter(|own| own.rules.iter().any(|rule| is_of(rule, service))) {
            let others = self.others_on(frontend, service);
            self.tell(&rule::SHARED_STAYS, What::FrontendKept { address: shown(frontend), others });
        }
    }

    /// Takes the rules of a Service off one side; from the frontends of others without having owned them.
    fn leave(&mut self, service: &Service, is_internal: bool) {
        let owned: Vec<ResourceId> = self.owned(service, is_internal).into_iter().map(|own| own.id).collect();
        let left = self.carrying(service, is_internal).into_iter().filter(|own| !owned.contains(&own.id));
        for frontend in left.collect::<Vec<_>>() {
            let others = self.others_on(&frontend, service);
            self.tell(&rule::SHARED_LEFT, What::FrontendLeft { address: shown(&frontend), others });
        }
        self.drop_rules(service, is_internal);
    }

    /// At the end of each sync, what the Service has on the other side goes.
    ///
    /// One pass, and no second one: if that deletes a Private Link Service, nothing is written, and frontend and rules stay
    /// until the next sync.
    pub(super) fn leave_other_side(&mut self, service: &Service, rule: &'static Rule) -> Result<(), Stop> {
        let was_internal = !service.is_internal();
        let (going, kept) = self.going(service, was_internal);
        self.tell_kept(service, &kept);
        let is_any_lost = self.lose_links(service, &going, rule);
        // A public one is tried again at once: its address could not be released.
        if is_any_lost && was_internal {
            return Ok(());
        }
        for frontend in &going {
            self.check_hidden_link(service, frontend)?;
        }
        for frontend in &going {
            let address = frontend.address.map(|address| address.to_string());
            let what = if was_internal { What::FrontendRemoved { address } } else { What::PublicAddressReleased };
            self.tell(rule, what);
        }
        self.state.frontends.retain(|own| !going.iter().any(|gone| gone.id == own.id));
        self.leave(service, was_internal);
        Ok(())
    }
}

/// A private address on a public Service is refused.
fn check_public_pins(service: &Service) -> Result<(), Failure> {
    let fails = |code: &'static str, problem: String| {
        Err(Failure { rule: &rule::PUBLIC_PIN, stage: Stage::Checks, code, problem })
    };
    for text in service.families.iter().filter_map(|family| service.pinned(*family)) {
        let is_private = match text.parse::<std::net::IpAddr>() {
            Ok(std::net::IpAddr::V4(address)) => address.is_private(),
            Ok(std::net::IpAddr::V6(address)) => address.is_unique_local(),
            Err(_) => {
                return fails("was not found in resource group", format!("{text:?} is pinned, and is no address"));
            }
        };
        if is_private {
            let problem = format!("the private address {text} is pinned on a Service that would be public");
            return fails("cannot use non-public LoadBalancer IP", problem);
        }
    }
    Ok(())
}

/// The address of a frontend, as people write it; nothing for one that has none, or none yet.
fn shown(frontend: &LoadBalancerFrontend) -> String {
    frontend.address.map(|address| address.to_string()).unwrap_or_default()
}

fn is_primary(frontend: &LoadBalancerFrontend, service: &Service) -> bool {
    frontend.id.name().starts_with(&service.base)
}

fn is_claimed(frontend: &LoadBalancerFrontend, service: &Service) -> bool {
    let Some(address) = frontend.address.map(|address| address.to_string()) else { return false };
    service.claims().iter().any(|own| own.eq_ignore_ascii_case(&address))
}

pub(super) fn family_of(frontend: &LoadBalancerFrontend, service: &Service) -> IpFamily {
    match service.families.as_slice() {
        [only] => *only,
        _ if frontend.id.name().ends_with(name::V6) => IpFamily::V6,
        _ => IpFamily::V4,
    }
}

fn frontend_name(service: &Service, family: IpFamily) -> String {
    let name = name::frontend(&service.base, service.subnet());
    name::of_half(name, service.is_v6_half(family))
}

/// The rule by which an owned frontend is replaced, if it is.
fn why_outdated(
    frontend: &LoadBalancerFrontend,
    service: &Service,
    subnet: Option<&LiveSubnet>,
) -> Option<&'static Rule> {
    let family = family_of(frontend, service);
    if !frontend.id.name().eq_ignore_ascii_case(&frontend_name(service, family)) {
        return is_primary(frontend, service).then_some(&rule::FRONTEND_SUBNET);
    }
    if !service.is_internal() {
        return None;
    }
    let elsewhere = subnet.is_some_and(|subnet| frontend.subnet.as_ref() != Some(&subnet.id));
    if elsewhere && service.subnet().is_some() {
        return Some(&rule::FRONTEND_SUBNET);
    }
    let wanted = service.pinned(family)?;
    let has = shown(frontend);
    (!wanted.eq_ignore_ascii_case(&has)).then_some(&rule::FRONTEND_ADDRESS)
}
