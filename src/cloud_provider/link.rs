//! The Private Link Service of a frontend: who may shape it, what is written in place, and what its end takes along.

use std::collections::BTreeSet;

use crate::cloud_provider::Unknown;
use crate::cloud_provider::address;
use crate::cloud_provider::address::Use;
use crate::cloud_provider::effect::Failure;
use crate::cloud_provider::effect::Stage;
use crate::cloud_provider::effect::What;
use crate::cloud_provider::frontend::family_of;
use crate::cloud_provider::name;
use crate::cloud_provider::rule;
use crate::cloud_provider::rule::Rule;
use crate::cloud_provider::service::Service;
use crate::cloud_provider::state::Link;
use crate::cloud_provider::sync::Stop;
use crate::cloud_provider::sync::Sync;
use crate::domain::annotation;
use crate::domain::annotation::PrivateLinkAnnotations;
use crate::domain::azure::ResourceId;
use crate::domain::cluster::IpFamily;
use crate::domain::cluster::LoadBalancerFrontend;
use crate::domain::resource::connection::LiveConnection;
use crate::domain::resource::private_link_service::Exposure;
use crate::domain::resource::private_link_service::Nat;
use crate::domain::resource::private_link_service::PER_LOAD_BALANCER;
use crate::domain::resource::subnet::LiveSubnet;

/// The annotations that the cloud provider itself reads, and refuses.
const READ_BY_PROVIDER: [&str; 2] = [annotation::PLS_ADDRESS_COUNT, annotation::PLS_ADDRESSES];

fn fails(rule: &'static Rule, code: &'static str, problem: String) -> Failure {
    Failure { rule, stage: Stage::PrivateLink, code, problem }
}

impl Sync<'_> {
    /// The group in which a Service looks for its Private Link Service.
    fn group(&self, service: &Service) -> String {
        let named = service.raw(annotation::PLS_RESOURCE_GROUP).map(str::trim).filter(|text| !text.is_empty());
        named.map_or_else(|| self.state.cluster.node_resource_group.to_string(), ToOwned::to_owned)
    }

    /// The Private Link Services on the frontends of a Service.
    pub(super) fn links_of(&self, service: &Service) -> Vec<&Link> {
        let owned = self.owned(service, service.is_internal());
        let stands = |link: &&Link| owned.iter().any(|frontend| frontend.id == link.frontend);
        self.state.links.iter().filter(stands).collect()
    }

    /// What stands on frontends that go is deleted before they do, whoever made it: each connection, then the service.
    /// Answers whether there was anything.
    ///
    /// It is looked for where the Service says now. What stands elsewhere is not found.
    pub(super) fn lose_links(
        &mut self,
        service: &Service,
        frontends: &[LoadBalancerFrontend],
        rule: &'static Rule,
    ) -> bool {
        let group = self.group(service);
        let found: Vec<Link> =
            frontends.iter().filter_map(|frontend| self.state.link_on(&frontend.id, &group)).cloned().collect();
        found.iter().for_each(|link| self.lose(link, rule));
        !found.is_empty()
    }

    /// The Private Link Services that are still on frontends which only move, with who is connected: what comes of them
    /// nobody has seen.
    pub(super) fn links_under(
        &self,
        frontends: &[LoadBalancerFrontend],
        moved: &[ResourceId],
    ) -> Vec<(ResourceId, Vec<LiveConnection>)> {
        let moves = |link: &&Link| frontends.iter().any(|own| own.id == link.frontend && moved.contains(&own.id));
        self.state.links.iter().filter(moves).map(|link| (link.id.clone(), link.connections.clone())).collect()
    }

    /// A Private Link Service that the Service does not find keeps its frontend.
    pub(super) fn check_hidden_link(&self, service: &Service, frontend: &LoadBalancerFrontend) -> Result<(), Stop> {
        let Some(hidden) = self.state.links.iter().find(|link| link.frontend == frontend.id) else { return Ok(()) };
        let problem = format!(
            "{} stands on the frontend that would go, and the Service looks for it in the resource group {}",
            hidden.id,
            self.group(service)
        );
        let balancer = frontend.id.parent();
        let is_last = self.state.frontends.iter().filter(|own| own.id.parent() == balancer).count() == 1;
        // With its last frontend the load balancer itself goes, and nobody has recorded the code of that refusal.
        let code = if is_last { "" } else { "InUseFrontendIPConfigurationCannotBeDeleted" };
        Err(Failure { rule: &rule::LINK_ELSEWHERE, stage: Stage::LoadBalancer, code, problem }.into())
    }

    fn lose(&mut self, link: &Link, rule: &'static Rule) {
        for connection in &link.connections {
            let connection = Box::new(connection.clone());
            self.tell(rule, What::ConnectionCut { link: link.id.clone(), connection });
        }
        self.tell(rule, What::LinkDeleted { link: link.id.clone() });
        if let Some(alias) = link.alias.clone() {
            self.tell(rule, What::AliasLost { alias });
        }
        self.state.drop_link(&link.id);
    }

    /// After its owner is gone, nobody can tune a shared Private Link Service.
    pub(super) fn note_owner_gone(&mut self, service: &Service, frontend: &ResourceId) {
        let group = self.group(service);
        let link = self.state.link_on(frontend, &group);
        let link = link.filter(|link| is_owner(link, service)).map(|link| link.id.clone());
        if let Some(link) = link {
            self.tell(&rule::OWNER_GONE, What::OwnerGone { link });
        }
    }

    /// Makes or tunes the Private Link Service of a frontend. The first condition that holds decides.
    pub(super) fn ensure_link(&mut self, service: &Service, frontend: &LoadBalancerFrontend) -> Result<(), Stop> {
        if !service.wants_link() {
            return Ok(());
        }
        if family_of(frontend, service) == IpFamily::V6 {
            if service.is_dual_stack() {
                return Ok(());
            }
            let problem = "a Private Link Service carries IPv4 alone".to_owned();
            return Err(fails(&rule::LINK_IPV6, "IPv6 is not supported", problem).into());
        }
        let floats = !service.is_on("azure-disable-load-balancer-floating-ip");
        if !service.is_internal() && floats {
            let problem = "a Private Link Service is asked for on a public Service".to_owned();
            return Err(fails(&rule::LINK_PUBLIC, "must be internal or disable floating ip", problem).into());
        }
        let group = self.group(service);
        let attached = self.state.link_on(&frontend.id, &group).cloned();
        if let Some(link) = &attached {
            if !link.cluster_tag.eq_ignore_ascii_case(name::CLUSTER) {
                let problem = format!("{} stands on the frontend, and the cluster did not make it", link.id);
                return Err(fails(&rule::LINK_UNMANAGED, "already has unmanaged private link service", problem).into());
            }
            if !is_owner(link, service) {
                return self.share(service, link);
            }
        }
        self.write_link(service, frontend, attached)
    }

    fn share(&mut self, service: &Service, link: &Link) -> Result<(), Stop> {
        if let Some(key) = annotation::PLS_TUNING.into_iter().find(|key| service.raw(key).is_some()) {
            let owner = match link.owner_tag.as_str() {
                "" => "whose tags name no Service as its owner".to_owned(),
                owner => format!("which belongs to the Service {owner}"),
            };
            let problem = format!("{key} tunes {}, {owner}", link.id.name());
            let code = "already has existing private link service";
            return Err(fails(&rule::LINK_NOT_OWNER, code, problem).into());
        }
        if self.before.is_none_or(|before| !before.wants_link()) {
            self.tell(&rule::LINK_SHARED, What::Nothing);
        }
        Ok(())
    }

    fn write_link(
        &mut self,
        service: &Service,
        frontend: &LoadBalancerFrontend,
        attached: Option<Link>,
    ) -> Result<(), Stop> {
        let name = link_name(service, frontend, attached.as_ref())?;
        let subnet = self.nat_subnet(service)?;
        let asked = match PrivateLinkAnnotations::read(&service.annotations) {
            Ok(Some(asked)) => asked,
            Ok(None) => return Ok(()),
            Err(errors) => {
                // What only Azure reads is refused after the policy of the subnet was switched off.
                let own = errors.iter().find(|error| READ_BY_PROVIDER.contains(&error.key));
                if own.is_none() {
                    self.switch_policy_off(&subnet);
                }
                let problem = own.or(errors.first()).map(ToString::to_string).unwrap_or_default();
                return Err(fails(&rule::LINK_REFUSED, "", problem).into());
            }
        };
        let exposure = asked.into_exposure(Some(subnet.id.clone()));
        match attached {
            Some(link) => self.tune(&link, exposure, &subnet),
            None => self.build(service, (frontend, &name), exposure, &subnet),
        }
    }

    fn nat_subnet(&self, service: &Service) -> Result<LiveSubnet, Stop> {
        let unknown = |what: &str| Stop::Unknown(Unknown(format!("which subnet NAT addresses come from: {what}")));
        let named = service.raw(annotation::PLS_SUBNET).filter(|text| !text.trim().is_empty()).or(service.subnet());
        let cluster = &self.state.cluster;
        let (Some(network), Some(id)) = (cluster.virtual_network(), cluster.subnet(named)) else {
            return Err(unknown("nobody knows the subnet of the nodes"));
        };
        if let Some(subnet) = self.state.subnets.get(&id) {
            return Ok(subnet.clone());
        }
        if !self.state.lacks(&id) {
            return Err(unknown("the virtual network of the cluster could not be read"));
        }
        let problem = format!("the network {} has no subnet {}", network.name(), id.name());
        Err(fails(&rule::NAT_SUBNET_MISSING, "failed to get private link service subnet", problem).into())
    }

    fn tune(&mut self, link: &Link, wanted: Exposure, subnet: &LiveSubnet) -> Result<(), Stop> {
        let had = &link.exposure;
        let nat = is_other_nat(&had.nat, &wanted.nat);
        let proxy = had.proxy_protocol != wanted.proxy_protocol;
        // Nothing goes, and nothing comes: only who chooses them is different.
        let only_pins = nat && had.nat.count == wanted.nat.count && self.pins_what_it_has(link, &wanted.nat);
        let fields = [
            ("allocation of NAT addresses", only_pins),
            ("fqdns", had.fqdns != wanted.fqdns),
            ("visibility", had.visibility != wanted.visibility),
            ("auto-approval", had.auto_approval != wanted.auto_approval),
        ];
        let fields: Vec<&'static str> =
            fields.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
        if !nat && !proxy && fields.is_empty() && !link.is_failed {
            return Ok(());
        }
        self.switch_policy_off(subnet);
        check_approval(&wanted)?;
        self.check_families(&link.frontend)?;
        check_count(Some((link.id.name(), &had.nat)), &wanted.nat)?;
        self.check_nat(&wanted.nat, subnet, &link.id)?;
        if nat && !only_pins {
            let keeps = only_adds(&had.nat, &wanted.nat) || self.pins_what_it_has(link, &wanted.nat);
            let (rule, what) = if keeps {
                (&rule::NAT_ADDED, What::NatAdded { link: link.id.clone() })
            } else {
                (&rule::NAT_REPLACED, What::NatReplaced { link: link.id.clone() })
            };
            self.tell(rule, what);
            self.state.allot(&link.id, &subnet.id, (&wanted.nat, keeps));
        }
        if proxy {
            let on = wanted.proxy_protocol;
            self.tell(&rule::LINK_PROXY, What::ProxySwitched { link: link.id.clone(), on });
        }
        if !fields.is_empty() {
            self.tell(&rule::LINK_TUNED, What::LinkTuned { link: link.id.clone(), fields });
        }
        for own in self.state.links.iter_mut().filter(|own| own.id == link.id) {
            own.exposure = wanted.clone();
        }
        Ok(())
    }

    /// True if each NAT address that a Private Link Service has is asked for by name.
    fn pins_what_it_has(&self, link: &Link, wanted: &Nat) -> bool {
        let has: Vec<_> = self.state.held.iter().filter(|held| held.holder == link.id).collect();
        // Where not all were seen, one that was not may go.
        has.len() == usize::from(link.exposure.nat.count)
            && has
                .iter()
                .all(|held| wanted.addresses.contains(&held.address) && wanted.subnet.as_ref() == Some(&held.subnet))
    }

    fn build(
        &mut self,
        service: &Service,
        (frontend, name): (&LoadBalancerFrontend, &str),
        exposure: Exposure,
        subnet: &LiveSubnet,
    ) -> Result<(), Stop> {
        let group = self.group(service);
        let id = self.state.in_group(&group, "privateLinkServices", name);
        let id =
            id.ok_or_else(|| fails(&rule::LINK_REFUSED, "", format!("{name:?} in {group:?} is no name in Azure")))?;
        let taken = self.state.links.iter().find(|link| link.id == id).cloned();
        if let Some(other) = taken.as_ref().filter(|other| !is_owner(other, service))
            && self.state.behaviour.refuses_taken_names
        {
            let problem = format!("{name} is the Private Link Service of {}", other.owner_tag);
            return Err(fails(&rule::LINK_NAME_TAKEN, "", problem).into());
        }
        self.switch_policy_off(subnet);
        check_approval(&exposure)?;
        if let Some(hidden) = self.state.links.iter().find(|link| link.frontend == frontend.id) {
            let problem = format!("{} stands on the frontend, and the Service looks for it in {group}", hidden.id);
            return Err(fails(&rule::LINK_ELSEWHERE, "", problem).into());
        }
        self.check_families(&frontend.id)?;
        let standing = |link: &&Link| link.id != id && link.frontend.parent() == frontend.id.parent();
        if self.state.links.iter().filter(standing).count() >= PER_LOAD_BALANCER {
            let problem = format!("the load balancer carries {PER_LOAD_BALANCER} Private Link Services already");
            return Err(fails(&rule::LINK_NINTH, "", problem).into());
        }
        if let Some(other) = taken.as_ref().filter(|other| other.frontend.parent() != frontend.id.parent()) {
            let problem = format!("{} stands on another load balancer", other.id.name());
            return Err(fails(&rule::LINK_BALANCER, "", problem).into());
        }
        check_count(taken.as_ref().map(|other| (other.id.name(), &other.exposure.nat)), &exposure.nat)?;
        self.check_nat(&exposure.nat, subnet, &id)?;
        match &taken {
            Some(other) => self.take_over(service, other),
            None => self.tell_built(service, name),
        }
        let keeps = taken.as_ref().is_some_and(|other| !is_other_nat(&other.exposure.nat, &exposure.nat));
        self.state.allot(&id, &subnet.id, (&exposure.nat, keeps));
        self.state.links.retain(|link| link.id != id);
        self.state.links.push(Link {
            id,
            frontend: frontend.id.clone(),
            connections: taken.as_ref().map(|other| other.connections.clone()).unwrap_or_default(),
            alias: taken.and_then(|other| other.alias),
            cluster_tag: name::CLUSTER.to_owned(),
            owner_tag: service.key.to_string(),
            exposure,
            is_failed: false,
        });
        Ok(())
    }

    fn tell_built(&mut self, service: &Service, name: &str) {
        let deleted = self.effects.iter().find_map(|effect| match &effect.what {
            What::LinkDeleted { link } => Some((effect.rule, link.clone())),
            _ => None,
        });
        let is_foreseeable = service.raw(annotation::PLS_NAME).is_some() || self.before.is_some();
        match deleted {
            Some((rule, old)) => self.tell(rule, What::LinkRebuilt { old, name: name.to_owned() }),
            None => self.tell(&rule::LINK_BUILT, What::LinkBuilt { name: is_foreseeable.then(|| name.to_owned()) }),
        }
    }

    fn take_over(&mut self, service: &Service, other: &Link) {
        let (rule, owner) = if is_owner(other, service) {
            // Its own, left on another frontend: the owner tag exempts it in every version.
            let left = self.state.frontends.iter().find(|frontend| frontend.id == other.frontend);
            let others = left.map(|frontend| self.others_on(frontend, service)).unwrap_or_default();
            if others.is_empty() {
                self.tell(&rule::LINK_REPOINTED, What::LinkBuilt { name: Some(other.id.name().to_owned()) });
                return;
            }
            (&rule::LINK_REPOINTED, others.join(", "))
        } else if other.owner_tag.is_empty() {
            (&rule::LINK_TAKEN_OVER, "whoever made it".to_owned())
        } else {
            (&rule::LINK_TAKEN_OVER, other.owner_tag.clone())
        };
        let connections = other.connections.clone();
        self.tell(rule, What::LinkTakenOver { link: other.id.clone(), owner, connections });
    }

    fn switch_policy_off(&mut self, subnet: &LiveSubnet) {
        let Some(live) = self.state.subnets.get_mut(&subnet.id).filter(|live| live.policy_enabled) else { return };
        live.policy_enabled = false;
        self.tell(&rule::POLICY_OFF, What::PolicySwitchedOff { subnet: subnet.id.clone() });
    }

    /// Azure writes no Private Link Service on a load balancer that has IPv6 frontends too.
    fn check_families(&self, frontend: &ResourceId) -> Result<(), Stop> {
        let own = self.state.frontends.iter().find(|own| own.id == *frontend);
        if !own.is_some_and(|own| self.state.is_beside_v6(own)) {
            return Ok(());
        }
        let problem = "the load balancer has IPv6 frontends, and a Private Link Service stands beside none".to_owned();
        Err(fails(&rule::LINK_IPV6, "", problem).into())
    }

    fn check_nat(&self, nat: &Nat, subnet: &LiveSubnet, link: &ResourceId) -> Result<(), Stop> {
        let own = std::slice::from_ref(link);
        for address in &nat.addresses {
            let wanted = (address.to_string(), Use::Nat);
            if let Some(failure) = address::refusal(self.state, subnet, (&wanted.0, wanted.1), own) {
                return Err(failure.into());
            }
        }
        let all = usize::from(nat.count);
        // Those that are pinned are free by now, and Azure picks the others beside them.
        let wanted = if all > nat.addresses.len() { all } else { 0 };
        if let Some(failure) = address::shortage(self.state, subnet, (wanted, Use::Nat), own) {
            return Err(failure.into());
        }
        Ok(())
    }
}

/// Who is let in without asking has to be among those who see the service.
fn check_approval(exposure: &Exposure) -> Result<(), Failure> {
    let Some(blind) = exposure.auto_approval.outside(&exposure.visibility) else { return Ok(()) };
    Err(fails(&rule::LINK_APPROVAL, "", format!("{blind} is approved without asking and cannot see the service")))
}

/// Azure takes no NAT address away from a Private Link Service that is there.
fn check_count(had: Option<(&str, &Nat)>, wanted: &Nat) -> Result<(), Failure> {
    let Some((name, had)) = had.filter(|(_, had)| wanted.count < had.count) else { return Ok(()) };
    let (had, wanted) = (had.count, wanted.count);
    let problem = format!("{name} has {had} NAT addresses and is to have {wanted}, and Azure takes none away");
    Err(fails(&rule::NAT_FEWER, "", problem))
}

fn is_owner(link: &Link, service: &Service) -> bool {
    link.owner_tag.eq_ignore_ascii_case(&service.key.to_string())
}

fn link_name(service: &Service, frontend: &LoadBalancerFrontend, attached: Option<&Link>) -> Result<String, Failure> {
    let wanted = service.raw(annotation::PLS_NAME).map(str::trim);
    match (attached.map(|link| link.id.name()), wanted) {
        (Some(has), Some(wanted)) if !has.eq_ignore_ascii_case(wanted) => {
            let problem = format!("{has} cannot be renamed to {wanted}");
            Err(fails(&rule::LINK_NAME, "cannot change existing private link service name", problem))
        }
        (Some(has), _) => Ok(has.to_owned()),
        (None, Some("")) => Err(fails(&rule::LINK_REFUSED, "", format!("{} is blank", annotation::PLS_NAME))),
        (None, Some(wanted)) => Ok(wanted.to_owned()),
        (None, None) => Ok(name::link(frontend.id.name())),
    }
}

/// True if NAT configurations are written anew. Dynamic addresses are all alike.
fn is_other_nat(had: &Nat, wanted: &Nat) -> bool {
    let set = |nat: &Nat| nat.addresses.iter().copied().collect::<BTreeSet<_>>();
    had.count != wanted.count
        || had.subnet.is_some() && had.subnet != wanted.subnet
        || set(had) != set(wanted)
        || had.addresses.first() != wanted.addresses.first()
}

/// True if no address goes.
fn only_adds(had: &Nat, wanted: &Nat) -> bool {
    let dynamic = |nat: &Nat| usize::from(nat.count).saturating_sub(nat.addresses.len());
    (had.subnet.is_none() || had.subnet == wanted.subnet)
        && had.addresses.iter().all(|address| wanted.addresses.contains(address))
        && had.addresses.first() == wanted.addresses.first()
        && dynamic(wanted) >= dynamic(had)
}
