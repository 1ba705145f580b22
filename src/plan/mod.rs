//! Desired × observed → decisions: what will happen, in which order, and to whom.
//!
//! A plan is complete and immutable. Apply has no choice left but when, and a dry run is a plan that nobody applied.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod action;
mod cause;
pub mod change;
pub mod compare;
mod connections;
mod consequence;
pub mod diff;
mod dns;
pub mod document;
mod doom;
mod draft;
pub mod drift;
mod edit;
mod endpoints;
#[cfg(test)]
pub(crate) mod fixture;
mod guard;
mod handover;
mod left_out;
mod lost;
pub mod mode;
pub mod moved;
mod namespaces;
mod order;
mod part;
pub mod preflight;
pub mod private_links;
mod prune;
pub mod reads;
mod retire;
pub mod risk;
mod services;
mod smaller;
mod suspend;
mod told;
mod unpublish;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::desired::Desired;
use crate::desired::policy::OnDrift;
use crate::domain::key::ResourceKey;
use crate::observed::Gap;
use crate::observed::Observed;
use change::Blocker;
use change::Change;
use change::LeftOut;
use change::Note;
use document::PlanId;
use draft::Draft;
use risk::Risk;

/// All decisions for one environment.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The digest of everything that is approved.
    pub id: PlanId,
    /// The rules it was made under.
    pub policy: crate::desired::policy::Policy,
    /// The changes, each after everything it waits for.
    pub steps: Vec<Step>,
    /// What a reader should know beside the changes: what is left alone and why, what waits for what.
    pub notes: Vec<Note>,
    /// What has to wait for a later plan, because others are still at work on what it needs.
    pub postponed: BTreeSet<ResourceKey>,
    /// What keeps it from being applied at all.
    pub blockers: Vec<Blocker>,
    /// What is asked for and not done: changes that are bound to fail, and what needs them.
    pub left_out: Vec<LeftOut>,
    /// How the Private Link Services were made whose frontends it changes, and what that means.
    pub modes: Vec<mode::Mode>,
    /// Edits that would hurt less, each tried out on the model: by the change that they would make smaller.
    pub smaller_edits: Vec<Note>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// How many resources are as they shall be.
    pub unchanged: usize,
    /// The canonical bytes whose digest the id is.
    pub body: String,
}

/// A change with its place in the order.
#[derive(Clone, Debug)]
pub struct Step {
    /// The change.
    pub change: Change,
    /// The indexes of the steps it waits for; all smaller than its own.
    pub after: Vec<usize>,
}

impl Plan {
    /// True if something would be changed: a resource, or the rules.
    pub fn has_changes(&self) -> bool {
        !self.steps.is_empty() || !self.loosening().is_empty()
    }

    /// The rules that the commit loosens: each is a severing change that nothing has to be written for.
    pub fn loosening(&self) -> &[String] {
        &self.policy.loosening
    }

    /// How many resources it deletes, without the connections that go with them.
    pub fn deletes(&self) -> u32 {
        guard::deletes(&self.steps)
    }

    /// True if nothing is left for a later plan: only then is what a commit asks for there once this plan is applied.
    pub fn is_settled(&self) -> bool {
        self.postponed.is_empty()
    }

    /// True if nothing that a commit asks for waits: neither for a later plan, nor for the end of a suspension.
    ///
    /// What is suspended counts as asked for by its commit until it is done, and its authors as the authors of the change.
    pub fn is_carried_out(&self) -> bool {
        let is_open = |left: &LeftOut| !left.change.as_ref().is_some_and(Change::is_drift);
        self.is_settled() && !self.suspended().any(is_open)
    }

    /// True if everything that matters was read.
    pub fn is_complete(&self) -> bool {
        self.gaps.is_empty()
    }

    /// True if nothing forbids applying its steps.
    pub fn is_applicable(&self) -> bool {
        self.blockers.is_empty()
    }

    /// True if nothing that is asked for is left out, what is suspended and drift that is only reported aside.
    pub fn is_whole(&self) -> bool {
        self.unmet().next().is_none()
    }

    /// What is asked for and not done, because it would fail or needs what would.
    pub fn unmet(&self) -> impl Iterator<Item = &LeftOut> {
        self.left_out.iter().filter(|left| !left.is_reported() && !left.suspended)
    }

    /// What is not done because its document is suspended, or because it needs what is.
    pub fn suspended(&self) -> impl Iterator<Item = &LeftOut> {
        self.left_out.iter().filter(|left| left.suspended)
    }

    /// The drift that is only reported.
    pub fn reported(&self) -> impl Iterator<Item = &LeftOut> {
        self.left_out.iter().filter(|left| left.is_reported())
    }

    /// How much drift is there after a pass, by what happens to it: what is only reported, and if the plan was not applied
    /// (`is_open`) all.
    pub fn drift_left(&self, is_open: bool) -> BTreeMap<&'static str, u64> {
        let mut counts: BTreeMap<&'static str, u64> = OnDrift::ALL.map(|on| (on.word(), 0)).into();
        let steps = self.steps.iter().filter(|_| is_open).filter_map(|step| self.on_drift(&step.change));
        for on in steps.chain(self.reported().map(|_| OnDrift::Report)) {
            *counts.entry(on.word()).or_default() += 1;
        }
        counts
    }

    /// What happens to a change of it, as far as that is drift.
    pub fn on_drift(&self, change: &Change) -> Option<OnDrift> {
        drift::on_drift(&self.policy, change)
    }

    /// True if nothing is wanting: everything was read, nothing forbids applying it, and nothing that is asked for is left out.
    pub fn is_sound(&self) -> bool {
        self.is_complete() && self.is_applicable() && self.is_whole()
    }

    /// True if nothing stands in the way of an apply: everything was read, nothing forbids it, and not all is left out.
    pub fn may_run(&self) -> bool {
        self.is_applicable() && self.is_complete() && (self.has_changes() || self.is_whole())
    }

    /// The worst risk of its changes, of those of the rules too.
    pub fn risk(&self) -> Risk {
        let rules = (!self.loosening().is_empty()).then_some(Risk::Severing);
        self.steps.iter().map(|step| step.change.risk).chain(rules).max().unwrap_or(Risk::Safe)
    }
}

/// Decides what has to happen so that the world becomes as desired.
///
/// `baseline` is what the last applied commit asked for, if that is known: what it asked for already is drift today.
pub fn plan(desired: &Desired, observed: &Observed, baseline: Option<&Desired>) -> Plan {
    let mut draft = Draft::new(desired, observed);
    services::decide(&mut draft);
    // Before anything is foreseen: what is left alone has no consequences.
    suspend::withhold(&mut draft, baseline);
    namespaces::decide(&mut draft);
    private_links::decide(&mut draft);
    private_links::expect(&mut draft);
    endpoints::decide(&mut draft);
    connections::decide(&mut draft);
    dns::decide(&mut draft);
    unpublish::decide(&mut draft);
    prune::decide(&mut draft);
    guard::wait_for_unknown(&mut draft);
    unpublish::cut_before_replacement(&mut draft);
    suspend::withhold(&mut draft, baseline);
    suspend::note(&mut draft);
    guard::check(&mut draft);
    preflight::check(&mut draft);
    consequence::predict(&mut draft);
    endpoints::expect_cuts(&mut draft);
    preflight::check_rights(&mut draft);
    cause::attribute(&mut draft, baseline);
    drift::withhold(&mut draft);
    let steps = order::order(&mut draft);
    let (steps, left_out) = left_out::divide(std::mem::take(&mut draft.refusals), steps);
    guard::limit_deletes(&mut draft, &steps);
    document::seal(draft, steps, left_out)
}
