//! A plan of a part of another plan's changes: the rest waits.

use std::collections::BTreeSet;

use crate::domain::key::ResourceKey;
use crate::plan::Plan;
use crate::plan::change::Change;
use crate::plan::change::Refusal;
use crate::plan::document;
use crate::plan::drift::leader;
use crate::plan::left_out::Refusals;
use crate::plan::left_out::divide;

impl Plan {
    /// The same plan without some of its changes, and without what needs them. What one resource brings about at another is
    /// one change: it is made as a whole, or not at all. Each of them gets the reason that `refuse` gives.
    #[must_use]
    pub fn without(&self, waiting: &BTreeSet<ResourceKey>, refuse: impl Fn(&Change) -> Refusal) -> Self {
        let changes: Vec<&Change> = self.steps.iter().map(|step| &step.change).collect();
        let waiting = joined(&changes, waiting);
        let refused = changes.into_iter().filter(|change| waiting.contains(&change.key));
        let refused: Refusals = refused.map(|change| (change.key.clone(), vec![refuse(change)])).collect();
        let (steps, waits) = divide(refused, self.steps.clone());
        let mut left_out = self.left_out.clone();
        left_out.extend(waits);
        left_out.sort_by(|one, other| one.key.cmp(&other.key));
        let (id, body) = document::seal_again(&self.body, &steps, &left_out);
        Self { id, body, steps, left_out, ..self.clone() }
    }
}

/// The changes, with those that bring one of them about and those that one of them brings about.
fn joined(changes: &[&Change], some: &BTreeSet<ResourceKey>) -> BTreeSet<ResourceKey> {
    let mut all = some.clone();
    loop {
        let before = all.len();
        for change in changes {
            let Some(leader) = leader(change) else { continue };
            if all.contains(&leader) {
                all.insert(change.key.clone());
            } else if all.contains(&change.key) {
                all.insert(leader);
            }
        }
        if all.len() == before {
            return all;
        }
    }
}
