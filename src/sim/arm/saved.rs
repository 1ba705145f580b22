//! What a resource manager keeps across runs, and how it goes on from that.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sim::arm::Arm;
use crate::sim::arm::authorization::Assignment;
use crate::sim::arm::operation::{Operation, Operations};
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::store::{Group, Resource};

/// A resource under its id.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedResource {
    id: String,
    etag: String,
    state: String,
    body: Value,
}

/// Everything in a resource manager.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedArm {
    groups: Vec<Group>,
    resources: Vec<SavedResource>,
    assignments: Vec<Assignment>,
    /// The resource providers that each subscription still has to register.
    unregistered: BTreeMap<String, BTreeSet<String>>,
    operations: BTreeMap<String, Operation>,
    /// How often each purpose has drawn by chance.
    drawn: BTreeMap<String, u64>,
}

impl Arm {
    pub(crate) fn save(&self) -> SavedArm {
        let state = self.state();
        let resource = |own: &Resource| SavedResource {
            id: own.path.id(),
            etag: own.etag.clone(),
            state: own.state.clone(),
            body: own.body.clone(),
        };
        SavedArm {
            groups: state.store.groups().cloned().collect(),
            resources: state.store.below("").map(resource).collect(),
            assignments: state.authorization.assignments().cloned().collect(),
            unregistered: state.subscriptions.iter().map(|(id, own)| (id.clone(), own.unregistered.clone())).collect(),
            operations: state.operations.all().clone(),
            drawn: state.chance.drawn().clone(),
        }
    }

    /// Takes over what was saved. Fails with what is in the place of an id that cannot be read.
    pub(crate) fn restore(&self, saved: &SavedArm) -> Result<(), String> {
        let mut state = self.state();
        for group in &saved.groups {
            state.store.put_group(group.clone());
        }
        for SavedResource { id, etag, state: provisioning, body } in &saved.resources {
            let path = ResourcePath::parse(id).ok_or_else(|| id.clone())?;
            let (etag, provisioning, body) = (etag.clone(), provisioning.clone(), body.clone());
            state.store.put(Resource { path, etag, state: provisioning, body });
        }
        for assignment in &saved.assignments {
            state.authorization.assign(assignment.clone());
        }
        for (id, unregistered) in &saved.unregistered {
            if let Some(own) = state.subscriptions.get_mut(id) {
                own.unregistered.clone_from(unregistered);
            }
        }
        state.operations = Operations::of(saved.operations.clone());
        state.chance.restore(saved.drawn.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::sim::clock::Clock;
    use crate::sim::world::World;

    #[test]
    fn a_resource_manager_goes_on_in_mid_operation() {
        let text = include_str!("../../../examples/world.yaml");
        let world = World::parse(text).unwrap();
        let clock = Clock::start();
        let before = crate::sim::resource_manager(&world, &clock).unwrap();
        let group = format!("/subscriptions/{}/resourceGroups/rg-pls", world.subscriptions[0].id);
        let balancer = format!("{group}/providers/Microsoft.Network/loadBalancers/lb");
        let accepted = before.call("PUT", &balancer, &[], Some(json!({ "location": "eastus2" })));
        assert_eq!(accepted.status, 201);
        let saved = serde_json::to_value(before.save()).unwrap();
        let after = crate::sim::empty_resource_manager(&world, &clock);
        after.restore(&serde_json::from_value(saved.clone()).unwrap()).unwrap();
        assert_eq!(serde_json::to_value(after.save()).unwrap(), saved, "nothing is lost");
        let poll = accepted.header("Azure-AsyncOperation").unwrap().split(".invalid").nth(1).unwrap();
        for arm in [&before, &after] {
            let states = [(); 2].map(|()| arm.call("GET", poll, &[], None).body["status"].clone());
            assert_eq!(states, ["InProgress", "Succeeded"]);
        }
        let show = |arm: &super::Arm| arm.call("GET", &balancer, &[], None).body;
        assert_eq!(show(&before), show(&after), "chance went on as well: the etags are equal");
    }
}
