//! What a cluster keeps across runs. Its history is not kept: a watch from before is told to list again.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::store::{Key, Store};
use super::write::State;
use super::{Cluster, ClusterOptions};

/// An object and where it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedObject {
    kind: String,
    namespace: String,
    name: String,
    object: Value,
}

/// Everything in a cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedObjects {
    /// The version of the newest change.
    version: u64,
    /// How many objects were ever created, from which uids follow.
    created: u64,
    objects: Vec<SavedObject>,
}

impl Cluster {
    /// Goes on with a cluster as it was when it was saved.
    pub(crate) fn resume(options: ClusterOptions, saved: &SavedObjects) -> Self {
        let objects = saved.objects.iter().map(|own| {
            let SavedObject { kind, namespace, name, object } = own.clone();
            (Key { kind, namespace, name }, object)
        });
        let store = Store::resume(saved.version, objects.collect());
        let own = (options.seed.clone(), options.ip_families.clone());
        let mut state = State::resume(store, own, saved.created);
        state.admit_by(options.admission.clone());
        Self::holding(options, state)
    }

    pub(crate) fn save(&self) -> SavedObjects {
        let state = self.state();
        let object = |(key, object): (&Key, &Value)| {
            let Key { kind, namespace, name } = key.clone();
            SavedObject { kind, namespace, name, object: object.clone() }
        };
        SavedObjects {
            version: state.store.version(),
            created: state.created(),
            objects: state.store.all().map(object).collect(),
        }
    }

    /// The version of the newest change.
    pub(crate) fn newest(&self) -> u64 {
        self.state().store.version()
    }
}
