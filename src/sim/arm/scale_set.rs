//! Virtual machine scale sets: a PUT on an existing one lays its body over what is there.
//!
//! The cloud provider PUTs only location and network profile; replacing would lose everything else of the scale set.

use serde_json::{Value, json};

use crate::sim::arm::kind::Kind;
use crate::sim::arm::store::object_mut;
use crate::sim::arm::write::{Draft, merge};

pub(crate) fn prepare(draft: &Draft, body: &Value) -> Value {
    let mut merged = draft.before.as_ref().map_or_else(|| json!({}), |before| before.body.clone());
    merge(&mut merged, body);
    if draft.path.kind == Kind::ScaleSetVm {
        object_mut(&mut merged).entry("instanceId").or_insert_with(|| draft.path.name().into());
    }
    merged
}
