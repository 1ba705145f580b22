//! One sync of a Service, told step by step in the provider's order.
//!
//! Checks come first and harm nobody. Then what stands on a frontend that goes is destroyed, and only then is the load
//! balancer written, where Azure says whether the new address is free. The Private Link Service comes last.
//! Source: cloud-provider-azure at 7b31c76ce, and recordings of the real controller for the frontend changes.

use std::collections::BTreeMap;

use crate::cloud_provider::Unknown;
use crate::cloud_provider::access;
use crate::cloud_provider::balancing;
use crate::cloud_provider::effect::Effect;
use crate::cloud_provider::effect::Failure;
use crate::cloud_provider::effect::What;
use crate::cloud_provider::frontend::family_of;
use crate::cloud_provider::rule;
use crate::cloud_provider::rule::Rule;
use crate::cloud_provider::service::Service;
use crate::cloud_provider::state::State;
use crate::domain::annotation;
use crate::domain::cluster::BalancingRule;
use crate::domain::cluster::IpFamily;
use crate::domain::cluster::LoadBalancerFrontend;

/// Why a sync does not go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// It fails.
    Fails(Box<Failure>),
    /// Nobody knows.
    Unknown(Unknown),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Fails(Box::new(failure))
    }
}

/// A sync in progress.
pub(super) struct Sync<'a> {
    pub(super) state: &'a mut State,
    /// The Service as it was.
    pub(super) before: Option<&'a Service>,
    pub(super) effects: Vec<Effect>,
}

impl<'a> Sync<'a> {
    pub(super) fn new(state: &'a mut State, before: Option<&'a Service>) -> Self {
        Self { state, before, effects: Vec::new() }
    }

    pub(super) fn tell(&mut self, rule: &'static Rule, what: What) {
        self.effects.push(Effect { rule, what });
    }

    /// Says that an edit does nothing.
    pub(super) fn nothing(&mut self, rule: &'static Rule) -> Result<(), Stop> {
        self.tell(rule, What::Nothing);
        Ok(())
    }

    /// Brings the world to what a Service asks for.
    pub(super) fn ensure(&mut self, service: &Service) -> Result<(), Stop> {
        if !service.is_balanced {
            return if self.has_any(service) { self.take_off(service, &rule::TYPE_GONE) } else { Ok(()) };
        }
        self.note_ignored(service);
        self.balance(service)?;
        self.note_staying(service);
        access::check(service)?;
        for frontend in self.owned(service, service.is_internal()) {
            self.ensure_link(service, &frontend)?;
        }
        let rule = if service.is_internal() { &rule::MADE_INTERNAL } else { &rule::MADE_PUBLIC };
        self.leave_other_side(service, rule)
    }

    /// Takes away what was made for a Service that is deleted.
    pub(super) fn remove(&mut self, service: &Service) -> Result<(), Stop> {
        if service.is_balanced && self.has_any(service) { self.take_off(service, &rule::SERVICE_GONE) } else { Ok(()) }
    }

    /// True if a Service has a frontend. Without one nothing is looked for, and rules that are left somewhere stay.
    fn has_any(&self, service: &Service) -> bool {
        [true, false].into_iter().any(|is_internal| !self.owned(service, is_internal).is_empty())
    }

    /// Edits that look as if they did something.
    fn note_ignored(&mut self, service: &Service) {
        let Some(before) = self.before.filter(|before| before.is_internal() && service.is_internal()) else { return };
        let dropped = |family| before.pinned(family).is_some() && service.pinned(family).is_none();
        if before.families.iter().any(|family| dropped(*family)) && before.subnet() == service.subnet() {
            self.tell(&rule::PIN_DROPPED, What::Nothing);
        }
        let drops_name = before.raw(annotation::PLS_NAME).is_some() && service.raw(annotation::PLS_NAME).is_none();
        let stays = before.subnet() == service.subnet() && before.claims() == service.claims();
        if drops_name && stays && service.wants_link() && !self.links_of(service).is_empty() {
            self.tell(&rule::LINK_NAME_KEPT, What::Nothing);
        }
    }

    /// A Private Link Service that is not asked for any more stays, unless it went with its frontend.
    fn note_staying(&mut self, service: &Service) {
        let Some(before) = self.before.filter(|before| before.is_internal() && service.is_internal()) else { return };
        if before.wants_link() && !service.wants_link() && !self.links_of(service).is_empty() {
            self.tell(&rule::LINK_STAYS, What::Nothing);
        }
    }

    /// Gives the rules of a Service to its frontends, and tells what is different.
    pub(super) fn set_rules(
        &mut self,
        service: &Service,
        (had, is_here): (&[BalancingRule], bool),
        expected: &BTreeMap<IpFamily, Vec<BalancingRule>>,
    ) {
        let wanted: Vec<BalancingRule> = expected.values().flatten().cloned().collect();
        let mut difference = balancing::differences(had, &wanted);
        if !is_here {
            // Those of the other side go with it, at the end of the sync.
            difference.removed.clear();
        }
        let is_internal = service.is_internal();
        self.drop_rules(service, is_internal);
        for own in self.owned(service, is_internal) {
            let rules = expected.get(&family_of(&own, service)).cloned().unwrap_or_default();
            for frontend in self.state.frontends.iter_mut().filter(|frontend| frontend.id == own.id) {
                frontend.rules.extend(rules.iter().cloned());
            }
        }
        let tell = [
            (difference.added, What::RulesAdded as fn(Vec<String>) -> What, &rule::RULES_ADDED),
            (difference.removed, What::RulesRemoved, &rule::RULES_REMOVED),
            (difference.changed, What::RulesChanged, &rule::RULES_CHANGED),
        ];
        for (ports, what, rule) in tell.into_iter().filter(|(ports, ..)| !ports.is_empty()) {
            self.tell(rule, what(ports));
        }
    }

    /// The rules that a Service has on the side that it is on, or else on the one that it comes from; true for the first.
    pub(super) fn rules_of(&self, service: &Service) -> (Vec<BalancingRule>, bool) {
        let on = |is_internal: bool| -> Vec<BalancingRule> {
            let side = self.state.frontends.iter().filter(|frontend| self.state.is_on(frontend, is_internal));
            side.flat_map(|frontend| &frontend.rules).filter(|rule| is_of(rule, service)).cloned().collect()
        };
        let here = on(service.is_internal());
        if here.is_empty() { (on(!service.is_internal()), false) } else { (here, true) }
    }

    /// Takes the rules of a Service off one side.
    pub(super) fn drop_rules(&mut self, service: &Service, is_internal: bool) {
        let balancer = self.state.balancer(is_internal);
        let side = self.state.frontends.iter_mut();
        for frontend in side.filter(|frontend| frontend.id.parent().as_ref() == Some(&balancer)) {
            frontend.rules.retain(|rule| !is_of(rule, service));
        }
    }

    /// Who else uses a frontend, as people know them.
    pub(super) fn others_on(&self, frontend: &LoadBalancerFrontend, service: &Service) -> Vec<String> {
        let foreign = frontend.rules.iter().filter(|rule| !is_of(rule, service));
        let mut others: Vec<String> = foreign.map(|rule| self.state.owner_of_rule(&rule.name)).collect();
        others.sort();
        others.dedup();
        others
    }
}

/// True for a rule that was made for a Service. Rule names are compared without regard to case.
pub(super) fn is_of(rule: &BalancingRule, service: &Service) -> bool {
    rule.name.to_ascii_lowercase().starts_with(&service.base.to_ascii_lowercase())
}
