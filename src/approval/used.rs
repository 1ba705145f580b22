//! What was carried out under approvals, and is not carried out under them again.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::approval::file::ApprovalFile;
use crate::plan::document::ChangeDigest;
use crate::plan::document::PlanId;

/// The steps of one apply that are done.
#[derive(Clone, Debug)]
pub struct CarriedOut<'a> {
    /// When the apply ended.
    pub at: Timestamp,
    /// Whose approvals permitted it, by name.
    pub approvers: &'a [String],
    /// Which resources were changed, and the digest of each change.
    pub steps: Vec<(&'a str, &'a ChangeDigest)>,
}

/// Which changes are used up.
///
/// An approval given before a change was carried out does not permit that change again, and, if its approver was among those
/// who permitted it, no other change of the resource either: what is left of a replacement bears another digest.
#[derive(Clone, Debug, Default)]
pub struct Used {
    /// When each change was last carried out.
    carried_out: BTreeMap<ChangeDigest, Timestamp>,
    /// When each plan was first approved.
    approved: BTreeMap<PlanId, Timestamp>,
    /// Other changes of resources that were changed with the approver's leave.
    besides: BTreeSet<(PlanId, ChangeDigest)>,
}

impl Used {
    /// Looks once at every step and at every approved change, however many approvals and applies there are.
    pub fn of<'a>(
        applies: impl IntoIterator<Item = CarriedOut<'a>>,
        approvals: impl IntoIterator<Item = &'a ApprovalFile>,
    ) -> Self {
        let mut used = Self::default();
        let mut permitted: BTreeMap<(&str, &str), Timestamp> = BTreeMap::new();
        for CarriedOut { at, approvers, steps } in applies {
            for (resource, digest) in steps {
                latest(used.carried_out.entry(digest.clone()).or_insert(at), at);
                for approver in approvers {
                    latest(permitted.entry((approver, resource)).or_insert(at), at);
                }
            }
        }
        for file in approvals {
            let first = used.approved.entry(file.plan.clone()).or_insert(file.approved_at);
            *first = file.approved_at.min(*first);
            for change in &file.changes {
                let permitted = permitted.get(&(file.approver.as_str(), change.resource.as_str()));
                if permitted.is_some_and(|at| file.approved_at <= *at) {
                    used.besides.insert((file.plan.clone(), change.digest.clone()));
                }
            }
        }
        used
    }

    /// True if a change of an approved plan is not to be carried out under its approvals any more.
    pub fn contains(&self, plan: &PlanId, digest: &ChangeDigest) -> bool {
        let (approved, carried_out) = (self.approved.get(plan), self.carried_out.get(digest));
        let is_done = approved.zip(carried_out).is_some_and(|(approved, carried_out)| approved <= carried_out);
        is_done || self.besides.contains(&(plan.clone(), digest.clone()))
    }

    /// True if everything that an approval permits was carried out.
    pub fn is_whole(&self, file: &ApprovalFile) -> bool {
        !file.changes.is_empty() && file.changes.iter().all(|change| self.contains(&file.plan, &change.digest))
    }
}

fn latest(known: &mut Timestamp, at: Timestamp) {
    *known = at.max(*known);
}
