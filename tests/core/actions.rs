//! One thing changes in a converged world: what the plan says about it.

use crate::support::case::Case;
use crate::support::converge::converge;
use crate::support::say::plan_of;
use crate::support::say::steps;

#[test]
fn a_converged_world_has_no_steps() {
    let desired = Case::shop().resolve();
    let world = converge(&desired);
    let plan = plan_of(&desired, &world);
    assert_eq!(steps(&plan), Vec::<String>::new());
    assert!(plan.blockers.is_empty() && plan.notes.is_empty(), "{:?} {:?}", plan.blockers, plan.notes);
    assert_eq!(plan.unchanged, desired.intents.len());
}
