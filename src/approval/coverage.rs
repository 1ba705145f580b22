//! Which changes of a plan an approval is for.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::approval::Circumstances;
use crate::approval::Item;
use crate::approval::file::ApprovalFile;
use crate::approval::remainder::Body;
use crate::approval::remainder::part_of;
use crate::approval::used::Used;
use crate::plan::Plan;
use crate::plan::document::ChangeDigest;
use crate::plan::document::PlanId;
use crate::plan::risk::Risk;

/// Whether an approval is for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Covered {
    /// It is not.
    No,
    /// It was, and is used up: the change was carried out under it.
    Before,
    /// It is.
    Yes,
}

/// What is needed to tell which changes of a plan an approval is for.
pub(super) struct Coverage<'a> {
    plan: &'a Plan,
    used: &'a Used,
    /// The approved plans that were kept.
    approved: BTreeMap<&'a PlanId, Body>,
    /// The plan itself, taken apart when that is asked for.
    body: OnceCell<Option<Body>>,
}

impl<'a> Coverage<'a> {
    pub(super) fn of(plan: &'a Plan, circumstances: &'a Circumstances) -> Self {
        let bodies = circumstances.bodies.iter().filter(|(id, _)| **id != plan.id);
        let approved = bodies.filter_map(|(id, text)| Some((id, Body::of(id, text)?))).collect();
        Self { plan, used: &circumstances.used, approved, body: OnceCell::new() }
    }

    /// True if a change was carried out under an approval.
    pub(super) fn is_used(&self, file: &ApprovalFile, digest: &ChangeDigest) -> bool {
        self.used.contains(&file.plan, digest)
    }

    /// True if everything that an approval permits was carried out.
    pub(super) fn is_used_up(&self, file: &ApprovalFile) -> bool {
        self.used.is_whole(file)
    }

    /// The risks of an approved plan, that of loosened rules among them; `None` if it was not kept.
    pub(super) fn risks(&self, plan: &PlanId) -> Option<BTreeSet<Risk>> {
        self.approved.get(plan)?.risks()
    }

    /// Whether an approval is for one thing of the plan.
    pub(super) fn of_item(&self, file: &ApprovalFile, item: &Item<'_>) -> Covered {
        let is_listed = || file.changes.iter().any(|change| change.digest == item.digest);
        let digest = if file.plan == self.plan.id || is_listed() {
            Some(item.digest.clone())
        } else {
            self.remainder(file, item)
        };
        match digest {
            None => Covered::No,
            Some(digest) if self.is_used(file, &digest) => Covered::Before,
            Some(_) => Covered::Yes,
        }
    }

    /// The approved change of which this one is what is left.
    fn remainder(&self, file: &ApprovalFile, item: &Item<'_>) -> Option<ChangeDigest> {
        let approved = self.approved.get(&file.plan)?;
        let body = self.body.get_or_init(|| Body::of(&self.plan.id, &self.plan.body));
        part_of(approved, body.as_ref()?, item.key.as_deref()?)
    }
}
