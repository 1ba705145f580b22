//! Plans in few words, for assertions that read like a list.

use privlink::desired::Desired;
use privlink::plan::Plan;
use privlink::plan::change::Change;
use privlink::plan::plan;

use super::world::World;

/// Plans without a baseline.
pub(crate) fn plan_of(desired: &Desired, world: &World) -> Plan {
    plan(desired, &world.observed, None)
}

/// The steps, as `update service/shop/orders (severing)`.
pub(crate) fn steps(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| line(&step.change)).collect()
}

fn line(change: &Change) -> String {
    format!("{} {} ({})", change.action, change.key, change.risk)
}

/// The names of the fields that a change differs in.
pub(crate) fn fields(change: &Change) -> Vec<&str> {
    change.fields.iter().map(|field| field.name.as_str()).collect()
}

/// The change of the resource that is displayed like this.
#[track_caller]
pub(crate) fn change<'a>(plan: &'a Plan, key: &str) -> &'a Change {
    let found = plan.steps.iter().find(|step| step.change.key.to_string() == key);
    &found.unwrap_or_else(|| panic!("no step for {key} in {:#?}", steps(plan))).change
}

/// What stands in the way, as `subject: problem`.
pub(crate) fn blockers(plan: &Plan) -> Vec<String> {
    let whole = plan.blockers.iter().map(|blocker| format!("{}: {}", blocker.subject, blocker.problem));
    let refused = plan.left_out.iter().flat_map(|left| left.refusals.iter().map(|it| (left.key.to_string(), it)));
    let mut all: Vec<String> =
        whole.chain(refused.map(|(key, refusal)| format!("{key}: {}", refusal.problem))).collect();
    all.sort();
    all
}

/// The notes about one subject.
pub(crate) fn notes(plan: &Plan, subject: &str) -> Vec<String> {
    plan.notes.iter().filter(|note| note.subject == subject).map(|note| note.text.clone()).collect()
}

/// Whether one step comes (directly or not) after another.
#[track_caller]
pub(crate) fn comes_after(plan: &Plan, later: &str, earlier: &str) -> bool {
    let index = |key: &str| {
        let found = plan.steps.iter().position(|step| step.change.key.to_string() == key);
        found.unwrap_or_else(|| panic!("no step for {key} in {:#?}", steps(plan)))
    };
    let (later, earlier) = (index(later), index(earlier));
    let mut open = vec![later];
    while let Some(at) = open.pop() {
        if at == earlier {
            return true;
        }
        open.extend(&plan.steps[at].after);
    }
    false
}
